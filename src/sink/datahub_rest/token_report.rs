//! The token's part of a run report.

use crate::auth::{Claims, TokenInfo};
use crate::sink::TokenReport;

pub(super) fn token_report(token: Option<&TokenInfo>) -> TokenReport {
    let Some(token) = token else { return TokenReport::default() };
    let claims = token.claims.as_ref();
    TokenReport {
        source: Some(token.source.clone()),
        actor: claims.and_then(Claims::actor_urn),
        kind: claims.and_then(|claims| claims.kind.clone()),
        expires_at: claims.and_then(|claims| claims.expires_at).map(|time| time.to_string()),
    }
}
