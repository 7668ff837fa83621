//! What happens to proposals and counts when a caller drops a future before it is ready?

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use datahub_emitter::emitter::{Delivery, Emitter, Observer, Outcome, UndeliveredReason};
use datahub_emitter::metadata::Proposal;
use tokio::time::timeout;

use crate::support::emitting::{emitter, proposal};
use crate::support::scripted_gms::{Response, ScriptedGms};

/// Long enough for everything that does not wait for the server.
const SHORT: Duration = Duration::from_millis(50);

/// A server whose first response comes when the sender says so, and an emitter with capacity for one
/// proposal.
async fn full_emitter() -> (ScriptedGms, Emitter, mpsc::Sender<Response>, tokio::task::JoinHandle<Outcome>) {
    let (respond, response) = mpsc::channel();
    let response = Mutex::new(Some(response));
    let gms = ScriptedGms::start(move |_| {
        let first = response.lock().unwrap().take();
        first.map_or_else(Response::ok, |response| response.recv().unwrap())
    });
    let emitter = emitter(&gms).max_pending_proposals(1).build().unwrap();
    let receipt = emitter.emit(proposal(0, "status", "x")).await;
    (gms, emitter, respond, tokio::spawn(receipt))
}

#[derive(Default)]
struct Outcomes(Mutex<Vec<Outcome>>);

impl Observer for Outcomes {
    fn settled(&self, _: Proposal, outcome: Outcome) {
        self.0.lock().unwrap().push(outcome);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_emit_counts_nothing_and_leaks_no_capacity() {
    let (gms, emitter, respond, first) = full_emitter().await;
    for _ in 0..3 {
        assert!(
            timeout(SHORT, emitter.emit(proposal(1, "status", "x"))).await.is_err(),
            "there is no capacity"
        );
        assert!(timeout(SHORT, emitter.send(proposal(1, "status", "x"))).await.is_err());
    }
    assert_eq!(emitter.counts().emitted, 1);
    drop(respond.send(Response::ok()));
    assert_eq!(first.await.unwrap(), Outcome::Delivered);
    assert_eq!(emitter.send(proposal(2, "status", "x")).await, Outcome::Delivered);
    let counts = emitter.close(None).await;
    assert_eq!((counts.emitted, counts.delivered, counts.undelivered), (2, 2, 0));
    assert_eq!(gms.writes().len(), 2, "a cancelled proposal was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_delivery_is_settled_as_cancelled_and_not_counted() {
    let (_gms, emitter, respond, first) = full_emitter().await;
    let outcomes = Arc::new(Outcomes::default());
    let delivery = Delivery::observed(proposal(1, "status", "x"), Arc::clone(&outcomes) as _);
    assert!(timeout(SHORT, emitter.deliver(delivery)).await.is_err());
    let settled = std::mem::take(&mut *outcomes.0.lock().unwrap());
    assert!(
        matches!(&settled[..], [Outcome::Undelivered(why)] if why.reason == UndeliveredReason::Cancelled),
        "{settled:?}"
    );
    assert_eq!(emitter.counts().emitted, 1);
    drop(respond.send(Response::ok()));
    assert_eq!(first.await.unwrap(), Outcome::Delivered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn try_emit_returns_the_proposal_when_there_is_no_capacity() {
    let (_gms, emitter, respond, first) = full_emitter().await;
    let refused = emitter.try_emit(proposal(1, "status", "x")).unwrap_err().into_proposal();
    assert_eq!(refused, proposal(1, "status", "x"));
    assert_eq!(emitter.counts().emitted, 1);
    drop(respond.send(Response::ok()));
    assert_eq!(first.await.unwrap(), Outcome::Delivered);
    emitter.flush().await;
    assert_eq!(emitter.try_emit(refused).unwrap().await, Outcome::Delivered);
    emitter.close(None).await;
    let late = emitter.try_emit(proposal(2, "status", "x")).unwrap().await;
    assert!(matches!(late, Outcome::Undelivered(why) if why.reason == UndeliveredReason::Closed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_send_flush_or_close_loses_no_proposal() {
    let (_gms, emitter, respond, first) = full_emitter().await;
    assert!(timeout(SHORT, emitter.flush()).await.is_err(), "the first proposal has no outcome yet");
    assert!(timeout(SHORT, emitter.close(None)).await.is_err());
    assert!(timeout(SHORT, emitter.close(Some(Duration::from_secs(3_600)))).await.is_err());
    drop(respond.send(Response::ok()));
    assert_eq!(first.await.unwrap(), Outcome::Delivered);
    let counts = emitter.close(None).await;
    assert_eq!((counts.emitted, counts.delivered), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_lost_a_race_can_be_awaited_again() {
    let (respond, response) = mpsc::channel();
    let response = Mutex::new(Some(response));
    let gms = ScriptedGms::start(move |_| {
        let first = response.lock().unwrap().take();
        first.map_or_else(Response::ok, |response| response.recv().unwrap())
    });
    let emitter = emitter(&gms).build().unwrap();
    let mut receipt = emitter.emit(proposal(0, "status", "x")).await;
    assert!(timeout(SHORT, &mut receipt).await.is_err());
    drop(respond.send(Response::ok()));
    assert_eq!(receipt.await, Outcome::Delivered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emit_all_returns_what_was_not_delivered_and_stops_with_the_run() {
    let gms = ScriptedGms::start(|request| {
        if request.proposals().iter().any(|(urn, _)| urn == "urn:li:tag:t5") {
            return Response::Status(422, r#"{"message":"no"}"#.into());
        }
        Response::ok()
    });
    let good = emitter(&gms).build().unwrap();
    let result = good.emit_all((0..100).map(|urn| proposal(urn, "status", "x"))).await;
    assert_eq!(result.delivered, 99);
    let [(rejected, error)] = &result.failures[..] else { panic!("{result:?}") };
    assert_eq!(rejected, &proposal(5, "status", "x"));
    assert_eq!(error.to_string(), "rejected (gms-rejected, status 422): no");

    let refused = ScriptedGms::start(|_| Response::Status(401, String::new()));
    let refused = emitter(&refused).max_pending_proposals(10).build().unwrap();
    let mut proposals = (0..1_000).map(|urn| proposal(urn, "status", "x"));
    let result = refused.emit_all(proposals.by_ref()).await;
    let remaining = proposals.count();
    assert_eq!((result.delivered, result.failures.len() + remaining), (0, 1_000));
    assert!(remaining > 900, "{remaining}");
}
