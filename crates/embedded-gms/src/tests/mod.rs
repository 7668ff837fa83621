//! The embedded GMS over real sockets, with a client that shares no code with this crate.

mod access;
mod contents;
mod documentation;
mod edits;
mod entities;
mod fault_injection;
mod fields;
mod forged;
mod frontend;
mod generic;
mod graphql;
mod groups;
mod hostile;
mod ingest;
mod models;
mod openapi;
mod privileges;
mod reading;
mod references;
mod relationships;
mod request_log;
mod running;
mod runs;
mod scroll;
mod search;
mod seeding;
mod silent_drops;
mod timeseries;
mod unauthenticated;
mod unregistered;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::{Gms, Policy, User};

const DATASET: &str = "urn:li:dataset:(urn:li:dataPlatform:hive,db.t1,PROD)";

async fn start() -> Gms {
    Gms::builder().start().await.unwrap()
}

fn client() -> Client {
    Client::builder()
        .no_proxy()
        // No TLS is used; loading certificates would take longer than a request.
        .tls_certs_only([])
        .retry(reqwest::retry::never())
        .build()
        .unwrap()
}

/// A request with the server's own token.
fn request(gms: &Gms, method: Method, path: &str) -> RequestBuilder {
    client().request(method, format!("{}{path}", gms.url())).bearer_auth(gms.token())
}

async fn get(gms: &Gms, path: &str) -> Response {
    request(gms, Method::GET, path).send().await.unwrap()
}

async fn post(gms: &Gms, path: &str, body: impl Into<String>) -> Response {
    request(gms, Method::POST, path).body(body.into()).send().await.unwrap()
}

/// A request with a JSON body.
async fn send(gms: &Gms, method: Method, path: &str, body: &Value) -> Response {
    request(gms, method, path)
        .header("Content-Type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .unwrap()
}

async fn text(response: Response, status: u16) -> String {
    assert_eq!(response.status(), StatusCode::from_u16(status).unwrap(), "{}", response.url());
    response.text().await.unwrap()
}

async fn value(response: Response, status: u16) -> Value {
    serde_json::from_str(&text(response, status).await).unwrap()
}

/// An UPSERT in the wire format.
fn upsert(urn: &str, aspect: &str, text: &str) -> Value {
    json!({
        "entityType": urn.split(':').nth(2).unwrap(),
        "entityUrn": urn,
        "changeType": "UPSERT",
        "aspectName": aspect,
        "aspect": {"value": text, "contentType": "application/json"},
        "systemMetadata": {"lastObserved": 1_700_000_000_000_i64, "runId": "run-1", "lastRunId": "no-run-id-provided"},
    })
}

/// An UPSERT with some members replaced.
fn with(urn: &str, aspect: &str, text: &str, changes: &Value) -> Value {
    let mut proposal = upsert(urn, aspect, text);
    for (key, value) in changes.as_object().unwrap() {
        proposal[key] = value.clone();
    }
    proposal
}

async fn ingest(gms: &Gms, proposals: &[Value]) -> Response {
    let body = json!({"proposals": proposals, "async": "true"});
    post(gms, "/aspects?action=ingestProposalBatch", body.to_string()).await
}

/// Checks the form of a refusal and returns its message.
async fn refusal(response: Response, status: u16) -> String {
    let body = value(response, status).await;
    assert_eq!(body["exceptionClass"], "com.linkedin.restli.server.RestLiServiceException");
    assert_eq!(body["status"], status);
    body["message"].as_str().unwrap_or_default().to_owned()
}

/// A GraphQL request with this token, which must be answered with 200.
async fn ask(gms: &Gms, token: &str, query: &str) -> Value {
    let body = json!({"query": query}).to_string();
    let sent = client().post(format!("{}/api/graphql", gms.url())).bearer_auth(token).body(body);
    value(sent.send().await.unwrap(), 200).await
}

/// The mutation in DataHub's documentation, for a user.
fn create(user: &str, name: &str) -> String {
    format!(
        r#"mutation {{ createAccessToken(input: {{type: PERSONAL, actorUrn: "urn:li:corpuser:{user}", duration: ONE_HOUR, name: "{name}"}}) {{ accessToken metadata {{ id name description }} }} }}"#
    )
}

/// Checks GraphQL's error for a missing privilege.
#[track_caller]
fn assert_unauthorized(response: &Value, field: &str) {
    let error = &response["errors"][0];
    assert_eq!(
        error["message"], "Unauthorized to perform this action. Please contact your DataHub administrator.",
        "{response}"
    );
    assert_eq!(error["path"], json!([field]));
    let extensions = json!({"code": 403, "type": "UNAUTHORIZED", "classification": "DataFetchingException"});
    assert_eq!(error["extensions"], extensions);
}

/// Sends raw bytes, and returns everything until the server closes the connection.
async fn raw(address: std::net::SocketAddr, bytes: impl Into<Vec<u8>>) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    // The server may respond and close before it has read everything.
    drop(stream.write_all(&bytes.into()).await);
    let mut response = Vec::new();
    let end = tokio::time::timeout(std::time::Duration::from_secs(60), stream.read_to_end(&mut response));
    drop(end.await.expect("the server closes the connection"));
    String::from_utf8_lossy(&response).into_owned()
}
