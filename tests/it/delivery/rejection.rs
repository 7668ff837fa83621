//! Which proposals are rejected, and what does it cost to find them?

use std::collections::HashSet;
use std::time::Duration;

use datahub_emitter::emitter::{Batching, Emitter, Outcome};
use datahub_emitter::metadata::{Proposal, Urn};

use crate::support::emitting::{emitter, outcomes, proposal, retry_at_once};
use crate::support::scripted_gms::{Request, Response, ScriptedGms};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_proposal_rejects_one_proposal() {
    let gms = ScriptedGms::start(|request: &Request| {
        if request.proposals().iter().any(|(urn, _)| urn == "urn:li:tag:t63") {
            return Response::Status(
                422,
                r#"{"message":"Unknown aspect x for entity tag","status":422}"#.into(),
            );
        }
        Response::ok()
    });
    let emitter = emitter(&gms).build().unwrap();
    let mut receipts = Vec::new();
    for urn in 0..100 {
        receipts.push(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (99, 1, 0));
    for (urn, outcome) in outcomes(receipts).await.into_iter().enumerate() {
        match outcome {
            Outcome::Delivered => assert_ne!(urn, 63),
            Outcome::Rejected(rejection) => {
                assert_eq!((urn, rejection.status), (63, Some(422)));
                assert_eq!(rejection.message, "Unknown aspect x for entity tag");
            }
            other => panic!("{other:?}"),
        }
    }
    let mut in_order: Vec<String> = Vec::new();
    for write in gms.writes() {
        let proposals = write.proposals();
        if proposals.iter().all(|(urn, _)| urn != "urn:li:tag:t63") {
            in_order.extend(proposals.into_iter().map(|(urn, _)| urn));
        }
    }
    assert_eq!(in_order.iter().collect::<HashSet<_>>().len(), 99);
}

/// Responds 422 with this message to requests that contain the proposal with the number `bad`.
fn refuses(bad: usize, message: fn(&str) -> String) -> impl Fn(&Request) -> Response {
    move |request: &Request| {
        let is_bad = |urn: &str| urn == format!("urn:li:tag:t{bad}");
        match request.proposals().into_iter().find(|(urn, _)| is_bad(urn)) {
            Some((urn, _)) => Response::Status(
                422,
                serde_json::json!({"message": message(&urn), "status": 422}).to_string(),
            ),
            None => Response::ok(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bisection_finds_a_bad_proposal_with_few_requests() {
    let unnamed: fn(&str) -> String = |_| "Unknown aspect x for entity tag".into();
    let named: fn(&str) -> String = |urn| format!("Failed to validate record with urn {urn}: no");
    for (bad, message, extra) in
        [(0, unnamed, 15_usize), (99, unnamed, 15), (5_000, unnamed, 15), (5_000, named, 2)]
    {
        let gms = ScriptedGms::start(refuses(bad, message));
        let emitter = emitter(&gms).build().unwrap();
        let mut receipts = Vec::new();
        for urn in 0..10_000 {
            receipts.push(emitter.emit(proposal(urn, "status", "x")).await);
        }
        let counts = emitter.close(None).await;
        assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (9_999, 1, 0));
        let rejected = outcomes(receipts).await.into_iter().position(|o| matches!(o, Outcome::Rejected(_)));
        assert_eq!(rejected, Some(bad));
        let writes = gms.writes();
        let parts = writes
            .iter()
            .filter(|write| write.proposals().iter().any(|(urn, _)| urn == &format!("urn:li:tag:t{bad}")));
        assert!(parts.count() <= 1 + extra / 2, "the bad one was sent too often");
        assert!(counts.split <= extra as u64 / 2, "{} times taken apart", counts.split);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_bad_proposals_reject_no_others() {
    // Every other proposal, and the first of each batch: all batches are rejected before anything is
    // delivered.
    let bad = |number: usize| number.is_multiple_of(2);
    let gms = ScriptedGms::start(move |request: &Request| {
        let is_bad = |urn: &str| urn.trim_start_matches("urn:li:tag:t").parse().is_ok_and(bad);
        if request.proposals().iter().any(|(urn, _)| is_bad(urn)) {
            return Response::Status(422, r#"{"message":"no"}"#.into());
        }
        Response::ok()
    });
    let emitter = emitter(&gms).build().unwrap();
    for urn in 0..1_000 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (500, 500, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_bad_proposals_are_rejected_without_any_delivery() {
    let gms = ScriptedGms::start(|_| Response::Status(422, r#"{"message":"no"}"#.into()));
    let emitter = emitter(&gms).batching(Batching::Single).build().unwrap();
    let receipts =
        vec![emitter.emit(proposal(0, "status", "x")).await, emitter.emit(proposal(1, "status", "x")).await];
    // Receipts resolve although nothing was delivered and the emitter is not closed.
    assert!(outcomes(receipts).await.iter().all(|outcome| matches!(outcome, Outcome::Rejected(_))));
    emitter.flush().await;
    assert_eq!(emitter.close(None).await.rejected, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_rejects_everything_stops_the_run_and_rejects_nothing() {
    for (mode, most) in [(Batching::Batched, 8 + 16), (Batching::Single, 4 + 4), (Batching::Sequential, 3)] {
        let gms = ScriptedGms::start(|_| Response::Status(422, r#"{"message":"no"}"#.into()));
        let emitter = emitter(&gms).batching(mode).max_in_flight_requests(4).build().unwrap();
        for urn in 0..500 {
            drop(emitter.emit(proposal(urn, "status", "x")).await);
        }
        let counts = emitter.close(None).await;
        assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (0, 0, 500), "{mode:?}");
        let error = emitter.stop_reason().unwrap();
        assert_eq!(error.kind(), datahub_emitter::ErrorKind::Rejected);
        assert!(error.to_string().contains("no record alone"), "{error}");
        assert!(gms.writes().len() <= most, "{mode:?}: {} requests", gms.writes().len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_rejects_everything_stops_a_slow_run_as_well() {
    let gms = ScriptedGms::start(|_| Response::Status(422, r#"{"message":"no"}"#.into()));
    let emitter = emitter(&gms).max_in_flight_requests(4).timeout(Duration::MAX).build().unwrap();
    for urn in 0..50 {
        drop(emitter.emit(proposal(urn, "status", "x")).await.await);
    }
    let counts = emitter.close(None).await;
    assert!(counts.rejected <= 4 && counts.undelivered >= 46, "{counts:?}");
    assert!(emitter.stop_reason().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_that_gms_would_drop_silently_is_not_sent() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let emitter = emitter(&gms).build().unwrap();
    let long = Urn::parse(&format!("urn:li:tag:{}", "x".repeat(600))).unwrap();
    let outcome = emitter.emit(Proposal::upsert(long, "status", "{}").unwrap()).await.await;
    let Outcome::Rejected(rejection) = outcome else { panic!("{outcome:?}") };
    assert_eq!(rejection.reason.as_str(), "urn-dropped-by-gms");
    assert_eq!(emitter.close(None).await.rejected, 1);
    assert!(gms.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_the_user_made_retryable_is_a_rejection_after_the_last_retry() {
    let gms = ScriptedGms::start(refuses(5, |_| "no".into()));
    let retry = retry_at_once().with_statuses([422, 429]).with_max_times(1);
    let emitter = emitter(&gms).max_per_batch(10).retry(retry).build().unwrap();
    for urn in 0..100 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (99, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_a_response_is_redacted() {
    let token = "s3cr3t-0123456789-abcdefghij";
    let gms = ScriptedGms::start(move |_| {
        Response::Status(422, format!(r#"{{"message":"bad request by {token}"}}"#))
    });
    let emitter = Emitter::builder(gms.url()).token(token).build().unwrap();
    let outcome = emitter.emit(proposal(1, "status", "x")).await.await;
    let shown = format!("{outcome:?} {emitter:?}");
    assert!(shown.contains("bad request by ********"), "{shown}");
    for piece in token.as_bytes().windows(9) {
        assert!(!shown.contains(std::str::from_utf8(piece).unwrap()), "{shown}");
    }
}
