use super::*;

#[test]
fn members_around_an_aspect_may_have_avro_tags() {
    let marked = format!(
        r#"{{"auditHeader":null,"entityType":"dataset","entityUrn":{{"string":"{URN}"}},"entityKeyAspect":null,"changeType":"UPSERT",
            "aspectName":{{"string":"status"}},
            "aspect":{{"com.linkedin.pegasus2avro.mxe.GenericAspect":{{"value":"{{\"removed\":false}}","contentType":"application/json"}}}},
            "systemMetadata":{{"com.linkedin.pegasus2avro.mxe.SystemMetadata":{{"lastObserved":{{"long":5}},"runId":{{"string":"r"}},
                "lastRunId":null,"pipelineName":{{"string":"p"}},"registryName":{{"string":"n"}},"schemaVersion":{{"long":2}},
                "properties":{{"map":{{"a":"b"}}}}}}}},
            "headers":{{"map":{{"map":"x","string":"y"}}}}}}"#
    );
    let plain = record(
        "UPSERT",
        "status",
        r#","aspect":{"json":{"removed":false}},
            "systemMetadata":{"lastObserved":5,"runId":"r","pipelineName":"p","registryName":"n","schemaVersion":2,"properties":{"a":"b"}},
            "headers":{"map":"x","string":"y"}"#,
    );
    assert_eq!(proposal(&marked), proposal(&plain));
}

#[test]
fn the_events_metadata_may_have_its_class() {
    let found = proposals(
        r#"{"proposedSnapshot":{"com.linkedin.pegasus2avro.metadata.snapshot.TagSnapshot":{"urn":"urn:li:tag:x",
            "aspects":[{"com.linkedin.pegasus2avro.common.Status":{"removed":false}}]}},
            "systemMetadata":{"com.linkedin.pegasus2avro.mxe.SystemMetadata":{"lastObserved":{"long":1}}}}"#,
    );
    let expected = SystemMetadata { last_observed: Some(1), ..SystemMetadata::default() };
    assert_eq!(found.first().unwrap().system_metadata.as_deref(), Some(&expected));
}

#[test]
fn members_that_only_resemble_tags_are_read_as_they_are() {
    let found = proposal(&record("UPSERT", "status", r#","aspect":null,"headers":{"map":"x"}"#));
    assert_eq!(found.headers, [("map".to_owned(), "x".to_owned())]);
    for (members, reason, at) in [
        (
            r#""headers":{"map":{},"x":"y"}"#,
            "expected no member beside `map`, found a second member",
            "\"x\"",
        ),
        (
            r#""systemMetadata":{"runId":{"string":5}}"#,
            "systemMetadata.runId: expected a string, found an object",
            "{\"string\"",
        ),
        (
            r#""systemMetadata":{"runId":{}}"#,
            "systemMetadata.runId: expected a string, found an object",
            "{}",
        ),
        (
            r#""systemMetadata":{"lastObserved":{"long":1.5}}"#,
            "expected a whole number of milliseconds",
            "{\"long\"",
        ),
    ] {
        check_error(&record("UPSERT", "status", &format!(r#","aspect":null,{members}"#)), reason, at);
    }
}
