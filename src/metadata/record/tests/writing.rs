use proptest::prelude::*;

use super::*;
use crate::metadata::{Name, json};

fn written(write: impl Fn(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    assert!(out.is_ascii());
    String::from_utf8(out).unwrap()
}

fn sample() -> Proposal {
    proposal(&record(
        "UPSERT",
        "ourOwn",
        r#","aspect":{"json":{"a":[],"n":"é\n"}},"headers":{"h":"ü"},
           "systemMetadata":{"version":"1","properties":{"k":"v"},"lastObserved":-1,"runId":"r"}"#,
    ))
}

#[test]
fn the_json_form_is_one_line() {
    let expected = record(
        "UPSERT",
        "ourOwn",
        concat!(
            r#","aspect":{"json":{"a":[],"n":"\u00e9\n"}},"#,
            r#""systemMetadata":{"lastObserved":-1,"runId":"r","properties":{"k":"v"},"version":"1"},"headers":{"h":"\u00fc"}"#
        ),
    );
    assert_eq!(written(|out| write_json_form(&sample(), out)), expected);
}

#[test]
fn the_value_form_has_room_for_one_more_member() {
    let mut sample = sample();
    sample.system_metadata = Some(Box::default());
    sample.headers.clear();
    let expected = record(
        "UPSERT",
        "ourOwn",
        concat!(
            r#","aspect":{"value":"{\"a\":[],\"n\":\"\\u00e9\\n\"}","contentType":"application/json"},"#,
            r#""systemMetadata":{},"deadLetter":{"status":422}"#
        ),
    );
    let extra = Some(("deadLetter", &br#"{"status":422}"#[..]));
    assert_eq!(written(|out| write_value_form(&sample, out, extra)), expected);
}

#[test]
fn the_indented_form_is_that_of_datahubs_file_sink() {
    let mut sample = sample();
    sample.headers.clear();
    let expected = format!(
        r#"{{
    "entityType": "dataset",
    "entityUrn": "{URN}",
    "changeType": "UPSERT",
    "aspectName": "ourOwn",
    "aspect": {{
        "json": {{
            "a": [],
            "n": "\u00e9\n"
        }}
    }},
    "systemMetadata": {{
        "lastObserved": -1,
        "runId": "r",
        "properties": {{
            "k": "v"
        }},
        "version": "1"
    }}
}}"#
    );
    assert_eq!(written(|out| write_indented(&sample, out)), expected);
}

#[test]
fn patches_and_deletes_keep_what_they_are() {
    let patch = record(
        "PATCH",
        "globalTags",
        r#","aspect":{"value":"[{\"op\":\"remove\"}]","contentType":"application/json-patch+json"}"#,
    );
    assert_eq!(written(|out| write_json_form(&proposal(&patch), out)), patch);
    assert_eq!(written(|out| write_value_form(&proposal(&patch), out, None)), patch);
    let patch = record("PATCH", "globalTags", r#","aspect":{"json":[{"op":"remove"}]}"#);
    assert_eq!(written(|out| write_json_form(&proposal(&patch), out)), patch);
    let delete = proposal(&record("DELETE", "datasetKey", ""));
    let expected = record("DELETE", "datasetKey", r#","aspect":null"#);
    assert_eq!(written(|out| write_json_form(&delete, out)), expected);
    assert_eq!(written(|out| write_value_form(&delete, out, None)), expected);
}

fn change_type() -> impl Strategy<Value = ChangeType> {
    prop::sample::select(vec![
        ChangeType::Upsert,
        ChangeType::Create,
        ChangeType::CreateEntity,
        ChangeType::Update,
        ChangeType::Patch,
        ChangeType::Delete,
        ChangeType::Restate,
    ])
}

fn string_map() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::hash_map(any::<String>(), any::<String>(), 0..3)
        .prop_map(|map| map.into_iter().collect())
}

fn system_metadata() -> impl Strategy<Value = SystemMetadata> {
    let name = || prop::option::of(any::<String>().prop_map(Into::into));
    (prop::option::of(any::<i64>()), name(), name(), name(), string_map(), any::<bool>()).prop_map(
        |(last_observed, run_id, last_run_id, pipeline_name, properties, other)| SystemMetadata {
            last_observed,
            run_id,
            last_run_id,
            pipeline_name,
            properties,
            other: if other { vec![("schemaVersion".into(), r#"{"x":[1e5]}"#.into())] } else { Vec::new() },
        },
    )
}

fn aspect() -> impl Strategy<Value = Aspect> {
    // An aspect's text is written in ASCII, so what is compared is ASCII from the start.
    let value = (r"[ !#-\[\]-~]{0,20}", any::<i64>()).prop_map(|(text, number)| {
        format!(r#"{{"text":"{text}","number":{number},"x":[null,{{"y":"\u00e9\n"}}]}}"#)
    });
    let content_type = prop::sample::select(vec![Aspect::JSON, Aspect::JSON_PATCH, "text/x".into()]);
    (value, content_type).prop_map(|(value, content_type)| Aspect { value: value.into(), content_type })
}

/// Operations that hold the aspect, in a list or in an object.
fn patch(aspect: Option<Aspect>) -> Aspect {
    let Some(Aspect { value, content_type }) = aspect else {
        return Aspect { value: "[]".into(), content_type: Aspect::JSON_PATCH };
    };
    let value = String::from_utf8(value.into()).unwrap();
    let list = format!("[{value}]");
    let value = if value.len().is_multiple_of(2) {
        list
    } else {
        format!(r#"{{"arrayPrimaryKeys":{{}},"patch":{list}}}"#)
    };
    Aspect { value: value.into(), content_type }
}

/// A tag that is named by its key.
fn tag(name: &str) -> (Urn, Option<Aspect>) {
    let mut value = br#"{"name":"#.to_vec();
    json::push_json_string(&mut value, name);
    value.push(b'}');
    let urn = Urn::parse_lenient(&format!("urn:li:tag:{name}")).unwrap();
    (urn, Some(Aspect { value: value.into(), content_type: Aspect::JSON }))
}

prop_compose! {
    fn any_proposal()(
        entity_type in "[a-zA-Z]{1,12}",
        key in any::<String>(),
        change_type in change_type(),
        aspect_name in prop::sample::select(vec!["status", "schemaMetadata", "ourOwn", "é\"\\"]),
        aspect in prop::option::weighted(0.9, aspect()),
        system_metadata in prop::option::of(system_metadata()),
        headers in string_map(),
        by_key in any::<bool>(),
    ) -> Proposal {
        let urn = Urn::parse_lenient(&format!("urn:li:{entity_type}:x{key}")).unwrap();
        let (urn, key_aspect) = if by_key { tag(urn.key()) } else { (urn, None) };
        Proposal {
            entity_type: Name::Owned(urn.entity_type().to_owned()),
            urn,
            key_aspect,
            change_type,
            aspect_name: aspect_name.into(),
            aspect: if change_type == ChangeType::Patch { Some(patch(aspect)) } else { aspect },
            system_metadata: system_metadata.map(Box::new),
            headers,
            origin: Some(origin()),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(expected in any_proposal()) {
        let extra = Some(("deadLetter", &b"{}"[..]));
        for text in [
            written(|out| write_json_form(&expected, out)),
            written(|out| write_value_form(&expected, out, extra)),
            written(|out| write_indented(&expected, out)),
        ] {
            prop_assert_eq!(&proposal(&text), &expected, "{}", text);
        }
    }
}
