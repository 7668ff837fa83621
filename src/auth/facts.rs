//! What can be said of a token without showing it.

use super::{Claims, Token, TokenSource};

/// What is known of the token that a request went with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// Where it came from, as reports name it.
    pub source: String,
    /// The same, as a sentence names it.
    pub place: String,
    /// The first 8 hexadecimal digits of its SHA-256.
    pub fingerprint: String,
    /// Its claims, if it is a JWT.
    pub claims: Option<Claims>,
    /// It is the empty text, so no header was sent.
    pub empty: bool,
    /// What is wrong with the Authorization header that the user has written himself, if anything is.
    pub header_slip: Option<HeaderSlip>,
}

/// What GMS does not read in an Authorization header (`DataHubTokenAuthenticator`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderSlip {
    /// It does not begin with `Bearer ` or `bearer `, nor with `Basic `.
    NoScheme,
    /// The token after it begins with `Bearer` again.
    Doubled,
    /// There are quotes or white space around the token.
    Wrapped,
    /// It holds a reference to a variable, `${…}`.
    Unexpanded,
}

impl TokenFacts {
    /// What can be said of `token`.
    pub fn of(token: &Token) -> Self {
        Self {
            source: token.source().to_string(),
            place: token.source().place(),
            fingerprint: token.fingerprint(),
            claims: Claims::read(token.expose()),
            empty: token.expose().is_empty(),
            header_slip: None,
        }
    }

    /// What can be said of an Authorization header that goes as it is.
    pub(crate) fn of_header(header: &str) -> Self {
        let bearer = header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("bearer "));
        let basic = header.starts_with("Basic ") || header.starts_with("basic ");
        let text = bearer.unwrap_or(header);
        let slip = if header.contains("${") {
            Some(HeaderSlip::Unexpanded)
        } else if bearer.is_none() && !basic {
            Some(HeaderSlip::NoScheme)
        } else if text.len() > 7 && text.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("bearer ")) {
            Some(HeaderSlip::Doubled)
        } else if text.trim() != text || text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']) {
            Some(HeaderSlip::Wrapped)
        } else {
            None
        };
        Self { header_slip: slip, ..Self::of(&Token::new(text, TokenSource::ExtraHeaders)) }
    }

    /// One line of evidence.
    pub(super) fn line(&self) -> String {
        let mut line = format!("the token is from {}, sha256 {}", self.place, self.fingerprint);
        match &self.claims {
            None => line.push_str(", and is not a JWT"),
            Some(claims) => {
                line.push_str(match claims.kind.as_deref() {
                    Some("PERSONAL") => ", a personal access token",
                    Some("SESSION") => ", a session token",
                    Some("SERVICE_ACCOUNT") => ", a service account's token",
                    _ => ", a JWT",
                });
                if let Some(actor) = claims.actor_urn() {
                    line.push_str(" of ");
                    line.push_str(&actor);
                }
            }
        }
        line
    }

    /// The variable that it came from.
    pub(super) fn variable(&self) -> Option<&str> {
        self.source.strip_prefix("env:")
    }

    /// The file that it came from.
    pub(super) fn file(&self) -> Option<&str> {
        self.source.strip_prefix("file:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_one_s_own_is_looked_at() {
        for (header, slip) in [
            ("Bearer abc", None),
            ("bearer abc", None),
            ("Basic id:secret", None),
            ("abc", Some(HeaderSlip::NoScheme)),
            ("BEARER abc", Some(HeaderSlip::NoScheme)),
            ("Bearer Bearer abc", Some(HeaderSlip::Doubled)),
            ("Bearer  abc", Some(HeaderSlip::Wrapped)),
            ("Bearer \"abc\"", Some(HeaderSlip::Wrapped)),
            ("Bearer ${TOKEN}", Some(HeaderSlip::Unexpanded)),
        ] {
            assert_eq!(TokenFacts::of_header(header).header_slip, slip, "{header}");
        }
    }
}
