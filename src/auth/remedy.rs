//! How to come by a token that GMS takes, where this one came from.

use super::observation::Address;
use super::{Claims, TokenFacts};
use crate::shell;

/// Who DataHub's own tokens say has issued them (`authentication.tokenService.issuer`).
pub(super) const DATAHUB: &str = "datahub-metadata-service";

/// The user that every DataHub is set up with.
const FIRST_USER: &str = "datahub";

/// The recipe's line that takes a token from the environment.
pub(super) const RECIPE_LINE: &str = "in the recipe, under sink.config:  token: ${DATAHUB_GMS_TOKEN}";

/// What to type to have another token in the place of `token`, or at all.
pub(super) fn new_token(token: Option<&TokenFacts>, server: &Address<'_>) -> Vec<String> {
    let create = create(token.and_then(|token| token.claims.as_ref()), server);
    let exported = |variable: &str| format!("export {variable}=$({create})");
    let default = || exported("DATAHUB_GMS_TOKEN");
    let by_hand = format!("or make one by hand at {}/settings/tokens", server.frontend);
    let Some(token) = token else {
        return vec![default(), RECIPE_LINE.to_owned(), by_hand];
    };
    if let Some(issuer) = foreign_issuer(token) {
        return trust(issuer, token.claims.as_ref());
    }
    if let Some(file) = token.file() {
        return vec![format!("{create} --out {}", shell::word(file)), by_hand];
    }
    if let Some(variable) = token.variable() {
        return vec![exported(variable), by_hand];
    }
    match token.source.as_str() {
        "command" => vec![
            "run the command of sink.config.auth by hand, and see that it prints a token that is good now".into(),
        ],
        "oidc" => vec!["see that token_endpoint under sink.config.auth is that of an identity provider whose tokens GMS takes".into()],
        "system-client" => vec![
            "compare DATAHUB_SYSTEM_CLIENT_ID and DATAHUB_SYSTEM_CLIENT_SECRET with GMS's own variables of these names".into(),
        ],
        "embedded" => vec!["run again: the embedded GMS makes a token for each run".into()],
        // It wins over `~/.datahubenv`.
        "datahubenv" => vec![default(), by_hand],
        "extra-headers" => vec![
            default(),
            "in the recipe, under sink.config:  extra_headers: {Authorization: 'Bearer ${DATAHUB_GMS_TOKEN}'}".into(),
        ],
        _ => vec![default(), RECIPE_LINE.to_owned(), by_hand],
    }
}

/// The issuer, if it is not DataHub.
pub(super) fn foreign_issuer(token: &TokenFacts) -> Option<&str> {
    let claims = token.claims.as_ref()?;
    claims.issuer.as_deref().filter(|issuer| *issuer != DATAHUB)
}

/// The command that makes a token for the user of `claims`.
fn create(claims: Option<&Claims>, server: &Address<'_>) -> String {
    let actor = claims.and_then(|claims| claims.actor_id.as_deref());
    let plain = |name: &&str| !name.starts_with("urn:") && !name.starts_with("__");
    let user = actor.filter(plain);
    let name = shell::word(user.unwrap_or("datahub-emit"));
    let frontend = shell::word(server.frontend);
    let service = claims.filter(|claims| claims.kind.as_deref() == Some("SERVICE_ACCOUNT"));
    match service.and_then(Claims::actor_urn) {
        // A service account has no password: someone who manages tokens makes its.
        Some(urn) => format!(
            "datahub-emit token create --name {name} --actor {} --user {FIRST_USER} --frontend {frontend}",
            shell::word(&urn)
        ),
        None => format!(
            "datahub-emit token create --name {name} --user {} --frontend {frontend}",
            shell::word(user.unwrap_or(FIRST_USER))
        ),
    }
}

/// What GMS needs to take another issuer's tokens (`DataHubOAuthAuthenticator`).
fn trust(issuer: &str, claims: Option<&Claims>) -> Vec<String> {
    let audience = claims.and_then(|claims| claims.audience.as_deref()).unwrap_or("<the token's aud claim>");
    vec![
        format!(
            "have GMS run with EXTERNAL_OAUTH_ENABLED=true, EXTERNAL_OAUTH_TRUSTED_ISSUERS={issuer} and \
             EXTERNAL_OAUTH_ALLOWED_AUDIENCES={audience}; it takes no other issuer's tokens"
        ),
        "or use a token of DataHub's own in its place:  datahub-emit token create --help".into(),
    ]
}
