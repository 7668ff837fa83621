//! `auth`: where tokens come from. The types are those of DataHub's Python client (`datahub.ingestion.auth`),
//! and `command` and `env`.

use std::sync::Arc;

use crate::auth::{
    CommandProvider, FileProvider, FixedToken, OidcClientCredentials, Token, TokenProvider, TokenSource,
};
use crate::environment::Environment;
use crate::recipe::Fields;

/// Where EKS projects a service account's token (`k8s_projected.py`).
const K8S_TOKEN_FILE: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";

/// Selects the provider by the environment.
const TYPE_VARIABLE: &str = "DATAHUB_AUTH_TYPE";

type Provider = Arc<dyn TokenProvider>;

#[derive(Clone, Copy)]
enum ProviderType {
    Static,
    Pat,
    K8sOidc,
    OidcClientCredentials,
    Command,
    Env,
    AzureEntra,
    OauthSession,
}

const PROVIDER_TYPES: [(&str, ProviderType); 8] = [
    ("static", ProviderType::Static),
    ("pat", ProviderType::Pat),
    ("k8s_oidc", ProviderType::K8sOidc),
    ("oidc_client_credentials", ProviderType::OidcClientCredentials),
    ("command", ProviderType::Command),
    ("env", ProviderType::Env),
    ("azure_entra", ProviderType::AzureEntra),
    ("oauth_session", ProviderType::OauthSession),
];

/// The advice for a provider of the Python client that is not supported.
const BY_COMMAND: &str = "let its own tool print the token: `auth: {type: command, config: {command: [az, account, get-access-token, …]}}`";

/// Reads the block `auth`, if there is one.
pub(super) fn read(fields: &mut Fields<'_>, environment: &Environment) -> Option<Provider> {
    if !fields.has("auth") {
        return None;
    }
    if fields.has("token") {
        fields.mistake("auth", "goes without `token`: leave one of them out");
    }
    let mut auth = fields.block("auth");
    let mut config = auth.block("config");
    // A type that is not in the list may be a plug-in of the Python client.
    let named = auth.string("type");
    let kind = named.as_deref().and_then(|name| {
        PROVIDER_TYPES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name.trim()))
            .map(|(_, kind)| *kind)
    });
    let provider = match (kind, &named) {
        (Some(kind), _) => of_kind(kind, &mut auth, &mut config, environment),
        (None, Some(_)) => {
            auth.mistake(
                "type",
                format!(
                    "expected one of static, pat, k8s_oidc, oidc_client_credentials, command, env; providers that are \
                     plug-ins of the Python client cannot be loaded here: {BY_COMMAND}"
                ),
            );
            None
        }
        (None, None) => {
            auth.missing("type", "static, pat, k8s_oidc, oidc_client_credentials, command or env");
            None
        }
    };
    if kind.is_none_or(|kind| matches!(kind, ProviderType::AzureEntra | ProviderType::OauthSession)) {
        // Its keys are unknown.
        auth.node("config");
    } else {
        config.finish();
    }
    auth.finish();
    provider
}

fn of_kind(
    kind: ProviderType,
    auth: &mut Fields<'_>,
    config: &mut Fields<'_>,
    environment: &Environment,
) -> Option<Provider> {
    match kind {
        ProviderType::Static => {
            config.missing("token", "the token");
            config.secret("token").map(|token| fixed(config, &token, TokenSource::Recipe))
        }
        ProviderType::Pat => match (config.secret("token"), config.string("token_file")) {
            (Some(token), None) => Some(fixed(config, &token, TokenSource::Recipe)),
            (None, Some(file)) => Some(Arc::new(FileProvider::new(file))),
            (Some(_), Some(_)) => {
                config.mistake("token_file", "goes without `token`: leave one of them out");
                None
            }
            (None, None) => {
                config.missing("token_file", "the file that holds the token, or `token`");
                None
            }
        },
        ProviderType::K8sOidc => {
            // Documentation only: the audience is set where the token is projected.
            config.string("audience");
            let file = config.string("token_file").unwrap_or_else(|| K8S_TOKEN_FILE.to_owned());
            Some(Arc::new(FileProvider::new(file)))
        }
        ProviderType::OidcClientCredentials => client_credentials(config),
        ProviderType::Command => {
            config.missing("command", "a list: the program and its arguments");
            let seconds = config.seconds("timeout_sec").unwrap_or(CommandProvider::TIMEOUT);
            let mut words = config.strings("command")?.into_iter();
            let Some(program) = words.next().filter(|program| !program.is_empty()) else {
                config.mistake("command", "expected a list: the program and its arguments");
                return None;
            };
            Some(Arc::new(CommandProvider::new(program, words.collect(), seconds)))
        }
        ProviderType::Env => {
            config.missing("name", "the name of the environment variable that holds the token");
            let name = config.string("name")?;
            let Some(token) = environment.get(&name) else {
                config.mistake("name", format!("the environment variable {name} is not set"));
                return None;
            };
            Some(fixed(config, token, TokenSource::Environment(name)))
        }
        ProviderType::AzureEntra | ProviderType::OauthSession => {
            auth.mistake("type", format!("is not supported here: {BY_COMMAND}"));
            None
        }
    }
}

fn client_credentials(config: &mut Fields<'_>) -> Option<Provider> {
    for (key, expected) in [
        ("token_endpoint", "the identity provider's address for tokens, https://…"),
        ("client_id", "the client's name at the identity provider"),
        ("client_secret", "the client's secret"),
    ] {
        config.missing(key, expected);
    }
    let (endpoint, id) = (config.string("token_endpoint"), config.string("client_id"));
    let secret = config.secret("client_secret");
    let (scope, audience) = (config.string("scope"), config.string("audience"));
    match OidcClientCredentials::new(&endpoint?, id?, secret?) {
        Ok(provider) => Some(Arc::new(provider.scope(scope).audience(audience))),
        Err(error) => {
            config.mistake("token_endpoint", error.message);
            None
        }
    }
}

/// A token without surrounding white space.
pub(super) fn fixed(fields: &Fields<'_>, token: &str, source: TokenSource) -> Provider {
    let trimmed = token.trim();
    if trimmed.len() != token.len() {
        fields
            .warn(format!("the token from {} has white space around it, which is left out", source.place()));
    }
    Arc::new(FixedToken::new(Token::new(trimmed, source)))
}

/// The provider that `DATAHUB_AUTH_TYPE` and related variables describe (`datahub.ingestion.auth.env`);
/// `None` if it is not set.
///
/// # Errors
/// A message that names the mistake in them.
pub(super) fn from_variables(
    fields: &Fields<'_>,
    environment: &Environment,
) -> Option<Result<Provider, String>> {
    let get = |name: &str| environment.get(name).map(str::trim).filter(|value| !value.is_empty());
    let kind = get(TYPE_VARIABLE)?;
    let requires = |names: &str| Err(format!("{TYPE_VARIABLE}={kind} requires {names} to be set"));
    let token = get("DATAHUB_GMS_TOKEN");
    let file = get("DATAHUB_AUTH_TOKEN_FILE");
    if token.is_some() && (kind != "pat" || file.is_some()) {
        fields.warn(format!("{TYPE_VARIABLE} is set, so the token in DATAHUB_GMS_TOKEN is not used"));
    }
    let provider: Provider = match kind {
        "pat" => match (file, token) {
            (Some(file), _) => Arc::new(FileProvider::new(file)),
            (None, Some(token)) => fixed(fields, token, TokenSource::Environment("DATAHUB_GMS_TOKEN".into())),
            (None, None) => return Some(requires("DATAHUB_AUTH_TOKEN_FILE or DATAHUB_GMS_TOKEN")),
        },
        "k8s_oidc" => Arc::new(FileProvider::new(file.unwrap_or(K8S_TOKEN_FILE))),
        "oidc_client_credentials" => {
            let (Some(endpoint), Some(id), Some(secret)) = (
                get("DATAHUB_AUTH_TOKEN_ENDPOINT"),
                get("DATAHUB_AUTH_CLIENT_ID"),
                get("DATAHUB_AUTH_CLIENT_SECRET"),
            ) else {
                return Some(requires(
                    "DATAHUB_AUTH_TOKEN_ENDPOINT, DATAHUB_AUTH_CLIENT_ID and DATAHUB_AUTH_CLIENT_SECRET",
                ));
            };
            let owned = |name| get(name).map(str::to_owned);
            match OidcClientCredentials::new(endpoint, id, secret) {
                Ok(provider) => Arc::new(
                    provider.scope(owned("DATAHUB_AUTH_SCOPE")).audience(owned("DATAHUB_AUTH_AUDIENCE")),
                ),
                Err(error) => return Some(Err(format!("DATAHUB_AUTH_TOKEN_ENDPOINT: {error}"))),
            }
        }
        "azure_entra" => {
            return Some(Err(format!("{TYPE_VARIABLE}={kind} is not supported here: {BY_COMMAND}")));
        }
        _ => {
            return Some(Err(format!(
                "{TYPE_VARIABLE} is none of pat, k8s_oidc, oidc_client_credentials; unset it, or write `auth` under \
                 sink.config"
            )));
        }
    };
    Some(Ok(provider))
}

/// The system client's id and secret, which the Python client uses without a token (`rest_emitter.py`).
pub(super) fn system_client(environment: &Environment) -> Option<Provider> {
    let get = |name| environment.get(name).map(str::trim).filter(|value| !value.is_empty());
    let (id, secret) = (get("DATAHUB_SYSTEM_CLIENT_ID")?, get("DATAHUB_SYSTEM_CLIENT_SECRET")?);
    Some(Arc::new(FixedToken::new(Token::new(format!("{id}:{secret}"), TokenSource::SystemClient))))
}
