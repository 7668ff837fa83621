//! Writes text as ASCII JSON.

use super::scan;

const HEX: [u8; 16] = *b"0123456789abcdef";

/// Appends `text` as a JSON string, quotes included, in ASCII: as Python's `json.dumps` writes it.
pub(crate) fn push_json_string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    loop {
        let plain = scan::ascii_string_run(rest.as_bytes());
        // A run stops before the first byte of a character, so the split is between characters.
        let Some((run, special)) = rest.split_at_checked(plain) else {
            break;
        };
        out.extend_from_slice(run.as_bytes());
        let mut characters = special.chars();
        match characters.next() {
            None => break,
            Some('"') => out.extend_from_slice(b"\\\""),
            Some('\\') => out.extend_from_slice(b"\\\\"),
            Some('\n') => out.extend_from_slice(b"\\n"),
            Some('\r') => out.extend_from_slice(b"\\r"),
            Some('\t') => out.extend_from_slice(b"\\t"),
            Some('\u{8}') => out.extend_from_slice(b"\\b"),
            Some('\u{c}') => out.extend_from_slice(b"\\f"),
            Some(other) => push_character(out, other, b"\\u"),
        }
        rest = characters.as_str();
    }
    out.push(b'"');
}

/// Appends an object of strings, in ASCII.
pub(crate) fn push_string_map(out: &mut Vec<u8>, map: &[(String, String)]) {
    push_strings(out, map.iter().map(|(name, value)| (name.as_str(), value.as_str())));
}

/// Appends an object of these members, in ASCII.
pub(crate) fn push_strings<'a>(out: &mut Vec<u8>, members: impl Iterator<Item = (&'a str, &'a str)>) {
    out.push(b'{');
    for (index, (name, value)) in members.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_json_string(out, name);
        out.push(b':');
        push_json_string(out, value);
    }
    out.push(b'}');
}

/// Appends compact JSON text as ASCII: characters above U+007F, which occur in strings only, become `\uXXXX`.
pub(crate) fn push_ascii_json(out: &mut Vec<u8>, compact: &[u8]) {
    out.reserve(compact.len());
    let mut rest = compact;
    while let Some((plain, special)) = rest.split_at_checked(scan::ascii_run(rest)) {
        out.extend_from_slice(plain);
        if special.is_empty() {
            return;
        }
        rest = push_non_ascii(out, special, b"\\u");
    }
}

/// Appends compact JSON text as the content of a JSON string (without its quotes) whose own text is ASCII.
///
/// This is the form of `aspect.value` on Rest.li. Its type in the model is `bytes`, in which each character
/// is one byte, so the inner text must not contain a character above U+007F either.
pub(crate) fn push_embedded_json(out: &mut Vec<u8>, compact: &[u8]) {
    out.reserve(compact.len() + compact.len() / 4);
    let mut rest = compact;
    while let Some((plain, special)) = rest.split_at_checked(scan::embedded_run(rest)) {
        out.extend_from_slice(plain);
        rest = match special.split_first() {
            None => return,
            Some((byte @ (b'"' | b'\\'), after)) => {
                out.extend_from_slice(&[b'\\', *byte]);
                after
            }
            Some(_) => push_non_ascii(out, special, b"\\\\u"),
        };
    }
}

/// Escapes the bytes above 0x7f at the start of `text`, and returns the rest.
fn push_non_ascii<'a>(out: &mut Vec<u8>, text: &'a [u8], prefix: &[u8]) -> &'a [u8] {
    let length = text.iter().take_while(|byte| !byte.is_ascii()).count();
    let (special, rest) = text.split_at_checked(length).unwrap_or((text, &[]));
    for chunk in special.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_character(out, character, prefix);
        }
        if !chunk.invalid().is_empty() {
            push_character(out, char::REPLACEMENT_CHARACTER, prefix);
        }
    }
    rest
}

/// Appends `prefix` and four hexadecimal digits, twice for a surrogate pair.
fn push_character(out: &mut Vec<u8>, character: char, prefix: &[u8]) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(prefix);
        for shift in [12, 8, 4, 0] {
            out.extend(HEX.get(usize::from(*unit >> shift & 0xf)));
        }
    }
}
