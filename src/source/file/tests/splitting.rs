use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{LIMIT, Pieces, Split, outline, records, split};
use crate::source::RawRecord;
use crate::source::file::split::{RecordPiece, Splitter};
use crate::source::file::window;

/// Text that a careless splitter stumbles over.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,20}",
        r#"[\[\]{}",:\\ \n\r\t]{0,12}"#,
        "\\PC{0,6}",
        Just("\u{2}\u{0}\u{feff}é␟🦀".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

pub(super) fn object() -> impl Strategy<Value = Value> {
    prop::collection::vec((text(), value()), 0..6)
        .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), Just(vec![usize::MAX]), prop::collection::vec(1_usize..40, 1..8),]
}

/// White space for between the tokens of an array.
fn gap() -> impl Strategy<Value = String> {
    "[ \t\r\n]{0,6}"
}

/// Puts `parts` one after another and tells where each starts.
fn lay_out(start: &str, parts: &[String], between: &[String], end: &str) -> (String, Vec<(u64, String)>) {
    let mut file = start.to_owned();
    let mut expected = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            file.push_str(&between[number % between.len()]);
        }
        expected.push((file.len() as u64, part.clone()));
        file.push_str(part);
    }
    file.push_str(end);
    (file, expected)
}

fn only_records(found: &[(u64, Split)]) -> Vec<(u64, String)> {
    let records = records(found);
    assert_eq!(records.len(), found.len(), "{found:?}");
    records
}

proptest! {
    #[test]
    fn an_array_gives_its_elements_whatever_the_layout(
        objects in prop::collection::vec((object(), any::<bool>()), 0..12),
        gaps in prop::collection::vec((gap(), gap()), 1..6),
        mark in any::<bool>(),
        sizes in sizes(),
    ) {
        let parts: Vec<String> = objects
            .iter()
            .map(|(object, pretty)| if *pretty { format!("{object:#}") } else { object.to_string() })
            .collect();
        let between: Vec<String> = gaps.iter().map(|(one, other)| format!("{one},{other}")).collect();
        let mark = if mark { "\u{feff}" } else { "" };
        let start = format!("{mark}{}[{}", gaps[0].0, gaps[0].1);
        let end = format!("{}]{}", gaps[0].1, gaps[0].0);
        let (file, expected) = lay_out(&start, &parts, &between, &end);
        let found = split(Pieces::new(file.as_bytes(), &sizes), LIMIT);
        prop_assert_eq!(only_records(&found), expected);
    }

    #[test]
    fn objects_one_after_another_give_themselves(
        objects in prop::collection::vec((object(), any::<bool>()), 1..12),
        breaks in prop::collection::vec("\r?\n[ \t\r\n]{0,3}", 1..6),
        sizes in sizes(),
    ) {
        let parts: Vec<String> = objects
            .iter()
            .map(|(object, pretty)| if *pretty { format!("{object:#}") } else { object.to_string() })
            .collect();
        let (file, expected) = lay_out("", &parts, &breaks, &breaks[0]);
        let found = split(Pieces::new(file.as_bytes(), &sizes), LIMIT);
        prop_assert_eq!(only_records(&found), expected);
    }

    #[test]
    fn several_objects_may_share_a_line(
        objects in prop::collection::vec(object(), 1..12),
        gaps in prop::collection::vec("[ \t]{0,3}", 1..6),
        sizes in sizes(),
    ) {
        let parts: Vec<String> = objects.iter().map(Value::to_string).collect();
        let (file, expected) = lay_out("", &parts, &gaps, "");
        let found = split(Pieces::new(file.as_bytes(), &sizes), LIMIT);
        prop_assert_eq!(only_records(&found), expected);
    }

    #[test]
    fn the_size_of_the_pieces_that_are_read_changes_nothing(
        file in r#"([\[\]{},":\\\na ]|\{"a":1\}|\[\{\}\]){0,60}"#,
        sizes in sizes(),
        limit in prop_oneof![Just(LIMIT), 1_usize..20],
    ) {
        let at_once = split(file.as_bytes(), limit);
        prop_assert_eq!(split(Pieces::new(file.as_bytes(), &sizes), limit), at_once);
    }
}

#[test]
fn mistakes_between_the_elements_of_an_array_are_told_one_by_one() {
    assert_eq!(
        outline(r#"[{"a":1} {"b":2}, {"c":3}, , {"d":4},]"#),
        [
            r#"1 {"a":1}"#,
            r#"9 {"b":2} ! expected `,` or `]` before this element"#,
            r#"18 {"c":3}"#,
            "27  ! an element is missing before this `,`",
            r#"29 {"d":4}"#,
            "37  ! an element is missing between the last `,` and the `]` of the array",
        ]
    );
    assert_eq!(
        outline(r#"[1, "a, ]", [{"x":[]}], nul , {}, true]"#),
        [
            "1 1 ! expected an object, found a number",
            r#"4 "a, ]" ! expected an object, found a string"#,
            r#"12 [{"x":[]}] ! expected an object, found an array"#,
            "24 nul ! expected an object, found a bare word",
            "30 {}",
            "34 true ! expected an object, found a bare word",
        ]
    );
}

#[test]
fn what_follows_an_array_is_one_invalid_record() {
    assert_eq!(
        outline("[{}]\n [{}]\n{}\n"),
        ["1 {}", "6 [{}]\n{}\n ! something follows the end of the array"]
    );
}

#[test]
fn an_array_whose_brackets_do_not_balance_ends_there() {
    assert_eq!(
        outline(r#"[{"a":1},{"b":[2},{"c":3}]"#),
        [
            r#"1 {"a":1}"#,
            r#"9 {"b":[2},{"c":3}] ! the brackets do not balance: expected `]`; the start of the next element is unknown, so the rest of the file is skipped at byte 16"#,
        ]
    );
    assert_eq!(
        outline("[{},}, {}]"),
        [
            "1 {}",
            "4 }, {}] ! a `}` without an opening bracket; the start of the next element is unknown, so the rest of the file is skipped"
        ]
    );
}

#[test]
fn a_file_that_breaks_off_keeps_what_stands_before() {
    assert_eq!(
        outline(r#"[{"a":1},{"b":"#),
        [r#"1 {"a":1}"#, r#"9 {"b": ! the file ends in the middle of this element"#]
    );
    assert_eq!(outline(r#"[{"a":1},"#), [r#"1 {"a":1}"#, "9  ! the file ends before the `]` of its array"]);
    assert_eq!(outline("["), ["1  ! the file ends before the `]` of its array"]);
    assert_eq!(
        outline("{\"a\":1}\n{\"b\":"),
        [r#"0 {"a":1}"#, r#"8 {"b": ! the file ends in the middle of this record"#]
    );
}

#[test]
fn a_broken_line_costs_that_line_alone() {
    assert_eq!(
        outline("{\"a\":\n{\"b\":1}\n{\"c\":[1}\n{\"d\":\"x}\n{\"e\":1}}\nnull\n\n{\"f\":1}\n"),
        [
            r#"0 {"a": ! the record is cut off: the next one starts before its brackets are closed"#,
            r#"6 {"b":1}"#,
            r#"14 {"c":[1} ! the brackets do not balance: expected `]` at byte 21"#,
            r#"23 {"d":"x} ! a string is not closed at the end of its line at byte 31"#,
            r#"32 {"e":1}"#,
            "39 } ! expected an object, found `}`",
            "41 null ! expected an object, found a bare word",
            r#"47 {"f":1}"#,
        ]
    );
}

#[test]
fn an_object_over_several_lines_is_one_record_and_a_broken_one_too() {
    let whole = "{\n  \"a\": [\n    {\"b\": 1},\n    {\n      \"c\": {}\n    }\n  ]\n}";
    assert_eq!(outline(whole), [format!("0 {whole}")]);
    assert_eq!(
        outline(format!("{whole}\n{whole}\n")),
        [format!("0 {whole}"), format!("{} {whole}", whole.len() + 1)]
    );
    let broken = "{\n  \"a\": [\n    1\n  }\n}";
    assert_eq!(
        outline(format!("{broken}\n{{}}\n")),
        [
            format!("0 {broken} ! the brackets do not balance: expected `]` at byte 19"),
            format!("{} {{}}", broken.len() + 1),
        ]
    );
    let unclosed = "{\n  \"a\": \"x,\n  \"b\": 1\n}";
    assert_eq!(
        outline(format!("{unclosed}\n{{}}\n")),
        [
            format!("0 {unclosed} ! a string is not closed at the end of its line at byte 12"),
            format!("{} {{}}", unclosed.len() + 1),
        ]
    );
}

#[test]
fn empty_and_odd_files_are_met() {
    for blank in ["", " \n\r\n\t", "\u{feff}", "[]", "[\n\n]", "\u{feff} [ ] \n"] {
        assert_eq!(outline(blank), [""; 0], "{blank:?}");
    }
    assert_eq!(outline("null"), ["0 null ! expected an object, found a bare word"]);
    assert_eq!(outline("\u{feff}{}"), ["3 {}"]);
    assert_eq!(outline("{}\r\n{}\r\n"), ["0 {}", "4 {}"]);
    assert_eq!(outline("\0\0\0"), ["0 \0\0\0 ! expected an object, found a NUL byte"]);
    assert_eq!(outline("{}\n\0\0"), ["0 {}", "3 \0\0 ! expected an object, found a NUL byte"]);
    let utf_16 = outline(b"\xFF\xFE[\0{\0}\0]\0");
    assert_eq!(utf_16.len(), 1);
    assert!(utf_16[0].contains("UTF-16"), "{utf_16:?}");
}

#[test]
fn a_record_over_the_limit_is_skipped_without_being_held() {
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(5 * 1024 * 1024));
    for file in [format!("[{{}},{long},{{}}]"), format!("{{}}\n{long}\n{{}}\n")] {
        let mut splitter = Splitter::new(file.as_bytes(), 1024);
        let mut found = Vec::new();
        while let Some(next) = splitter.next().unwrap() {
            found.push(match next.piece {
                RecordPiece::Record(_) => None,
                RecordPiece::Broken { reason, raw, .. } => {
                    assert!(reason.contains("max_record_bytes"), "{reason}");
                    Some(raw)
                }
            });
        }
        let length = long.len() as u64;
        assert_eq!(found, [None, Some(RawRecord::Long { length }), None]);
        assert!(splitter.buffer_capacity() <= 2 * 1024 * 1024, "{}", splitter.buffer_capacity());
    }
}

#[test]
fn the_buffer_grows_with_a_large_record_and_shrinks_again() {
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(8 * 1024 * 1024));
    let file = format!("[{long}{}]", ",{}".repeat(1000));
    let mut splitter = Splitter::new(file.as_bytes(), LIMIT);
    let Some(first) = splitter.next().unwrap() else { panic!("there is a record") };
    assert_eq!(first.piece, RecordPiece::Record(long.as_bytes()));
    assert!(splitter.buffer_capacity() <= 2 * long.len(), "{}", splitter.buffer_capacity());
    while splitter.next().unwrap().is_some() {}
    assert_eq!(splitter.buffer_capacity(), window::INITIAL);
}

#[test]
fn a_million_elements_and_a_million_brackets_need_no_more_memory() {
    let file = format!("[{}{{}}]", "{},".repeat(1_000_000));
    let mut splitter = Splitter::new(file.as_bytes(), LIMIT);
    let mut count = 0;
    while splitter.next().unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 1_000_001);
    assert_eq!(splitter.buffer_capacity(), window::INITIAL);

    let deep = format!("[{}{},{{}}]", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let found = split(deep.as_bytes(), 4096);
    assert_eq!(found.len(), 2);
    assert!(
        matches!(&found[0].1, Split::Broken(_, RawRecord::Long { length: 2_000_000 })),
        "{:?}",
        found[0].0
    );
    assert_eq!(found[1].1, Split::Record("{}".into()));
}
