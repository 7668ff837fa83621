//! `server` and `token`: which server the sink writes to, and with which token.

use std::path::PathBuf;
use std::sync::Arc;

use super::auth;
use crate::auth::{FixedToken, TokenProvider, TokenSource};
use crate::diagnosis::Diagnosis;
use crate::environment::Environment;
use crate::gms::{GmsEnvironment, ServerAddress};
use crate::recipe::Fields;

/// The value of `server` for the GMS in this process.
const EMBEDDED: &str = "embedded";

/// The value of `server` for the server that the environment names.
const FROM_ENVIRONMENT: &str = "__from_env__";

/// The server of a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Server {
    /// A valid address.
    At(String),
    /// The GMS in this process.
    Embedded {
        /// Its data file. The default is in the user's data directory.
        data: Option<PathBuf>,
    },
}

/// Settings of the caller that replace those of the recipe.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Overrides {
    /// The server's address, or `embedded`.
    pub server: Option<String>,
    /// Provides the tokens.
    pub tokens: Option<Arc<dyn TokenProvider>>,
}

/// The server of the recipe, or the one that replaces it.
pub(super) fn read_server(
    fields: &mut Fields<'_>,
    overrides: &Overrides,
    environment: &Environment,
) -> Option<Server> {
    let data = fields.string("data").map(PathBuf::from);
    let written = fields.string("server");
    if let Some(server) = &overrides.server {
        if server == EMBEDDED {
            return Some(Server::Embedded { data });
        }
        return address(fields, server, "the server that was given in its place: ");
    }
    let text = match written.as_deref().map(str::trim) {
        Some(EMBEDDED) => return Some(Server::Embedded { data }),
        Some(text) if text != FROM_ENVIRONMENT => text.to_owned(),
        from_environment => {
            if from_environment.is_none() && fields.has("server") {
                // It has the wrong type, which is reported already.
                return None;
            }
            match GmsEnvironment::read(environment) {
                Ok(GmsEnvironment { server: Some(server), .. }) => server,
                Ok(_) => {
                    fields.missing(
                        "server",
                        "GMS's address, for example http://localhost:8080, or `embedded`; or set DATAHUB_GMS_URL",
                    );
                    return None;
                }
                Err(error) => {
                    fields.mistake("server", error.to_string());
                    return None;
                }
            }
        }
    };
    if data.is_some() {
        fields.mistake("data", "`data` goes with `server: embedded` only");
    }
    address(fields, &text, "")
}

fn address(fields: &mut Fields<'_>, text: &str, prefix: &str) -> Option<Server> {
    match ServerAddress::parse(text) {
        Ok(_) => Some(Server::At(text.to_owned())),
        Err(error) => {
            fields.mistake("server", format!("{prefix}{error}"));
            None
        }
    }
}

/// Where the tokens for the server come from. The first of these that is set is used: the override, `token`
/// or `auth`; for the server that the environment names and no other, `DATAHUB_AUTH_TYPE`,
/// `DATAHUB_GMS_TOKEN` and `~/.datahubenv`; last, for any server as in the Python client, the variables of
/// the system client.
///
/// A token from the environment is sent only to the environment's server, so that neither a recipe nor an
/// override can send it to another one. If the environment has a token and no server, the token is sent to an
/// override.
pub(super) fn read_tokens(
    fields: &mut Fields<'_>,
    overrides: &Overrides,
    server: Option<&Server>,
    environment: &Environment,
) -> Option<Arc<dyn TokenProvider>> {
    let written = fields.secret("token");
    let provided = auth::read(fields, environment);
    if let Some(tokens) = &overrides.tokens {
        return Some(Arc::clone(tokens));
    }
    if let Some(text) = written {
        return Some(auth::fixed(fields, &text, TokenSource::Recipe));
    }
    if provided.is_some() || fields.has("auth") {
        return provided;
    }
    let Some(Server::At(server)) = server else {
        return None;
    };
    if carries_authorization(fields) {
        return None;
    }
    let found = GmsEnvironment::read(environment).ok()?;
    let origin = |text: &str| ServerAddress::parse(text).ok().map(|address| address.origin());
    let named = found.server.as_deref().and_then(origin) == origin(server);
    if named && let Some(said) = auth::from_variables(fields, environment) {
        return said.map_err(|problem| fields.mistake("auth", problem)).ok();
    }
    if let Some(token) = found.token {
        if named || (overrides.server.is_some() && found.server.is_none()) {
            return Some(Arc::new(FixedToken::new(token)));
        }
        let advice = match (&overrides.server, token.source()) {
            (Some(_), _) => "to send one, name its file by --token-file",
            (None, TokenSource::DatahubEnv) => "to send one, write `token` under sink.config",
            (None, _) => "to send it, write `token: ${DATAHUB_GMS_TOKEN}` under sink.config",
        };
        fields.warn(format!(
            "the token from {} is not sent to {server}, because the environment does not name that server; {advice}",
            token.source()
        ));
    }
    auth::system_client(environment)
}

/// Anyone on the network can read a token that is sent without TLS: a warning, or with `require_https` an
/// error.
pub(super) fn guard_transport(fields: &mut Fields<'_>, server: Option<&Server>, has_token: bool) {
    let required = fields.boolean("require_https") == Some(true);
    let has_token = has_token || carries_authorization(fields);
    let Some(Server::At(server)) = server else { return };
    let Ok(address) = ServerAddress::parse(server) else { return };
    if !has_token || address.is_https() || address.is_loopback() {
        return;
    }
    let Diagnosis { code, summary, .. } = Diagnosis::insecure_transport(server, address.host());
    let fix = format!("write `server: https://{}`", server.strip_prefix("http://").unwrap_or(server));
    if required {
        fields.mistake("server", format!("{summary} ({code}), and `require_https` is true; {fix}"));
    } else {
        fields.warn(format!(
            "{summary} ({code}): where the server speaks https, {fix}; `require_https: true` insists on it"
        ));
    }
}

/// Whether the recipe sends its own Authorization header, which takes precedence over a token.
fn carries_authorization(fields: &mut Fields<'_>) -> bool {
    let headers = fields.node("extra_headers").and_then(|node| node.entries());
    headers
        .is_some_and(|headers| headers.iter().any(|header| header.key.eq_ignore_ascii_case("authorization")))
}
