//! JSON text without insignificant white space.

/// Drops the white space between the tokens of `text`, which must be valid JSON. Strings and numbers stay as they are.
///
/// Clients space their JSON differently, and GMS, which compares values, takes an aspect that only looks different for
/// the same.
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

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn only_the_space_between_tokens_goes() {
        assert_eq!(
            compact("{ \"a b\" : [ 1.10 ,\t1e400,\r\n\"\\\" x \\\\\" , \" \" ] }"),
            "{\"a b\":[1.10,1e400,\"\\\" x \\\\\",\" \"]}"
        );
    }
}
