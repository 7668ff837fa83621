//! Patches on aspects as they are stored.

use serde_json::json;

use super::super::failure::Cause;
use super::*;

fn apply(aspect: &str, current: Option<&str>, patch: &str) -> Result<String, Failure> {
    let target =
        PatchTarget { urn: "urn:li:dataset:(urn:li:dataPlatform:hive,a,PROD)", aspect, current, time: 7 };
    Patch::read(patch)?.apply(target)
}

fn patched(aspect: &str, current: &str, patch: &str) -> String {
    apply(aspect, Some(current), patch).unwrap()
}

#[test]
fn numbers_and_order_are_kept() {
    let current = r#"{"z":1.10,"customProperties":{"b":"1","a":"2"},"big":1e400,"int":12345678901234567890,"tags":["\u00e9"]}"#;
    let patch = r#"[{"op":"add","path":"/customProperties/c","value":"3"},{"op":"replace","path":"/z","value":2.50}]"#;
    assert_eq!(
        patched("datasetProperties", current, patch),
        r#"{"z":2.50,"customProperties":{"b":"1","a":"2","c":"3"},"big":1e400,"int":12345678901234567890,"tags":["\u00e9"]}"#
    );
}

#[test]
fn tags_are_added_and_removed_by_their_urn() {
    let add =
        r#"[{"op":"add","path":"/tags/urn:li:tag:pii","value":{"tag":"urn:li:tag:pii","context":"x"}}]"#;
    let one = apply("globalTags", None, add).unwrap();
    assert_eq!(one, r#"{"tags":[{"tag":"urn:li:tag:pii","context":"x"}]}"#);
    // Again it is the same, and a value without the key gets it from the path.
    assert_eq!(patched("globalTags", &one, add), one);
    let keyless = r#"[{"op":"add","path":"/tags/urn:li:tag:a~1b","value":{}}]"#;
    let two = patched("globalTags", &one, keyless);
    assert_eq!(two, r#"{"tags":[{"tag":"urn:li:tag:pii","context":"x"},{"tag":"urn:li:tag:a/b"}]}"#);
    let remove = r#"[{"op":"remove","path":"/tags/urn:li:tag:pii"}]"#;
    assert_eq!(patched("globalTags", &two, remove), r#"{"tags":[{"tag":"urn:li:tag:a/b"}]}"#);
    // Removing an absent element succeeds.
    assert_eq!(patched("globalTags", r#"{"tags":[]}"#, remove), r#"{"tags":[]}"#);
}

#[test]
fn owners_have_two_keys() {
    let current = r#"{"owners":[{"owner":"u1","type":"DATAOWNER"},{"owner":"u2","type":"NONE"},{"owner":"u1","type":"NONE"}],"lastModified":{"actor":"a","time":1}}"#;
    let remove = r#"[{"op":"remove","path":"/owners/u1/DATAOWNER"}]"#;
    assert_eq!(
        patched("ownership", current, remove),
        r#"{"owners":[{"owner":"u1","type":"NONE"},{"owner":"u2","type":"NONE"}],"lastModified":{"actor":"a","time":1}}"#
    );
    let all = r#"[{"op":"remove","path":"/owners/u1"}]"#;
    assert!(!patched("ownership", current, all).contains("u1"));
    let first = r#"[{"op":"add","path":"/owners/u3/TECHNICAL_OWNER","value":{"owner":"u3","type":"TECHNICAL_OWNER"}}]"#;
    let made: serde_json::Value = serde_json::from_str(&apply("ownership", None, first).unwrap()).unwrap();
    assert_eq!(made["owners"], json!([{"owner": "u3", "type": "TECHNICAL_OWNER"}]));
    assert_eq!(made["lastModified"], json!({"actor": "urn:li:corpuser:__datahub_system", "time": 7}));
}

#[test]
fn a_patch_may_name_the_keys() {
    // As the Python client's patch builder writes a tag without attribution.
    let patch = r#"{"arrayPrimaryKeys":{"tags":["attribution␟source","tag"]},"patch":[{"op":"add","path":"/tags//urn:li:tag:pii","value":{"tag":"urn:li:tag:pii"}}]}"#;
    let current = r#"{"tags":[{"tag":"t","attribution":{"source":"s"}}]}"#;
    assert_eq!(
        patched("globalTags", current, patch),
        r#"{"tags":[{"tag":"t","attribution":{"source":"s"}},{"tag":"urn:li:tag:pii"}]}"#
    );
    let remove = r#"{"arrayPrimaryKeys":{"tags":["attribution␟source","tag"]},"patch":[{"op":"remove","path":"/tags/s/t"}]}"#;
    assert_eq!(patched("globalTags", current, remove), r#"{"tags":[]}"#);
    // Any aspect can be patched so.
    let made = r#"{"forceGenericPatch":true,"patch":[{"op":"add","path":"/a/b","value":1.0}]}"#;
    assert_eq!(apply("custom", None, made).unwrap(), r#"{"a":{"b":1.0}}"#);
    let null = r#"{"forceGenericPatch":true,"patch":[{"op":"add","path":"/a","value":null}]}"#;
    assert!(apply("custom", None, null).is_err());
}

#[test]
fn nested_arrays_are_addressed_by_key() {
    let tag = r#"[{"op":"add","path":"/editableSchemaFieldInfo/id/globalTags/tags/t","value":{"tag":"t"}},
        {"op":"add","path":"/editableSchemaFieldInfo/id/glossaryTerms/terms/g","value":{"urn":"g"}},
        {"op":"add","path":"/editableSchemaFieldInfo/id/description","value":"d"}]"#;
    let tag = crate::json_text::compact(tag);
    let made: serde_json::Value =
        serde_json::from_str(&apply("editableSchemaMetadata", None, &tag).unwrap()).unwrap();
    assert_eq!(
        made["editableSchemaFieldInfo"],
        json!([{"fieldPath": "id", "description": "d", "globalTags": {"tags": [{"tag": "t"}]}, "glossaryTerms":
            {"terms": [{"urn": "g"}], "auditStamp": {"actor": "urn:li:corpuser:__datahub_system", "time": 7}}}])
    );
    let form = r#"{"name":"f","actors":{"owners":true,"users":["u1"]}}"#;
    let patch =
        r#"[{"op":"add","path":"/actors/users/u2","value":"u2"},{"op":"remove","path":"/actors/users/u1"}]"#;
    assert_eq!(
        patched("formInfo", form, patch),
        r#"{"name":"f","actors":{"owners":true,"users":["u2"],"groups":[]},"prompts":[]}"#
    );
    let values = r#"{"entityTypes":[],"allowedValues":[{"value":{"string":"a"}}]}"#;
    let patch = r#"[{"op":"add","path":"/allowedValues/b","value":{"value":{"string":"b"}}}]"#;
    assert_eq!(
        patched("propertyDefinition", values, patch),
        r#"{"entityTypes":[],"allowedValues":[{"value":{"string":"a"}},{"value":{"string":"b"}}]}"#
    );
}

#[test]
fn column_lineage_is_a_map_during_a_patch() {
    let lineage = r#"{"upstreams":[],"fineGrainedLineages":[{"downstreamType":"FIELD","downstreams":["d"],"upstreamType":"FIELD_SET","upstreams":["u1","u2"],"transformOperation":"CONCAT","confidenceScore":0.50}]}"#;
    let patch = r#"[{"op":"remove","path":"/fineGrainedLineages/CONCAT/d/NONE/u1"},{"op":"add","path":"/fineGrainedLineages/NONE/d2/urn:li:query:q/u3","value":{"confidenceScore":1.0}},{"op":"add","path":"/upstreams/urn:x","value":{"dataset":"urn:x","type":"TRANSFORMED"}}]"#;
    assert_eq!(
        patched("upstreamLineage", lineage, patch),
        r#"{"upstreams":[{"dataset":"urn:x","type":"TRANSFORMED"}],"fineGrainedLineages":[{"downstreams":["d"],"upstreams":["u2"],"upstreamType":"FIELD_SET","downstreamType":"FIELD","confidenceScore":0.50,"transformOperation":"CONCAT"},{"downstreams":["d2"],"upstreams":["u3"],"query":"urn:li:query:q","upstreamType":"FIELD_SET","downstreamType":"FIELD","confidenceScore":1.0,"transformOperation":"NONE"}]}"#
    );
    let two = r#"{"fineGrainedLineages":[{"downstreams":["a","b"],"upstreams":[]}]}"#;
    let failure = apply("upstreamLineage", Some(two), "[]").unwrap_err();
    assert!(failure.message().contains("exactly one downstream"), "{failure:?}");
}

#[test]
fn the_operations_are_those_of_rfc_6902() {
    let apply = |current: &str, patch: &str| {
        apply("editableDatasetProperties", Some(current), patch)
            .map_err(|failure| failure.message().to_owned())
    };
    for (current, patch, expected) in [
        (r#"{"a":[1,3]}"#, r#"[{"op":"add","path":"/a/1","value":2}]"#, r#"{"a":[1,2,3]}"#),
        (r#"{"a":[1]}"#, r#"[{"op":"add","path":"/a/-","value":null}]"#, r#"{"a":[1,null]}"#),
        (r#"{"a":[1]}"#, r#"[{"op":"replace","path":"/a/0","value":2}]"#, r#"{"a":[2]}"#),
        (r#"{"a":{"b":1}}"#, r#"[{"op":"move","from":"/a/b","path":"/c"}]"#, r#"{"a":{},"c":1}"#),
        (
            r#"{"a":{"b":1}}"#,
            r#"[{"op":"copy","from":"/a","path":"/c/d"}]"#,
            r#"{"a":{"b":1},"c":{"d":{"b":1}}}"#,
        ),
        (r#"{"a~/b":1}"#, r#"[{"op":"test","path":"/a~0~1b","value":1.0}]"#, r#"{"a~/b":1}"#),
        (r#"{"a":1}"#, r#"[{"op":"replace","path":"","value":{"b":2}}]"#, r#"{"b":2}"#),
        (r#"{"a":1}"#, r#"[{"op":"add","path":"/x/y/z","value":1}]"#, r#"{"a":1,"x":{"y":{"z":1}}}"#),
        (r#"{"a":1}"#, r#"[{"op":"add","path":"/x/","value":1}]"#, r#"{"a":1,"x":{"":1}}"#),
        (r#"{"a":1}"#, "[]", r#"{"a":1}"#),
    ] {
        assert_eq!(apply(current, patch).unwrap(), expected, "{patch}");
    }
    for (current, patch, reason) in [
        (r#"{"a":1}"#, r#"[{"op":"replace","path":"/b","value":2}]"#, "/b: the JSON value has no such name"),
        (r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":2}]"#, "another value"),
        (r#"{"a":[]}"#, r#"[{"op":"add","path":"/a/1","value":2}]"#, "index"),
        (r#"{"a":[1]}"#, r#"[{"op":"replace","path":"/a/00","value":2}]"#, "index"),
        (r#"{"a":[1]}"#, r#"[{"op":"remove","path":"/a/0"}]"#, "ObjectNode"),
        (r#"{"a":{"b":1}}"#, r#"[{"op":"move","from":"/a","path":"/a/b"}]"#, "into itself"),
        (r#"{"a":1}"#, r#"[{"op":"move","from":"/b","path":"/c"}]"#, "no such name"),
        (r#"{"a":1}"#, r#"[{"op":"remove","path":""}]"#, "whole aspect"),
        (r#"{"a":1}"#, r#"[{"op":"replace","path":"","value":2}]"#, "ObjectNode"),
        (r#"{"a":1}"#, r#"[{"op":"add","path":"/a/b","value":2}]"#, "no such name"),
        (r#"{"a":1}"#, r#"[{"op":"add","path":"/a/b/c","value":2}]"#, "ObjectNode"),
    ] {
        let message = apply(current, patch).unwrap_err();
        assert!(message.contains(reason), "{patch}: {message}");
    }
}

#[test]
fn an_invalid_patch_is_refused() {
    for patch in [
        "1",
        "{}",
        r#"{"patch":1}"#,
        r#"{"patch":[],"more":1}"#,
        "[1]",
        r#"[{"op":"add"}]"#,
        r#"[{"op":"add","path":"x","value":1}]"#,
        r#"[{"op":"add","path":"/x"}]"#,
        r#"[{"op":"turn","path":"/x"}]"#,
        r#"[{"op":"copy","path":"/x"}]"#,
        &format!(r#"[{{"op":"remove","path":"{}"}}]"#, "/a".repeat(1000)),
    ] {
        let failure = Patch::read(patch).unwrap_err();
        assert_eq!(failure.cause(), Cause::Proposal, "{patch}");
        assert!(failure.message().starts_with("Invalid JSON Patch: "), "{}", failure.message());
    }
    assert!(Patch::read(r#"{"patch":[{"op":"move","from":"/a","path":"/b"}]}"#).is_err());
}

#[test]
fn an_aspect_without_a_template_needs_a_generic_patch() {
    let patch = r#"[{"op":"add","path":"/a","value":1}]"#;
    assert!(apply("custom", None, patch).unwrap_err().message().contains("Patch not supported for aspect"));
    assert!(apply("custom", Some("{}"), patch).unwrap_err().message().contains("forceGenericPatch"));
    assert!(apply("versionProperties", None, patch).unwrap_err().message().contains("no aspect currently"));
    assert_eq!(patched("versionProperties", "{}", patch), r#"{"a":1}"#);
}

#[test]
fn no_patch_exhausts_memory_or_stack() {
    let copy = r#"{"op":"copy","from":"/a","path":"/a/b"},{"op":"copy","from":"/a","path":"/a/c"}"#;
    let copies = format!("[{}]", vec![copy; 100].join(","));
    let failure = apply("editableDatasetProperties", Some(r#"{"a":{"x":1}}"#), &copies).unwrap_err();
    assert!(failure.message().contains("copies more than"), "{}", failure.message());
    let path = "/x".repeat(100);
    let moves = format!(
        r#"{{"op":"add","path":"{path}","value":{{}}}},{{"op":"move","from":"/x","path":"/y{path}"}},{{"op":"move","from":"/y","path":"/x{path}"}}"#
    );
    let moves = format!("[{}]", vec![moves; 1000].join(","));
    drop(apply("editableDatasetProperties", Some("{}"), &moves));
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let add = r#"[{"op":"add","path":"/b","value":1}]"#;
    assert!(patched("editableDatasetProperties", &deep, add).ends_with(r#","b":1}"#));
}
