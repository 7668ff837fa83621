//! `GET /requests`, and the page for people.

use super::*;

#[tokio::test]
async fn the_request_log_contains_no_secrets() {
    let free = ([127, 0, 0, 1], 0).into();
    let gms = Gms::builder().frontend(free).user(User::new("jdoe").password("secret")).start().await.unwrap();
    let body = json!({"proposal": upsert(DATASET, "status", "{}")}).to_string();
    post(&gms, "/aspects?action=ingestProposal", body.clone()).await;
    client().get(format!("{}/datasets", gms.url())).header("X-Mark", "7").send().await.unwrap();
    let through = client().get(format!("{}/api/gms/config?x=1", gms.frontend_url().unwrap()));
    through.bearer_auth(gms.token()).send().await.unwrap();
    let login = client()
        .post(format!("{}/logIn", gms.frontend_url().unwrap()))
        .header("Content-Type", "application/json");
    login.body(r#"{"username": "jdoe", "password": "secret"}"#).send().await.unwrap();
    let listed = value(get(&gms, "/requests").await, 200).await;
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 4, "the question itself is not in it");
    assert_eq!(listed[0]["order"], 0);
    assert_eq!(listed[0]["method"], "POST");
    assert_eq!(listed[0]["path"], "/aspects?action=ingestProposal");
    assert_eq!(listed[0]["bytes"], body.len());
    assert_eq!((&listed[0]["status"], &listed[0]["authorised"]), (&json!(200), &json!(true)));
    assert_eq!((&listed[1]["status"], &listed[1]["authorised"]), (&json!(401), &json!(false)));
    assert_eq!(listed[2]["path"], "/api/gms/config?x=1");
    assert_eq!((&listed[2]["status"], &listed[2]["frontend"]), (&json!(200), &json!(true)));
    assert_eq!((&listed[3]["path"], &listed[3]["status"]), (&json!("/logIn"), &json!(200)));
    let all = gms.requests();
    assert_eq!(all[0].header("Authorization"), Some("Bearer ***"));
    assert_eq!(all[1].header("x-mark"), Some("7"));
    let shown = format!("{listed:?}{all:?}");
    assert!(!shown.contains(gms.token()) && !shown.contains("secret\""), "{shown}");
}

#[tokio::test]
async fn conditions_count_requests_and_find_near_misses() {
    let gms = start().await;
    for urn in [DATASET, "urn:li:tag:x"] {
        let body = json!({"proposal": upsert(urn, "status", "{}")}).to_string();
        assert_eq!(post(&gms, "/aspects?action=ingestProposal", body).await.status(), 200);
    }
    let asked = async |query: &str| get(&gms, &format!("/requests?{query}")).await;
    let found = value(asked("method=POST&path=/aspects&status=200").await, 200).await;
    assert_eq!((&found["count"], found["requests"].as_array().unwrap().len()), (&json!(2), 2));
    assert_eq!(
        found["counts"],
        json!([{"method": "POST", "path": "/aspects", "action": "ingestProposal", "status": 200, "count": 2}])
    );
    let missed = value(asked("method=GET&path=/aspects").await, 200).await;
    assert_eq!((&missed["count"], &missed["requests"]), (&json!(0), &json!([])));
    let differs = json!([{"condition": "method", "wanted": "GET", "found": "POST"}]);
    assert_eq!(missed["nearMisses"][0]["differs"], differs);
    let message = refusal(asked("methd=GET").await, 400).await;
    assert!(message.contains("methd") && message.contains("method"), "{message}");
}

#[tokio::test]
async fn only_the_administrator_reads_the_request_log() {
    let gms = Gms::builder().user(User::new("jdoe").privilege("MANAGE_ACCESS_TOKENS")).start().await.unwrap();
    let token = gms.create_token("jdoe").await.unwrap();
    let sent = client().get(format!("{}/requests", gms.url()));
    assert_eq!(sent.try_clone().unwrap().send().await.unwrap().status(), 401);
    assert_eq!(sent.bearer_auth(token).send().await.unwrap().status(), 403);
    let open = Gms::builder().authentication(false).start().await.unwrap();
    let sent = client().get(format!("{}/requests", open.url())).send().await.unwrap();
    assert_eq!(value(sent, 200).await, json!([]));
}

#[tokio::test]
async fn the_root_page_describes_the_server() {
    let gms = start().await;
    let response = client().get(gms.url()).send().await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    assert!(text(response, 200).await.contains("datahub-emitter"));
}
