//! Reading entities and aspects.

use super::*;

#[tokio::test]
async fn config_says_that_this_is_a_gms() {
    let gms = start().await;
    let config = value(client().get(format!("{}/config", gms.url())).send().await.unwrap(), 200).await;
    assert_eq!(config["noCode"], "true");
    assert!(config["versions"]["acryldata/datahub"]["version"].as_str().unwrap().starts_with("v1."));
    assert!(config.get("userType").is_none());
}

#[tokio::test]
async fn health_is_empty() {
    let gms = start().await;
    for path in ["/health", "/health/live"] {
        let response = client().get(format!("{}{path}", gms.url())).send().await.unwrap();
        assert_eq!(text(response, 200).await, "");
    }
}

#[tokio::test]
async fn the_first_user_is_there() {
    let gms = start().await;
    let response = value(get(&gms, "/entities/urn:li:corpuser:datahub").await, 200).await;
    let snapshot = &response["value"]["com.linkedin.metadata.snapshot.CorpUserSnapshot"];
    assert_eq!(snapshot["urn"], "urn:li:corpuser:datahub");
    assert_eq!(
        snapshot["aspects"],
        json!([
            {"com.linkedin.identity.CorpUserInfo": {"active": true, "displayName": "DataHub"}},
            {"com.linkedin.metadata.key.CorpUserKey": {"username": "datahub"}},
        ])
    );
}

#[tokio::test]
async fn a_urn_in_a_path_may_be_percent_encoded() {
    let gms = start().await;
    let urn = "urn:li:dataset:(urn:li:dataPlatform:s3,bucket/a,PROD)";
    ingest(&gms, &[upsert(urn, "status", "{}"), upsert(urn, "ownership", "{}")]).await;
    let encoded = "urn%3Ali%3Adataset%3A%28urn%3Ali%3AdataPlatform%3As3%2Cbucket%2Fa%2CPROD%29";
    for path in [urn, encoded] {
        let all = value(get(&gms, &format!("/entitiesV2/{path}")).await, 200).await;
        assert_eq!(all["urn"], urn);
        assert_eq!(all["entityName"], "dataset");
        assert_eq!(all["aspects"]["status"]["name"], "status");
        assert_eq!(all["aspects"]["status"]["version"], 0);
        assert_eq!(all["aspects"]["status"]["value"], json!({}));
        assert_eq!(all["aspects"]["status"]["created"]["actor"], "urn:li:corpuser:datahub");
        assert_eq!(all["aspects"]["datasetKey"]["value"]["name"], "bucket/a");
        let one =
            value(get(&gms, &format!("/entitiesV2/{path}?aspects=List(ownership,none)")).await, 200).await;
        let names: Vec<_> = one["aspects"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["datasetKey", "ownership"]);
        let one = value(get(&gms, &format!("/entities/{path}?aspects=List(ownership)")).await, 200).await;
        let snapshot = &one["value"]["com.linkedin.metadata.snapshot.DatasetSnapshot"];
        assert_eq!(snapshot["aspects"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn an_entity_that_was_never_written_has_its_key() {
    let gms = start().await;
    let entity = value(get(&gms, &format!("/entitiesV2/{DATASET}")).await, 200).await;
    let names: Vec<_> = entity["aspects"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["datasetKey"]);
    assert_eq!(entity["aspects"]["datasetKey"]["value"]["name"], "db.t1");
    assert_eq!(get(&gms, &format!("/entities/{DATASET}")).await.status(), 200);
    assert_eq!(
        refusal(get(&gms, &format!("/aspects/{DATASET}?aspect=datasetKey&version=0")).await, 404).await,
        ""
    );
}

#[tokio::test]
async fn exists_and_delete_agree() {
    let gms = start().await;
    let exists =
        async |body: Value| value(post(&gms, "/entities?action=exists", body.to_string()).await, 200).await;
    assert_eq!(exists(json!({"urn": DATASET})).await, json!({"value": false}));
    ingest(&gms, &[upsert(DATASET, "status", "{\"removed\":true}")]).await;
    assert_eq!(exists(json!({"urn": DATASET})).await, json!({"value": true}));
    assert_eq!(exists(json!({"urn": DATASET, "includeSoftDelete": false})).await, json!({"value": false}));
    let body = json!({"urn": DATASET}).to_string();
    let deleted = value(post(&gms, "/entities?action=delete", body).await, 200).await;
    assert_eq!(deleted, json!({"value": {"urn": DATASET, "rows": 2, "timeseriesRows": 0}}));
    assert_eq!(exists(json!({"urn": DATASET})).await, json!({"value": false}));
    let body = json!({"urn": DATASET, "aspectName": "status"}).to_string();
    let message = refusal(post(&gms, "/entities?action=delete", body).await, 500).await;
    assert!(message.contains("Not supported for non-timeseries aspect status."), "{message}");
}

#[tokio::test]
async fn unknown_restli_paths_have_restlis_404() {
    let gms = start().await;
    for path in ["/datasets", "/api/graphqlx", "/aspectsV2", "/%63onfig"] {
        let message = refusal(get(&gms, path).await, 404).await;
        assert!(message.starts_with("No root resource defined for path '/"), "{message}");
    }
    for path in ["/aspects?action=explode", "/aspects", "/entities?action=explode", "/aspects/?action="] {
        let message = refusal(post(&gms, path, "{}").await, 400).await;
        assert!(message.contains("not supported on resource"), "{message}");
    }
    refusal(get(&gms, "/aspects").await, 400).await;
    refusal(get(&gms, &format!("/aspects/{DATASET}")).await, 400).await;
    refusal(get(&gms, &format!("/aspects/{DATASET}?aspect=status&version=x")).await, 400).await;
    for urn in ["x", "urn:li:dataset", "%FF", "urn:li:dataset:(a,b)"] {
        refusal(get(&gms, &format!("/entitiesV2/{urn}")).await, 400).await;
    }
}
