//! The warning before a token expires.

use jiff::{SignedDuration, Timestamp};

use super::TokenInfo;
use super::diagnose::DATAHUB_ISSUER;
use crate::diagnosis::{Renderer, TokenSource, rough_span, whole_seconds};

/// A warning if `token` is one of DataHub's that expires within `within` or has expired. Tokens of other
/// issuers are renewed by their providers, and the embedded GMS makes a token for each run.
pub(crate) fn expiry_warning(
    token: &TokenInfo,
    now: Timestamp,
    within: SignedDuration,
    renderer: &dyn Renderer,
) -> Option<String> {
    let claims = token.claims.as_ref().filter(|claims| claims.issuer.as_deref() == Some(DATAHUB_ISSUER))?;
    let expires_at = claims.expires_at?;
    let remaining = expires_at.duration_since(now);
    if token.source == TokenSource::Embedded || remaining > within {
        return None;
    }
    let when = if remaining.is_positive() {
        format!("expires in {}", rough_span(remaining))
    } else {
        "has expired".to_owned()
    };
    Some(format!(
        "the token from {} {when} ({}): make a new one in DataHub under Settings > Access Tokens in time",
        renderer.token_source(&token.source),
        whole_seconds(expires_at)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Claims;
    use crate::diagnosis::LibraryRenderer;

    fn token(source: TokenSource, issuer: &str, expires_at: Option<i64>) -> TokenInfo {
        TokenInfo {
            source,
            fingerprint: String::new(),
            claims: Some(Claims {
                issuer: Some(issuer.into()),
                expires_at: expires_at.map(|seconds| Timestamp::from_second(seconds).unwrap()),
                ..Claims::default()
            }),
            empty: false,
            header_mistake: None,
        }
    }

    #[test]
    fn a_token_of_datahub_s_that_expires_soon_is_warned_of() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let warning = |token: &TokenInfo| {
            expiry_warning(token, now, SignedDuration::from_hours(7 * 24), &LibraryRenderer)
        };
        let in_days = |days: i64| Some(1_000_000 + days * 86_400);
        let file = || TokenSource::File("t".into());
        assert!(
            warning(&token(file(), DATAHUB_ISSUER, in_days(3)))
                .unwrap()
                .contains("the file t expires in 3 days")
        );
        assert!(warning(&token(file(), DATAHUB_ISSUER, in_days(-1))).unwrap().contains("has expired"));
        assert_eq!(warning(&token(file(), DATAHUB_ISSUER, in_days(8))), None);
        assert_eq!(warning(&token(file(), DATAHUB_ISSUER, None)), None);
        assert_eq!(warning(&token(file(), "https://idp", in_days(1))), None);
        assert_eq!(warning(&token(TokenSource::Embedded, DATAHUB_ISSUER, in_days(1))), None);
    }
}
