//! Ingestion over Rest.li: accepted, refused and stored content.

use super::*;

#[tokio::test]
async fn a_proposal_is_stored_with_every_path_and_mode() {
    let gms = start().await;
    for (index, path) in
        ["/aspects?action=ingestProposal", "/aspects/?action=ingestProposal"].into_iter().enumerate()
    {
        for mode in ["true", "false"] {
            let urn = format!("urn:li:tag:t{index}{mode}");
            let body = json!({"proposal": upsert(&urn, "status", "{\"removed\": false}"), "async": mode});
            let response = value(post(&gms, path, body.to_string()).await, 200).await;
            assert_eq!(response, json!({"value": "success"}));
            assert_eq!(gms.aspect(&urn, "status").await.unwrap(), "{\"removed\":false}");
            assert_eq!(gms.aspect(&urn, "tagKey").await.unwrap(), format!("{{\"name\":\"t{index}{mode}\"}}"));
        }
    }
}

#[tokio::test]
async fn no_character_of_an_aspect_changes() {
    let gms = start().await;
    let aspect = r#"{"a":1e400,"b":1.10,"c":12345678901234567890,"d":-0.0,"e":"d\u00e9j\u00e0 \ud83d\ude00 \u0000","b2":{"x":[null,1E-7]},"a2":"/\/"}"#;
    assert_eq!(ingest(&gms, &[upsert(DATASET, "datasetProperties", aspect)]).await.status(), 200);
    assert_eq!(gms.aspect(DATASET, "datasetProperties").await.unwrap(), aspect);
    for path in [
        format!("/aspects/{DATASET}?aspect=datasetProperties&version=0"),
        format!("/entities/{DATASET}"),
        format!("/entitiesV2/{DATASET}"),
    ] {
        let response = text(get(&gms, &path).await, 200).await;
        assert!(response.contains(aspect), "{path}: {response}");
    }
}

#[tokio::test]
async fn urns_of_any_language_are_stored() {
    let gms = start().await;
    // In the proposal itself (not in the aspect's text) Rest.li has strings, which may contain any character.
    let urn = "urn:li:tag:日本😀 %2F/é";
    assert_eq!(ingest(&gms, &[upsert(urn, "status", "{}")]).await.status(), 200);
    let encoded = "urn%3Ali%3Atag%3A%E6%97%A5%E6%9C%AC%F0%9F%98%80%20%252F%2F%C3%A9";
    let found = value(get(&gms, &format!("/entitiesV2/{encoded}")).await, 200).await;
    assert_eq!(found["urn"], urn);
    assert_eq!(found["aspects"]["tagKey"]["value"]["name"], "日本😀 %2F/é");
}

#[tokio::test]
async fn a_value_that_is_not_ascii_is_refused() {
    let gms = start().await;
    let message =
        refusal(ingest(&gms, &[upsert(DATASET, "datasetProperties", r#"{"a":"é"}"#)]).await, 400).await;
    assert!(message.contains("bytes") && message.contains(r"\u00e9"), "{message}");
    assert_eq!(gms.aspect(DATASET, "datasetProperties").await, None);
}

#[tokio::test]
async fn one_bad_proposal_refuses_the_whole_batch() {
    let gms = start().await;
    let good = upsert("urn:li:tag:good", "status", "{}");
    let create_again = with(DATASET, "status", "{}", &json!({"changeType": "CREATE"}));
    assert_eq!(ingest(&gms, std::slice::from_ref(&create_again)).await.status(), 200);
    let long = format!("urn:li:tag:{}", "x".repeat(510));
    let cases = [
        (create_again, 422, "Cannot perform CREATE since the aspect already exists."),
        (
            with(DATASET, "datasetProperties", "{}", &json!({"changeType": "CREATE_ENTITY"})),
            422,
            "entity key already exists",
        ),
        (
            with(DATASET, "status", "{}", &json!({"entityType": "chart"})),
            422,
            "URN entity type does not match MCP entity type. dataset != chart",
        ),
        (upsert(&long, "status", "{}"), 422, "512"),
        (upsert("urn:li:tag:x ", "status", "{}"), 422, "whitespace"),
        (upsert("urn:li:tag:a␟b", "status", "{}"), 422, "␟"),
        (upsert("urn:li:dataset:(a,b)", "status", "{}"), 422, "2 parts"),
        (with("urn:li:tag:x", "status", "{}", &json!({"entityUrn": "tag:x"})), 422, "urn:li:"),
        (with("urn:li:tag:x", "status", "{}", &json!({"entityUrn": null})), 422, "Cannot validate null URN."),
        (with("urn:li:tag:x", "status", "{}", &json!({"aspect": null})), 422, "Aspect is required"),
        (
            with(DATASET, "status", "{}", &json!({"aspect": {"value": "{}", "contentType": "text/plain"}})),
            422,
            "text/plain",
        ),
        (with("urn:li:tag:x", "status", "{}", &json!({"aspectName": null})), 500, "Aspect name is required"),
        (upsert(DATASET, "status", "{\"a\":"), 500, "Could not deserialize"),
        (upsert(DATASET, "status", "{\"a\":NaN}"), 500, "for aspect status"),
        (upsert(DATASET, "status", "[]"), 500, "Could not deserialize"),
        (with("urn:li:tag:x", "status", "{}", &json!({"changeType": "BOTCH"})), 400, "BOTCH"),
        (with("urn:li:tag:x", "status", "{}", &json!({"systemMetadata": 3})), 400, "systemMetadata"),
    ];
    for (bad, status, expected) in cases {
        let message = refusal(ingest(&gms, &[good.clone(), bad, good.clone()]).await, status).await;
        assert!(message.contains(expected), "{message}");
        assert_eq!(gms.aspect("urn:li:tag:good", "status").await, None, "{message}");
        assert_eq!(gms.aspect("urn:li:tag:good", "tagKey").await, None, "{message}");
    }
    assert_eq!(ingest(&gms, &[good]).await.status(), 200);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused() {
    let gms = start().await;
    let deep = format!("{{\"proposals\":{}", "[".repeat(1_000_000));
    for body in ["", "{", "null", "[]", "{\"proposals\": 1}", "{\"proposals\": [{}]}", "\u{0}", &deep] {
        refusal(post(&gms, "/aspects?action=ingestProposalBatch", body).await, 400).await;
        refusal(post(&gms, "/entities?action=ingest", body).await, 400).await;
    }
    let raw = request(&gms, Method::POST, "/aspects?action=ingestProposal").body(vec![0xFF, 0xFE, b'{']);
    refusal(raw.send().await.unwrap(), 400).await;
    assert_eq!(ingest(&gms, &[]).await.status(), 200);
}

#[tokio::test]
async fn a_deep_aspect_is_stored() {
    let gms = start().await;
    let aspect = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(ingest(&gms, &[upsert(DATASET, "datasetProperties", &aspect)]).await.status(), 200);
    assert_eq!(gms.aspect(DATASET, "datasetProperties").await.unwrap(), aspect);
    assert_eq!(get(&gms, &format!("/aspects/{DATASET}?aspect=datasetProperties")).await.status(), 200);
}

#[tokio::test]
async fn an_older_value_gets_a_version() {
    let gms = start().await;
    for removed in ["true", "false", "true"] {
        let text = format!("{{\"removed\": {removed}}}");
        assert_eq!(ingest(&gms, &[upsert(DATASET, "status", &text)]).await.status(), 200);
    }
    for (version, removed) in [(0, true), (1, true), (2, false)] {
        let found =
            value(get(&gms, &format!("/aspects/{DATASET}?aspect=status&version={version}")).await, 200).await;
        assert_eq!(
            found,
            json!({"version": version, "aspect": {"com.linkedin.common.Status": {"removed": removed}}})
        );
    }
    assert_eq!(gms.aspect_version(DATASET, "status", 3).await, None);
    assert_eq!(
        refusal(get(&gms, &format!("/aspects/{DATASET}?aspect=status&version=3")).await, 404).await,
        ""
    );
}

#[tokio::test]
async fn an_unchanged_value_creates_no_version() {
    let gms = start().await;
    ingest(&gms, &[upsert(DATASET, "status", "{\"removed\": false}")]).await;
    let again = json!({"systemMetadata": {"lastObserved": 1_800_000_000_000_i64, "runId": "run-2"}});
    ingest(&gms, &[with(DATASET, "status", "{ \"removed\":false }", &again)]).await;
    assert_eq!(gms.aspect_version(DATASET, "status", 1).await, None);
    let entity = value(get(&gms, &format!("/entitiesV2/{DATASET}")).await, 200).await;
    assert_eq!(
        entity["aspects"]["status"]["systemMetadata"],
        json!({"lastObserved": 1_800_000_000_000_i64, "runId": "run-1", "lastRunId": "run-2"})
    );
}

#[tokio::test]
async fn several_aspects_of_a_batch_create_a_new_entity() {
    let gms = start().await;
    let create = |aspect| with(DATASET, aspect, "{}", &json!({"changeType": "CREATE_ENTITY"}));
    assert_eq!(ingest(&gms, &[create("status"), create("datasetProperties")]).await.status(), 200);
    assert_eq!(gms.aspect(DATASET, "datasetProperties").await.unwrap(), "{}");
    refusal(ingest(&gms, &[create("ownership")]).await, 422).await;
    for (change_type, aspect) in [("UPDATE", "ownership"), ("RESTATE", "globalTags")] {
        let written = with(DATASET, aspect, "{}", &json!({"changeType": change_type}));
        assert_eq!(ingest(&gms, &[written]).await.status(), 200);
    }
}

#[tokio::test]
async fn a_delete_removes_an_aspect_or_with_the_key_the_entity() {
    let gms = start().await;
    let delete = |aspect| with(DATASET, aspect, "", &json!({"changeType": "DELETE", "aspect": null}));
    ingest(&gms, &[upsert(DATASET, "status", "{}"), upsert(DATASET, "ownership", "{}")]).await;
    assert_eq!(ingest(&gms, &[delete("status")]).await.status(), 200);
    assert_eq!(gms.aspect(DATASET, "status").await, None);
    assert_eq!(gms.aspect(DATASET, "ownership").await.unwrap(), "{}");
    assert_eq!(ingest(&gms, &[delete("datasetKey")]).await.status(), 200);
    assert_eq!(gms.aspect(DATASET, "ownership").await, None);
    assert_eq!(gms.aspect(DATASET, "datasetKey").await, None);
}

#[tokio::test]
async fn a_patch_changes_the_aspect() {
    let gms = start().await;
    let patch = |content_type: &str, body: &str| {
        let aspect = json!({"value": body, "contentType": content_type});
        with(DATASET, "globalTags", "", &json!({"changeType": "PATCH", "aspect": aspect}))
    };
    let add = r#"{"op":"add","path":"/tags/urn:li:tag:a","value":{"tag":"urn:li:tag:a"}}"#;
    for (kind, body) in [
        ("application/json-patch+json", format!("[{add}]")),
        ("application/json", format!("[{add}]")),
        ("application/json", format!("{{\"patch\":[{add}]}}")),
        (
            "application/json-patch+json",
            format!("{{\"patch\":[{add}],\"arrayPrimaryKeys\":{{\"tags\":[\"tag\"]}}}}"),
        ),
    ] {
        let gms = start().await;
        assert_eq!(ingest(&gms, &[patch(kind, &body)]).await.status(), 200);
        assert_eq!(gms.aspect(DATASET, "globalTags").await.unwrap(), r#"{"tags":[{"tag":"urn:li:tag:a"}]}"#);
        assert!(gms.aspect(DATASET, "datasetKey").await.is_some());
    }
    let missing = patch("application/json", r#"[{"op":"replace","path":"/tags/urn:li:tag:b","value":{}}]"#);
    let good = upsert(DATASET, "status", "{}");
    let message = refusal(ingest(&gms, &[good.clone(), missing]).await, 500).await;
    assert!(message.contains("Error performing JSON PATCH on aspect globalTags"), "{message}");
    let invalid = patch("application/json", "{}");
    let message = refusal(ingest(&gms, &[good, invalid]).await, 422).await;
    assert!(message.contains("Invalid JSON Patch"), "{message}");
    assert_eq!(gms.aspect(DATASET, "status").await, None);
}

#[tokio::test]
async fn a_write_can_be_conditional_on_a_version() {
    let gms = start().await;
    let expecting = |version: &str, text: &str| {
        with(DATASET, "status", text, &json!({"headers": {"If-Version-Match": version}}))
    };
    refusal(ingest(&gms, &[expecting("1", "{}")]).await, 422).await;
    assert_eq!(ingest(&gms, &[expecting("-1", "{}")]).await.status(), 200);
    assert_eq!(ingest(&gms, &[expecting("1", "{\"removed\":true}")]).await.status(), 200);
    let message = refusal(ingest(&gms, &[expecting("1", "{}")]).await, 422).await;
    assert!(message.contains("Expected version 1, actual version 2"), "{message}");
    assert_eq!(ingest(&gms, &[expecting("2", "{}")]).await.status(), 200);
}

#[tokio::test]
async fn a_key_aspect_replaces_the_urn() {
    let gms = start().await;
    let key = r#"{"platform": "urn:li:dataPlatform:hive", "name": "db.t1", "origin": "PROD"}"#;
    let key = json!({"value": key, "contentType": "application/json"});
    let keyed = with(DATASET, "status", "{}", &json!({"entityUrn": null, "entityKeyAspect": key}));
    assert_eq!(ingest(&gms, &[keyed]).await.status(), 200);
    assert_eq!(gms.aspect(DATASET, "status").await.unwrap(), "{}");
}

#[tokio::test]
async fn a_snapshot_becomes_its_aspects() {
    let gms = start().await;
    let snapshot = |class: &str| {
        json!({"value": {class: {"urn": "urn:li:mlModel:(urn:li:dataPlatform:science,m1,PROD)", "aspects": [
            {"com.linkedin.common.Status": {"removed": false}},
            {"com.linkedin.ml.metadata.EvaluationData": {"evaluationData": []}},
            {"com.linkedin.metadata.key.MLModelKey": {"name": "m1"}},
        ]}}})
    };
    let urn = "urn:li:mlModel:(urn:li:dataPlatform:science,m1,PROD)";
    let entity = snapshot("com.linkedin.metadata.snapshot.MLModelSnapshot");
    // With --run-id the Python client sends the system metadata as a string.
    let body = json!({"entity": entity, "systemMetadata": "{\"runId\": \"r\"}"});
    assert_eq!(value(post(&gms, "/entities?action=ingest", body.to_string()).await, 200).await, json!({}));
    assert_eq!(gms.aspect(urn, "status").await.unwrap(), r#"{"removed":false}"#);
    assert_eq!(gms.aspect(urn, "mlModelEvaluationData").await.unwrap(), r#"{"evaluationData":[]}"#);
    assert_eq!(gms.aspect(urn, "mlModelKey").await.unwrap(), r#"{"name":"m1"}"#);
    let wrong = json!({"entity": snapshot("com.linkedin.metadata.snapshot.TagSnapshot")});
    refusal(post(&gms, "/entities?action=ingest", wrong.to_string()).await, 422).await;
    let batch = json!({"entities": [entity], "systemMetadata": []});
    refusal(post(&gms, "/entities?action=batchIngest", batch.to_string()).await, 412).await;
    let batch = json!({"entities": [entity]});
    assert_eq!(post(&gms, "/entities?action=batchIngest", batch.to_string()).await.status(), 200);
}

#[tokio::test]
async fn writes_at_the_same_time_all_arrive() {
    let gms = start().await;
    let writes = (0..50).map(|number| {
        let urn = format!("urn:li:tag:t{number}");
        let body = if number % 5 == 0 { "{" } else { "{}" };
        let body = json!({"proposal": upsert(&urn, "status", body)}).to_string();
        let request = request(&gms, Method::POST, "/aspects?action=ingestProposal").body(body);
        tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
    });
    for (number, write) in writes.collect::<Vec<_>>().into_iter().enumerate() {
        let refused = number % 5 == 0;
        assert_eq!(write.await.unwrap(), if refused { 500 } else { 200 });
        let stored = gms.aspect(&format!("urn:li:tag:t{number}"), "status").await;
        assert_eq!(stored.is_none(), refused);
    }
}
