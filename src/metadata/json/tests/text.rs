use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// JSON text with white space at random, and the same text without.
#[derive(Clone, Debug)]
struct Doc {
    spaced: String,
    compact: String,
}

fn literal(pattern: &'static str) -> BoxedStrategy<Doc> {
    pattern.prop_map(|text| Doc { spaced: text.clone(), compact: text }).boxed()
}

/// A string as it may be written, half surrogates and all.
const STRING: &str = r#""([ !#-\[\]-~\u{7f}é漢😀]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}){0,20}""#;
const NUMBER: &str = r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,3})?";
const GAP: &str = "[ \t\r\n]{0,12}";

fn join(open: char, parts: &[(String, Doc, String)], close: char) -> Doc {
    let spaced: Vec<_> =
        parts.iter().map(|(before, part, after)| format!("{before}{}{after}", part.spaced)).collect();
    let compact: Vec<_> = parts.iter().map(|(_, part, _)| part.compact.as_str()).collect();
    Doc {
        spaced: format!("{open}{}{close}", spaced.join(",")),
        compact: format!("{open}{}{close}", compact.join(",")),
    }
}

fn doc() -> impl Strategy<Value = Doc> {
    let leaf = prop_oneof![literal(STRING), literal(NUMBER), literal("true|false|null")];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let item = (GAP, inner.clone(), GAP);
        let member = (GAP, (literal(STRING), GAP, GAP, inner), GAP).prop_map(|(a, (key, b, c, value), d)| {
            let spaced = format!("{}{b}:{c}{}", key.spaced, value.spaced);
            let compact = format!("{}:{}", key.compact, value.compact);
            (a, Doc { spaced, compact }, d)
        });
        prop_oneof![
            prop::collection::vec(item, 0..6).prop_map(|items| join('[', &items, ']')),
            prop::collection::vec(member, 0..6).prop_map(|members| join('{', &members, '}')),
        ]
    })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e300..1e300_f64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn only_white_space_is_left_out(doc in doc(), before in GAP, after in GAP) {
        prop_assert_eq!(compacted(&format!("{before}{}{after}", doc.spaced)).unwrap(), doc.compact.clone());
        prop_assert_eq!(compacted(&doc.compact).unwrap(), doc.compact);
    }

    #[test]
    fn serde_jsons_pretty_text_becomes_its_compact_text(value in value()) {
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        prop_assert_eq!(compacted(&pretty).unwrap(), serde_json::to_string(&value).unwrap());
    }

    #[test]
    fn what_serde_json_refuses_is_refused(text in r#"[\[\]{}",:0-9.eE+\-ntrufalse \\]{0,12}"#) {
        // serde_json takes any Value but half surrogates and numbers beyond f64, neither of which fit in
        // here.
        let ours = compacted(&text).is_ok();
        let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
        prop_assert_eq!(ours, theirs, "{}", text);
    }

    #[test]
    fn indented_text_is_compacted_to_what_it_was(doc in doc()) {
        let mut indented = Vec::new();
        indent(&mut indented, doc.compact.as_bytes());
        prop_assert_eq!(compacted(std::str::from_utf8(&indented).unwrap()).unwrap(), doc.compact);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(mut cursor) = Cursor::new(&bytes, 4) {
            let mut out = Vec::new();
            drop(compact(&mut cursor, &mut out));
            indent(&mut out, &bytes);
        }
    }

    #[test]
    fn strings_are_decoded_as_serde_json_decodes_them(text in STRING) {
        let ours = Cursor::new(text.as_bytes(), 1).unwrap().string().unwrap().decode().map(std::borrow::Cow::into_owned);
        prop_assert_eq!(ours.ok(), serde_json::from_str::<String>(&text).ok());
    }
}

#[test]
fn a_large_number_and_odd_escapes_stay_as_they_are() {
    let text = r#"{"a":1e400,"b":-0.0,"c":9007199254740993,"d":"\ud800\/\u00E9","a":[]}"#;
    assert_eq!(compacted(text).unwrap(), text);
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    assert_eq!(compacted("\u{feff}{ }").unwrap(), "{}");
}

#[test]
fn indentation_is_pythons() {
    let mut out = Vec::new();
    indent(&mut out, br#"{"a":{},"b":[],"c":[1,{"d":"x:,{\"}"}],"e":null}"#);
    let expected = r#"{
    "a": {},
    "b": [],
    "c": [
        1,
        {
            "d": "x:,{\"}"
        }
    ],
    "e": null
}"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn half_a_surrogate_pair_is_no_text() {
    for (text, offset) in [
        (r#""ab\ud800""#, 3),
        (r#""\ud800\n""#, 1),
        (r#""\ud800\ud800""#, 1),
        (r#""\udc00\ud800""#, 1),
        (r#""\ud83d\ude00\udc00""#, 13),
    ] {
        let text = Cursor::new(text.as_bytes(), 1).unwrap().string().unwrap();
        assert_eq!(text.decode().unwrap_err(), JsonErrorKind::LoneSurrogate.at(offset));
    }
    let pair = Cursor::new(br#""\ud83d\ude00!""#, 1).unwrap().string().unwrap();
    assert_eq!(pair.decode().unwrap(), "😀!");
}

#[test]
fn members_and_items_are_read_one_by_one() {
    let text = br#" { "a" : 1 , "\u0062" : [ "x" , {} ] , "c" : "y" } "#;
    let mut cursor = Cursor::new(text, 8).unwrap();
    let mut object = cursor.object().unwrap();
    assert_eq!(cursor.key(&mut object).unwrap().unwrap().decode().unwrap(), "a");
    assert_eq!(cursor.kind().unwrap(), Kind::Integer);
    assert_eq!(cursor.skip().unwrap(), "1");
    let key = cursor.key(&mut object).unwrap().unwrap();
    assert_eq!((&*key.decode().unwrap(), key.offset()), ("b", 13));
    let mut items = cursor.array().unwrap();
    assert!(cursor.item(&mut items).unwrap());
    assert_eq!(cursor.string().unwrap().decode().unwrap(), "x");
    assert!(cursor.item(&mut items).unwrap());
    assert_eq!(cursor.skip().unwrap(), "{}");
    assert!(!cursor.item(&mut items).unwrap());
    assert!(cursor.key(&mut object).unwrap().is_some());
    assert_eq!(cursor.string().unwrap().decode().unwrap(), "y");
    assert!(cursor.key(&mut object).unwrap().is_none());
    cursor.end().unwrap();
}
