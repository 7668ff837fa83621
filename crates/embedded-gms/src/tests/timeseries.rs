//! Time series.

use super::*;

fn profile(time: i64, partition: &str, rows: i64) -> Value {
    let text = json!({"timestampMillis": time, "rowCount": rows,
        "partitionSpec": {"type": "PARTITION", "partition": partition}});
    let system_metadata = json!({"systemMetadata": {"lastObserved": 1, "runId": format!("run-{rows}")}});
    with(DATASET, "datasetProfile", &text.to_string(), &system_metadata)
}

/// The row counts of the values that a request returns.
async fn rows(gms: &Gms, question: Value) -> Vec<i64> {
    let mut body = json!({"urn": DATASET, "entity": "dataset", "aspect": "datasetProfile", "limit": 10});
    for (name, value) in question.as_object().unwrap() {
        body[name] = value.clone();
    }
    let path = "/aspects?action=getTimeseriesAspectValues";
    let response = value(post(gms, path, body.to_string()).await, 200).await["value"].take();
    assert_eq!(response["aspectName"], "datasetProfile");
    let values = response["values"].as_array().unwrap();
    values
        .iter()
        .map(|value| {
            assert_eq!(value["aspect"]["contentType"], "application/json");
            let row: Value = serde_json::from_str(value["aspect"]["value"].as_str().unwrap()).unwrap();
            assert_eq!(value["systemMetadata"]["runId"], format!("run-{}", row["rowCount"]));
            row["rowCount"].as_i64().unwrap()
        })
        .collect()
}

async fn filled() -> Gms {
    let gms = start().await;
    for proposal in [profile(200, "a", 1), profile(100, "a", 2), profile(100, "b", 3), profile(300, "a", 4)] {
        assert_eq!(ingest(&gms, &[proposal]).await.status(), 200);
    }
    gms
}

#[tokio::test]
async fn every_value_is_stored_by_its_timestamp() {
    let gms = filled().await;
    assert_eq!(rows(&gms, json!({})).await, [4, 1, 3, 2]);
    assert!(gms.aspect(DATASET, "datasetKey").await.is_some());
    // The same key is the same row.
    ingest(&gms, &[profile(100, "b", 5)]).await;
    assert_eq!(rows(&gms, json!({})).await, [4, 1, 5, 2]);
    assert_eq!(rows(&gms, json!({"limit": 2})).await, [4, 1]);
    assert_eq!(rows(&gms, json!({"latestValue": true, "limit": null})).await, [4]);
    assert_eq!(rows(&gms, json!({"startTimeMillis": 101, "endTimeMillis": 200})).await, [1]);
    assert!(gms.aspect(DATASET, "datasetProfile").await.unwrap().contains("\"rowCount\":4"));
    assert_eq!(gms.aspect_version(DATASET, "datasetProfile", 1).await, None);
    let entity = value(get(&gms, &format!("/entitiesV2/{DATASET}")).await, 200).await;
    assert_eq!(entity["aspects"]["datasetProfile"]["value"]["rowCount"], 4);
}

#[tokio::test]
async fn values_are_filtered_by_their_content() {
    let gms = filled().await;
    let filter = |criteria: Value| json!({"filter": {"or": [{"and": criteria}]}});
    let equal = |field: &str, text: &str| json!({"field": field, "values": [text], "condition": "EQUAL"});
    assert_eq!(rows(&gms, filter(json!([equal("partitionSpec.partition", "b")]))).await, [3]);
    assert_eq!(rows(&gms, filter(json!([equal("rowCount", "1"), equal("runId", "run-1")]))).await, [1]);
    assert_eq!(rows(&gms, filter(json!([equal("rowCount", "1"), equal("runId", "run-2")]))).await, [0; 0]);
    let either = json!({"filter": {"or": [
        {"and": [{"field": "rowCount", "value": "2"}]},
        {"and": [{"field": "rowCount", "value": "3", "condition": "GREATER_THAN"}]},
    ]}});
    assert_eq!(rows(&gms, either).await, [4, 2]);
    let old = json!({"filter": {"criteria": [{"field": "rowCount", "value": "2"}]}});
    assert_eq!(rows(&gms, old).await, [2]);
    let not = json!([{"field": "rowCount", "values": ["1", "4"], "condition": "IN", "negated": true}]);
    assert_eq!(rows(&gms, filter(not)).await, [3, 2]);
    assert_eq!(rows(&gms, filter(json!([{"field": "none", "condition": "IS_NULL"}]))).await.len(), 4);
}

#[tokio::test]
async fn a_range_of_timestamps_is_deleted() {
    let gms = filled().await;
    let delete = async |body: Value| {
        value(post(&gms, "/entities?action=delete", body.to_string()).await, 200).await["value"].take()
    };
    let some =
        json!({"urn": DATASET, "aspectName": "datasetProfile", "startTimeMillis": 150, "endTimeMillis": 250});
    assert_eq!(delete(some).await, json!({"urn": DATASET, "timeseriesRows": 1}));
    assert_eq!(rows(&gms, json!({})).await, [4, 3, 2]);
    let latest = format!("/openapi/v3/entity/dataset/{}/datasetProfile", super::openapi::encoded(DATASET));
    assert_eq!(send(&gms, Method::DELETE, &latest, &json!([])).await.status(), 200);
    assert_eq!(rows(&gms, json!({})).await, [3, 2]);
    assert_eq!(
        delete(json!({"urn": DATASET})).await,
        json!({"urn": DATASET, "rows": 1, "timeseriesRows": 2})
    );
    assert_eq!(rows(&gms, json!({})).await, [0; 0]);
}

#[tokio::test]
async fn a_time_series_accepts_only_upserts_and_deletes() {
    let gms = start().await;
    for change_type in ["CREATE", "CREATE_ENTITY", "UPDATE", "RESTATE", "PATCH"] {
        let mut other = profile(1, "a", 1);
        other["changeType"] = change_type.into();
        if change_type == "PATCH" {
            other["aspect"]["value"] = "[]".into();
        }
        let message = refusal(ingest(&gms, &[other]).await, 500).await;
        assert!(message.contains(&format!("ChangeType not supported: [{change_type}]")), "{message}");
    }
    refusal(ingest(&gms, &[upsert(DATASET, "datasetProfile", "{}")]).await, 422).await;
    let path = "/aspects?action=getTimeseriesAspectValues";
    for (change, status) in [
        (json!({"aspect": "status"}), 400),
        (json!({"filter": {"rowCount": "1"}}), 400),
        (json!({"sort": {"field": "x", "order": "ASCENDING"}}), 400),
        (
            json!({"filter": {"or": [{"and": [{"field": "x", "value": "y", "condition": "LOOKS_LIKE"}]}]}}),
            400,
        ),
    ] {
        let mut body = json!({"urn": DATASET, "entity": "dataset", "aspect": "datasetProfile", "limit": 1});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        refusal(post(&gms, path, body.to_string()).await, status).await;
    }
}

#[tokio::test]
async fn a_file_of_schema_version_1_is_migrated() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gms.sqlite");
    let gms = Gms::builder().data(&path).start().await.unwrap();
    ingest(&gms, &[upsert(DATASET, "status", "{}")]).await;
    gms.stop().await;
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch(
        "DROP TABLE timeseries;
         DROP TABLE unindexed; DROP TABLE document; DROP TABLE document_text; DROP TABLE facet; DROP TABLE edge;
         DROP TRIGGER aspect_inserted; DROP TRIGGER aspect_updated; DROP TRIGGER aspect_deleted;
         CREATE TABLE patch (id INTEGER PRIMARY KEY, urn TEXT);
         INSERT INTO patch (urn) VALUES ('x');
         INSERT INTO aspect SELECT urn, 'datasetProfile', 1, '{\"timestampMillis\":5,\"rowCount\":5}', '{\"runId\":\"run-5\"}', 1, 'a' FROM aspect WHERE aspect = 'status';
         INSERT INTO aspect SELECT urn, 'datasetProfile', 0, '{\"timestampMillis\":6,\"rowCount\":6}', '{\"runId\":\"run-6\"}', 1, 'a' FROM aspect WHERE aspect = 'status';
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(file);
    let gms = Gms::builder().data(&path).start().await.unwrap();
    assert_eq!(rows(&gms, json!({})).await, [6, 5]);
    assert_eq!(gms.aspect(DATASET, "status").await.unwrap(), "{}");
}
