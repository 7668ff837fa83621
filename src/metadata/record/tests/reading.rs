use proptest::prelude::*;

use super::*;

#[test]
fn the_json_form_is_read() {
    let found = proposal(&record(
        "UPSERT",
        "status",
        r#", "aspect": { "json": { "removed": false , "x" : null } },
             "systemMetadata": {"lastObserved": 17, "runId": "r", "lastRunId": null, "pipelineName": "p",
                                "properties": {"a": "b", "c": null}, "registryName": {"x": [1.0]}, "version": null},
             "headers": {"If-Version-Match": "1"}, "auditHeader": {"x": 1}, "entityKeyAspect": null"#,
    ));
    assert_eq!(found.entity_type, "dataset");
    assert_eq!(found.urn.as_str(), URN);
    assert_eq!(found.change_type, ChangeType::Upsert);
    assert_eq!(found.aspect_name, "status");
    assert_eq!(text(found.aspect.as_ref()), r#"{"removed":false}"#);
    assert_eq!(found.aspect.unwrap().content_type, Aspect::JSON);
    assert_eq!(found.headers, [("If-Version-Match".to_owned(), "1".to_owned())]);
    assert_eq!(found.origin, Some(origin()));
    let expected = SystemMetadata {
        last_observed: Some(17),
        run_id: Some("r".into()),
        last_run_id: None,
        pipeline_name: Some("p".into()),
        properties: vec![("a".into(), "b".into())],
        other: vec![("registryName".into(), r#"{"x":[1.0]}"#.into())],
    };
    assert_eq!(found.system_metadata.as_deref(), Some(&expected));
}

#[test]
fn system_metadata_is_kept_but_for_nulls() {
    for (given, expected) in [
        ("null", None),
        ("{}", Some(SystemMetadata::default())),
        (r#"{"lastObserved":0}"#, Some(SystemMetadata { last_observed: Some(0), ..Default::default() })),
        (
            r#"{"lastObserved":-1,"aspectCreated":{"time":1,"actor":"urn:li:corpuser:é","impersonator":null},"x":[null,1e400]}"#,
            Some(SystemMetadata {
                last_observed: Some(-1),
                other: vec![
                    ("aspectCreated".into(), r#"{"time":1,"actor":"urn:li:corpuser:é"}"#.into()),
                    ("x".into(), "[null,1e400]".into()),
                ],
                ..Default::default()
            }),
        ),
        (
            r#"{"properties":{"clientId":"x","é":"ü","n":null},"version":"7"}"#,
            Some(SystemMetadata {
                properties: vec![("clientId".into(), "x".into()), ("é".into(), "ü".into())],
                other: vec![("version".into(), r#""7""#.into())],
                ..Default::default()
            }),
        ),
    ] {
        let found =
            proposal(&record("UPSERT", "status", &format!(r#","aspect":null,"systemMetadata":{given}"#)));
        assert_eq!(found.system_metadata.as_deref(), expected.as_ref(), "{given}");
    }
}

#[test]
fn a_name_that_gms_takes_once_is_there_once() {
    for (member, reason, at) in [
        (
            r#""systemMetadata":{"runId":"r","runId":"r"}"#,
            "systemMetadata has the member `runId` twice",
            "\"runId\":\"r\"}",
        ),
        (
            r#""systemMetadata":{"x":1,"y":2,"\u0078":3}"#,
            "systemMetadata has the member `x` twice",
            "\"\\u0078\"",
        ),
        (
            r#""systemMetadata":{"properties":{},"properties":{}}"#,
            "systemMetadata has the member `properties` twice",
            "\"properties\":{}}",
        ),
        (
            r#""systemMetadata":{"properties":{"a":"1","b":"2","a":"3"}}"#,
            "systemMetadata.properties has the member `a` twice",
            "\"a\":\"3\"",
        ),
        (r#""headers":{"a":"1","a":"1"}"#, "headers has the member `a` twice", "\"a\":\"1\"}"),
    ] {
        check_error(&record("UPSERT", "status", &format!(r#","aspect":null,{member}"#)), reason, at);
    }
}

#[test]
fn names_are_any_text() {
    let text = r#"{"entityType":"tag","entityUrn":"urn:li:tag:caf\u00e9 日本 \ud83d\ude00","changeType":"UPSERT","aspectName":"tagProperties",
        "aspect":{"json":{"name":"\u00e9"}},"headers":{"b":"1","é":"\ud83d\ude00","a":""}}"#;
    let found = proposal(text);
    assert_eq!(found.urn.as_str(), "urn:li:tag:café 日本 😀");
    let headers = [("b", "1"), ("é", "😀"), ("a", "")];
    assert_eq!(found.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn the_value_form_is_read() {
    for rest in [
        r#","aspect":{"value":"{ \"removed\" : false , \"x\":null }","contentType":"application/json"}"#,
        r#","aspect":{"contentType":"application/json","value":"{\"removed\":\u0066alse}"}"#,
    ] {
        let found = proposal(&record("UPSERT", "status", rest));
        assert_eq!(text(found.aspect.as_ref()), r#"{"removed":false}"#);
    }
}

#[test]
fn the_order_of_members_does_not_matter() {
    let found = proposal(&format!(
        r#"{{"aspect":{{"json":{{"title":{{"string":"CEO"}},"x":null}}}},"aspectName":"corpUserInfo","changeType":"UPSERT",
            "entityUrn":"{URN}","entityType":"dataset"}}"#
    ));
    assert_eq!(text(found.aspect.as_ref()), r#"{"title":"CEO"}"#);
}

#[test]
fn only_upserts_of_known_aspects_are_rewritten() {
    let aspect = r#","aspect":{"json":{"title": {"string":"CEO"}, "x":null}}"#;
    let same = r#"{"title":{"string":"CEO"},"x":null}"#;
    for (change_type, name) in [("CREATE", "corpUserInfo"), ("RESTATE", "corpUserInfo"), ("UPSERT", "ourOwn")]
    {
        let found = proposal(&record(change_type, name, aspect));
        assert_eq!(text(found.aspect.as_ref()), same, "{change_type} {name}");
    }
    for aspect in [
        r#","aspect":{"json":{"x":null},"contentType":"text/x"}"#,
        r#","aspect":{"contentType":"text/x","json":{"x":null}}"#,
        r#","aspect":{"contentType":"text/x","value":"{\"x\":null}"}"#,
    ] {
        let found = proposal(&record("UPSERT", "status", aspect)).aspect.unwrap();
        assert_eq!((&found.value[..], &*found.content_type), (&br#"{"x":null}"#[..], "text/x"));
    }
}

#[test]
fn a_patch_is_read_in_every_form() {
    let list = r#"[{"op":"remove","path":"/x","value":null}]"#;
    let generic = r#"{"patch":[{"op":"add","path":"/a~1b","value":{"string":"é"}}],"arrayPrimaryKeys":{"x":["y"]},"forceGenericPatch":true}"#;
    for patch in [list, "[]", generic, r#"{"\u0070atch":[]}"#] {
        let text = serde_json::Value::from(patch);
        for (aspect, content_type) in [
            // DataHub's file sink writes a patch so, and its file source says that it is this.
            (format!(r#"{{"json":{patch}}}"#), Aspect::JSON),
            (format!(r#"{{"value":{text},"contentType":"application/json"}}"#), Aspect::JSON),
            (
                format!(r#"{{"value":{text},"contentType":"application/json-patch+json"}}"#),
                Aspect::JSON_PATCH,
            ),
            (
                format!(r#"{{"contentType":"application/json-patch+json","json":{patch}}}"#),
                Aspect::JSON_PATCH,
            ),
        ] {
            for name in ["globalTags", "ourOwn"] {
                let found = proposal(&record("PATCH", name, &format!(r#","aspect":{aspect}"#)));
                let expected = Aspect { value: patch.to_owned().into(), content_type: content_type.clone() };
                assert_eq!(found.aspect, Some(expected), "{aspect}");
            }
        }
    }
}

#[test]
fn what_is_no_patch_is_an_error_with_its_place() {
    let expected = "the patch: expected a list of operations or an object with `patch`, found";
    for (patch, reason) in [
        ("{}", format!("{expected} an object without it")),
        (r#"{"op":"remove","path":"/x"}"#, format!("{expected} an object without it")),
        (r#""[]""#, format!("{expected} a string")),
        ("null", format!("{expected} null")),
        ("5", format!("{expected} a number")),
        (
            r#"{"patch":{"op":"remove"}}"#,
            "`patch` of the patch: expected a list of operations, found an object".to_owned(),
        ),
        (r#"{"patch":[],"patch":null}"#, "expected a list of operations, found null".to_owned()),
    ] {
        check_error(
            &record("PATCH", "globalTags", &format!(r#","aspect":{{"json":{patch}}}"#)),
            &reason,
            patch,
        );
        let text = serde_json::Value::from(patch).to_string();
        let value = format!(r#","aspect":{{"value":{text},"contentType":"application/json-patch+json"}}"#);
        check_error(&record("PATCH", "ourOwn", &value), &reason, &text);
    }
    check_error(
        &record("PATCH", "globalTags", r#","aspect":null"#),
        "aspect is null: expected a patch",
        "null",
    );
}

#[test]
fn an_aspect_may_be_null_and_absent_for_a_delete() {
    assert_eq!(proposal(&record("UPSERT", "status", r#","aspect":null"#)).aspect, None);
    assert_eq!(proposal(&record("DELETE", "datasetKey", r#","aspect":null"#)).aspect, None);
    assert_eq!(proposal(&record("DELETE", "datasetKey", r#","aspect":{"json":null}"#)).aspect, None);
    assert_eq!(proposal(&record("DELETE", "datasetKey", "")).aspect, None);
    check_error(&record("UPSERT", "status", ""), "`aspect` is missing", "{");
    check_error(&record("UPSERT", "status", r#","aspect":{"json":null}"#), "the aspect is null", "{\"json\"");
    assert_eq!(text(proposal(&record("UPSERT", "status", r#","aspect":{"json":{}}"#)).aspect.as_ref()), "{}");
}

#[test]
fn an_aspect_is_an_object() {
    for (value, what) in [("5", "a number"), (r#""s""#, "a string"), ("[]", "an array")] {
        let reason = format!("expected an object, found {what}");
        let json = format!(r#","aspect":{{"json": {value}}}"#);
        let text = serde_json::Value::from(value);
        let in_string = format!(r#","aspect":{{"value": {text}, "contentType": "application/json"}}"#);
        for change_type in ["UPSERT", "CREATE", "CREATE_ENTITY", "UPDATE", "RESTATE"] {
            for name in ["status", "ourOwn"] {
                check_error(&record(change_type, name, &json), &reason, value);
                check_error(&record(change_type, name, &in_string), &reason, &text.to_string());
            }
        }
        assert!(proposal(&record("DELETE", "status", &json)).aspect.is_some());
    }
}

#[test]
fn the_entity_type_is_that_of_the_urn() {
    let upper = record("UPSERT", "status", r#","aspect":null"#).replacen("dataset", "DATASET", 1);
    assert_eq!(proposal(&upper).entity_type, "dataset");
    let other = upper.replacen("DATASET", "chart", 1);
    check_error(&other, "the entity type is \"chart\", but the URN", "\"chart\"");
}

#[test]
fn what_is_missing_is_named() {
    check_error(
        r#"  {"entityUrn":"urn:li:tag:x","aspectName":"tagProperties","tagProperty":{}}"#,
        "`entityType`, `changeType`, `aspect` are missing; it has the unknown member `tagProperty`",
        "{",
    );
    check_error("{}", "neither a proposal", "{");
    check_error(r#"{"entityType":null}"#, "neither a proposal", "{");
    check_error(
        r#"{"entityKeyAspect":{"x":1},"aspectName":"a"}"#,
        "not a complete proposal: `entityType`, `changeType`, `aspect` are missing",
        "{",
    );
}

#[test]
fn usage_records_are_ignored() {
    let usage = br#"{"bucket":1,"duration":"DAY","resource":"urn:li:dataset:x","metrics":{"a":[1]}}"#;
    let found = read(usage, &RecordLimits::default(), origin());
    assert_eq!(found, Ok(ParsedRecord::Ignored(Ignored::Usage)));
    check_error(r#"{"bucket":1,"metrics":{"a":NaN}}"#, "NaN is not JSON", "NaN");
}

#[test]
fn dead_letters_are_read_again() {
    let members = r#","aspect":{"value":"{}","contentType":"application/json"},"deadLetter":{"status":422}"#;
    assert_eq!(text(proposal(&record("UPSERT", "status", members)).aspect.as_ref()), "{}");
    check_error(r#"{"deadLetter":{"raw":"{"}}"#, "it holds no proposal", "{\"raw\"");
}

#[test]
fn wrong_members_are_errors_with_their_place() {
    for (record, reason, at) in [
        ("[]", "expected an object, found an array", "[]"),
        (" 12", "expected an object, found a number", "12"),
        ("null", "expected an object, found null", "null"),
        (r#"{"entityUrn":12}"#, "entityUrn: expected a string, found a number", "12"),
        (r#"{"entityUrn":"x"}"#, "entityUrn: not a URN: expected urn:li:<entity type>:<key>", "\"x\""),
        (r#"{"entityUrn":"urn:li:tag:\ud800"}"#, "half a surrogate pair", "\\ud800"),
        (r#"{"changeType":"upsert"}"#, "unknown changeType \"upsert\": expected UPSERT", "\"upsert\""),
        (
            r#"{"a":1,"aspectName":"a","aspectName":"a"}"#,
            "has the member `aspectName` twice",
            "\"aspectName\":\"a\"}",
        ),
        (r#"{"headers":{"a":1}}"#, "headers: expected a string, found a number", "1}"),
        (r#"{"headers":[]}"#, "headers: expected an object of strings, found an array", "[]"),
        (r#"{"systemMetadata":[]}"#, "systemMetadata: expected an object, found an array", "[]"),
        (r#"{"systemMetadata":{"lastObserved":5.0}}"#, "expected a whole number of milliseconds", "5.0"),
        (r#"{"systemMetadata":{"lastObserved":9223372036854775808}}"#, "of 64 bits", "9223"),
        (r#"{"systemMetadata":{"runId":5}}"#, "systemMetadata.runId: expected a string", "5"),
        (r#"{"systemMetadata":{"runId":"a","runId":"b"}}"#, "the member `runId` twice", "\"runId\":\"b\""),
        (
            r#"{"systemMetadata":{"properties":{"a":{}}}}"#,
            "systemMetadata.properties: expected a string",
            "{}",
        ),
        (r#"{"aspect":{"json":{}}} x"#, "expected the end of the text, found `x`", "x"),
    ] {
        check_error(record, reason, at);
    }
    let unknown = record("UPSERT", "status", r#","aspect":null,"entityTypo":1"#);
    check_error(
        &unknown,
        "unknown member `entityTypo` in the record; did you mean `entityType`?",
        "\"entityTypo\"",
    );
    let delta = record("UPSERT", "status", r#","aspect":null,"proposedDelta":{"x":1}"#);
    check_error(&delta, "proposedDelta is not supported", "{\"x\"");
    assert_eq!(proposals(&record("UPSERT", "status", r#","aspect":null,"entityTypo":null"#)).len(), 1);
}

#[test]
fn wrong_aspects_are_errors_with_their_place() {
    for (aspect, reason, at) in [
        ("5", "found a number", "5"),
        (r#""{}""#, "found a string", "\"{}\""),
        ("{}", "with `json`, or with `value` and `contentType`, found neither", "{}"),
        (r#"{"json":{},"value":"","contentType":""}"#, "both `json` and `value`", "{\"json\""),
        (r#"{"value":"{}"}"#, "`value` without `contentType`", "{\"value\""),
        (r#"{"value":{},"contentType":"application/json"}"#, "expected a string, found `{`", "{},"),
        (r#"{"json":{},"json":{}}"#, "aspect has the member `json` twice", "\"json\":{}}"),
        (r#"{"jsom":{}}"#, "unknown member `jsom` in aspect; did you mean `json`?", "\"jsom\""),
        (r#"{"json":{"a":[1,]}}"#, "a comma before a closing bracket", "]"),
        (
            r#"{"value":"{\"a\":01}","contentType":"application/json"}"#,
            "the text in aspect.value is not JSON: a number with a leading zero is not JSON (at byte 5 of that text)",
            r#""{\"a\":01}""#,
        ),
        (
            r#"{"value":"{} {}","contentType":"application/json"}"#,
            "expected the end of the text",
            "\"{} {}\"",
        ),
        (r#"{"value":"","contentType":"application/json"}"#, "but the text ends", "\"\""),
    ] {
        check_error(&record("UPSERT", "status", &format!(r#","aspect":{aspect}"#)), reason, at);
        let first = format!(
            r#"{{"aspect":{aspect},"entityType":"dataset","entityUrn":"{URN}","changeType":"UPSERT","aspectName":"a"}}"#
        );
        check_error(&first, reason, at);
    }
}

#[test]
fn limits_are_kept() {
    let limits = RecordLimits { max_bytes: 400, max_depth: 4 };
    let whole = record("UPSERT", "a", r#","aspect":{"json":{"a":{}}}"#);
    assert!(read(whole.as_bytes(), &limits, origin()).is_ok());
    let deep = record("UPSERT", "a", r#","aspect":{"json":{"a":{"a":[]}}}"#);
    let found = read(deep.as_bytes(), &limits, origin()).unwrap_err();
    assert_eq!(found.reason, "nested deeper than 4 levels");
    let first = format!(
        r#"{{"aspect":{{"json":{{"a":{{"a":[]}}}}}},"aspectName":"a","changeType":"UPSERT","entityType":"dataset","entityUrn":"{URN}"}}"#
    );
    let found = read(first.as_bytes(), &limits, origin()).unwrap_err();
    assert_eq!(found.reason, "nested deeper than 4 levels");
    let long = format!("{whole}{}", " ".repeat(400));
    let found = read(long.as_bytes(), &limits, origin()).unwrap_err();
    assert!(found.reason.ends_with("bytes: expected at most 400"), "{found}");
}

#[test]
fn a_reader_forgets_what_went_wrong() {
    let mut reader = RecordReader::new(RecordLimits::default());
    let whole = record(
        "UPSERT",
        "status",
        r#","aspect":{"value":"{\"removed\":true}","contentType":"application/json"}"#,
    );
    let expected = proposals(&whole);
    let broken = record(
        "UPSERT",
        "status",
        r#","aspect":{"value":"{\"x\":{\"y\":[","contentType":"application/json"}"#,
    );
    for _ in 0..2 {
        assert!(reader.read(broken.as_bytes(), origin()).is_err());
        assert_eq!(reader.read(whole.as_bytes(), origin()), Ok(ParsedRecord::Proposals(expected.clone())));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        drop(read(&bytes, &RecordLimits::default(), origin()));
    }

    #[test]
    fn no_damage_makes_it_panic(at in 0..400_usize, byte in any::<u8>(), cut in 0..400_usize) {
        let whole = include_str!("../../../../fixtures/metadata/forms/old_unions.json");
        let start = whole.rfind("\n    {").unwrap();
        let mut bytes = whole.as_bytes()[start..].to_vec();
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(length - cut % length);
        drop(read(&bytes, &RecordLimits::default(), origin()));
    }
}
