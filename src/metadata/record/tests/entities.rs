use super::*;

/// A record of a dataset that has these members to name it.
fn named(members: &str) -> String {
    format!(
        r#"{{{members},"changeType":"UPSERT","aspectName":"status","aspect":{{"json":{{"removed":false}}}}}}"#
    )
}

const KEY: &str = r#"{"platform":"urn:li:dataPlatform:hive","name":"db.orders","origin":"PROD"}"#;

#[test]
fn a_key_determines_the_entity() {
    let quoted = serde_json::Value::from(KEY);
    for key in [
        format!(r#"{{"json":{KEY}}}"#),
        format!(r#"{{"value":{quoted},"contentType":"application/json"}}"#),
        r#"{"json": {"platform": {"string": "urn:li:dataPlatform:hive"}, "x": null, "name": "db.orders", "origin": "PROD"}}"#
            .to_owned(),
    ] {
        for record in [
            named(&format!(r#""entityType":"dataset","entityKeyAspect":{key}"#)),
            named(&format!(r#""entityKeyAspect":{key},"entityUrn":null,"entityType":"DataSet""#)),
        ] {
            let found = proposal(&record);
            assert_eq!((found.urn.as_str(), &*found.entity_type), (URN, "dataset"));
            let expected = Aspect { value: KEY.into(), content_type: Aspect::JSON };
            assert_eq!(found.key_aspect, Some(expected), "{record}");
            assert_eq!(text(found.aspect.as_ref()), r#"{"removed":false}"#);
        }
    }
}

#[test]
fn the_urn_takes_precedence_over_the_key() {
    let both =
        named(&format!(r#""entityType":"dataset","entityUrn":"{URN}","entityKeyAspect":{{"json":{KEY}}}"#));
    let found = proposal(&both);
    assert_eq!((found.urn.as_str(), found.key_aspect), (URN, None));
    check_error(
        &both.replace("db.orders,", "db.returns,"),
        "entityKeyAspect is the key of urn:li:dataset:(urn:li:dataPlatform:hive,db.orders,PROD), but entityUrn is urn:li:dataset:(urn:li:dataPlatform:hive,db.returns,PROD)",
        "{\"json\"",
    );
    check_error(&both.replace("origin", "fabric"), "the key of a dataset has no field `fabric`", "{\"json\"");
    // Nothing is known of an organisation's own entities.
    let own =
        named(r#""entityType":"ourOwn","entityUrn":"urn:li:ourOwn:x","entityKeyAspect":{"json":{"y":1}}"#);
    assert_eq!(proposal(&own).urn.as_str(), "urn:li:ourOwn:x");
}

#[test]
fn invalid_keys_are_errors_with_their_place() {
    for (key, reason, at) in [
        (
            r#"{"json":{"name":1}}"#,
            "entityKeyAspect: the key of a tag: name: expected a string, found a number",
            "{",
        ),
        (r#"{"json":{}}"#, "entityKeyAspect: the key of a tag lacks `name`", "{\"json\""),
        (r#"{"json":{"id":"x"}}"#, "entityKeyAspect: the key of a tag has no field `id`", "{\"json\""),
        (r#"{"json":[]}"#, "the entityKeyAspect: expected an object, found an array", "[]"),
        (r#"{"json":null}"#, "the entityKeyAspect is null", "{\"json\""),
        (r#"{"name":"x"}"#, "unknown member `name` in entityKeyAspect", "\"name\""),
        (r#""x""#, "entityKeyAspect: expected an object with `json`, or with `value`", "\"x\""),
        (r#"{"value":"{}"}"#, "entityKeyAspect has `value` without `contentType`", "{\"value\""),
        (
            r#"{"value":"{","contentType":"application/json"}"#,
            "the text in entityKeyAspect.value is not JSON",
            "\"{\"",
        ),
        (
            r#"{"value":"{}","contentType":"text/x"}"#,
            r#"entityKeyAspect: expected the contentType application/json, found "text/x""#,
            "{\"value\"",
        ),
    ] {
        check_error(&named(&format!(r#""entityType":"tag","entityKeyAspect":{key}"#)), reason, at);
    }
    check_error(
        &named(r#""entityType":"tags","entityKeyAspect":{"json":{}}"#),
        "entityKeyAspect without entityUrn: the key of entities of type `tags` is not known; did you mean `tag`?",
        "\"tags\"",
    );
    check_error(&named(r#""entityType":"tag""#), "not a complete proposal: `entityUrn` is missing", "{");
    check_error(
        r#"{"entityKeyAspect":{"json":{}},"proposedSnapshot":{"com.linkedin.metadata.snapshot.TagSnapshot":{"urn":"urn:li:tag:x","aspects":[]}}}"#,
        "a snapshot and a proposal at once",
        "{",
    );
}

#[test]
fn a_key_is_written_as_a_key() {
    let read = proposal(&named(&format!(r#""entityType":"dataset","entityKeyAspect":{{"json":{KEY}}}"#)));
    let mut line = Vec::new();
    write_json_form(&read, &mut line);
    let escaped = KEY.replace('"', "\\\"");
    let expected = named(&format!(
        r#""entityType":"dataset","entityKeyAspect":{{"value":"{escaped}","contentType":"application/json"}}"#
    ));
    assert_eq!(std::str::from_utf8(&line).unwrap(), expected);
}
