//! `check_fields`: aspects that do not fit the model are refused.

use super::*;

#[tokio::test]
async fn aspects_are_checked_on_every_way_in() {
    let gms = Gms::builder().check_fields(true).start().await.unwrap();
    let bad = r#"{"removed":"no"}"#;
    let expected = format!(
        "Failed to validate record with class com.linkedin.common.Status: ERROR :: /removed :: \"no\" cannot be \
         coerced to Boolean EntityAspect:({DATASET},status)"
    );
    let batch = [upsert("urn:li:tag:good", "status", "{}"), upsert(DATASET, "status", bad)];
    assert_eq!(refusal(ingest(&gms, &batch).await, 422).await, expected);
    assert_eq!(gms.aspect("urn:li:tag:good", "status").await, None, "a batch is refused as a whole");
    let snapshot = json!({"entity": {"value": {"com.linkedin.metadata.snapshot.DatasetSnapshot": {
        "urn": DATASET, "aspects": [{"com.linkedin.common.Status": {"removed": "no"}}],
    }}}});
    assert_eq!(
        refusal(post(&gms, "/entities?action=ingest", snapshot.to_string()).await, 422).await,
        expected
    );
    let body = json!([{"urn": DATASET, "status": {"value": {"removed": "no"}}}]);
    let response = send(&gms, Method::POST, "/openapi/v3/entity/dataset?async=false", &body).await;
    assert_eq!(value(response, 400).await, json!({"error": "Validation Error", "message": expected}));
    // The result of a patch is checked, and not the patch.
    let add = |value: Value| {
        let patch = json!([{"op": "add", "path": "/tags/urn:li:tag:a", "value": value}]).to_string();
        with(DATASET, "globalTags", &patch, &json!({"changeType": "PATCH"}))
    };
    let message = refusal(ingest(&gms, &[add(json!({"tag": "urn:li:tag:a", "note": 1}))]).await, 422).await;
    assert!(message.contains("/tags/0/note :: unrecognized field"), "{message}");
    assert_eq!(ingest(&gms, &[add(json!({"tag": "urn:li:tag:a"}))]).await.status(), 200);
    let event = upsert(DATASET, "operation", r#"{"timestampMillis":1}"#);
    let message = refusal(ingest(&gms, &[event]).await, 422).await;
    assert!(message.contains("/lastUpdatedTimestamp :: field is required"), "{message}");
}

#[tokio::test]
async fn without_the_option_fields_are_not_checked() {
    let gms = start().await;
    assert_eq!(ingest(&gms, &[upsert(DATASET, "status", r#"{"removed":"no"}"#)]).await.status(), 200);
}
