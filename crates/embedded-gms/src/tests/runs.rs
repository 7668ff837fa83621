//! Ingestion runs, and other requests of the Python client's graph.

use super::*;

const OTHER: &str = "urn:li:dataset:(urn:li:dataPlatform:hive,db.t2,PROD)";

async fn write(gms: &Gms, run: &str, seen: i64, urn: &str, aspect: &str, text: &str) {
    let change = with(urn, aspect, text, &json!({"systemMetadata": {"runId": run, "lastObserved": seen}}));
    assert_eq!(ingest(gms, &[change]).await.status(), 200);
}

async fn call(gms: &Gms, action: &str, body: Value) -> Value {
    value(post(gms, &format!("/runs?action={action}"), body.to_string()).await, 200).await["value"].take()
}

async fn runs(gms: &Gms, include_soft: bool) -> Vec<(String, i64)> {
    let found =
        call(gms, "list", json!({"pageOffset": 0, "pageSize": 10, "includeSoft": include_soft})).await;
    let rows = found.as_array().unwrap().iter();
    rows.map(|run| (run["runId"].as_str().unwrap().to_owned(), run["rows"].as_i64().unwrap()))
        .filter(|(run, _)| run.starts_with("run-"))
        .collect()
}

/// Two runs: the first created both datasets; the second changed one and added an aspect to it.
async fn two_runs() -> Gms {
    let gms = start().await;
    write(&gms, "run-1", 1000, DATASET, "datasetProperties", "{\"name\":\"one\"}").await;
    write(&gms, "run-1", 1000, OTHER, "status", "{\"removed\":false}").await;
    write(&gms, "run-2", 2000, DATASET, "datasetProperties", "{\"name\":\"two\"}").await;
    write(&gms, "run-2", 2000, DATASET, "datasetProperties", "{\"name\":\"three\"}").await;
    write(&gms, "run-2", 2000, DATASET, "ownership", "{\"owners\":[]}").await;
    write(&gms, "run-2", 2000, DATASET, "datasetProfile", "{\"timestampMillis\":1}").await;
    gms
}

#[tokio::test]
async fn runs_are_listed_and_described() {
    let gms = two_runs().await;
    assert_eq!(runs(&gms, false).await, [("run-2".into(), 2), ("run-1".into(), 3)]);
    let page = call(&gms, "list", json!({"pageOffset": 1, "pageSize": 1})).await;
    assert_eq!(page.as_array().unwrap().len(), 1);
    let question =
        json!({"runId": "run-2", "start": 0, "count": 10, "includeSoft": false, "includeAspect": true});
    let described = call(&gms, "describe", question).await;
    assert_eq!(
        described,
        json!([
            {"runId": "run-2", "aspectName": "datasetProperties", "urn": DATASET, "timestamp": 2000, "version": 0,
             "metadata": "{\"lastObserved\":2000,\"runId\":\"run-2\"}", "keyAspect": false,
             "aspect": {"name": "three"}},
            {"runId": "run-2", "aspectName": "ownership", "urn": DATASET, "timestamp": 2000, "version": 0,
             "metadata": "{\"lastObserved\":2000,\"runId\":\"run-2\"}", "keyAspect": false,
             "aspect": {"owners": []}},
        ])
    );
    let keys = call(&gms, "describe", json!({"runId": "run-1", "start": 1, "count": 1})).await;
    assert_eq!((&keys[0]["aspectName"], &keys[0]["keyAspect"]), (&json!("datasetKey"), &json!(true)));
    write(&gms, "other", 1, OTHER, "status", "{\"removed\":true}").await;
    write(&gms, "other", 1, DATASET, "status", "{\"removed\":true}").await;
    assert_eq!(runs(&gms, false).await, []);
    assert_eq!(runs(&gms, true).await.len(), 2);
}

#[tokio::test]
async fn a_run_is_rolled_back() {
    let gms = two_runs().await;
    let dry = call(&gms, "rollback", json!({"runId": "run-2", "dryRun": true, "safe": true})).await;
    assert_eq!(
        (&dry["aspectsReverted"], &dry["entitiesAffected"], &dry["entitiesDeleted"]),
        (&json!(2), &json!(1), &json!(0))
    );
    assert_eq!(runs(&gms, false).await.len(), 2);
    let done = call(&gms, "rollback", json!({"runId": "run-2", "dryRun": false, "safe": true})).await;
    assert_eq!(done["aspectsReverted"], 3);
    assert_eq!(done["aspectRowSummaries"].as_array().unwrap().len(), 2);
    // Both values of the run are deleted, not only the last.
    assert_eq!(gms.aspect(DATASET, "datasetProperties").await.unwrap(), "{\"name\":\"one\"}");
    assert_eq!(gms.aspect_version(DATASET, "datasetProperties", 1).await, None);
    assert_eq!(gms.aspect(DATASET, "ownership").await, None);
    assert_eq!(gms.aspect(DATASET, "datasetProfile").await, None);
    assert!(gms.aspect(DATASET, "datasetKey").await.is_some());
}

#[tokio::test]
async fn entities_of_a_run_are_soft_deleted_or_deleted() {
    let gms = two_runs().await;
    let request = |dry, safe| json!({"runId": "run-1", "dryRun": dry, "safe": safe});
    let dry = call(&gms, "rollback", request(true, true)).await;
    assert_eq!((&dry["entitiesDeleted"], &dry["aspectsReverted"]), (&json!(2), &json!(1)));
    assert_eq!(dry["unsafeEntities"], json!([{"urn": DATASET}]));
    call(&gms, "rollback", request(false, true)).await;
    assert_eq!(gms.aspect(DATASET, "status").await.unwrap(), "{\"removed\":true}");
    assert_eq!(gms.aspect(DATASET, "datasetProperties").await.unwrap(), "{\"name\":\"three\"}");
    assert_eq!(gms.aspect(OTHER, "status").await.unwrap(), "{\"removed\":true}");
    let gone = call(&gms, "rollback", request(false, false)).await;
    assert_eq!(gone["unsafeEntitiesCount"], 0, "they are soft-deleted");
    for urn in [DATASET, OTHER] {
        assert_eq!(gms.aspect(urn, "datasetKey").await, None);
        assert_eq!(gms.aspect(urn, "status").await, None);
    }
    assert_eq!(runs(&gms, true).await, []);
}

#[tokio::test]
async fn writes_without_a_run_cannot_be_rolled_back() {
    let gms = start().await;
    let body = json!({"runId": "no-run-id-provided", "dryRun": true, "safe": true}).to_string();
    let message = refusal(post(&gms, "/runs?action=rollback", body).await, 400).await;
    assert!(message.contains("cannot delete using this reserved run-id"), "{message}");
    refusal(post(&gms, "/runs?action=explode", "{}").await, 400).await;
    refusal(post(&gms, "/runs?action=describe", "{}").await, 400).await;
    // A write without system metadata belongs to no run and is observed now.
    let change = with(DATASET, "status", "{}", &json!({"systemMetadata": {"lastObserved": 0}}));
    ingest(&gms, &[change]).await;
    let question = json!({"runId": "no-run-id-provided", "start": 0, "count": 100});
    let rows = call(&gms, "describe", question).await;
    let found = rows.as_array().unwrap().iter().find(|row| row["urn"] == DATASET).unwrap();
    assert!(found["timestamp"].as_i64().unwrap() > 1_600_000_000_000);
}

#[tokio::test]
async fn an_aspect_without_a_run_belongs_to_its_registry() {
    let gms = start().await;
    // A run id is a string; this is not one.
    let system_metadata = r#"{"runId":{},"registryName":"dq","registryVersion":"1"}"#;
    let change = with(DATASET, "status", "{}", &json!({"systemMetadata": system_metadata}));
    assert_eq!(ingest(&gms, &[change]).await.status(), 200);
    let body = json!({"registryId": "dq:1", "dryRun": false}).to_string();
    let response = value(post(&gms, "/entities?action=deleteAll", body).await, 200).await;
    assert_eq!(response["value"]["entitiesAffected"], 1, "{response}");
}

#[tokio::test]
async fn a_deep_aspect_does_not_disturb_other_rows() {
    let gms = two_runs().await;
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let odd = "urn:li:tag:deep";
    let status = format!(r#"{{"removed":false,"x":{deep}}}"#);
    // As `datahub put` sends them; `properties` is not checked.
    let system_metadata = format!(r#"{{"runId":"run-0","lastObserved":1,"properties":{deep}}}"#);
    let change = with(odd, "status", &status, &json!({"systemMetadata": system_metadata}));
    assert_eq!(ingest(&gms, &[change]).await.status(), 200);
    let expected = [("run-2".to_owned(), 2), ("run-1".to_owned(), 3), ("run-0".to_owned(), 2)];
    assert_eq!(runs(&gms, false).await, expected);
    let described = call(&gms, "describe", json!({"runId": "run-0", "start": 0, "count": 9})).await;
    assert_eq!(described.as_array().unwrap().len(), 2);
    let nothing = json!({"registryId": "none:1", "dryRun": false}).to_string();
    assert_eq!(post(&gms, "/entities?action=deleteAll", nothing).await.status(), 200);
    for run in ["run-2", "run-0"] {
        call(&gms, "rollback", json!({"runId": run, "dryRun": false, "safe": true})).await;
    }
    assert_eq!(gms.aspect(DATASET, "datasetProperties").await.unwrap(), "{\"name\":\"one\"}");
    assert_eq!(gms.aspect(odd, "status").await.unwrap(), "{\"removed\":true}");
}

#[tokio::test]
async fn entities_are_counted_and_listed() {
    let gms = two_runs().await;
    let call = async |path: &str, body: Value| value(post(&gms, path, body.to_string()).await, 200).await;
    let count = async |body: Value| call("/aspects?action=getCount", body).await["value"].take();
    assert_eq!(count(json!({"aspect": "datasetKey"})).await, 2);
    assert_eq!(count(json!({"aspect": "datasetKey", "urnLike": "%db.t2%"})).await, 1);
    assert_eq!(count(json!({"aspect": "none"})).await, 0);
    let listed =
        call("/entities?action=listUrns", json!({"entity": "dataset", "start": 1, "count": 5})).await;
    assert_eq!(listed["value"], json!({"start": 1, "count": 1, "total": 2, "entities": [OTHER]}));
    let references = call("/entities?action=deleteReferences", json!({"urn": DATASET, "dryRun": true})).await;
    assert_eq!(references["value"], json!({"total": 0, "relatedAspects": []}));
    let health = client().get(format!("{}/health/detailed", gms.url())).send().await.unwrap();
    assert_eq!(value(health, 200).await["ready"], true);
}
