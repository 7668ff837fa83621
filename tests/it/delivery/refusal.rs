//! Does a 401 stop the run, and does a 403 stop it or reject proposals?

use std::sync::Mutex;
use std::time::Duration;

use datahub_emitter::emitter::{Batching, Outcome, UndeliveredReason};
use datahub_emitter::gms::RetryPolicy;

use crate::support::emitting::{emitter, outcomes, proposal};
use crate::support::scripted_gms::{Request, Response, ScriptedGms};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_401_stops_everything_at_once_and_loses_nothing() {
    let gms = ScriptedGms::start(|_| Response::Status(401, String::new()));
    let emitter = emitter(&gms).max_in_flight_requests(4).max_per_batch(10).build().unwrap();
    let mut receipts = Vec::new();
    for urn in 0..500 {
        receipts.push(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.emitted, counts.undelivered), (500, 500));
    assert!(gms.writes().len() <= 4, "{} requests with a refused token", gms.writes().len());
    assert_eq!(counts.retried, 0);
    let error = emitter.stop_reason().unwrap();
    assert_eq!(error.diagnosis().unwrap().code.as_str(), "auth.token-opaque-refused");
    for outcome in outcomes(receipts).await {
        let Outcome::Undelivered(undelivered) = outcome else { panic!("{outcome:?}") };
        assert_eq!(undelivered.reason, UndeliveredReason::Refused);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_with_pending_retries_is_undelivered_after_a_refusal() {
    let (refuse, refused) = std::sync::mpsc::channel();
    let refused = Mutex::new(Some(refused));
    let refuse = Mutex::new(refuse);
    let gms = ScriptedGms::start(move |request: &Request| match request.proposals()[0].0.as_str() {
        "urn:li:tag:t0" => Response::ok(),
        "urn:li:tag:t1" => {
            // Its next attempt would come in minutes; the refusal of the other comes now.
            refuse.lock().unwrap().send(()).ok();
            Response::Status(500, r#"{"message":"boom"}"#.into())
        }
        // Refused twice, since the token has delivered before.
        _ => {
            let wait = refused.lock().unwrap().take();
            wait.map(|refused| refused.recv());
            Response::Status(401, String::new())
        }
    });
    let retry = RetryPolicy::default().with_first_delay(Duration::from_secs(600)).with_budget(Duration::MAX);
    let emitter = emitter(&gms).batching(Batching::Single).retry(retry).build().unwrap();
    assert_eq!(emitter.emit(proposal(0, "status", "x")).await.await, Outcome::Delivered);
    let receipts =
        vec![emitter.emit(proposal(2, "status", "x")).await, emitter.emit(proposal(1, "status", "x")).await];
    for outcome in outcomes(receipts).await {
        let Outcome::Undelivered(undelivered) = outcome else { panic!("{outcome:?}") };
        assert_eq!(undelivered.reason, UndeliveredReason::Refused);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_403_for_some_rejects_those_and_a_403_for_all_stops_the_run() {
    let forbid = |forbidden: &'static [&'static str]| {
        move |request: &Request| {
            let named: Vec<String> = request
                .proposals()
                .into_iter()
                .filter(|(urn, _)| forbidden.contains(&urn.as_str()))
                .map(|(urn, _)| format!("HttpStatus: 403 Urn: {urn}"))
                .collect();
            if named.is_empty() {
                return Response::ok();
            }
            let message =
                format!("User urn:li:corpuser:x is unauthorized to modify entity: {}", named.join(", "));
            Response::Status(403, serde_json::json!({"message": message, "status": 403}).to_string())
        }
    };
    let gms = ScriptedGms::start(forbid(&["urn:li:tag:t1", "urn:li:tag:t3"]));
    let some = emitter(&gms).build().unwrap();
    for urn in 0..5 {
        drop(some.emit(proposal(urn, "status", "x")).await);
    }
    let counts = some.close(None).await;
    assert_eq!((counts.delivered, counts.rejected), (3, 2));
    assert!(some.stop_reason().is_none());

    let gms = ScriptedGms::start(forbid(&["urn:li:tag:t1", "urn:li:tag:t3"]));
    let all = emitter(&gms).build().unwrap();
    for urn in [1, 3] {
        drop(all.emit(proposal(urn, "status", "x")).await);
    }
    let counts = all.close(None).await;
    assert_eq!((counts.delivered, counts.undelivered), (0, 2));
    assert_eq!(all.stop_reason().unwrap().diagnosis().unwrap().code.as_str(), "auth.forbidden");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_403_that_names_one_entity_at_a_time_rejects_only_those() {
    let gms = ScriptedGms::start(|request: &Request| {
        let forbidden =
            |urn: &str| urn.trim_start_matches("urn:li:tag:t").parse().is_ok_and(|n: usize| n < 20);
        match request.proposals().into_iter().find(|(urn, _)| forbidden(urn)) {
            Some((urn, _)) => {
                let message = format!("urn:li:corpuser:x is unauthorized to modify entity: {urn}");
                Response::Status(403, serde_json::json!({"message": message, "status": 403}).to_string())
            }
            None => Response::ok(),
        }
    });
    let emitter = emitter(&gms).build().unwrap();
    for urn in 0..50 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (30, 20, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_403_during_a_run_rejects_the_named_entity_in_every_mode() {
    for mode in [Batching::Sequential, Batching::Batched] {
        let gms = ScriptedGms::start(|request: &Request| {
            let named = request.proposals().into_iter().find(|(urn, _)| urn == "urn:li:tag:t150");
            named.map_or_else(Response::ok, |(urn, _)| {
                let message = format!("User x is unauthorized to modify entity: HttpStatus: 403 Urn: {urn}");
                Response::Status(403, serde_json::json!({"message": message, "status": 403}).to_string())
            })
        });
        let emitter =
            emitter(&gms).batching(mode).max_in_flight_requests(1).max_per_batch(50).build().unwrap();
        for urn in 0..200 {
            drop(emitter.emit(proposal(urn, "status", "x")).await);
        }
        let counts = emitter.close(None).await;
        assert_eq!((counts.delivered, counts.rejected), (199, 1), "{mode:?}");
    }
}
