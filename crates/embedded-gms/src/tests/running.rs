//! Starting, stopping, the data file, faults, and the request log.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::{Action, Fault};

async fn on_file(path: &Path) -> Gms {
    Gms::builder().data(path).start().await.unwrap()
}

#[tokio::test]
async fn data_and_tokens_survive_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/directory/gms.sqlite");
    let first = on_file(&path).await;
    let token = first.create_token("jdoe").await.unwrap();
    assert_eq!(ingest(&first, &[upsert(DATASET, "status", "{\"removed\":false}")]).await.status(), 200);
    first.stop().await;
    assert!(!path.with_extension("sqlite-wal").exists());
    let second = on_file(&path).await;
    assert_eq!(second.aspect(DATASET, "status").await.unwrap(), "{\"removed\":false}");
    let response = client()
        .get(format!("{}/entitiesV2/{DATASET}", second.url()))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(value(response, 200).await["aspects"]["status"]["value"], json!({"removed": false}));
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_data_file() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gms.sqlite");
    let _gms = on_file(&path).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn two_servers_share_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gms.sqlite");
    let (one, two) = tokio::join!(on_file(&path), on_file(&path));
    let write = async |gms: &Gms, name: &str| {
        for number in 0..20 {
            let urn = format!("urn:li:tag:{name}{number}");
            assert_eq!(ingest(gms, &[upsert(&urn, "status", "{}")]).await.status(), 200);
        }
    };
    tokio::join!(write(&one, "one"), write(&two, "two"));
    for number in 0..20 {
        assert!(one.aspect(&format!("urn:li:tag:two{number}"), "status").await.is_some());
        assert!(two.aspect(&format!("urn:li:tag:one{number}"), "status").await.is_some());
    }
    let crossing = client().get(format!("{}/entities/urn:li:tag:one1", one.url()));
    let crossing = crossing.bearer_auth(two.create_token("datahub").await.unwrap());
    assert_eq!(crossing.send().await.unwrap().status(), 200);
    one.stop().await;
    assert_eq!(ingest(&two, &[upsert(DATASET, "status", "{}")]).await.status(), 200);
}

#[tokio::test]
async fn the_database_of_another_program_is_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text");
    std::fs::write(&text, "this is no database, and it is long enough to tell").unwrap();
    let database = directory.path().join("database");
    rusqlite::Connection::open(&database).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    for path in [&text, &database, &directory.path().to_path_buf()] {
        let error = Gms::builder().data(path).start().await.unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Disk);
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    assert!(std::fs::read_to_string(&text).unwrap().starts_with("this is no database"));
}

#[tokio::test]
async fn an_address_in_use_is_an_error() {
    let gms = start().await;
    let error = Gms::builder().listen(gms.address()).start().await.unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Input);
    assert!(error.to_string().contains(&gms.address().to_string()), "{error}");
}

#[tokio::test]
async fn a_request_in_progress_finishes_before_the_stop() {
    let gms = start().await;
    gms.fault(Fault::new(Action::Delay(Duration::from_millis(100))));
    let request = request(&gms, Method::POST, "/aspects?action=ingestProposal")
        .body(json!({"proposal": upsert(DATASET, "status", "{}")}).to_string());
    let sent = tokio::spawn(async move { request.send().await.unwrap().status() });
    while gms.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    gms.stop().await;
    gms.stop().await;
    gms.stopped().await;
    assert_eq!(sent.await.unwrap(), 200);
    assert!(TcpStream::connect(gms.address()).is_err());
    assert_eq!(gms.aspect(DATASET, "status").await, None);
}

#[tokio::test]
async fn dropping_it_does_not_wait_for_a_request() {
    let gms = start().await;
    gms.fault(Fault::new(Action::Delay(Duration::from_secs(3600))));
    let request = request(&gms, Method::GET, "/config");
    let sent = tokio::spawn(request.send());
    while gms.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    let address = gms.address();
    drop(gms);
    assert!(sent.await.unwrap().is_err());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn it_needs_no_tokio_runtime_of_the_caller() {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut starting = Box::pin(Gms::builder().start());
    let gms = loop {
        match starting.as_mut().poll(&mut context) {
            std::task::Poll::Ready(gms) => break gms.unwrap(),
            std::task::Poll::Pending => std::thread::yield_now(),
        }
    };
    let mut stream = TcpStream::connect(gms.address()).unwrap();
    stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.0 200"), "{response}");
}

#[tokio::test]
async fn a_slow_client_does_not_delay_others() {
    let gms = start().await;
    let head = format!(
        "POST /aspects?action=ingestProposal HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 9\r\n\r\n{{",
        gms.token()
    );
    let mut slow: Vec<_> = (0..20).map(|_| TcpStream::connect(gms.address()).unwrap()).collect();
    for (number, stream) in slow.iter_mut().enumerate() {
        let part = if number % 2 == 0 { head.as_bytes() } else { &head.as_bytes()[..30] };
        stream.write_all(part).unwrap();
    }
    assert_eq!(ingest(&gms, &[upsert(DATASET, "status", "{}")]).await.status(), 200);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let gms = start().await;
    let long = vec![b' '; 64 * 1024 * 1024 + 1];
    let response =
        request(&gms, Method::POST, "/aspects?action=ingestProposal").body(long).send().await.unwrap();
    refusal(response, 413).await;
    let response =
        request(&gms, Method::GET, "/config").header("X-Long", "x".repeat(1_000_000)).send().await.unwrap();
    assert_eq!(response.status(), 431);
    assert_eq!(get(&gms, "/config").await.status(), 200);
}

#[tokio::test]
async fn a_fault_acts_on_matching_requests() {
    let gms = start().await;
    gms.fault(Fault {
        path_prefix: "/aspects".into(),
        urn_contains: Some("db.t1".into()),
        after: 1,
        times: Some(2),
        ..Fault::new(Action::Status {
            code: 503,
            headers: vec![("Retry-After".into(), "7".into())],
            body: "{\"error\":\"busy\"}".into(),
        })
    });
    let send = async || ingest(&gms, &[upsert(DATASET, "status", "{}")]).await;
    assert_eq!(send().await.status(), 200);
    let refused = send().await;
    assert_eq!(refused.headers()["Retry-After"], "7");
    assert_eq!(text(refused, 503).await, "{\"error\":\"busy\"}");
    assert_eq!(ingest(&gms, &[upsert("urn:li:tag:x", "status", "{}")]).await.status(), 200);
    assert_eq!(send().await.status(), 503);
    assert_eq!(send().await.status(), 200);
    gms.fault(Fault::new(Action::Html));
    let page = send().await;
    assert_eq!(page.headers()["Content-Type"], "text/html; charset=utf-8");
    assert!(text(page, 200).await.contains("<html>"));
    gms.clear_faults();
    assert_eq!(send().await.status(), 200);
}

#[tokio::test]
async fn a_reset_comes_before_or_after_the_commit() {
    let gms = start().await;
    for (action, stored) in [(Action::Reset, false), (Action::ResetAfter, true)] {
        gms.fault(Fault { times: Some(1), ..Fault::new(action) });
        let body = json!({"proposal": upsert(DATASET, "status", "{}")}).to_string();
        let sent = request(&gms, Method::POST, "/aspects?action=ingestProposal").body(body).send().await;
        assert!(sent.is_err());
        assert_eq!(gms.aspect(DATASET, "status").await.is_some(), stored);
        assert_eq!(gms.requests().pop().unwrap().status, None);
    }
    assert_eq!(get(&gms, "/config").await.status(), 200);
}

#[tokio::test]
async fn requests_are_logged_in_order() {
    let gms = start().await;
    get(&gms, "/config?verbose=true").await;
    ingest(&gms, &[]).await;
    client().get(format!("{}/nowhere", gms.url())).send().await.unwrap();
    let seen: Vec<_> = gms
        .requests()
        .into_iter()
        .map(|request| (request.method, request.path, request.status, request.bytes, request.authorised))
        .collect();
    let row = |method: &str, path: &str, status, bytes, authorised| {
        (method.to_owned(), path.to_owned(), Some(status), bytes, authorised)
    };
    assert_eq!(
        seen,
        [
            row("GET", "/config?verbose=true", 200, 0, true),
            row("POST", "/aspects?action=ingestProposalBatch", 200, 31, true),
            row("GET", "/nowhere", 401, 0, false),
        ]
    );
}
