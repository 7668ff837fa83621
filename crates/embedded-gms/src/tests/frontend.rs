//! The frontend: its login and its proxy.

use super::*;
use crate::{Action, AuthFilter, Fault, RefusalForm};

const FREE: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

async fn with_frontend() -> Gms {
    let builder = Gms::builder().frontend(FREE.into());
    builder.user(User::new("jdoe").password("secret").privilege("EDIT_ENTITY")).start().await.unwrap()
}

fn at(gms: &Gms, method: Method, path: &str) -> RequestBuilder {
    client().request(method, format!("{}{path}", gms.frontend_url().unwrap()))
}

fn address(gms: &Gms) -> std::net::SocketAddr {
    gms.frontend_url().unwrap().strip_prefix("http://").unwrap().parse().unwrap()
}

async fn log_in(gms: &Gms, username: &str, password: &str) -> Response {
    let body = json!({"username": username, "password": password}).to_string();
    at(gms, Method::POST, "/logIn")
        .header("Content-Type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap()
}

/// The cookies of a user that is logged in, as a browser sends them.
async fn cookies(gms: &Gms) -> String {
    let response = log_in(gms, "jdoe", "secret").await;
    assert_eq!(response.status(), 200);
    let cookies = response.headers().get_all("set-cookie").into_iter();
    let pairs: Vec<_> =
        cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned()).collect();
    pairs.join("; ")
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_login_sets_two_cookies_that_authenticate() {
    let gms = with_frontend().await;
    let response = log_in(&gms, "jdoe", "secret").await;
    assert_eq!(response.status(), 200);
    let set: Vec<_> = response
        .headers()
        .get_all("set-cookie")
        .into_iter()
        .map(|c| c.to_str().unwrap().to_owned())
        .collect();
    assert!(
        set[0].starts_with("PLAY_SESSION=") && set[0].contains("HttpOnly") && set[0].contains("SameSite=Lax")
    );
    assert!(set[1].starts_with("actor=urn:li:corpuser:jdoe;") && !set[1].contains("HttpOnly"));
    let cookies = cookies(&gms).await;
    let me = at(&gms, Method::POST, "/api/v2/graphql")
        .header("Cookie", &cookies)
        .header("Content-Type", "application/json")
        .body(r#"{"query": "{ me { corpUser { urn } } }"}"#);
    let me = value(me.send().await.unwrap(), 200).await;
    assert_eq!(me["data"]["me"]["corpUser"]["urn"], "urn:li:corpuser:jdoe");
    // Both must be present and agree.
    let session = cookies.split("; ").next().unwrap();
    for cookies in [
        session.to_owned(),
        format!("{session}; actor=urn:li:corpuser:datahub"),
        "actor=urn:li:corpuser:jdoe".into(),
        format!("PLAY_SESSION={}; actor=urn:li:corpuser:datahub", gms.token()),
        "PLAY_SESSION=x; actor=urn:li:corpuser:jdoe".into(),
    ] {
        let way = at(&gms, Method::GET, "/api/gms/config").header("Cookie", &cookies);
        assert_eq!(status(way).await, 401, "{cookies}");
    }
}

#[tokio::test]
async fn a_refused_login_does_not_say_why() {
    let gms = with_frontend().await;
    gms.set_user(User::new("nopassword")).await.unwrap();
    for (username, password, message) in [
        ("", "secret", "User name must not be empty."),
        ("  ", "secret", "User name must not be empty."),
        ("jdoe", "Secret", "Invalid Credentials"),
        ("jdoe", "", "Invalid Credentials"),
        ("nobody", "secret", "Invalid Credentials"),
        ("nopassword", "", "Invalid Credentials"),
        ("datahub", "datahub", "Invalid Credentials"),
        ("jdoe' OR '1'='1", "secret", "Invalid Credentials"),
        ("jdoe\0", "secret", "Invalid Credentials"),
    ] {
        let response = value(log_in(&gms, username, password).await, 400).await;
        assert_eq!(response, json!({"message": message}), "{username:?}");
    }
    for suspended in [("corpUserStatus", r#"{"status":"SUSPENDED"}"#), ("status", r#"{"removed":true}"#)] {
        let cookies = cookies(&gms).await;
        ingest(&gms, &[upsert("urn:li:corpuser:jdoe", suspended.0, suspended.1)]).await;
        assert_eq!(log_in(&gms, "jdoe", "secret").await.status(), 400);
        // The user's session ends too.
        let way =
            at(&gms, Method::GET, "/api/gms/entities/urn:li:corpuser:datahub").header("Cookie", cookies);
        assert_eq!(status(way).await, 401);
        let active = if suspended.0 == "status" { r#"{"removed":false}"# } else { r#"{"status":"ACTIVE"}"# };
        ingest(&gms, &[upsert("urn:li:corpuser:jdoe", suspended.0, active)]).await;
    }
}

#[tokio::test]
async fn another_site_cannot_act_for_a_logged_in_user() {
    let gms = with_frontend().await;
    let credentials = r#"{"username": "jdoe", "password": "secret"}"#;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        let mut sent = at(&gms, Method::POST, "/logIn").body(credentials);
        if !kind.is_empty() {
            sent = sent.header("Content-Type", kind);
        }
        let response = sent.send().await.unwrap();
        assert_eq!(response.status(), 403, "{kind}");
        assert!(response.headers().get("set-cookie").is_none());
    }
    let foreign = at(&gms, Method::POST, "/logIn").header("Content-Type", "application/json");
    let foreign = foreign.header("Origin", "http://evil.example").body(credentials);
    assert_eq!(status(foreign).await, 403);
    let cookies = cookies(&gms).await;
    let own = gms.frontend_url().unwrap().to_owned();
    let body = json!({"proposal": upsert(DATASET, "status", "{}")}).to_string();
    for (kind, origin, site, expected) in [
        ("application/json", None, None, 200),
        ("application/json", Some(own.as_str()), Some("same-origin"), 200),
        ("text/plain", None, None, 403),
        ("text/plain", Some(own.as_str()), None, 403),
        ("application/x-www-form-urlencoded", None, None, 403),
        ("application/json", Some("http://evil.example"), None, 403),
        ("application/json", Some("null"), None, 403),
        ("application/json", None, Some("cross-site"), 403),
    ] {
        let mut sent = at(&gms, Method::POST, "/api/gms/aspects?action=ingestProposal");
        sent = sent.header("Cookie", &cookies).header("Content-Type", kind).body(body.clone());
        for (name, value) in [("Origin", origin), ("Sec-Fetch-Site", site)] {
            if let Some(value) = value {
                sent = sent.header(name, value);
            }
        }
        assert_eq!(status(sent).await, expected, "{kind} {origin:?} {site:?}");
    }
    // A token is not a cookie: no other site has it.
    let token = at(&gms, Method::POST, "/api/gms/aspects?action=ingestProposal").bearer_auth(gms.token());
    assert_eq!(status(token.header("Origin", "http://evil.example").body(body)).await, 200);
}

#[tokio::test]
async fn the_proxy_forwards_only_the_frontends_paths() {
    let gms = with_frontend().await;
    for (method, path) in [
        (Method::GET, "/api/gms/config"),
        (Method::GET, "/api/gms/health"),
        (Method::GET, "/openapi/v3/entity/dataset/x"),
        (Method::POST, "/api/v2/graphql"),
    ] {
        let response = at(&gms, method, path).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.text().await.unwrap()),
            (401, String::new()),
            "{path}"
        );
    }
    let with_token = |method, path: &str| at(&gms, method, path).bearer_auth(gms.token());
    let config = value(with_token(Method::GET, "/api/gms/config").send().await.unwrap(), 200).await;
    assert_eq!(config["noCode"], "true");
    let entity = with_token(Method::GET, "/api/gms/entities/urn:li:corpuser:datahub");
    assert_eq!(status(entity).await, 200);
    let query =
        || with_token(Method::POST, "/api/v2/graphql").body(r#"{"query": "{ me { corpUser { urn } } }"}"#);
    assert_eq!(status(query()).await, 200);
    assert_eq!(
        status(with_token(Method::POST, "/api/graphql").body(r#"{"query": "{ me { corpUser { urn } } }"}"#))
            .await,
        200
    );
    assert_eq!(status(with_token(Method::POST, "/api/v2/graphql?x").body("{}")).await, 404);
    let urn = "urn%3Ali%3Acorpuser%3Adatahub";
    for (method, path, expected) in [
        (Method::PATCH, "/api/gms/openapi/v3/entity/corpuser".into(), 404),
        (Method::HEAD, format!("/api/gms/openapi/v3/entity/corpuser/{urn}"), 404),
        (Method::PATCH, "/openapi/v3/entity/corpuser".into(), 202),
        (Method::HEAD, format!("/openapi/v3/entity/corpuser/{urn}"), 204),
        (Method::POST, "/aspects?action=ingestProposal".into(), 404),
        (Method::DELETE, "/x".into(), 404),
    ] {
        let sent = with_token(method.clone(), &path).body("[]");
        assert_eq!(status(sent).await, expected, "{method} {path}");
    }
    // A token that GMS refuses gets GMS's response, not the frontend's.
    let bad = at(&gms, Method::GET, "/api/gms/entities/urn:li:corpuser:datahub").bearer_auth("x");
    assert_eq!(value(bad.send().await.unwrap(), 401).await["path"], "/entities/urn:li:corpuser:datahub");
}

#[tokio::test]
async fn other_paths_are_answered_by_the_frontend_itself() {
    let gms = with_frontend().await;
    for path in ["/", "/entities/urn:li:corpuser:datahub", "/aspects", "/settings/tokens", "/login"] {
        let response = at(&gms, Method::GET, path).send().await.unwrap();
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"), "{path}");
        assert!(text(response, 200).await.contains("<html"));
    }
    let config = value(at(&gms, Method::GET, "/config").send().await.unwrap(), 200).await;
    assert_eq!(config["config"]["application"], "datahub-frontend");
    assert!(config.get("noCode").is_none());
    for path in ["/health", "/admin"] {
        assert_eq!(text(at(&gms, Method::GET, path).send().await.unwrap(), 200).await, "GOOD");
    }
}

#[tokio::test]
async fn the_session_precedes_the_header_and_no_claimed_actor_is_trusted() {
    let gms = with_frontend().await;
    let cookies = cookies(&gms).await;
    let me = async |request: RequestBuilder| {
        let sent = request
            .header("Content-Type", "application/json")
            .body(r#"{"query": "{ me { corpUser { username } } }"}"#);
        value(sent.send().await.unwrap(), 200).await["data"]["me"]["corpUser"]["username"].clone()
    };
    let path = "/api/v2/graphql";
    assert_eq!(me(at(&gms, Method::POST, path).bearer_auth(gms.token())).await, "datahub");
    assert_eq!(
        me(at(&gms, Method::POST, path).bearer_auth(gms.token()).header("Cookie", &cookies)).await,
        "jdoe"
    );
    let open =
        Gms::builder().frontend(FREE.into()).authentication(false).user(User::new("jdoe").password("secret"));
    let open = open.start().await.unwrap();
    let claimed =
        at(&open, Method::POST, path).bearer_auth("x").header("X-DataHub-Actor", "urn:li:corpuser:datahub");
    assert_eq!(me(claimed).await, "__datahub_system", "the claimed actor is dropped");
    let cookies = super::frontend::cookies(&open).await;
    assert_eq!(me(at(&open, Method::POST, path).header("Cookie", cookies)).await, "jdoe");
}

#[tokio::test]
async fn with_the_frontends_switch_off_only_a_session_counts() {
    let builder = Gms::builder().frontend(FREE.into()).frontend_authentication(false);
    let gms = builder.user(User::new("jdoe").password("secret")).start().await.unwrap();
    let path = "/api/gms/entities/urn:li:corpuser:datahub";
    assert_eq!(status(at(&gms, Method::GET, path).bearer_auth(gms.token())).await, 401);
    let cookies = cookies(&gms).await;
    assert_eq!(status(at(&gms, Method::GET, path).header("Cookie", cookies)).await, 200);
}

#[tokio::test]
async fn the_frontend_forwards_at_most_ten_megabytes() {
    let gms = with_frontend().await;
    let request =
        || at(&gms, Method::POST, "/api/gms/aspects?action=ingestProposal").bearer_auth(gms.token());
    let proposal = json!({"proposal": upsert(DATASET, "status", "{}")}).to_string();
    let padded = |bytes: usize| proposal.clone() + &" ".repeat(bytes - proposal.len());
    assert_eq!(status(request().body(padded(10_000_000))).await, 200);
    assert_eq!(status(request().body(padded(10_000_001))).await, 413);
    // The same request sent directly to GMS.
    assert_eq!(post(&gms, "/aspects?action=ingestProposal", padded(10_000_001)).await.status(), 200);
}

#[tokio::test]
async fn only_the_bodies_of_authenticated_callers_are_kept() {
    let gms = with_frontend().await;
    let length = 64 * 1024;
    let credentials = r#"{"username": "jdoe", "password": "secret"}"#;
    for (longer, expected) in [(0, 200), (1, 413)] {
        let body = credentials.to_owned() + &" ".repeat(length - credentials.len() + longer);
        let sent = at(&gms, Method::POST, "/logIn").header("Content-Type", "application/json").body(body);
        assert_eq!(status(sent).await, expected);
        for path in ["/x", "/config", "/admin"] {
            let sent = at(&gms, Method::POST, path).body(" ".repeat(length + longer));
            assert_ne!((status(sent).await == 413), longer == 0, "{path}");
        }
    }
    // The fault acts on a body that has been kept.
    gms.fault(Fault {
        urn_contains: Some("db.t1".into()),
        ..Fault::new(Action::Status { code: 418, headers: Vec::new(), body: String::new() })
    });
    let body = DATASET.to_owned() + &" ".repeat(length);
    for (token, path, expected) in [
        (gms.token(), "/api/gms/aspects?action=ingestProposal", 418),
        (gms.token(), "/api/gms/config", 418),
        ("x", "/api/gms/aspects?action=ingestProposal", 401),
        ("x", "/api/gms/config", 400),
    ] {
        let sent = at(&gms, Method::POST, path).bearer_auth(token).body(body.clone());
        assert_eq!(status(sent).await, expected, "{path}");
        let last = gms.requests().pop().unwrap();
        assert_eq!((last.bytes, last.authorised), (body.len() as u64, token != "x"), "{path}");
    }
}

#[tokio::test]
async fn the_frontend_passes_on_the_old_filters_refusals() {
    let builder =
        Gms::builder().frontend(FREE.into()).auth_filter(AuthFilter::Old).refusals(RefusalForm::JettyJson);
    let gms = builder.start().await.unwrap();
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(5);
    let token = gms.create_token_until("jdoe", Some(past)).await.unwrap();
    let sent = at(&gms, Method::GET, "/api/gms/entities/urn:li:corpuser:datahub").bearer_auth(token);
    assert!(text(sent.send().await.unwrap(), 401).await.contains("Token has expired"));
}

#[tokio::test]
async fn an_address_in_use_is_an_error_or_means_no_frontend() {
    let taken = with_frontend().await;
    let error = Gms::builder().frontend(address(&taken)).start().await.unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Input);
    assert!(error.to_string().contains(&address(&taken).to_string()), "{error}");
    let without = Gms::builder().frontend_if_free(address(&taken)).start().await.unwrap();
    assert_eq!(without.frontend_url(), None);
    assert_eq!(get(&without, "/config").await.status(), 200);
    assert_eq!(start().await.frontend_url(), None);
}

#[tokio::test]
async fn the_frontend_forwards_nothing_without_credentials() {
    let gms = with_frontend().await;
    for path in [
        "/api/gms/../gms/entities/urn:li:corpuser:datahub",
        "/x/../api/gms/entities/urn:li:corpuser:datahub",
        "//api/gms/entities/urn:li:corpuser:datahub",
        "/api%2fgms/entities/urn:li:corpuser:datahub",
        "/API/gms/entities/urn:li:corpuser:datahub",
        "/config/../api/gms/entities/urn:li:corpuser:datahub",
        "/api/gms",
        "/api/",
    ] {
        let response = raw(address(&gms), format!("GET {path} HTTP/1.0\r\nHost: x\r\n\r\n")).await;
        assert!(!response.to_lowercase().contains("corpuserkey"), "{path}: {response}");
        assert!(
            response.starts_with("HTTP/1.0 401")
                || response.starts_with("HTTP/1.0 200") && response.contains("<html"),
            "{path}: {response}"
        );
    }
}
