//! Entities over OpenAPI.

use super::*;

const DATASETS: &str = "/openapi/v3/entity/dataset";

fn status(removed: bool) -> Value {
    json!({"value": {"removed": removed}})
}

async fn error(response: Response, code: u16) -> Value {
    let body = value(response, code).await;
    assert!(body["error"].is_string(), "{body}");
    body
}

#[tokio::test]
async fn a_batch_is_stored_and_answered_by_entity() {
    let gms = start().await;
    let other = "urn:li:dataset:(urn:li:dataPlatform:hive,db.t2,PROD)";
    for (asynchronous, code) in [("?async=true", 202), ("", 202), ("?async=false", 200)] {
        let body = json!([
            {"urn": DATASET, "status": status(true), "datasetProperties": {"value": {"name": "a"}, "headers": {}}},
            {"urn": other, "status": status(false)},
            {"urn": DATASET, "status": status(false)},
        ]);
        let response = send(&gms, Method::POST, &format!("{DATASETS}{asynchronous}"), &body).await;
        let traceparent = response.headers()["traceparent"].to_str().unwrap().to_owned();
        assert!(traceparent.starts_with("00-") && traceparent.ends_with("-01"), "{traceparent}");
        assert_eq!(traceparent.len(), 55);
        assert_eq!(
            value(response, code).await,
            json!([
                {"urn": DATASET, "status": status(false), "datasetProperties": {"value": {"name": "a"}}},
                {"urn": other, "status": status(false)},
            ])
        );
        assert_eq!(gms.aspect(DATASET, "status").await.unwrap(), "{\"removed\":false}");
        assert!(gms.aspect(DATASET, "datasetKey").await.is_some());
    }
}

#[tokio::test]
async fn no_character_of_an_aspect_changes() {
    let gms = start().await;
    let aspect = r#"{"a":1e400,"b":1.10,"c":12345678901234567890,"d":"d\u00e9 é 😀","z":{"y":null}}"#;
    let body = format!(r#"[{{"urn":"{DATASET}","datasetProperties":{{"value": {aspect} }}}}]"#);
    let response =
        request(&gms, Method::POST, &format!("{DATASETS}?async=false")).body(body).send().await.unwrap();
    assert!(text(response, 200).await.contains(aspect));
    assert_eq!(gms.aspect(DATASET, "datasetProperties").await.unwrap(), aspect);
    for path in ["", "/datasetProperties"] {
        let response = get(&gms, &format!("{DATASETS}/{}{path}", encoded(DATASET))).await;
        assert!(text(response, 200).await.contains(aspect));
    }
}

#[tokio::test]
async fn system_metadata_is_returned_on_request() {
    let gms = start().await;
    let body = json!([{"urn": DATASET, "status": {"value": {}, "systemMetadata": {"runId": "r", "lastObserved": 5}}}]);
    let response =
        send(&gms, Method::POST, &format!("{DATASETS}?async=false&systemMetadata=true"), &body).await;
    assert_eq!(
        value(response, 200).await[0]["status"]["systemMetadata"],
        json!({"runId": "r", "lastObserved": 5, "version": "1"})
    );
    let response = get(&gms, &format!("{DATASETS}/{}?systemMetadata=true", encoded(DATASET))).await;
    let response = value(response, 200).await;
    assert_eq!(
        response["status"]["systemMetadata"],
        json!({"runId": "r", "lastObserved": 5, "version": "1"})
    );
    assert_eq!(response["status"]["auditStamp"]["actor"], "urn:li:corpuser:datahub");
    assert_eq!(response["datasetKey"]["value"]["name"], "db.t1");
}

#[tokio::test]
async fn invalid_requests_have_openapis_messages() {
    let gms = start().await;
    let long = format!("urn:li:dataset:{}", "x".repeat(600));
    for (body, expected) in [
        ("[", json!({"error": "Invalid JSON format"})),
        ("", json!({"error": "Malformed request body"})),
        ("[{}]", json!({"error": "Missing `urn` field"})),
        ("[1]", json!({"error": "Missing `urn` field"})),
        (r#"[{"urn": null, "status": {"value": {}}}]"#, json!({"error": "Invalid urn: null"})),
        (&format!(r#"[{{"urn": "{long}"}}]"#), json!({"error": "512 bytes"})),
        (r#"[{"urn": "urn:li:dataset:x", "status": {"value": {}}}]"#, json!({"error": "1 parts"})),
        (
            &format!(r#"[{{"urn": "{DATASET}", "status": {{"value": []}}}}]"#),
            json!({"error": "Invalid JSON format"}),
        ),
        (
            &format!(r#"[{{"urn": "{DATASET}", "status": {{"value": {{}}, "headers": 1}}}}]"#),
            json!({"error": "headers"}),
        ),
    ] {
        let good = r#"{"urn": "urn:li:tag:good", "status": {"value": {}}},"#;
        let body = body.replacen("[{", &format!("[{good}{{"), 1);
        let sent = request(&gms, Method::POST, DATASETS).body(body.clone()).send().await.unwrap();
        let response = error(sent, 400).await;
        let (found, expected) = (response["error"].as_str().unwrap(), expected["error"].as_str().unwrap());
        assert!(found.contains(expected), "{body}: {response}");
        assert_eq!(gms.aspect("urn:li:tag:good", "status").await, None, "{body}");
    }
    let no_value = json!([{"urn": DATASET, "status": {}}]);
    let response = send(&gms, Method::POST, DATASETS, &no_value).await;
    assert_eq!(value(response, 500).await, json!({"error": "Internal server error occurred"}));
    for empty in [json!({}), json!([]), json!("x")] {
        assert_eq!(value(send(&gms, Method::POST, DATASETS, &empty).await, 202).await, json!([]));
    }
    let response = send(&gms, Method::POST, &format!("{DATASETS}?async=maybe"), &json!([])).await;
    error(response, 400).await;
}

#[tokio::test]
async fn unknown_openapi_paths_have_openapis_404() {
    let gms = start().await;
    for (method, path) in [
        (Method::POST, "/openapi/v4/entity/dataset"),
        (Method::PUT, "/openapi/v3/entity/generic"),
        (Method::GET, "/openapi/v3/entity/dataset/batchGet"),
        (Method::PUT, DATASETS),
        (Method::GET, "/openapi/v3/entity/dataset/x"),
        (Method::GET, "/openapi/v1/trace/write/x"),
    ] {
        let response = error(send(&gms, method.clone(), path, &json!([])).await, 404).await;
        assert_eq!(response["error"], format!("No endpoint {method} {path}."));
    }
    let rest_li = ingest(&gms, &[upsert(DATASET, "status", "{}")]).await;
    assert!(rest_li.headers().get("traceparent").is_none());
    let unauthenticated = client().post(format!("{}{DATASETS}", gms.url())).body("[]").send().await.unwrap();
    assert_eq!(unauthenticated.status(), 401);
}

#[tokio::test]
async fn an_existing_aspect_is_not_created_again() {
    let gms = start().await;
    let at = format!("{DATASETS}/{}/status", encoded(DATASET));
    let create = async |query: &str, removed| {
        send(&gms, Method::POST, &format!("{at}{query}"), &status(removed)).await
    };
    let made = value(create("", false).await, 200).await;
    assert_eq!(made, json!({"urn": DATASET, "status": status(false)}));
    let refused = error(create("", true).await, 400).await;
    assert_eq!(refused["error"], "Validation Error");
    assert!(refused["message"].as_str().unwrap().contains("CREATE since the aspect already exists"));
    error(create("?createIfEntityNotExists=true&createIfNotExists=false", true).await, 400).await;
    assert_eq!(create("?createIfNotExists=false&async=true", true).await.status(), 202);
    assert_eq!(gms.aspect(DATASET, "status").await.unwrap(), "{\"removed\":true}");
    let profile = format!("{DATASETS}/{}/datasetProfile", encoded(DATASET));
    let body = json!({"value": {"timestampMillis": 1}});
    assert_eq!(send(&gms, Method::POST, &profile, &body).await.status(), 500);
    let profile = format!("{profile}?createIfNotExists=false");
    assert_eq!(send(&gms, Method::POST, &profile, &body).await.status(), 200);
}

#[tokio::test]
async fn a_patch_changes_the_aspect() {
    let gms = start().await;
    let patch = |name: &str| {
        json!({"arrayPrimaryKeys": {"tags": ["attribution␟source", "tag"]}, "patch": [
            {"op": "add", "path": format!("/tags//{name}"), "value": {"tag": name}}]})
    };
    let body = |name: &str| json!([{"urn": DATASET, "globalTags": {"value": patch(name), "headers": {}}}]);
    let response = send(&gms, Method::PATCH, &format!("{DATASETS}?async=false"), &body("urn:li:tag:a")).await;
    let one = json!({"tags": [{"tag": "urn:li:tag:a"}]});
    assert_eq!(value(response, 200).await, json!([{"urn": DATASET, "globalTags": {"value": one}}]));
    let response = send(&gms, Method::PATCH, DATASETS, &body("urn:li:tag:b")).await;
    assert_eq!(text(response, 202).await, "");
    let at = format!("{DATASETS}/{}/globalTags", encoded(DATASET));
    let response = value(send(&gms, Method::PATCH, &at, &patch("urn:li:tag:c")).await, 200).await;
    assert_eq!(response["globalTags"]["value"]["tags"].as_array().unwrap().len(), 3);
    for (body, expected) in [
        (json!([{"urn": DATASET, "globalTags": {"value": {}}}]), "Missing `patch` field."),
        (
            json!([{"urn": DATASET, "globalTags": {"value": {"patch": [{"op": "x", "path": ""}]}}}]),
            "Invalid JSON Patch",
        ),
        (
            json!([{"urn": DATASET, "globalTags": {"value": {"patch": [{"op": "replace", "path": "/x", "value": 1}]}}}]),
            "Invalid JSON format",
        ),
    ] {
        let response = error(send(&gms, Method::PATCH, DATASETS, &body).await, 400).await;
        assert!(response["error"].as_str().unwrap().contains(expected), "{response}");
    }
    let list = json!([{"op": "remove", "path": "/tags/x"}]);
    assert_eq!(
        error(send(&gms, Method::PATCH, &at, &list).await, 400).await["error"],
        "Malformed request body"
    );
}

#[tokio::test]
async fn a_write_can_be_conditional_on_a_version() {
    let gms = start().await;
    let body = |version: &str, removed: bool| {
        json!([{"urn": DATASET, "status":
            {"value": {"removed": removed}, "headers": {"If-Version-Match": version}}}])
    };
    let post = async |body: Value| send(&gms, Method::POST, &format!("{DATASETS}?async=false"), &body).await;
    assert_eq!(post(body("-1", true)).await.status(), 200);
    assert_eq!(post(body("1", false)).await.status(), 200);
    let refused = error(post(body("1", true)).await, 412).await;
    assert_eq!(refused["error"], "Precondition Error");
    assert!(refused["message"].as_str().unwrap().contains("Expected version 1, actual version 2"));
}

#[tokio::test]
async fn an_entity_is_found_and_deleted_by_any_urn() {
    let gms = start().await;
    for urn in [
        "urn:li:dataset:(urn:li:dataPlatform:s3,a%2Cb/../c?d#e;f+g 日本😀,PROD)",
        "urn:li:tag:a&b=c",
        "urn:li:tag:%",
        "urn:li:tag:🏷",
    ] {
        let entity_type = urn.split(':').nth(2).unwrap();
        let at = format!("/openapi/v3/entity/{entity_type}/{}", encoded(urn));
        let head = async |path: String| send(&gms, Method::HEAD, &path, &json!(null)).await.status();
        let absent = get(&gms, &at).await;
        assert_eq!(absent.headers()["Not-Found-Reason"], "ENTITY");
        assert_eq!(text(absent, 404).await, "");
        assert_eq!(head(at.clone()).await, 404);
        let body = json!([{"urn": urn, "status": status(false), "ownership": {"value": {"owners": []}}}]);
        let collection = format!("/openapi/v3/entity/{entity_type}?async=false");
        assert_eq!(send(&gms, Method::POST, &collection, &body).await.status(), 200);
        assert_eq!(value(get(&gms, &at).await, 200).await["urn"], urn);
        let some = value(get(&gms, &format!("{at}?aspects=status,none")).await, 200).await;
        assert_eq!(some, json!({"urn": urn, "status": status(false)}));
        assert_eq!(get(&gms, &format!("{at}?aspects=none")).await.status(), 404);
        assert_eq!(value(get(&gms, &format!("{at}/status")).await, 200).await, status(false));
        assert_eq!(
            (head(at.clone()).await, head(format!("{at}/status")).await),
            (StatusCode::NO_CONTENT, StatusCode::NO_CONTENT)
        );
        for gone in ["/status", "/none"] {
            let response = send(&gms, Method::DELETE, &format!("{at}{gone}"), &json!([])).await;
            assert_eq!(text(response, 200).await, "");
            assert_eq!(head(format!("{at}{gone}")).await, 404);
        }
        assert!(gms.aspect(urn, "ownership").await.is_some());
        let response = send(&gms, Method::DELETE, &at, &json!([])).await;
        assert_eq!(text(response, 200).await, "");
        assert_eq!(gms.aspect(urn, "ownership").await, None);
        assert_eq!(head(at).await, 404);
    }
}

#[tokio::test]
async fn a_soft_deleted_entity_does_not_exist() {
    let gms = start().await;
    let at = format!("{DATASETS}/{}", encoded(DATASET));
    ingest(&gms, &[upsert(DATASET, "status", "{\"removed\":true}")]).await;
    assert_eq!(send(&gms, Method::HEAD, &at, &json!(null)).await.status(), 404);
    assert_eq!(get(&gms, &at).await.status(), 200);
    send(&gms, Method::DELETE, &format!("{at}?clear=true"), &json!([])).await;
    assert_eq!(send(&gms, Method::HEAD, &at, &json!(null)).await.status(), 204);
    assert_eq!(gms.aspect(DATASET, "status").await, None);
}

/// A URN as one segment of a path.
pub(super) fn encoded(urn: &str) -> String {
    percent_encoding::utf8_percent_encode(urn, percent_encoding::NON_ALPHANUMERIC).to_string()
}
