//! A description of a token, without the token.

use super::{Claims, Token, TokenSource};
use crate::diagnosis::{Evidence, HeaderMistake, TokenForm, TokenKind};

/// Describes a token. It does not contain the token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenInfo {
    /// Where it came from.
    pub source: TokenSource,
    /// The first 8 hexadecimal digits of its SHA-256.
    pub fingerprint: String,
    /// Its claims, if it is a JWT.
    pub claims: Option<Claims>,
    /// It is the empty text, so that no Authorization header is sent.
    pub empty: bool,
    /// The mistake in the Authorization header among the extra headers, if there is one.
    pub header_mistake: Option<HeaderMistake>,
}

impl TokenInfo {
    /// Describes `token`.
    pub fn new(token: &Token) -> Self {
        Self {
            source: token.source().clone(),
            fingerprint: token.fingerprint(),
            claims: Claims::read(token.expose()),
            empty: token.expose().is_empty(),
            header_mistake: None,
        }
    }

    /// Describes an Authorization header that is sent as it is.
    pub(crate) fn from_authorization_header(header: &str) -> Self {
        let bearer = header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("bearer "));
        let basic = header.starts_with("Basic ") || header.starts_with("basic ");
        let text = bearer.unwrap_or(header);
        let mistake = if header.contains("${") {
            Some(HeaderMistake::Unexpanded)
        } else if bearer.is_none() && !basic {
            Some(HeaderMistake::NoScheme)
        } else if text.len() > 7 && text.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("bearer ")) {
            Some(HeaderMistake::SchemeTwice)
        } else if text.trim() != text || text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']) {
            Some(HeaderMistake::Wrapped)
        } else {
            None
        };
        Self { header_mistake: mistake, ..Self::new(&Token::new(text, TokenSource::ExtraHeaders)) }
    }

    /// The token as evidence.
    pub(super) fn evidence(&self) -> Evidence {
        let form = match &self.claims {
            None => TokenForm::Opaque,
            Some(claims) => TokenForm::Jwt {
                kind: match claims.kind.as_deref() {
                    Some("PERSONAL") => Some(TokenKind::Personal),
                    Some("SESSION") => Some(TokenKind::Session),
                    Some("SERVICE_ACCOUNT") => Some(TokenKind::ServiceAccount),
                    _ => None,
                },
                actor: claims.actor_urn(),
            },
        };
        Evidence::Token { source: self.source.clone(), fingerprint: self.fingerprint.clone(), form }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_an_authorization_header_are_found() {
        for (header, mistake) in [
            ("Bearer abc", None),
            ("bearer abc", None),
            ("Basic id:secret", None),
            ("abc", Some(HeaderMistake::NoScheme)),
            ("BEARER abc", Some(HeaderMistake::NoScheme)),
            ("Bearer Bearer abc", Some(HeaderMistake::SchemeTwice)),
            ("Bearer  abc", Some(HeaderMistake::Wrapped)),
            ("Bearer \"abc\"", Some(HeaderMistake::Wrapped)),
            ("Bearer ${TOKEN}", Some(HeaderMistake::Unexpanded)),
        ] {
            assert_eq!(TokenInfo::from_authorization_header(header).header_mistake, mistake, "{header}");
        }
    }
}
