use proptest::prelude::*;

use super::*;

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    push_json_string(&mut out, text);
    String::from_utf8(out).unwrap()
}

fn embedded(compact: &str) -> String {
    let mut out = Vec::new();
    push_embedded_json(&mut out, compact.as_bytes());
    String::from_utf8(out).unwrap()
}

fn ascii(compact: &str) -> String {
    let mut out = Vec::new();
    push_ascii_json(&mut out, compact.as_bytes());
    String::from_utf8(out).unwrap()
}

#[test]
fn strings_are_written_as_python_writes_them() {
    for (text, expected) in [
        ("", r#""""#),
        ("plain text of some length", r#""plain text of some length""#),
        ("a\"b\\c/d", r#""a\"b\\c/d""#),
        ("\n\r\t\u{8}\u{c}\0\u{1f}", r#""\n\r\t\b\f\u0000\u001f""#),
        ("café \u{7f}\u{80}", r#""caf\u00e9 \u007f\u0080""#),
        ("日本 😀", r#""\u65e5\u672c \ud83d\ude00""#),
    ] {
        assert_eq!(quoted(text), expected);
    }
}

#[test]
fn embedded_json_is_ascii_inside_and_outside() {
    assert_eq!(
        embedded(r#"{"name":"café 😀","path":"a\\b\n"}"#),
        r#"{\"name\":\"caf\\u00e9 \\ud83d\\ude00\",\"path\":\"a\\\\b\\n\"}"#
    );
    assert_eq!(ascii(r#"{"é":"日\u00e9"}"#), r#"{"\u00e9":"\u65e5\u00e9"}"#);
}

#[test]
fn bytes_that_are_no_text_do_no_harm() {
    let mut out = Vec::new();
    push_embedded_json(&mut out, b"a\xff\xc3");
    push_ascii_json(&mut out, b"\xe2\x82!");
    assert_eq!(String::from_utf8(out).unwrap(), r"a\\ufffd\\ufffd\ufffd!");
}

proptest! {
    #[test]
    fn a_string_comes_back(text in any::<String>()) {
        let written = quoted(&text);
        prop_assert!(written.is_ascii());
        prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }

    #[test]
    fn embedded_json_comes_back(text in any::<String>(), key in any::<String>(), number in any::<i64>()) {
        let value = serde_json::json!({key: [text, number, {"x": null}]});
        let compact = serde_json::to_string(&value).unwrap();
        let written = embedded(&compact);
        prop_assert!(written.is_ascii());
        let inner: String = serde_json::from_str(&format!("\"{written}\"")).unwrap();
        prop_assert!(inner.is_ascii());
        prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&inner).unwrap(), &value);
        prop_assert_eq!(&inner, &ascii(&compact));
        prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&ascii(&compact)).unwrap(), &value);
    }
}
