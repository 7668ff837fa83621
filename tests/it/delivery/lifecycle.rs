//! What do `flush` and `close` wait for?

use std::time::Duration;

use datahub_emitter::emitter::{Emitter, Outcome};

use crate::support::emitting::{emitter, proposal, retry_at_once};
use crate::support::scripted_gms::{Response, ScriptedGms};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flush_waits_for_all_outcomes_and_close_until_its_deadline() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let emitter = emitter(&gms).build().unwrap();
    for urn in 0..250 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    emitter.flush().await;
    assert_eq!(emitter.counts().delivered, 250);

    // The server is down: the request is retried until the deadline.
    let silent = Emitter::builder("http://127.0.0.1:9").retry(retry_at_once()).build().unwrap();
    let receipt = silent.emit(proposal(1, "status", "x")).await;
    let counts = silent.close(Some(Duration::ZERO)).await;
    assert_eq!((counts.emitted, counts.undelivered), (1, 1));
    assert!(matches!(receipt.await, Outcome::Undelivered(_)));
    let late = silent.emit(proposal(2, "status", "x")).await.await;
    assert!(matches!(late, Outcome::Undelivered(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_add_up_for_proposals_emitted_while_closing() {
    for _ in 0..50 {
        let gms = ScriptedGms::start(|_| Response::ok());
        let emitter = emitter(&gms).max_linger(Duration::MAX).max_pending_proposals(4).build().unwrap();
        let late = emitter.clone();
        let emitting = tokio::spawn(async move {
            for urn in 0..40 {
                drop(late.emit(proposal(urn, "status", "x")).await);
            }
        });
        emitter.close(None).await;
        emitting.await.unwrap();
        let counts = emitter.counts();
        assert_eq!(counts.emitted, 40);
        assert_eq!(counts.emitted, counts.delivered + counts.rejected + counts.undelivered);
    }
}
