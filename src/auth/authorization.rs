//! The one place where a token turns into a header.

use reqwest::header::HeaderValue;

use super::Token;

/// The Authorization header for `token`, marked so that nothing prints it; `None` when the token holds what no token of
/// DataHub's does and no header should: a newline, a control character, a letter beyond ASCII.
pub(crate) fn authorization(token: &Token) -> Option<HeaderValue> {
    if !token.expose().is_ascii() {
        return None;
    }
    let mut text = Vec::with_capacity("Bearer ".len() + token.expose().len());
    text.extend_from_slice(b"Bearer ");
    text.extend_from_slice(token.expose().as_bytes());
    let mut header = HeaderValue::from_bytes(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::TokenSource;

    #[test]
    fn the_header_is_never_shown() {
        let header = authorization(&Token::new("abc.def", TokenSource::Recipe)).unwrap();
        assert_eq!(header.as_bytes(), b"Bearer abc.def");
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    #[test]
    fn what_no_token_holds_is_no_header() {
        for text in ["abc\ndef", "abc\u{7}", "caf\u{e9}", "abc\u{1f600}"] {
            assert!(authorization(&Token::new(text, TokenSource::Recipe)).is_none(), "{text:?}");
        }
    }
}
