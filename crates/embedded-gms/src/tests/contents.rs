//! `POST /reset` and `GET|PUT /snapshot`.

use super::*;

const RUN_EVENT: &str = r#"{"timestampMillis":5,"operationType":"INSERT","lastUpdatedTimestamp":5}"#;

/// A server with a user and a policy, and with entities that a client wrote.
async fn filled() -> (Gms, String) {
    let loader = User::new("loader").password("secret").privilege("EDIT_ENTITY").group("loaders");
    let gms = Gms::builder().user(loader).start().await.unwrap();
    let token = gms.create_token("loader").await.unwrap();
    fill(&gms).await;
    (gms, token)
}

async fn fill(gms: &Gms) {
    let changes = [
        upsert(DATASET, "status", "{\"removed\":true}"),
        upsert(DATASET, "status", "{\"removed\":false}"),
        upsert(DATASET, "operation", RUN_EVENT),
        upsert("urn:li:corpuser:ingested", "status", "{}"),
        upsert("urn:li:corpuser:loader", "corpUserInfo", r#"{"active":true,"displayName":"Changed"}"#),
        upsert("urn:li:corpuser:loader", "corpUserEditableInfo", r#"{"title":"x"}"#),
    ];
    assert_eq!(ingest(gms, &changes).await.status(), 200);
}

async fn write_as(gms: &Gms, token: &str) -> u16 {
    let body = json!({"proposal": upsert("urn:li:tag:x", "status", "{}")}).to_string();
    let sent =
        client().post(format!("{}/aspects?action=ingestProposal", gms.url())).bearer_auth(token).body(body);
    sent.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_reset_leaves_what_was_set_up() {
    let (gms, token) = filled().await;
    let faults = json!({"faults": [{"path": "/none", "action": "html"}]});
    assert_eq!(send(&gms, Method::PUT, "/faults", &faults).await.status(), 200);
    assert_eq!(post(&gms, "/reset", "").await.status(), 200);
    for (urn, aspect) in [
        (DATASET, "status"),
        (DATASET, "datasetKey"),
        (DATASET, "operation"),
        ("urn:li:corpuser:ingested", "corpUserKey"),
        ("urn:li:corpuser:loader", "corpUserEditableInfo"),
    ] {
        assert_eq!(gms.aspect(urn, aspect).await, None, "{urn} {aspect}");
    }
    let info = gms.aspect("urn:li:corpuser:loader", "corpUserInfo").await.unwrap();
    assert!(info.contains("\"loader\""), "{info}");
    assert!(gms.aspect("urn:li:corpGroup:loaders", "corpGroupKey").await.is_some());
    assert_eq!(value(get(&gms, "/requests").await, 200).await, json!([]));
    assert_eq!(value(get(&gms, "/faults").await, 200).await, json!({"faults": []}));
    // Tokens, privileges and passwords are as before.
    assert_eq!(write_as(&gms, &token).await, 200);
    assert_eq!(gms.tokens().await.unwrap().len(), 1);
    assert_eq!(gms.generate_password("loader").await.unwrap(), None);
    assert_eq!(post(&gms, "/reset", "").await.status(), 200);
    assert_eq!(gms.aspect("urn:li:tag:x", "status").await, None);
}

#[tokio::test]
async fn a_snapshot_restores_versions_and_time_series() {
    let (gms, token) = filled().await;
    let snapshot = text(get(&gms, "/snapshot").await, 200).await;
    assert!(!snapshot.contains("dataHubAccessToken") && !snapshot.contains("Privileges%20of"), "{snapshot}");
    let restored = async |gms: &Gms| {
        for (urn, aspect, version, expected) in [
            (DATASET, "status", 0, "{\"removed\":false}"),
            (DATASET, "status", 1, "{\"removed\":true}"),
            (DATASET, "operation", 0, RUN_EVENT),
            ("urn:li:corpuser:loader", "corpUserInfo", 0, r#"{"active":true,"displayName":"Changed"}"#),
        ] {
            assert_eq!(gms.aspect_version(urn, aspect, version).await.as_deref(), Some(expected), "{aspect}");
        }
        assert_eq!(text(get(gms, "/snapshot").await, 200).await, snapshot);
    };
    let put =
        async |gms: &Gms| request(gms, Method::PUT, "/snapshot").body(snapshot.clone()).send().await.unwrap();
    for then in ["/reset", "/aspects?action=ingestProposal"] {
        let body = json!({"proposal": upsert("urn:li:tag:later", "status", "{}")}).to_string();
        assert_eq!(post(&gms, then, body).await.status(), 200);
        let counts = value(put(&gms).await, 200).await;
        assert_eq!(counts["timeseries"], 1, "{counts}");
        restored(&gms).await;
        assert_eq!(gms.aspect("urn:li:tag:later", "status").await, None);
        assert_eq!(write_as(&gms, &token).await, 200);
        assert_eq!(put(&gms).await.status(), 200);
    }
    let other = Gms::builder().user(User::new("loader")).start().await.unwrap();
    assert_eq!(put(&other).await.status(), 200);
    restored(&other).await;
}

#[tokio::test]
async fn an_invalid_snapshot_changes_nothing() {
    let (gms, _) = filled().await;
    let before = text(get(&gms, "/snapshot").await, 200).await;
    let row = |urn: &str, aspect: &str, value: Value| json!({"urn": urn, "aspect": aspect, "value": value});
    let document = |rows: Value| json!({"schema": "datahub-emit/snapshot/1", "aspects": rows});
    for (wrong, part) in [
        (json!({"schema": "x", "aspects": []}), "schema"),
        (json!({"aspects": []}), "schema"),
        (
            document(json!([row(DATASET, "status", json!({})), row("dataset", "status", json!({}))])),
            "aspects[1]",
        ),
        (document(json!([row(DATASET, "chartInfo", json!({}))])), "Unknown aspect chartInfo"),
        (document(json!([row(DATASET, "status", json!([]))])), "aspects[0]: value"),
        (document(json!([row(DATASET, "operation", json!({}))])), "the other list"),
        (
            document(json!([row("urn:li:dataHubAccessToken:x", "dataHubAccessTokenInfo", json!({}))])),
            "access tokens",
        ),
        (document(json!([row(DATASET, "status", json!({})), row(DATASET, "status", json!({}))])), "twice"),
    ] {
        let response = send(&gms, Method::PUT, "/snapshot", &wrong).await;
        let message = refusal(response, 400).await;
        assert!(message.contains(part), "{message}");
        assert_eq!(text(get(&gms, "/snapshot").await, 200).await, before);
    }
}

#[tokio::test]
async fn only_the_administrator_replaces_what_is_stored() {
    let (gms, token) = filled().await;
    for (method, path) in [(Method::POST, "/reset"), (Method::GET, "/snapshot"), (Method::PUT, "/snapshot")] {
        for (token, status) in [(token.as_str(), 403), ("no token", 401)] {
            let sent = client().request(method.clone(), format!("{}{path}", gms.url())).bearer_auth(token);
            assert_eq!(sent.send().await.unwrap().status(), status, "{method} {path}");
        }
    }
    assert!(gms.aspect(DATASET, "status").await.is_some());
}
