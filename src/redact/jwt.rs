//! Finds JSON Web Tokens in a text.

/// The shortest part of a token that is looked for: an object with one short claim has more characters.
const MIN_PART_CHARS: usize = 10;

/// Whether a text contains a JSON Web Token. Its first two parts are JSON objects, and `{"` in base64url is
/// `eyJ`, so that names, paths and addresses are not mistaken for tokens.
pub(crate) fn holds_jwt(text: &str) -> bool {
    let part = |text: &str| {
        text.chars()
            .take_while(|character| character.is_ascii_alphanumeric() || "_-".contains(*character))
            .count()
    };
    text.match_indices("eyJ").any(|(start, _)| {
        let (_, header) = text.split_at(start);
        let (header, rest) = header.split_at(part(header));
        let claims = rest.strip_prefix('.').filter(|claims| claims.starts_with("eyJ"));
        header.len() >= MIN_PART_CHARS && claims.is_some_and(|claims| part(claims) >= MIN_PART_CHARS)
    })
}
