//! Transformations of JSON text: removing white space, and escaping to ASCII.

/// Removes the white space between the tokens of `text`, which must be valid JSON. Strings and numbers are
/// unchanged.
///
/// Clients format JSON differently, but GMS compares values, so that two texts of one value must not differ.
pub(super) fn compact(text: &str) -> String {
    let mut in_string = false;
    let mut escaped = false;
    text.chars()
        .filter(|&c| {
            if in_string {
                in_string = escaped || c != '"';
                escaped = !escaped && c == '\\';
                return true;
            }
            in_string = c == '"';
            !matches!(c, ' ' | '\t' | '\n' | '\r')
        })
        .collect()
}

/// Escapes all non-ASCII characters of `text`, which must be valid JSON, as `\u` sequences.
pub(super) fn ascii(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            written.push(c);
        } else {
            // Non-ASCII characters occur only in strings.
            for unit in c.encode_utf16(&mut [0; 2]) {
                written.push_str("\\u");
                written.extend(
                    (0..4)
                        .rev()
                        .filter_map(|digit| char::from_digit(u32::from(*unit >> (4 * digit)) & 0xF, 16)),
                );
            }
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::{ascii, compact};

    #[test]
    fn non_ascii_characters_are_escaped() {
        assert_eq!(ascii("{\"é\":\"😀\"}"), r#"{"\u00e9":"\ud83d\ude00"}"#);
    }

    #[test]
    fn only_white_space_between_tokens_is_removed() {
        assert_eq!(
            compact("{ \"a b\" : [ 1.10 ,\t1e400,\r\n\"\\\" x \\\\\" , \" \" ] }"),
            "{\"a b\":[1.10,1e400,\"\\\" x \\\\\",\" \"]}"
        );
    }
}
