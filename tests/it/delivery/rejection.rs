//! Which proposals are rejected, and what does it cost to find them?

use std::collections::HashSet;
use std::time::Duration;

use datahub_emitter::emitter::{Batching, Emitter, Outcome};
use datahub_emitter::gms::RetryPolicy;
use datahub_emitter::metadata::{Proposal, Urn};

use super::{emitter, impatient, outcomes, proposal};
use crate::support::scripted_gms::{Answer, Request, ScriptedGms};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_record_costs_one_record() {
    let gms = ScriptedGms::start(|request: &Request| {
        if request.proposals().iter().any(|(urn, _)| urn == "urn:li:tag:t63") {
            return Answer::Status(
                422,
                r#"{"message":"Unknown aspect x for entity tag","status":422}"#.into(),
            );
        }
        Answer::ok()
    })
    .await;
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

/// Refuses what holds the record `bad`, with these words.
fn refuses(bad: usize, words: fn(&str) -> String) -> impl Fn(&Request) -> Answer {
    move |request: &Request| {
        let is_bad = |urn: &str| urn == format!("urn:li:tag:t{bad}");
        match request.proposals().into_iter().find(|(urn, _)| is_bad(urn)) {
            Some((urn, _)) => {
                Answer::Status(422, serde_json::json!({"message": words(&urn), "status": 422}).to_string())
            }
            None => Answer::ok(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finding_a_bad_record_takes_few_requests() {
    let unnamed: fn(&str) -> String = |_| "Unknown aspect x for entity tag".into();
    let named: fn(&str) -> String = |urn| format!("Failed to validate record with urn {urn}: no");
    for (bad, words, extra) in
        [(0, unnamed, 15_usize), (99, unnamed, 15), (5_000, unnamed, 15), (5_000, named, 2)]
    {
        let gms = ScriptedGms::start(refuses(bad, words)).await;
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
async fn many_bad_records_cost_themselves_alone() {
    // Every other one, and the first of each batch: all batches are refused before anything is delivered.
    let bad = |number: usize| number.is_multiple_of(2);
    let gms = ScriptedGms::start(move |request: &Request| {
        let is_bad = |urn: &str| urn.trim_start_matches("urn:li:tag:t").parse().is_ok_and(bad);
        if request.proposals().iter().any(|(urn, _)| is_bad(urn)) {
            return Answer::Status(422, r#"{"message":"no"}"#.into());
        }
        Answer::ok()
    })
    .await;
    let emitter = emitter(&gms).build().unwrap();
    for urn in 0..1_000 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (500, 500, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_bad_records_alone_are_rejected_one_by_one() {
    let gms = ScriptedGms::start(|_| Answer::Status(422, r#"{"message":"no"}"#.into())).await;
    let emitter = emitter(&gms).batching(Batching::Single).build().unwrap();
    let receipts =
        vec![emitter.emit(proposal(0, "status", "x")).await, emitter.emit(proposal(1, "status", "x")).await];
    // A receipt resolves although nothing was ever delivered, and nobody closes.
    assert!(outcomes(receipts).await.iter().all(|outcome| matches!(outcome, Outcome::Rejected(_))));
    emitter.flush().await;
    assert_eq!(emitter.close(None).await.rejected, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_rejects_everything_is_no_record_s_fault() {
    for (mode, most) in [(Batching::Batched, 8 + 16), (Batching::Single, 4 + 4), (Batching::Sequential, 3)] {
        let gms = ScriptedGms::start(|_| Answer::Status(422, r#"{"message":"no"}"#.into())).await;
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
async fn a_slow_source_does_not_fill_the_dead_letters() {
    let gms = ScriptedGms::start(|_| Answer::Status(422, r#"{"message":"no"}"#.into())).await;
    let emitter = emitter(&gms).max_in_flight_requests(4).timeout(Duration::MAX).build().unwrap();
    for urn in 0..50 {
        drop(emitter.emit(proposal(urn, "status", "x")).await.await);
    }
    let counts = emitter.close(None).await;
    assert!(counts.rejected <= 4 && counts.undelivered >= 46, "{counts:?}");
    assert!(emitter.stop_reason().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_gms_would_drop_in_silence_is_never_sent() {
    let gms = ScriptedGms::start(|_| Answer::ok()).await;
    let emitter = emitter(&gms).build().unwrap();
    let long = Urn::parse(&format!("urn:li:tag:{}", "x".repeat(600))).unwrap();
    let outcome = emitter.emit(Proposal::upsert(long, "status", "{}").unwrap()).await.await;
    let Outcome::Rejected(rejection) = outcome else { panic!("{outcome:?}") };
    assert_eq!(rejection.reason.as_str(), "urn-dropped-by-gms");
    assert_eq!(emitter.close(None).await.rejected, 1);
    assert!(gms.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_the_user_has_tried_again_is_a_rejection_when_it_stays() {
    let gms = ScriptedGms::start(refuses(5, |_| "no".into())).await;
    let retry = RetryPolicy { statuses: vec![422, 429], max_times: 1, ..impatient() };
    let emitter = emitter(&gms).max_per_batch(10).retry(retry).build().unwrap();
    for urn in 0..100 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (99, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_quotes_the_token_back_does_not_spread_it() {
    let token = "s3cr3t-0123456789-abcdefghij";
    let gms = ScriptedGms::start(move |_| {
        Answer::Status(422, format!(r#"{{"message":"bad request by {token}"}}"#))
    })
    .await;
    let emitter = Emitter::builder(gms.url()).token(token).build().unwrap();
    let outcome = emitter.emit(proposal(1, "status", "x")).await.await;
    let shown = format!("{outcome:?} {emitter:?}");
    assert!(shown.contains("bad request by ********"), "{shown}");
    for piece in token.as_bytes().windows(9) {
        assert!(!shown.contains(std::str::from_utf8(piece).unwrap()), "{shown}");
    }
}
