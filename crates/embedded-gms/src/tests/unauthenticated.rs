//! How unauthenticated callers are refused, and other ways to authenticate.

use super::*;
use crate::{AuthFilter, RefusalForm};

async fn refused(gms: &Gms, authorization: Option<&str>) -> (String, String) {
    let mut request = client().get(format!("{}/entities/urn:li:corpuser:x%3Cb%3E", gms.url()));
    if let Some(value) = authorization {
        request = request.header("Authorization", value);
    }
    let response = request.send().await.unwrap();
    assert!(response.headers().get("WWW-Authenticate").is_none());
    let kind = response.headers().get("Content-Type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
    (kind, text(response, 401).await)
}

#[tokio::test]
async fn a_refusal_has_the_configured_form() {
    for (form, kind, parts, sentence) in [
        (
            RefusalForm::SpringJson,
            "application/json",
            vec!["\"timestamp\":", "\"error\":\"Unauthorized\""],
            false,
        ),
        (
            RefusalForm::SpringHtml,
            "text/html;charset=UTF-8",
            vec!["Whitelabel", "(type=Unauthorized, status=401)"],
            false,
        ),
        (RefusalForm::JettyJson, "application/json", vec!["\"servlet\":", "\"status\":\"401\""], true),
        (RefusalForm::JettyHtml, "text/html;charset=iso-8859-1", vec!["<h2>HTTP ERROR 401", "MESSAGE"], true),
        (RefusalForm::Empty, "", vec![], false),
    ] {
        let gms = Gms::builder().refusals(form).start().await.unwrap();
        let (found, body) = refused(&gms, None).await;
        assert_eq!(found, kind, "{form:?}");
        assert!(parts.iter().all(|part| body.contains(part)), "{form:?}: {body}");
        assert_eq!(body.contains("Unauthorized to perform this action."), sentence, "{form:?}: {body}");
        assert_eq!(body.is_empty(), form == RefusalForm::Empty);
        assert!(!body.contains("<b>"), "{body}");
    }
}

#[tokio::test]
async fn open_paths_of_gms_that_are_missing_here_are_404() {
    let gms = start().await;
    for path in [
        "/actuator/health",
        "/actuator/prometheus",
        "/config/search/export",
        "/health/ready",
        "/openapi/check/ready",
        "/openapi/operations/dev/featureFlags",
        "/openapi/operations/dev/featureFlags/x",
        "/openapi/up/",
        "/public-iceberg/x",
        "/schema-registry/api/subjects",
    ] {
        let response = client().get(format!("{}{path}", gms.url())).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn only_the_old_filter_reports_an_expired_token_and_only_once() {
    const OVER: &str = "Failed to validate DataHub token. Token has expired.";
    for (filter, told) in [(AuthFilter::Old, true), (AuthFilter::New, false)] {
        let gms = Gms::builder().auth_filter(filter).refusals(RefusalForm::JettyJson).start().await.unwrap();
        let past = std::time::SystemTime::now() - std::time::Duration::from_secs(5);
        let token = gms.create_token_until("jdoe", Some(past)).await.unwrap();
        let bearer = format!("Bearer {token}");
        assert_eq!(refused(&gms, Some(&bearer)).await.1.contains(OVER), told, "{filter:?}");
        // Its record has been deleted.
        assert!(!refused(&gms, Some(&bearer)).await.1.contains(OVER));
        assert!(!refused(&gms, Some("Bearer x")).await.1.contains(OVER));
    }
}

#[tokio::test]
async fn the_old_filter_does_not_look_at_the_user() {
    for (filter, status) in [(AuthFilter::Old, 200), (AuthFilter::New, 401)] {
        let gms = Gms::builder().auth_filter(filter).start().await.unwrap();
        let token = gms.create_token("jdoe").await.unwrap();
        let suspended = upsert("urn:li:corpuser:jdoe", "corpUserStatus", r#"{"status":"SUSPENDED"}"#);
        ingest(&gms, &[suspended]).await;
        let sent = client().get(format!("{}/entities/urn:li:corpuser:jdoe", gms.url())).bearer_auth(token);
        assert_eq!(sent.send().await.unwrap().status(), status, "{filter:?}");
    }
}

#[tokio::test]
async fn the_system_client_comes_with_plain_id_and_secret() {
    let gms = Gms::builder().system_client("__datahub_system", "a:secret").start().await.unwrap();
    let status = async |value: &str| {
        let body =
            json!({"proposal": upsert("urn:li:dataHubSecret:x", "dataHubSecretValue", "{}")}).to_string();
        let sent = client()
            .post(format!("{}/aspects?action=ingestProposal", gms.url()))
            .header("Authorization", value);
        sent.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status("Basic __datahub_system:a:secret").await, 200);
    assert_eq!(status("basic __datahub_system:a:secret").await, 200);
    for wrong in [
        "Basic __datahub_system:a:secre",
        "Basic __datahub_system:",
        "Basic __datahub_system",
        "Basic other:a:secret",
        "BASIC __datahub_system:a:secret",
        // Base64 of the right credentials, as other servers expect.
        "Basic X19kYXRhaHViX3N5c3RlbTphOnNlY3JldA==",
    ] {
        assert_eq!(status(wrong).await, 401, "{wrong}");
    }
    let entity = value(get(&gms, "/entitiesV2/urn:li:dataHubSecret:x").await, 200).await;
    assert_eq!(
        entity["aspects"]["dataHubSecretValue"]["created"]["actor"],
        "urn:li:corpuser:__datahub_system"
    );
    assert!(!format!("{:?}", Gms::builder().system_client("id", "hidden")).contains("hidden"));
}
