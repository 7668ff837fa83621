//! Generated and damaged records: each is either read completely or an error.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;
use crate::metadata::json::{Cursor, push_ascii_json, push_json_string};
use crate::metadata::push_openapi_value;

/// A JSON value as it is written.
#[derive(Clone, Debug)]
enum Tree {
    Null,
    /// A string, a number or a boolean.
    Scalar(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Tree {
    /// Its text with `gap` wherever white space may be.
    fn text(&self, gap: &str) -> String {
        let comma = format!("{gap},{gap}");
        match self {
            Self::Null => "null".to_owned(),
            Self::Scalar(text) => text.clone(),
            Self::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| item.text(gap)).collect();
                format!("[{gap}{}{gap}]", items.join(&comma))
            }
            Self::Object(members) => {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| format!("{name}{gap}:{gap}{}", value.text(gap)))
                    .collect();
                format!("{{{gap}{}{gap}}}", members.join(&comma))
            }
        }
    }

    fn without_null_members(&self) -> Self {
        match self {
            Self::Array(items) => Self::Array(items.iter().map(Self::without_null_members).collect()),
            Self::Object(members) => {
                let members = members.iter().filter(|(_, value)| !matches!(value, Self::Null));
                Self::Object(
                    members.map(|(name, value)| (name.clone(), value.without_null_members())).collect(),
                )
            }
            other => other.clone(),
        }
    }
}

/// A member's name; the model gives none of them a context.
fn name() -> impl Strategy<Value = String> {
    r#""k([ !#-\[\]-~é漢😀]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}){0,8}""#
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        r#""([ !#-\[\]-~\u{7f}é漢😀]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}){0,12}""#.prop_map(Tree::Scalar),
        r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?".prop_map(Tree::Scalar),
        "true|false".prop_map(Tree::Scalar),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Tree::Array),
            prop::collection::vec((name(), inner), 0..5).prop_map(Tree::Object),
        ]
    })
}

/// The proposal with its texts in ASCII, as they are written.
fn in_ascii(mut proposal: Proposal) -> Proposal {
    let ascii = |text: &[u8]| {
        let mut out = Vec::new();
        push_ascii_json(&mut out, text);
        out
    };
    for aspect in [&mut proposal.aspect, &mut proposal.key_aspect].into_iter().flatten() {
        aspect.value = ascii(&aspect.value).into();
    }
    for (_, value) in proposal.system_metadata.iter_mut().flat_map(|metadata| &mut metadata.other) {
        *value = String::from_utf8(ascii(value.as_bytes())).unwrap().into();
    }
    proposal
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(text).is_ok()
}

/// Checks what holds of any proposal that was read.
fn check_proposal(proposal: &Proposal) -> Result<(), TestCaseError> {
    for aspect in [&proposal.aspect, &proposal.key_aspect].into_iter().flatten() {
        prop_assert!(is_json(&aspect.value), "{:?}", aspect);
    }
    let mut openapi = Vec::new();
    push_openapi_value(&mut openapi, proposal);
    prop_assert!(openapi.is_ascii() && is_json(&openapi), "{:?}", String::from_utf8_lossy(&openapi));

    let mut lines = [Vec::new(), Vec::new(), Vec::new()];
    let [json_form, value_form, indented] = &mut lines;
    write_json_form(proposal, json_form);
    write_value_form(proposal, value_form, Some(("deadLetter", b"{}")));
    write_indented(proposal, indented);
    let expected = Ok(ParsedRecord::Proposals(vec![in_ascii(proposal.clone())]));
    for line in lines {
        prop_assert!(line.is_ascii() && is_json(&line));
        prop_assert_eq!(&super::read(&line, &RecordLimits::default(), origin()), &expected);
    }
    Ok(())
}

/// The records of the fixtures, and some of forms that they do not have.
fn records() -> Vec<String> {
    let mut records = Vec::new();
    for file in [
        include_str!("../../../../fixtures/metadata/changes.json"),
        include_str!("../../../../fixtures/metadata/forms/old_unions.json"),
        include_str!("../../../../fixtures/metadata/old-mce.json"),
        include_str!("../../../../fixtures/metadata/value-form.json"),
    ] {
        let mut cursor = Cursor::new(file.as_bytes(), 64).unwrap();
        let mut items = cursor.array().unwrap();
        while cursor.item(&mut items).unwrap() {
            records.push(cursor.skip().unwrap().to_owned());
        }
    }
    records.extend(include_str!("../../../../fixtures/metadata/lines.jsonl").lines().map(str::to_owned));
    records.push(record(
        "PATCH",
        "upstreamLineage",
        r#","aspect":{"json":{"patch":[{"op":"add","path":"/x","value":null}],"arrayPrimaryKeys":{"u":["d"]},"forceGenericPatch":true}}"#,
    ));
    records.push(record(
        "UPSERT",
        "cost",
        r#","aspect":{"json":{"costType":"ORG_COST_TYPE","cost":{"fieldDiscriminator":"costId","costId":{"double":1.50},"costCode":null}}},"headers":{"a":"b"},"systemMetadata":{"lastObserved":0,"runId":"r","x":{"y":null}}"#,
    ));
    records.push(
        r#"{"entityType":"dataset","entityKeyAspect":{"json":{"platform":"urn:li:dataPlatform:hive","name":"é","origin":"PROD"}},"changeType":"CREATE","aspectName":"ourOwn","aspect":{"json":{"u":{"com.linkedin.pegasus2avro.a.B":null},"w":[{"fieldDiscriminator":"b","a":1,"b":2}]}}}"#
            .to_owned(),
    );
    records
}

/// One piece of damage to a text.
#[derive(Clone, Debug)]
enum Damage {
    Byte(u8),
    Cut,
    /// Repeats this number of bytes after the place.
    Again(usize),
    Without(usize),
    Insert(String),
}

fn damage() -> impl Strategy<Value = Damage> {
    let odd = [
        "null",
        "{}",
        "[]",
        "\"\"",
        "\\ud800",
        "\\u0000",
        "\\",
        "\"",
        ",",
        ":",
        "}",
        "]",
        "\u{feff}",
        "\u{241f}",
        "\u{0}",
        "1e400",
        "-0.0",
        "9007199254740993",
        "123456789012345678901234567890.000",
        "{\"string\":\"x\"}",
        "{\"array\":[]}",
        "\"fieldDiscriminator\":\"a\",",
        "\"com.linkedin.pegasus2avro.a.B\":null,",
        "\"aspect\":null,",
        "\"entityUrn\":\"urn:li:tag:\u{1f600}\",",
        "\"changeType\":\"DELETE\",",
        "\"string\":",
        "{\"com.linkedin.pegasus2avro.mxe.GenericAspect\":",
        "{\"map\":",
    ];
    prop_oneof![
        any::<u8>().prop_map(Damage::Byte),
        prop::sample::select(b" \"{}[],:\\ntf0-.eE".to_vec()).prop_map(Damage::Byte),
        Just(Damage::Cut),
        (1..60_usize).prop_map(Damage::Again),
        (1..60_usize).prop_map(Damage::Without),
        prop::sample::select(odd.to_vec()).prop_map(|text| Damage::Insert(text.to_owned())),
        (prop::sample::select(vec![("[", "]"), ("{\"a\":", "}")]), 1..300_usize).prop_map(
            |((open, close), levels)| {
                Damage::Insert(format!("{}1{}", open.repeat(levels), close.repeat(levels)))
            }
        ),
    ]
}

fn damaged(record: &str, all: &[(Damage, prop::sample::Index)]) -> Vec<u8> {
    let mut bytes = record.as_bytes().to_vec();
    for (damage, at) in all {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match damage {
            Damage::Byte(byte) => bytes[at] = *byte,
            Damage::Cut => bytes.truncate(at),
            Damage::Again(length) => {
                let again = bytes[at..bytes.len().min(at + length)].to_vec();
                bytes.splice(at..at, again);
            }
            Damage::Without(length) => drop(bytes.drain(at..bytes.len().min(at + length))),
            Damage::Insert(text) => drop(bytes.splice(at..at, text.bytes())),
        }
    }
    bytes
}

proptest! {
    #[test]
    fn an_aspect_comes_out_as_it_went_in(
        members in prop::collection::vec((name(), tree()), 0..5),
        change_type in prop::sample::select(vec!["UPSERT", "CREATE", "CREATE_ENTITY", "UPDATE", "PATCH", "DELETE", "RESTATE"]),
        aspect_name in prop::sample::select(vec!["status", "ourOwn"]),
        gap in "[ \t\r\n]{0,3}",
        in_value in any::<bool>(),
        ascii in any::<bool>(),
        aspect_first in any::<bool>(),
    ) {
        let mut tree = Tree::Object(members);
        if change_type == "PATCH" {
            tree = Tree::Array(vec![tree]);
        }
        let text = tree.text(&gap);
        let aspect = if in_value {
            let mut quoted = Vec::new();
            push_json_string(&mut quoted, &text);
            let quoted = if ascii { String::from_utf8(quoted).unwrap() } else { serde_json::to_string(&text).unwrap() };
            format!(r#""aspect":{{"value":{quoted},"contentType":"application/json"}}"#)
        } else {
            format!(r#""aspect":{{"json":{text}}}"#)
        };
        let head = format!(
            r#""entityType":"dataset","entityUrn":"{URN}","changeType":"{change_type}","aspectName":"{aspect_name}""#
        );
        let record = if aspect_first { format!("{{{aspect},{head}}}") } else { format!("{{{head},{aspect}}}") };
        let found = proposal(&record);
        let rewritten = change_type == "UPSERT" && aspect_name == "status";
        let expected = if rewritten { tree.without_null_members().text("") } else { tree.text("") };
        prop_assert_eq!(super::text(found.aspect.as_ref()), expected);
        check_proposal(&found)?;
    }

    #[test]
    fn whatever_is_read_is_passed_on(
        record in prop::sample::select(records()),
        damage in prop::collection::vec((damage(), any::<prop::sample::Index>()), 0..4),
    ) {
        let bytes = damaged(&record, &damage);
        match super::read(&bytes, &RecordLimits::default(), origin()) {
            Ok(ParsedRecord::Proposals(proposals)) => {
                // A byte order mark is passed over.
                let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
                prop_assert!(is_json(text));
                for proposal in &proposals {
                    check_proposal(proposal)?;
                }
            }
            Ok(ParsedRecord::Ignored(_)) => {}
            Err(error) => prop_assert!(error.offset <= bytes.len() && !error.reason.is_empty(), "{}", error),
        }
    }

    #[test]
    fn no_words_of_a_record_make_it_panic(words in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ":", ",", "null", "1e5", "true", "\"x\"", "\"entityType\":\"tag\",",
        "\"entityUrn\":\"urn:li:tag:x\",", "\"entityKeyAspect\":", "\"changeType\":\"PATCH\",", "\"changeType\":\"UPSERT\",",
        "\"aspectName\":\"status\",", "\"aspect\":", "{\"json\":", "{\"value\":", "\"contentType\":\"application/json\"",
        "\"systemMetadata\":", "\"headers\":", "\"proposedSnapshot\":", "\"name\":", "\"patch\":",
        "{\"com.linkedin.metadata.snapshot.TagSnapshot\":", "\"urn\":\"urn:li:tag:x\",", "\"aspects\":",
        "{\"com.linkedin.common.Status\":",
    ]), 0..20)) {
        if let Ok(ParsedRecord::Proposals(proposals)) = super::read(words.concat().as_bytes(), &RecordLimits::default(), origin()) {
            for proposal in &proposals {
                check_proposal(proposal)?;
            }
        }
    }
}
