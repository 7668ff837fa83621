//! Entities of several types at once over OpenAPI, and lists of requested entities.

use super::*;

const GENERIC: &str = "/openapi/v3/entity/generic";
const TAG: &str = "urn:li:tag:t1";

fn status(removed: bool) -> Value {
    json!({"value": {"removed": removed}})
}

/// A server with a dataset that has two aspects, one of them written twice, and a tag.
async fn with_entities() -> Gms {
    let gms = start().await;
    for removed in ["true", "false"] {
        let aspect = format!("{{\"removed\":{removed}}}");
        let others = [upsert(DATASET, "datasetProperties", "{}"), upsert(TAG, "status", "{}")];
        assert_eq!(ingest(&gms, &[upsert(DATASET, "status", &aspect)]).await.status(), 200);
        assert_eq!(ingest(&gms, &others).await.status(), 200);
    }
    gms
}

#[tokio::test]
async fn entities_of_several_types_are_one_batch() {
    let gms = start().await;
    let body = json!({"tag": [{"urn": TAG, "status": status(true)}], "chart": [], "dataset": [{"urn": DATASET, "status": status(false)}]});
    for (query, code) in [("", 202), ("?async=false", 200)] {
        let response = send(&gms, Method::POST, &format!("{GENERIC}{query}"), &body).await;
        assert!(response.headers().contains_key("traceparent"));
        assert_eq!(value(response, code).await, body);
        assert_eq!(gms.aspect(TAG, "status").await.unwrap(), "{\"removed\":true}");
        assert!(gms.aspect(DATASET, "datasetKey").await.is_some());
    }
    let with_metadata = format!("{GENERIC}?async=false&systemMetadata=true");
    let response = value(send(&gms, Method::POST, &with_metadata, &body).await, 200).await;
    assert!(response["tag"][0]["status"]["systemMetadata"].is_object(), "{response}");
    // An entity that cannot be stored prevents the others from being stored.
    let create_again = json!({"tag": [{"urn": "urn:li:tag:other", "status": status(true)}],
        "dataset": [{"urn": DATASET, "status": {"value": {}, "headers": {"If-Version-Match": "7"}}}]});
    assert_eq!(send(&gms, Method::POST, GENERIC, &create_again).await.status(), 412);
    assert_eq!(gms.aspect("urn:li:tag:other", "status").await, None);
    for (body, code, said) in [
        (r#"{"tag": {}}"#, 400, "Value of property 'tag' must be an array"),
        (r#"{"tag": [{}]}"#, 400, "Missing `urn` field"),
        (r#"{"tag": [{"urn": "urn:li:tag:x", "chartInfo": {"value": {}}}]}"#, 400, "Validation Error"),
        ("[]", 500, "Internal server error occurred"),
        ("{", 400, "Invalid JSON format"),
        ("", 400, "Malformed request body"),
    ] {
        let response =
            value(request(&gms, Method::POST, GENERIC).body(body).send().await.unwrap(), code).await;
        assert_eq!(response["error"], said, "{body}");
    }
    assert_eq!(value(send(&gms, Method::POST, GENERIC, &json!({})).await, 202).await, json!({}));
}

#[tokio::test]
async fn entities_of_several_types_are_patched() {
    let gms = start().await;
    let add = json!({"value": {"patch": [{"op": "add", "path": "/removed", "value": true}]}});
    let body = json!({"tag": [{"urn": TAG, "status": add}], "dataset": [{"urn": DATASET, "status": add}]});
    let response = send(&gms, Method::PATCH, &format!("{GENERIC}?async=false"), &body).await;
    let patched = json!({"tag": [{"urn": TAG, "status": status(true)}], "dataset": [{"urn": DATASET, "status": status(true)}]});
    assert_eq!(value(response, 200).await, patched);
    assert_eq!(gms.aspect(TAG, "status").await.unwrap(), "{\"removed\":true}");
    let response = value(send(&gms, Method::PATCH, GENERIC, &body).await, 202).await;
    assert_eq!(response, json!({"tag": [], "dataset": []}));
}

#[tokio::test]
async fn a_list_of_entities_is_read() {
    let gms = with_entities().await;
    let path = "/openapi/v3/entity/dataset/batchGet";
    let absent = "urn:li:tag:absent";
    let body = json!([
        {"urn": TAG, "status": {}, "ownership": {}, "nothing": {}},
        {"urn": absent},
        {"urn": DATASET, "datasetProperties": {}, "status": {"headers": {"If-Version-Match": "1"}}},
        {"urn": TAG, "status": {}},
    ]);
    let tag = json!({"urn": TAG, "status": {"value": {}}});
    let dataset = json!({"urn": DATASET, "datasetProperties": {"value": {}}, "status": status(true)});
    assert_eq!(value(send(&gms, Method::POST, path, &body).await, 200).await, json!([tag, dataset]));
    let all = json!([{"urn": DATASET}]);
    let response =
        value(send(&gms, Method::POST, &format!("{path}?systemMetadata=true"), &all).await, 200).await;
    assert_eq!(response[0]["status"]["value"], json!({"removed": false}));
    assert_eq!(response[0]["status"]["systemMetadata"]["version"], "2");
    assert_eq!(response[0]["datasetKey"]["value"]["name"], "db.t1");
    let generic = json!({"tag": [{"urn": TAG, "status": {}}], "chart": []});
    let response = send(&gms, Method::POST, &format!("{GENERIC}/batchGet"), &generic).await;
    assert_eq!(value(response, 200).await, json!({"tag": [tag], "chart": []}));
    for (body, said) in [
        (json!([{}]), "Missing `urn` field"),
        (json!([{"urn": "x"}]), "Invalid urn: x: Invalid urn!"),
        (json!([{"urn": "urn:li:thing:x", "status": {}}]), "Unknown entity: thing"),
        (
            json!([{"urn": TAG, "status": {"headers": {"If-Version-Match": "x"}}}]),
            "If-Version-Match: expected an integer",
        ),
    ] {
        let response = value(send(&gms, Method::POST, path, &body).await, 400).await;
        assert_eq!(response["error"], said, "{body}");
    }
    assert_eq!(value(send(&gms, Method::POST, path, &json!({})).await, 200).await, json!([]));
}

#[tokio::test]
async fn each_type_and_each_entity_has_its_own_permission() {
    let policy = Policy::new("tags").user("jdoe").privilege("EDIT_ENTITY").entity_type("tag");
    let gms = Gms::builder().policy(policy).start().await.unwrap();
    gms.remove_policy("view-entity-page-all").await.unwrap();
    let token = gms.create_token("jdoe").await.unwrap();
    let send = async |method: Method, path: &str, body: Value| {
        let sent = client().request(method, format!("{}{path}", gms.url())).bearer_auth(&token);
        let response = sent.body(body.to_string()).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let tags = json!([{"urn": TAG, "status": status(true)}]);
    assert_eq!(send(Method::POST, GENERIC, json!({"tag": tags})).await.0, 202);
    let both = json!({"tag": [{"urn": "urn:li:tag:t2", "status": status(true)}], "dataset": []});
    for (method, verb) in [(Method::POST, "CREATE"), (Method::PATCH, "UPDATE")] {
        let (code, said) = send(method, GENERIC, json!({"dataset": [], "tag": []})).await;
        assert_eq!(code, 403);
        assert!(
            said.contains(&format!("urn:li:corpuser:jdoe is unauthorized to {verb} entities.")),
            "{said}"
        );
    }
    assert_eq!(send(Method::POST, GENERIC, both).await.0, 403);
    assert_eq!(gms.aspect("urn:li:tag:t2", "status").await, None);
    let path = "/openapi/v3/entity/tag/batchGet";
    assert_eq!(send(Method::POST, path, json!([{"urn": TAG}])).await.0, 200);
    let (code, said) = send(Method::POST, path, json!([{"urn": TAG}, {"urn": DATASET}])).await;
    assert_eq!((code, said.contains("unauthorized to READ")), (403, true), "{said}");
    assert_eq!(
        send(Method::POST, &format!("{GENERIC}/batchGet"), json!({"tag": [{"urn": DATASET}]})).await.0,
        403
    );
}
