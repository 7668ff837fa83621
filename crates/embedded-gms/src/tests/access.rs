//! Access with and without valid tokens.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use super::*;

async fn status_with(gms: &Gms, authorization: Option<&str>) -> u16 {
    let mut request = client().get(format!("{}/entities/urn:li:corpuser:datahub", gms.url()));
    if let Some(value) = authorization {
        request = request.header("Authorization", value);
    }
    request.send().await.unwrap().status().as_u16()
}

async fn status_of(gms: &Gms, token: &str) -> u16 {
    status_with(gms, Some(&format!("Bearer {token}"))).await
}

#[tokio::test]
async fn an_unauthenticated_caller_gets_the_401_of_spring_boot() {
    let gms = start().await;
    let body = json!({"proposal": upsert(DATASET, "status", "{}")}).to_string();
    let response = client().post(format!("{}/aspects?action=ingestProposal", gms.url())).body(body.clone());
    let response = response.send().await.unwrap();
    assert!(response.headers().get("WWW-Authenticate").is_none());
    assert_eq!(response.headers()["Content-Type"], "application/json");
    let response = value(response, 401).await;
    let mut keys: Vec<_> = response.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["error", "path", "status", "timestamp"]);
    assert_eq!((&response["error"], &response["path"]), (&json!("Unauthorized"), &json!("/aspects")));
    assert_eq!(response["status"], 401);
    assert_eq!(gms.aspect(DATASET, "status").await, None);
    let request = gms.requests().pop().unwrap();
    assert_eq!((request.status, request.authorised), (Some(401), false));
    assert_eq!(request.bytes, body.len() as u64);
}

#[tokio::test]
async fn every_credential_but_a_valid_token_is_refused() {
    let gms = start().await;
    let token = gms.token();
    assert_eq!(status_with(&gms, Some(&format!("Bearer {token}"))).await, 200);
    assert_eq!(status_with(&gms, Some(&format!("bearer {token}"))).await, 200);
    let foreign = start().await;
    for bad in [
        String::new(),
        token.to_owned(),
        format!("BEARER {token}"),
        format!("Bearer  {token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer {token}x"),
        format!("Bearer Bearer {token}"),
        format!("Bearer {}", foreign.token()),
        "Basic __datahub_system:JohnSnowKnowsNothing".to_owned(),
        "Bearer ".to_owned(),
    ] {
        assert_eq!(status_with(&gms, Some(&bad)).await, 401, "{bad}");
    }
    assert_eq!(status_with(&gms, None).await, 401);
    // Unknown paths are not secret, but an unauthenticated caller is refused there too.
    let unknown = client().get(format!("{}/datasets", gms.url())).send().await.unwrap();
    assert_eq!(unknown.status(), 401);
}

#[tokio::test]
async fn a_revoked_or_expired_token_is_refused_at_once() {
    let gms = start().await;
    let (revoked, expired) =
        (gms.create_token("jdoe").await.unwrap(), gms.create_token("jdoe").await.unwrap());
    for token in [&revoked, &expired] {
        assert_eq!(status_of(&gms, token).await, 200);
    }
    assert!(gms.revoke(&revoked).await.unwrap());
    assert!(!gms.revoke(&revoked).await.unwrap());
    gms.expire_token(&expired);
    for token in [&revoked, &expired] {
        assert_eq!(status_of(&gms, token).await, 401);
    }
    let past = SystemTime::now() - Duration::from_secs(60);
    let old = gms.create_token_until("jdoe", Some(past)).await.unwrap();
    assert_eq!(status_of(&gms, &old).await, 401);
    let endless = gms.create_token_until("jdoe", None).await.unwrap();
    assert_eq!(status_of(&gms, &endless).await, 200);
}

#[tokio::test]
async fn a_token_of_an_inactive_user_is_refused() {
    let gms = start().await;
    let user = "urn:li:corpuser:jdoe";
    let token = gms.create_token("jdoe").await.unwrap();
    assert!(gms.aspect(user, "corpUserInfo").await.unwrap().contains("jdoe"));
    for (aspect, off, on) in [
        ("status", r#"{"removed":true}"#, r#"{"removed":false}"#),
        ("corpUserStatus", r#"{"status":"SUSPENDED"}"#, r#"{"status":"ACTIVE"}"#),
    ] {
        assert_eq!(status_of(&gms, &token).await, 200);
        ingest(&gms, &[upsert(user, aspect, off)]).await;
        assert_eq!(status_of(&gms, &token).await, 401, "{off}");
        ingest(&gms, &[upsert(user, aspect, on)]).await;
        assert_eq!(status_of(&gms, &token).await, 200, "{on}");
    }
    post(&gms, "/entities?action=delete", json!({"urn": user}).to_string()).await;
    assert_eq!(status_of(&gms, &token).await, 401);
    assert_eq!(status_of(&gms, gms.token()).await, 200);
}

#[tokio::test]
async fn a_write_records_the_tokens_user() {
    let gms = Gms::builder().user(User::new("jdoe").privilege("EDIT_ENTITY")).start().await.unwrap();
    let token = gms.create_token("jdoe").await.unwrap();
    let body = json!({"proposal": upsert(DATASET, "status", "{}")}).to_string();
    let sent =
        client().post(format!("{}/aspects?action=ingestProposal", gms.url())).bearer_auth(token).body(body);
    assert_eq!(sent.send().await.unwrap().status(), 200);
    let entity = value(get(&gms, &format!("/entitiesV2/{DATASET}")).await, 200).await;
    assert_eq!(entity["aspects"]["status"]["created"]["actor"], "urn:li:corpuser:jdoe");
}

#[tokio::test]
async fn an_invalid_user_name_gets_no_token() {
    let gms = start().await;
    for name in ["", " ", "a␟b", &"x".repeat(600)] {
        let error = gms.create_token(name).await.unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Input, "{name}");
    }
}

#[tokio::test]
async fn config_reports_whether_a_token_is_valid() {
    let gms = start().await;
    let user_type = async |gms: &Gms, token: Option<&str>| {
        let mut request = client().get(format!("{}/config?verbose=true", gms.url()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        value(request.send().await.unwrap(), 200).await["userType"].clone()
    };
    assert_eq!(user_type(&gms, None).await, "anonymous");
    assert_eq!(user_type(&gms, Some("x")).await, "anonymous");
    assert_eq!(user_type(&gms, Some(gms.token())).await, "user");
    let open = Gms::builder().authentication(false).start().await.unwrap();
    assert_eq!(user_type(&open, None).await, "user");
    assert_eq!(status_with(&open, None).await, 200);
    assert_eq!(status_with(&open, Some("Bearer nonsense")).await, 200);
    let bad_actor =
        client().get(format!("{}/config?verbose=true", open.url())).header("X-DataHub-Actor", "jdoe");
    assert_eq!(value(bad_actor.send().await.unwrap(), 200).await["userType"], "anonymous");
}

#[tokio::test]
async fn nothing_that_is_shown_holds_the_token() {
    let gms = start().await;
    get(&gms, "/entities/urn:li:corpuser:datahub").await;
    assert!(!format!("{gms:?}{:?}", gms.requests()).contains(gms.token()));
}

#[tokio::test]
async fn no_trick_with_the_path_opens_a_closed_one() {
    let gms = start().await;
    for path in [
        "/../entities/urn:li:corpuser:datahub",
        "/%2e%2e/entities/urn:li:corpuser:datahub",
        "/%2e/entities/urn:li:corpuser:datahub",
        "/./entities/urn:li:corpuser:datahub",
        "/;/entities/urn:li:corpuser:datahub",
        "/config/..;/entities/urn:li:corpuser:datahub",
        "/config/%2e%2e%2fentities/urn:li:corpuser:datahub",
        "/config%2f..%2fentities%2furn:li:corpuser:datahub",
        "/health/..%2fentities/urn:li:corpuser:datahub",
        "/config%00/entities/urn:li:corpuser:datahub",
        "/entities%2furn:li:corpuser:datahub",
        "/ENTITIES/urn:li:corpuser:datahub",
        "/entities;jsessionid=1/urn:li:corpuser:datahub",
        "///entities/urn:li:corpuser:datahub",
        "/requests",
        "/health/../requests",
        "/config/../entities/urn:li:corpuser:datahub",
        "/health/../entities/urn:li:corpuser:datahub",
        "//entities/urn:li:corpuser:datahub",
        "/entities/urn:li:corpuser:datahub?x=/config",
        "/config;/../entities/urn:li:corpuser:datahub",
        "/health/%2e%2e/entities/urn:li:corpuser:datahub",
        "http://x/entities/urn:li:corpuser:datahub",
    ] {
        // By hand, because a client library would normalize the path.
        let (address, head) = (gms.address(), format!("GET {path} HTTP/1.0\r\nHost: x\r\n\r\n"));
        let response = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).unwrap();
            response
        });
        let response = response.await.unwrap();
        let refused = ["HTTP/1.0 401", "HTTP/1.0 404", "HTTP/1.0 400"]
            .iter()
            .any(|status| response.starts_with(status));
        assert!(refused, "{path}: {response}");
        assert!(!response.contains("corpUserKey") && !response.contains("CorpUserKey"), "{path}: {response}");
    }
}
