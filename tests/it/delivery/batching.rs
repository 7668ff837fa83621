//! How many proposals are in a request, and when is it sent?

use std::time::Duration;

use datahub_emitter::emitter::{Batching, Outcome};

use crate::support::emitting::{emitter, outcomes, proposal};
use crate::support::scripted_gms::{Request, Response, ScriptedGms};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_and_twenty_records_take_at_most_three_requests() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let emitter = emitter(&gms).build().unwrap();
    let mut receipts = Vec::new();
    for urn in 0..120 {
        receipts.push(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.emitted, counts.delivered), (120, 120));
    assert!(gms.writes().len() <= 3, "{} requests", gms.writes().len());
    assert!(outcomes(receipts).await.iter().all(|outcome| *outcome == Outcome::Delivered));
    let head = gms.writes()[0].head.to_ascii_lowercase();
    assert!(head.starts_with("post /aspects?action=ingestproposalbatch "));
    for line in [
        "authorization: bearer good",
        "x-restli-protocol-version: 2.0.0",
        "content-type: application/json",
        "x-datahub-client-mode: sdk",
        "user-agent: datahub-client/1.0 (sdk; datahub/",
    ] {
        assert!(head.contains(line), "{line} is not in {head}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_proposal_does_not_wait_for_others() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let emitter = emitter(&gms).max_linger(Duration::from_secs(3_600)).build().unwrap();
    // Without flush or close it is sent after 5 ms.
    assert_eq!(emitter.emit(proposal(1, "status", "x")).await.await, Outcome::Delivered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_larger_than_every_limit_is_sent_alone() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let emitter = emitter(&gms).max_batch_bytes(4_000).max_pending_bytes(10_000).build().unwrap();
    let large = "x".repeat(50_000);
    for urn in 0..30 {
        let text = if urn == 7 { &large } else { "small" };
        drop(emitter.emit(proposal(urn, "status", text)).await);
    }
    assert_eq!(emitter.close(None).await.delivered, 30);
    for write in gms.writes() {
        let proposals = write.proposals();
        assert!(proposals.len() == 1 || write.body.len() <= 4_000, "{} bytes", write.body.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_413_lowers_the_batch_size_limit() {
    const LIMIT: usize = 8_000;
    let gms = ScriptedGms::start(|request: &Request| {
        if request.body.len() > LIMIT { Response::Status(413, String::new()) } else { Response::ok() }
    });
    let emitter = emitter(&gms).max_in_flight_requests(1).build().unwrap();
    for urn in 0..2_000 {
        let text = if urn == 1_000 { "x".repeat(LIMIT) } else { "x".into() };
        drop(emitter.emit(proposal(urn, "tagProperties", &text)).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (1_999, 1, 0));
    let refused = gms.writes().iter().filter(|write| write.body.len() > LIMIT).count();
    assert!(refused <= 20, "{refused} requests were too large: nothing was learnt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mode_has_its_request() {
    for (mode, path, asynchronous) in [
        (Batching::Sequential, "POST /aspects?action=ingestProposal ", "false"),
        (Batching::Single, "POST /aspects?action=ingestProposal ", "true"),
        (Batching::Batched, "POST /aspects?action=ingestProposalBatch ", "true"),
    ] {
        let gms = ScriptedGms::start(|_| Response::ok());
        let emitter = emitter(&gms).batching(mode).build().unwrap();
        drop(emitter.emit(proposal(1, "status", "x")).await);
        assert_eq!(emitter.close(None).await.delivered, 1);
        let write = gms.writes().remove(0);
        assert!(write.head.starts_with(path), "{}", write.head);
        let body: serde_json::Value = serde_json::from_slice(&write.body).unwrap();
        assert_eq!(body["async"], asynchronous);
        assert_eq!(write.proposals(), [("urn:li:tag:t1".to_owned(), "status".to_owned())]);
    }
}
