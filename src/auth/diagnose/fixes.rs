//! How to replace a token that GMS refused, which depends on where it came from.

use super::observation::ServerInfo;
use crate::auth::TokenInfo;
use crate::diagnosis::{Fix, TokenSource};

/// The issuer of DataHub's own tokens (`authentication.tokenService.issuer`).
pub(in crate::auth) const DATAHUB_ISSUER: &str = "datahub-metadata-service";

/// How to get a token that GMS accepts in place of `token`; without one, how to get a token at all.
pub(super) fn new_token(token: Option<&TokenInfo>, server: &ServerInfo<'_>) -> Vec<Fix> {
    let claims = token.and_then(|token| token.claims.as_ref());
    if let Some(issuer) = token.and_then(foreign_issuer) {
        let audience = claims.and_then(|claims| claims.audience.clone());
        return vec![Fix::TrustIssuer { issuer: issuer.to_owned(), audience }, Fix::UseDataHubToken];
    }
    let source = token.map(|token| token.source.clone());
    let frontend = server.frontend.to_owned();
    let in_browser = Fix::CreateTokenInBrowser { frontend: frontend.clone() };
    let is_plain = |name: &&String| !name.starts_with("urn:") && !name.starts_with("__");
    let create = Fix::CreateToken {
        source: source.clone(),
        user: claims.and_then(|claims| claims.actor_id.as_ref()).filter(is_plain).cloned(),
        service_account: claims
            .filter(|claims| claims.kind.as_deref() == Some("SERVICE_ACCOUNT"))
            .and_then(crate::auth::Claims::actor_urn),
        frontend,
    };
    match source {
        Some(TokenSource::Command) => vec![Fix::CheckTokenCommand],
        Some(TokenSource::Oidc) => vec![Fix::CheckIdentityProvider],
        Some(TokenSource::SystemClient) => vec![Fix::CompareSystemClient],
        Some(TokenSource::Embedded) => vec![Fix::RunAgain],
        Some(TokenSource::ExtraHeaders) => vec![create, Fix::SetAuthorizationHeader],
        // An environment variable takes precedence over `~/.datahubenv`.
        Some(TokenSource::File(_) | TokenSource::Environment(_) | TokenSource::DatahubEnv) => {
            vec![create, in_browser]
        }
        Some(TokenSource::Program | TokenSource::Recipe | TokenSource::Issued) | None => {
            vec![create, Fix::ConfigureToken, in_browser]
        }
    }
}

/// The issuer of the token, if it is not DataHub.
pub(super) fn foreign_issuer(token: &TokenInfo) -> Option<&str> {
    let claims = token.claims.as_ref()?;
    claims.issuer.as_deref().filter(|issuer| *issuer != DATAHUB_ISSUER)
}
