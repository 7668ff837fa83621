//! Which server the sink sends to, and with which token.

use std::path::PathBuf;

use crate::auth::{Token, TokenSource};
use crate::gms::{GmsEnvironment, ServerAddress};
use crate::recipe::{Environment, Fields};

/// What a recipe calls the GMS in the box.
const EMBEDDED: &str = "embedded";

/// Stands in a recipe for "the server that the environment names".
const FROM_ENVIRONMENT: &str = "__from_env__";

/// Where a recipe sends to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// An address, checked.
    At(String),
    /// The GMS in the box.
    Embedded {
        /// Its data file; by default one in the user's data directory.
        data: Option<PathBuf>,
    },
}

/// What whoever runs a recipe says in its place.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The server's address, or `embedded`.
    pub server: Option<String>,
    /// The token.
    pub token: Option<Token>,
}

/// `Server::At` holds an address that was checked.
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
                // It has a wrong type, which is known already.
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

fn address(fields: &mut Fields<'_>, text: &str, whose: &str) -> Option<Server> {
    match ServerAddress::parse(text) {
        Ok(_) => Some(Server::At(text.to_owned())),
        Err(error) => {
            fields.mistake("server", format!("{whose}{error}"));
            None
        }
    }
}

/// A token from the environment goes only to the server that the environment names: neither a recipe nor a server given
/// in its place may take it elsewhere. A variable that holds a token alone, without any server beside it, goes to the
/// server that is given by hand.
pub(super) fn read_token(
    fields: &mut Fields<'_>,
    overrides: &Overrides,
    server: Option<&Server>,
    environment: &Environment,
    warnings: &mut Vec<String>,
) -> Option<Token> {
    let written = fields.secret("token");
    if let Some(token) = &overrides.token {
        return Some(token.clone());
    }
    if let Some(text) = written {
        let trimmed = text.trim();
        if trimmed.len() != text.len() {
            warnings.push("sink.config.token has white space around it, which is left out".into());
        }
        return Some(Token::new(trimmed, TokenSource::Recipe));
    }
    let Some(Server::At(server)) = server else {
        return None;
    };
    let carries_its_own = carries_authorization(fields);
    let found = GmsEnvironment::read(environment).ok()?;
    let origin = |text: &str| ServerAddress::parse(text).ok().map(|address| address.origin());
    let named = found.server.as_deref().and_then(origin) == origin(server);
    if named && !carries_its_own && is_set(environment, "DATAHUB_AUTH_TYPE") {
        refuse_variable(fields, "DATAHUB_AUTH_TYPE");
        return None;
    }
    if let Some(token) = found.token {
        if named || (overrides.server.is_some() && found.server.is_none()) {
            return Some(token);
        }
        if !fields.has("extra_headers") {
            let advice = match (&overrides.server, token.source()) {
                (Some(_), _) => "to send one, name its file by --token-file",
                (None, TokenSource::DatahubEnv) => "to send one, write `token` under sink.config",
                (None, _) => "to send it, write `token: ${DATAHUB_GMS_TOKEN}` under sink.config",
            };
            warnings.push(format!(
                "the token from {} is not sent to {server}, because the environment does not name that server; {advice}",
                token.source()
            ));
        }
    }
    // DataHub's client falls back on these whenever it has no token, whatever the server (`rest_emitter.py`).
    let system_client = ["DATAHUB_SYSTEM_CLIENT_ID", "DATAHUB_SYSTEM_CLIENT_SECRET"];
    if !carries_its_own && system_client.iter().all(|name| is_set(environment, name)) {
        refuse_variable(fields, "DATAHUB_SYSTEM_CLIENT_ID (with DATAHUB_SYSTEM_CLIENT_SECRET)");
    }
    None
}

/// Whether the recipe sends an Authorization header of its own, beside which no other counts.
fn carries_authorization(fields: &mut Fields<'_>) -> bool {
    let headers = fields.node("extra_headers").and_then(|node| node.entries());
    headers
        .is_some_and(|headers| headers.iter().any(|header| header.key.eq_ignore_ascii_case("authorization")))
}

fn refuse_variable(fields: &mut Fields<'_>, variable: &str) {
    fields.mistake(
        "token",
        format!(
            "the environment variable {variable}, which says how to log in, is not supported yet: set `token`, or unset \
             the variable"
        ),
    );
}

pub(super) fn is_set(environment: &Environment, variable: &str) -> bool {
    environment.get(variable).is_some_and(|text| !text.trim().is_empty())
}
