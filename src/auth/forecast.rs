//! What is going to happen to a token.

use jiff::{SignedDuration, Timestamp};

use super::TokenFacts;
use super::refusal::{rough, seconds};
use super::remedy::DATAHUB;

/// A warning for a token of DataHub's that expires within `within`, or has expired. Tokens of others are renewed by whoever
/// issues them, and those of the embedded GMS are made for one run.
pub fn forecast(token: &TokenFacts, now: Timestamp, within: SignedDuration) -> Option<String> {
    let claims = token.claims.as_ref().filter(|claims| claims.issuer.as_deref() == Some(DATAHUB))?;
    let expires_at = claims.expires_at?;
    let left = expires_at.duration_since(now);
    if token.source == "embedded" || left > within {
        return None;
    }
    let when =
        if left.is_positive() { format!("expires in {}", rough(left)) } else { "has expired".to_owned() };
    Some(format!(
        "the token from {} {when} ({}): make a new one in DataHub under Settings > Access Tokens in time",
        token.place,
        seconds(expires_at)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Claims;

    fn token(source: &str, issuer: &str, expires_at: Option<i64>) -> TokenFacts {
        TokenFacts {
            source: source.into(),
            place: "the file t".into(),
            fingerprint: String::new(),
            claims: Some(Claims {
                issuer: Some(issuer.into()),
                expires_at: expires_at.map(|seconds| Timestamp::from_second(seconds).unwrap()),
                ..Claims::default()
            }),
            empty: false,
            header_slip: None,
        }
    }

    #[test]
    fn a_token_s_end_is_told_in_time() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let said = |token: &TokenFacts| forecast(token, now, SignedDuration::from_hours(7 * 24));
        let in_days = |days: i64| Some(1_000_000 + days * 86_400);
        assert!(
            said(&token("file:t", DATAHUB, in_days(3))).unwrap().contains("the file t expires in 3 days")
        );
        assert!(said(&token("file:t", DATAHUB, in_days(-1))).unwrap().contains("has expired"));
        assert_eq!(said(&token("file:t", DATAHUB, in_days(8))), None);
        assert_eq!(said(&token("file:t", DATAHUB, None)), None);
        assert_eq!(said(&token("file:t", "https://idp", in_days(1))), None);
        assert_eq!(said(&token("embedded", DATAHUB, in_days(1))), None);
    }
}
