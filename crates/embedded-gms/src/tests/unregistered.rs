//! Aspects and entity types that the model does not have.

use super::*;

const TAG: &str = "urn:li:tag:good";

#[tokio::test]
async fn rest_li_refuses_unregistered_aspects_in_both_modes() {
    for silent in [false, true] {
        let gms = Gms::builder().silent_drops(silent).start().await.unwrap();
        for (bad, expected) in [
            (upsert(DATASET, "chartInfo", "{}"), "Unknown aspect chartInfo for entity dataset"),
            (
                upsert(DATASET, "datasetproperties", "{}"),
                "Unknown aspect datasetproperties for entity dataset",
            ),
            (upsert("urn:li:tag:x", "custom", "{}"), "Unknown aspect custom for entity tag"),
            (upsert("urn:li:thing:x", "status", "{}"), "Unknown entity: thing"),
            (with(DATASET, "chartInfo", "{}", &json!({"changeType": "DELETE"})), "Unknown aspect chartInfo"),
        ] {
            let response = ingest(&gms, &[upsert(TAG, "status", "{}"), bad.clone()]).await;
            let message = refusal(response, 422).await;
            assert!(message.starts_with(expected), "{message}");
            let single = json!({"proposal": bad}).to_string();
            refusal(post(&gms, "/aspects?action=ingestProposal", single).await, 422).await;
            assert_eq!(gms.aspect(TAG, "status").await, None, "{bad}");
        }
        let snapshot = json!({"entity": {"value": {"com.linkedin.metadata.snapshot.DatasetSnapshot": {
            "urn": DATASET,
            "aspects": [{"com.linkedin.common.Status": {}}, {"com.linkedin.chart.ChartInfo": {}}],
        }}}});
        let response = post(&gms, "/entities?action=ingest", snapshot.to_string()).await;
        assert_eq!(refusal(response, 422).await, "Unknown aspect chartInfo for entity dataset");
        assert_eq!(gms.aspect(DATASET, "status").await, None);
    }
}

#[tokio::test]
async fn openapi_refuses_the_batch_or_drops_in_silence() {
    let status = json!({"value": {"removed": false}});
    let add = json!({"value": {"patch": [{"op": "add", "path": "/removed", "value": false}]}});
    for silent in [false, true] {
        let gms = Gms::builder().silent_drops(silent).start().await.unwrap();
        for (method, query, code, aspect) in [
            (Method::POST, "?async=false", 200, &status),
            (Method::POST, "", 202, &status),
            (Method::PATCH, "?async=false", 200, &add),
        ] {
            let urn = format!("urn:li:tag:{method}{code}");
            let body =
                json!([{"urn": urn, "status": aspect, "chartInfo": aspect}, {"urn": TAG, "nothing": aspect}]);
            let path = format!("/openapi/v3/entity/tag{query}");
            let response = send(&gms, method, &path, &body).await;
            if silent {
                assert_eq!(value(response, code).await, json!([{"urn": urn, "status": status}]));
            } else {
                let told = json!({"error": "Validation Error", "message": "Unknown aspect chartInfo for entity tag"});
                assert_eq!(value(response, 400).await, told);
            }
            assert_eq!(gms.aspect(&urn, "status").await.is_some(), silent);
            assert_eq!(gms.aspect(&urn, "chartInfo").await, None);
        }
        let unknown = json!([{"urn": "urn:li:thing:x", "status": status}]);
        let response = send(&gms, Method::POST, "/openapi/v3/entity/thing", &unknown).await;
        assert_eq!(value(response, 400).await, json!({"error": "Unknown entity: thing"}));
        // A single aspect has another handler, with another failure.
        let at = "/openapi/v3/entity/tag/urn%3Ali%3Atag%3Agood/nothing";
        for (method, body) in [(Method::POST, &status), (Method::PATCH, &add["value"])] {
            let response = send(&gms, method, at, body).await;
            assert_eq!(value(response, 500).await, json!({"error": "Internal server error occurred"}));
        }
    }
}

#[tokio::test]
async fn openapi_knows_an_aspect_in_lower_case() {
    let gms = start().await;
    let body = json!([{"urn": DATASET, "datasetproperties": {"value": {"name": "a"}}}]);
    let response = send(&gms, Method::POST, "/openapi/v3/entity/dataset?async=false", &body).await;
    let taken = json!([{"urn": DATASET, "datasetProperties": {"value": {"name": "a"}}}]);
    assert_eq!(value(response, 200).await, taken);
    assert!(gms.aspect(DATASET, "datasetProperties").await.is_some());
}

#[tokio::test]
async fn a_custom_model_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("entity-registry.yml");
    std::fs::write(
        &path,
        "id: mine\nentities:\n- {name: dataset, aspects: [rules]}\n- {name: thing, keyAspect: thingKey, aspects: [status]}\n",
    )
    .unwrap();
    let gms = Gms::builder().entity_registry(&path).start().await.unwrap();
    let own = [upsert(DATASET, "rules", "{}"), upsert("urn:li:thing:x", "status", "{}")];
    assert_eq!(ingest(&gms, &own).await.status(), 200);
    assert_eq!(gms.aspect("urn:li:thing:x", "thingKey").await.unwrap(), r#"{"id":"x"}"#);
    refusal(ingest(&gms, &[upsert("urn:li:thing:x", "rules", "{}")]).await, 422).await;
    std::fs::write(&path, "entities: 1").unwrap();
    let error = Gms::builder().entity_registry(&path).start().await.unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Input);
    assert!(error.to_string().contains("entity-registry.yml"), "{error}");
}
