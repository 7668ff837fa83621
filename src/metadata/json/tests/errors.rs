use super::*;

fn error(text: &str) -> (JsonErrorKind, usize) {
    let error = compacted(text).unwrap_err();
    // Passing over a value finds the same error at the same place.
    let mut cursor = Cursor::new(text.as_bytes(), DEFAULT_MAX_DEPTH).unwrap();
    let skipped = cursor.skip().and_then(|_| cursor.end()).unwrap_err();
    assert_eq!(skipped, error);
    // Reading the members of an object finds it as well.
    if text.starts_with('{') {
        let mut cursor = Cursor::new(text.as_bytes(), DEFAULT_MAX_DEPTH).unwrap();
        let members = (|| {
            let mut object = cursor.object()?;
            while cursor.key(&mut object)?.is_some() {
                cursor.skip()?;
            }
            cursor.end()
        })();
        assert_eq!(members.unwrap_err().offset, error.offset, "{text}");
    }
    (error.kind, error.offset)
}

#[test]
fn each_error_has_its_place() {
    use JsonErrorKind::{
        ControlCharacter, Ends, Escape, Expected, LeadingZero, NotFinite, Number, TrailingComma,
        UnfinishedString,
    };
    for (text, kind, offset) in [
        ("", Ends("a value"), 0),
        ("  ", Ends("a value"), 2),
        (r#"{"a":"#, Ends("a value"), 5),
        (r#"{"a""#, Ends("`:`"), 4),
        (r#"{"a" 1}"#, Expected("`:`", b'1'), 5),
        (r#"{"a":1"#, Ends("`,` or `}`"), 6),
        (r#"{"a":1 "b":2}"#, Expected("`,` or `}`", b'"'), 7),
        (r#"{"a":1]"#, Expected("`,` or `}`", b']'), 6),
        ("[1 2]", Expected("`,` or `]`", b'2'), 3),
        ("[1", Ends("`,` or `]`"), 2),
        ("[1}", Expected("`,` or `]`", b'}'), 2),
        ("{", Ends("a name in quotes or `}`"), 1),
        ("{a:1}", Expected("a name in quotes or `}`", b'a'), 1),
        (r#"{"a":1,b:2}"#, Expected("a name in quotes", b'b'), 7),
        (r#"{"a":1,"#, Ends("a name in quotes"), 7),
        (r#"{"a":1,}"#, TrailingComma, 7),
        ("[1, ]", TrailingComma, 4),
        ("[,1]", Expected("a value", b','), 1),
        ("[NaN]", NotFinite("NaN"), 1),
        ("[Infinity]", NotFinite("Infinity"), 1),
        (r#"{"a":-Infinity}"#, NotFinite("-Infinity"), 5),
        ("nul", Expected("a value", b'n'), 0),
        ("True", Expected("a value", b'T'), 0),
        ("'a'", Expected("a value", b'\''), 0),
        ("nullx", Expected("the end of the text", b'x'), 4),
        ("{} {}", Expected("the end of the text", b'{'), 3),
        ("01", LeadingZero, 0),
        ("[-012]", LeadingZero, 1),
        ("-", Number, 0),
        ("1.", Number, 0),
        ("[1.e5]", Number, 1),
        ("1e", Number, 0),
        ("1e+", Number, 0),
        ("+1", Expected("a value", b'+'), 0),
        (".5", Expected("a value", b'.'), 0),
        ("[\"a\nb\"]", ControlCharacter(b'\n'), 3),
        ("[\"a\0\"]", ControlCharacter(0), 3),
        ("[\0]", Expected("a value", 0), 1),
        (r#"["abc"#, UnfinishedString, 1),
        (r#"["abc\"#, Escape, 5),
        (r#"["a\x"]"#, Escape, 3),
        (r#"["\u12g4"]"#, Escape, 2),
        (r#"["\u12"]"#, Escape, 2),
    ] {
        assert_eq!(error(text), (kind, offset), "{text:?}");
    }
}

#[test]
fn invalid_utf8_has_its_place() {
    let error = Cursor::new(b"[\"ab\xff\"]", DEFAULT_MAX_DEPTH).unwrap_err();
    assert_eq!((error.kind, error.offset), (JsonErrorKind::Utf8, 4));
    // A surrogate encoded as UTF-8, and an overlong slash.
    assert!(Cursor::new(b"\"\xed\xa0\x80\"", DEFAULT_MAX_DEPTH).is_err());
    assert!(Cursor::new(b"\"\xc0\xaf\"", DEFAULT_MAX_DEPTH).is_err());
}

#[test]
fn depth_is_limited_and_does_not_use_the_stack() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let deepest = nested(DEFAULT_MAX_DEPTH);
        assert_eq!(compacted(&deepest).unwrap(), deepest);
        let error = compacted(&nested(DEFAULT_MAX_DEPTH + 1)).unwrap_err();
        assert_eq!(error.kind, JsonErrorKind::TooDeep(DEFAULT_MAX_DEPTH));
        assert_eq!(error.offset, open.len() * DEFAULT_MAX_DEPTH);

        let million = nested(1_000_000);
        assert!(Cursor::new(million.as_bytes(), 2_000_000).unwrap().skip().is_ok());
    }
}

#[test]
fn mixed_nesting_is_remembered_over_many_levels() {
    let levels = 200;
    let open: String = (0..levels).map(|level| if level % 3 == 0 { "[" } else { "{\"a\":" }).collect();
    let close: String = (0..levels).rev().map(|level| if level % 3 == 0 { ']' } else { '}' }).collect();
    assert!(compacted(&format!("{open}0{close}")).is_ok());
    for wrong in [0, 63, 64, 65, 127, 128, 199] {
        let mut close: Vec<char> = close.chars().collect();
        close[wrong] = if close[wrong] == ']' { '}' } else { ']' };
        let close: String = close.into_iter().collect();
        let error = compacted(&format!("{open}0{close}")).unwrap_err();
        assert_eq!(error.offset, open.len() + 1 + wrong);
    }
}

#[test]
fn the_members_count_as_levels() {
    let mut cursor = Cursor::new(br#"{"a":[[1]]}"#, 2).unwrap();
    let mut object = cursor.object().unwrap();
    cursor.key(&mut object).unwrap();
    assert_eq!(cursor.skip().unwrap_err(), JsonErrorKind::TooDeep(2).at(6));
}

#[test]
fn error_messages() {
    for (kind, text) in [
        (JsonErrorKind::Ends("a value"), "expected a value, but the text ends"),
        (JsonErrorKind::Expected("`:`", b'x'), "expected `:`, found `x`"),
        (JsonErrorKind::Expected("a value", 0), "expected a value, found a NUL byte"),
        (JsonErrorKind::Expected("a value", 0xe2), "expected a value, found the byte 0xe2"),
        (JsonErrorKind::NotFinite("NaN"), "NaN is not JSON: expected a finite number, a string or null"),
        (
            JsonErrorKind::ControlCharacter(b'\n'),
            "control character 0x0a in a string: expected it as \\u000a",
        ),
        (JsonErrorKind::TooDeep(256), "nested deeper than 256 levels"),
    ] {
        assert_eq!(kind.to_string(), text);
    }
}
