//! JSON compared by its text: numbers digit by digit, and no unnecessary characters.

use serde_json::Value;

/// Parses JSON. A number becomes the text `number 1.10`, so that it differs from 1.1.
pub(super) fn exact(text: &str) -> Result<Value, String> {
    let mut marked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            '-' | '0'..='9' => rest
                .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
                .unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        if matches!(first, '-' | '0'..='9') {
            marked.push_str("\"number ");
            marked.push_str(token);
            marked.push('"');
        } else {
            marked.push_str(token);
        }
        rest = after;
    }
    serde_json::from_str(&marked).map_err(|error| format!("no JSON ({error}): {text}"))
}

/// The length of the string literal at the start of `text`, with both quotes.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The first reason why JSON text is not compact or not ASCII.
pub(super) fn format_error(text: &str) -> Option<String> {
    if !text.is_ascii() {
        return Some(format!("not ASCII: {text}"));
    }
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            return Some(format!("white space between its tokens: {text}"));
        }
        let length = if first == '"' { string_length(rest) } else { 1 };
        rest = &rest[length..];
    }
    None
}

#[test]
fn numbers_are_compared_by_their_digits() {
    let read = |text| exact(text).unwrap();
    assert_ne!(read("[1.10]"), read("[1.1]"));
    assert_ne!(read("[-0.0]"), read("[0.0]"));
    assert_ne!(read("[1]"), read(r#"["1"]"#));
    assert_eq!(
        read("[ 1e400 ,{\"a\":12345678901234567890123}]"),
        read("[1e400,{\"a\":12345678901234567890123}]")
    );
    assert_eq!(read(r#"["1 \" 2", "\\"]"#), serde_json::json!(["1 \" 2", "\\"]));
    assert!(exact("[1").is_err());
}

#[test]
fn white_space_is_found_between_tokens_only() {
    assert_eq!(format_error(r#"{"a \" b":[1,{}]}"#), None);
    assert!(format_error(r#"{"a": 1}"#).is_some());
    assert!(format_error("[1,\n2]").is_some());
    assert!(format_error(r#"["é"]"#).is_some());
}
