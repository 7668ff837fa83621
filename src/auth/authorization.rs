//! The one place where a token turns into a header.

use reqwest::header::{HeaderValue, InvalidHeaderValue};

use super::{Token, TokenSource};

/// The Authorization header for `token`, marked so that nothing prints it.
///
/// # Errors
/// When the token holds a character that no header can, for example a newline.
pub(crate) fn authorization(token: &Token) -> Result<HeaderValue, InvalidHeaderValue> {
    // GMS wants its system client's id and secret as they are, and not in base64 (`DataHubSystemAuthenticator`).
    let scheme: &[u8] = if *token.source() == TokenSource::SystemClient { b"Basic " } else { b"Bearer " };
    let mut text = Vec::with_capacity(scheme.len() + token.expose().len());
    text.extend_from_slice(scheme);
    // As Latin-1, the way the Python client sends a letter beyond ASCII; what Latin-1 has no byte for goes as UTF-8.
    match token.expose().chars().map(|c| u8::try_from(u32::from(c))).collect::<Result<Vec<u8>, _>>() {
        Ok(latin1) => text.extend(latin1),
        Err(_) => text.extend_from_slice(token.expose().as_bytes()),
    }
    let mut header = HeaderValue::from_bytes(&text)?;
    header.set_sensitive(true);
    Ok(header)
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
    fn the_system_client_goes_as_it_is() {
        let header = authorization(&Token::new("id:se:cret", TokenSource::SystemClient)).unwrap();
        assert_eq!(header.as_bytes(), b"Basic id:se:cret");
    }

    #[test]
    fn a_newline_is_no_header() {
        assert!(authorization(&Token::new("abc\ndef", TokenSource::Recipe)).is_err());
    }
}
