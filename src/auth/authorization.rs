//! The one place where a token turns into a header.

use reqwest::header::HeaderValue;

use super::{Token, TokenSource};

/// The Authorization header for `token`, marked so that nothing prints it; `None` when the token holds what no token of
/// DataHub's does and no header should: a newline, a control character, a letter beyond ASCII.
pub(crate) fn authorization(token: &Token) -> Option<HeaderValue> {
    if !token.expose().is_ascii() {
        return None;
    }
    // GMS wants its system client's id and secret as they are, and not in base64 (`DataHubSystemAuthenticator`).
    let scheme: &[u8] = if *token.source() == TokenSource::SystemClient { b"Basic " } else { b"Bearer " };
    let mut text = Vec::with_capacity(scheme.len() + token.expose().len());
    text.extend_from_slice(scheme);
    text.extend_from_slice(token.expose().as_bytes());
    let mut header = HeaderValue::from_bytes(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_never_shown() {
        let header = authorization(&Token::new("abc.def", TokenSource::Recipe)).unwrap();
        assert_eq!(header.as_bytes(), b"Bearer abc.def");
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    #[test]
    fn the_system_client_goes_as_it_is() {
        let header = authorization(&Token::new("id:se:cret", TokenSource::SystemClient)).unwrap();
        assert_eq!(header.as_bytes(), b"Basic id:se:cret");
    }

    #[test]
    fn what_no_token_holds_is_no_header() {
        for text in ["abc\ndef", "abc\u{7}", "caf\u{e9}", "abc\u{1f600}"] {
            assert!(authorization(&Token::new(text, TokenSource::Recipe)).is_none(), "{text:?}");
        }
    }
}
