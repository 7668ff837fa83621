//! Do reads survive what writes survive, and is an unknown entity `None`?

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use datahub_emitter::ErrorKind;
use datahub_emitter::auth::FileProvider;
use datahub_emitter::emitter::Emitter;
use datahub_emitter::metadata::Urn;

use crate::support::emitting::retry_at_once;
use crate::support::scripted_gms::{Request, Response, ScriptedGms};

const ENTITY: &str = r#"{"urn":"urn:li:tag:a","aspects":{"tagKey":{"value":{"name":"a"}},"tagProperties":{"value":{"name":"a"}}}}"#;

fn urn() -> Urn {
    Urn::parse("urn:li:tag:a").unwrap()
}

#[tokio::test]
async fn a_read_is_retried_like_a_write() {
    let script = Mutex::new(vec![
        Response::Status(200, ENTITY.into()),
        Response::Status(503, String::new()),
        Response::Status(429, String::new()),
        Response::Cut,
        Response::Reset,
    ]);
    let gms = ScriptedGms::start_for_all(move |_| script.lock().unwrap().pop().unwrap());
    let emitter = Emitter::builder(gms.url()).no_proxy().retry(retry_at_once()).build().unwrap();
    let text = emitter.client().entity(&urn(), &[]).await.unwrap().unwrap();
    assert_eq!(text, ENTITY.as_bytes());
    assert_eq!(gms.all().len(), 5);
}

#[tokio::test]
async fn a_refused_token_is_renewed_for_a_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "old").unwrap();
    let gms = ScriptedGms::start_for_all({
        let file = file.clone();
        move |request: &Request| {
            if request.header("authorization") == Some("Bearer new") {
                return Response::Status(200, ENTITY.into());
            }
            std::fs::write(&file, "new").unwrap();
            Response::Status(401, r#"{"status":401}"#.into())
        }
    });
    let emitter = Emitter::builder(gms.url())
        .no_proxy()
        .retry(retry_at_once())
        .token_provider(FileProvider::new(&file))
        .build()
        .unwrap();
    assert!(emitter.client().entity(&urn(), &[]).await.unwrap().is_some());
    assert_eq!(gms.all().len(), 2);
}

#[tokio::test]
async fn a_token_without_a_successor_is_refused_after_one_read() {
    let gms = ScriptedGms::start_for_all(|_| Response::Status(401, r#"{"status":401}"#.into()));
    let emitter = Emitter::builder(gms.url()).no_proxy().retry(retry_at_once()).token("bad").build().unwrap();
    let error = emitter.client().entity(&urn(), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(gms.all().len(), 1);
}

#[tokio::test]
async fn a_urn_that_gms_cannot_read_is_rejected_without_retries() {
    let requests = AtomicUsize::new(0);
    let gms = ScriptedGms::start_for_all(move |_| {
        assert_eq!(requests.fetch_add(1, SeqCst), 0);
        Response::Status(500, r#"{"message":"Failed to deserialize urn","status":500}"#.into())
    });
    let emitter = Emitter::builder(gms.url()).no_proxy().retry(retry_at_once()).build().unwrap();
    let error = emitter.client().entity(&urn(), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
}

#[tokio::test]
async fn an_entity_with_nothing_but_a_derived_key_is_none() {
    let gms = datahub_emitter::embedded::Gms::builder().start().await.unwrap();
    let emitter = Emitter::builder(gms.url()).token(gms.token()).build().unwrap();
    let client = emitter.client();
    assert_eq!(client.entity(&urn(), &[]).await.unwrap(), None);
    assert_eq!(client.entity(&urn(), &["tagProperties".to_owned()]).await.unwrap(), None);
    assert!(client.entity(&urn(), &["tagKey".to_owned()]).await.unwrap().is_some());
    let proposal =
        datahub_emitter::metadata::Proposal::upsert(urn(), "tagProperties", r#"{"name":"a"}"#).unwrap();
    assert!(emitter.send(proposal).await.is_delivered());
    emitter.flush().await;
    assert!(client.entity(&urn(), &["tagProperties".to_owned()]).await.unwrap().is_some());
    assert_eq!(client.entity(&urn(), &["ownership".to_owned()]).await.unwrap(), None);
    emitter.close(None).await;
    gms.stop().await;
}
