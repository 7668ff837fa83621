use super::*;
use crate::metadata::json::Cursor;

fn snapshot(class: &str, body: &str) -> String {
    format!(r#"{{"proposedSnapshot":{{"{class}":{body}}}}}"#)
}

const TAG: &str = "com.linkedin.pegasus2avro.metadata.snapshot.TagSnapshot";

#[test]
fn old_files_become_proposals_of_today() {
    let file = include_bytes!("../../../../fixtures/metadata/forms/old_unions.json");
    let expected = include_str!("../../../../fixtures/metadata/forms/old_unions.expected.jsonl");
    let mut cursor = Cursor::new(file, 64).unwrap();
    let mut items = cursor.array().unwrap();
    let mut lines = String::new();
    while cursor.item(&mut items).unwrap() {
        for proposal in proposals(cursor.skip().unwrap()) {
            let mut line = Vec::new();
            write_json_form(&proposal, &mut line);
            lines.push_str(std::str::from_utf8(&line).unwrap());
            lines.push('\n');
        }
    }
    assert_eq!(lines, expected);
}

#[test]
fn each_proposal_has_the_events_metadata() {
    let found = proposals(&format!(
        r#"{{"proposedSnapshot":{{"{TAG}":{{"aspects":[{{"com.linkedin.common.Status":{{}}}},{{"com.linkedin.tag.TagProperties":{{"name":"x"}}}}],
            "urn":"urn:li:tag:x"}}}},"systemMetadata":{{"runId":"r"}},"proposedDelta":null}}"#
    ));
    assert_eq!(found.len(), 2);
    for proposal in &found {
        assert_eq!(proposal.entity_type, "tag");
        assert_eq!(proposal.urn, Urn::parse("urn:li:tag:x").unwrap());
        assert_eq!(proposal.change_type, ChangeType::Upsert);
        assert_eq!(proposal.system_metadata.as_ref().unwrap().run_id.as_deref(), Some("r"));
        assert_eq!(proposal.origin, Some(origin()));
    }
    assert_eq!(found[1].aspect_name, "tagProperties");
    assert!(proposals(&snapshot(TAG, r#"{"urn":"urn:li:tag:x","aspects":[]}"#)).is_empty());
}

#[test]
fn what_is_no_snapshot_is_an_error_with_its_place() {
    let urn = r#""urn":"urn:li:tag:x""#;
    for (record, reason, at) in [
        (
            snapshot("com.linkedin.pegasus2avro.metadata.snapshot.TagSnapshots", "{}"),
            "unknown snapshot kind `com.linkedin.pegasus2avro.metadata.snapshot.TagSnapshots`; did you mean `TagSnapshot`?",
            "\"com.linkedin",
        ),
        (
            snapshot(TAG, &format!(r#"{{{urn},"aspects":[{{"com.linkedin.common.Statuss":{{}}}}]}}"#)),
            "unknown aspect `com.linkedin.common.Statuss` in a snapshot of a tag; did you mean `Status`?",
            "\"com.linkedin.common.Statuss\"",
        ),
        (
            snapshot(TAG, &format!(r#"{{{urn},"aspects":[{{"com.linkedin.schema.SchemaMetadata":{{}}}}]}}"#)),
            "unknown aspect `com.linkedin.schema.SchemaMetadata` in a snapshot of a tag",
            "\"com.linkedin.schema",
        ),
        (
            snapshot(TAG, &format!(r#"{{{urn},"aspects":[{{"com.linkedin.common.Status":null}}]}}"#)),
            "aspect status: expected an object, found null",
            "null",
        ),
        (snapshot(TAG, r#"{"aspects":[]}"#), "the snapshot has no `urn`", "{\"aspects\""),
        (snapshot(TAG, &format!("{{{urn}}}")), "the snapshot has no `aspects`", "{\"urn\""),
        (snapshot(TAG, &format!(r#"{{{urn},"aspects":null}}"#)), "expected an array, found null", "null"),
        (
            snapshot(TAG, &format!("{{{urn},{urn}}}")),
            "has the member `urn` twice",
            "\"urn\":\"urn:li:tag:x\"}",
        ),
        (
            snapshot(TAG, r#"{"aspect":[]}"#),
            "unknown member `aspect` in the snapshot; did you mean `aspects`?",
            "\"aspect\"",
        ),
        (
            snapshot(TAG, r#"{"urn":"urn:li:dataset:x","aspects":[]}"#),
            "the entity type is \"tag\", but the URN urn:li:dataset:x is one of \"dataset\"",
            "{\"urn\"",
        ),
        (snapshot(TAG, &format!(r#"{{{urn},"aspects":[]}},"x":{{}}"#)), "found a second member", "\"x\""),
        (
            snapshot(TAG, &format!(r#"{{{urn},"aspects":[{{}}]}}"#)),
            "an aspect of the snapshot: expected an object of one member named by its class, found an empty one",
            "{}]",
        ),
        (
            r#"{"proposedSnapshot":[]}"#.to_owned(),
            "proposedSnapshot: expected an object, found an array",
            "[]",
        ),
        (
            format!(r#"{{"proposedSnapshot":{{"{TAG}":{{{urn},"aspects":[]}}}},"aspect":null}}"#),
            "a snapshot and a proposal at once",
            "{",
        ),
        (
            format!(r#"{{"proposedSnapshot":{{"{TAG}":{{{urn},"aspects":[]}}}},"sytemMetadata":{{}}}}"#),
            "unknown member `sytemMetadata` in the record; did you mean `systemMetadata`?",
            "\"sytem",
        ),
    ] {
        check_error(&record, reason, at);
    }
}
