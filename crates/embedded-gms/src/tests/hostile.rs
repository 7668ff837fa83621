//! Hostile and broken clients.

use std::time::Duration;

use axum::body::Bytes;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::{Action, Fault};

#[tokio::test]
async fn sql_in_requests_is_only_text() {
    let gms = Gms::builder()
        .user(User::new("maker").privilege("GENERATE_PERSONAL_ACCESS_TOKENS"))
        .start()
        .await
        .unwrap();
    let token = gms.create_token("maker").await.unwrap();
    for text in [
        "'; DROP TABLE aspect; --",
        "' OR '1'='1",
        "\" OR 1=1 --",
        "%",
        "_",
        "x' UNION SELECT value FROM meta --",
    ] {
        let urn = format!("urn:li:tag:{}", text.replace([',', '(', ')'], ""));
        assert_eq!(ingest(&gms, &[upsert(&urn, "status", "{}")]).await.status(), 200, "{text}");
        assert!(gms.aspect(&urn, "status").await.is_some());
        assert_eq!(gms.aspect(&urn, text).await, None);
        let name = json!(text).to_string();
        let revoke = ask(&gms, &token, &format!("mutation {{ revokeAccessToken(tokenId: {name}) }}")).await;
        assert_unauthorized(&revoke, "revokeAccessToken");
        let filter = format!("{{field: \"name\", values: {name}, condition: CONTAIN}}");
        let find = format!("{{ listAccessTokens(input: {{filters: [{filter}]}}) {{ total }} }}");
        let found = ask(&gms, gms.token(), &find).await;
        assert_eq!(found["data"]["listAccessTokens"]["total"], 0, "{text}");
        for (path, body, none) in [
            ("/aspects?action=getCount", json!({"aspect": text}), json!(0)),
            ("/runs?action=describe", json!({"runId": text, "start": 0, "count": 9}), json!([])),
            (
                "/entities?action=listUrns",
                json!({"entity": text, "start": 0, "count": 9}),
                json!({"start": 0, "count": 0, "total": 0, "entities": []}),
            ),
        ] {
            let found = value(post(&gms, path, body.to_string()).await, 200).await;
            assert_eq!(found["value"], none, "{path} {text}");
        }
        let read = request(
            &gms,
            Method::GET,
            &format!("/entities/urn:li:tag:x?aspects=List({})", text.replace(' ', "%20")),
        );
        assert!(read.send().await.unwrap().status().as_u16() < 500);
    }
    assert!(gms.users().await.unwrap().contains(&"maker".to_owned()));
    assert_eq!(ask(&gms, &token, &create("maker", "'; DROP TABLE meta; --")).await.get("errors"), None);
    assert_eq!(gms.tokens().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_head_that_never_ends_is_closed() {
    let gms = Gms::builder().header_timeout(Duration::from_millis(50)).start().await.unwrap();
    for bytes in ["", "G", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        // Ends only when the server closes.
        let response = raw(gms.address(), bytes).await;
        assert!(!response.starts_with("HTTP/1.1 200"), "{response}");
    }
    assert_eq!(get(&gms, "/config").await.status(), 200);
}

#[tokio::test]
async fn an_endless_body_times_out() {
    let gms = Gms::builder().header_timeout(Duration::from_millis(50)).start().await.unwrap();
    let authorization = format!("Authorization: Bearer {}\r\n", gms.token());
    for (caller, sent) in [("", ""), ("", "{"), (authorization.as_str(), "{\"proposals\": [")] {
        let head = "POST /aspects?action=ingestProposalBatch HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n";
        // Ends only when the server closes.
        let response = raw(gms.address(), format!("{head}{caller}\r\n{sent}")).await;
        let expected = if caller.is_empty() { "HTTP/1.1 401" } else { "HTTP/1.1 408" };
        assert!(response.starts_with(expected), "{response}");
    }
    assert_eq!(get(&gms, "/config").await.status(), 200);
}

#[tokio::test]
async fn a_slow_body_times_out() {
    let gms = Gms::builder()
        .header_timeout(Duration::from_millis(300))
        .frontend(([127, 0, 0, 1], 0).into())
        .start()
        .await
        .unwrap();
    let frontend = gms.frontend_url().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    let authorization = format!("Authorization: Bearer {}\r\n", gms.token());
    for (address, path, caller, expected) in [
        (gms.address(), "/aspects?action=ingestProposal", "", "HTTP/1.1 401"),
        (gms.address(), "/aspects?action=ingestProposal", authorization.as_str(), "HTTP/1.1 408"),
        (gms.address(), "/config", "", "HTTP/1.1 408"),
        (frontend, "/logIn", "", "HTTP/1.1 408"),
        (frontend, "/x", "", "HTTP/1.1 408"),
        (frontend, "/api/gms/aspects?action=ingestProposal", authorization.as_str(), "HTTP/1.1 408"),
    ] {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n{caller}\r\n");
        let drips = async {
            writer.write_all(head.as_bytes()).await.unwrap();
            // Each pause is far below the limit for one pause.
            while writer.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            std::future::pending::<()>().await;
        };
        let mut response = Vec::new();
        tokio::select! {
            // The server closes the connection, or resets it because unread data arrives.
            _ = reader.read_to_end(&mut response) => {}
            () = drips => {}
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("{path} does not time out"),
        }
        let response = String::from_utf8_lossy(&response);
        assert!(response.starts_with(expected), "{path}: {response}");
    }
}

#[tokio::test]
async fn the_body_of_an_unauthenticated_caller_is_limited() {
    let gms = start().await;
    // The fault acts on a body that has been kept.
    gms.fault(Fault {
        urn_contains: Some("db.t1".into()),
        ..Fault::new(Action::Status { code: 418, headers: Vec::new(), body: String::new() })
    });
    let body = |bytes: usize| DATASET.to_owned() + &" ".repeat(bytes - DATASET.len());
    for path in ["/", "/config", "/config/search/export", "/health", "/health/x"] {
        for (length, known, expected) in [(65_536, false, 0), (65_537, false, 413), (65_537, true, 418)] {
            let mut sent = client().post(format!("{}{path}", gms.url())).body(body(length));
            if known {
                sent = sent.bearer_auth(gms.token());
            }
            let status = sent.send().await.unwrap().status().as_u16();
            let as_expected = if expected == 0 { [400, 404].contains(&status) } else { status == expected };
            assert!(as_expected, "{path} {length} {known}: {status}");
        }
    }
    // A caller that is refused anyway is refused for any body.
    let refused = client().post(format!("{}/aspects?action=ingestProposal", gms.url())).body(body(1_000_000));
    assert_eq!(refused.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_thousand_idle_connections_do_not_block_another() {
    // None of them times out during the test.
    let gms = Gms::builder().header_timeout(Duration::from_secs(3600)).start().await.unwrap();
    let mut open = Vec::new();
    for number in 0..1000 {
        let mut stream = TcpStream::connect(gms.address()).await.unwrap();
        if number % 10 == 0 {
            stream.write_all(b"GET /config HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        }
        open.push(stream);
    }
    let one_more =
        tokio::time::timeout(Duration::from_secs(60), get(&gms, "/entities/urn:li:corpuser:datahub"));
    assert_eq!(one_more.await.expect("the server serves one more").status(), 200);
    // The last of them is served too.
    let last = open.last_mut().unwrap();
    last.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut response = String::new();
    last.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}

#[tokio::test]
async fn the_server_continues_after_refusing_a_large_body() {
    let gms = start().await;
    let long = "x".repeat(600 * 1024);
    let response = raw(gms.address(), format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    assert!(response.starts_with("HTTP/1.1 414") || response.starts_with("HTTP/1.1 431"), "{response}");
    let response =
        raw(gms.address(), format!("GET /config HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n")).await;
    assert!(response.starts_with("HTTP/1.1 431"), "{response}");
    let many = (0..200).map(|number| format!("x-{number}: y\r\n")).collect::<Vec<_>>().concat();
    let response = raw(gms.address(), format!("GET /config HTTP/1.1\r\nHost: x\r\n{many}\r\n")).await;
    assert!(response.starts_with("HTTP/1.1 431"), "{response}");
    let mib = vec![b' '; 1024 * 1024];
    let large = Bytes::from(mib.repeat(65));
    let client = client();
    let post = |body: Bytes| {
        let sent =
            client.post(format!("{}/aspects?action=ingestProposal", gms.url())).bearer_auth(gms.token());
        sent.body(body).send()
    };
    assert_eq!(post(large).await.unwrap().status(), 413);
    // The same client, on the same connection if it is still open.
    let small = json!({"proposal": upsert(DATASET, "status", "{}")}).to_string();
    assert_eq!(post(small.into()).await.unwrap().status(), 200);
    // A client that announces a large body and disconnects delays nobody.
    let mut stream = TcpStream::connect(gms.address()).await.unwrap();
    stream
        .write_all(
            b"POST /aspects?action=ingestProposal HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
        )
        .await
        .unwrap();
    drop(stream);
    assert_eq!(get(&gms, "/config").await.status(), 200);
}

#[tokio::test]
async fn a_connection_that_is_not_http_is_closed() {
    let gms = start().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /config HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /config HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /config HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let response = raw(gms.address(), bytes).await;
        assert!(response.is_empty() || response.starts_with("HTTP/1.1 4"), "{response}");
    }
    assert_eq!(get(&gms, "/config").await.status(), 200);
}

#[tokio::test]
async fn secrets_cannot_be_read_through_any_path() {
    let gms = Gms::builder().user(User::new("jdoe").password("secret")).start().await.unwrap();
    for path in [
        "/entitiesV2/urn:li:corpuser:jdoe",
        "/entities/urn:li:corpuser:jdoe",
        "/openapi/v3/entity/corpuser/urn:li:corpuser:jdoe",
        "/aspects/urn:li:corpuser:jdoe?aspect=corpUserCredentials&version=0",
        "/aspects/password:urn:li:corpuser:jdoe?aspect=value&version=0",
    ] {
        let response = get(&gms, path).await.text().await.unwrap();
        assert!(!response.contains("argon2"), "{path}: {response}");
    }
}
