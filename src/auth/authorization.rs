//! The Authorization header. No other module builds one.

use reqwest::header::HeaderValue;

use super::{Token, TokenSource};

/// The Authorization header for `token`, marked sensitive so that nothing prints it. `None` if the token
/// contains a line break, a control character or a non-ASCII character, which a header cannot have.
pub(crate) fn authorization(token: &Token) -> Option<HeaderValue> {
    if !token.expose().is_ascii() {
        return None;
    }
    // GMS expects the id and secret of its system client in plain text, not in base64
    // (`DataHubSystemAuthenticator`).
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
    fn the_header_is_marked_sensitive() {
        let header = authorization(&Token::new("abc.def", TokenSource::Recipe)).unwrap();
        assert_eq!(header.as_bytes(), b"Bearer abc.def");
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    #[test]
    fn the_system_client_is_sent_in_plain_text() {
        let header = authorization(&Token::new("id:se:cret", TokenSource::SystemClient)).unwrap();
        assert_eq!(header.as_bytes(), b"Basic id:se:cret");
    }

    #[test]
    fn characters_that_a_header_cannot_have_are_refused() {
        for text in ["abc\ndef", "abc\u{7}", "caf\u{e9}", "abc\u{1f600}"] {
            assert!(authorization(&Token::new(text, TokenSource::Recipe)).is_none(), "{text:?}");
        }
    }
}
