//! Does the emitter of a service survive what ends a run, and does its status tell the truth?

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use datahub_emitter::emitter::{Emitter, EmitterBuilder, Health, Outcome, UndeliveredReason};
use datahub_emitter::gms::{Endpoint, RetryPolicy};

use crate::support::CLOSED_PORT_URL;
use crate::support::emitting::{emitter, outcomes, proposal, retry_at_once, status};
use crate::support::scripted_gms::{CONFIG, Request, Response, ScriptedGms};
use crate::support::wait::{PATIENCE, until};

/// Few retries per request, so that an outage outlasts them.
fn few_retries() -> RetryPolicy {
    retry_at_once().with_max_times(1)
}

fn service(gms: &ScriptedGms) -> EmitterBuilder {
    emitter(gms).retry(few_retries()).keep_trying()
}

/// A GMS that responds with `failure` until the switch is turned, and then accepts everything.
fn failing(failure: impl Fn(&Request) -> Response + Send + Sync + 'static) -> (ScriptedGms, Arc<AtomicBool>) {
    let works = Arc::new(AtomicBool::new(false));
    let gms = ScriptedGms::start_for_all({
        let works = Arc::clone(&works);
        move |request| match (works.load(SeqCst), request.is_write()) {
            (true, true) => Response::ok(),
            (true, false) => Response::Status(200, CONFIG.into()),
            (false, _) => failure(request),
        }
    });
    (gms, works)
}

/// A GMS whose writes fail until the switch is turned, and an emitter that has seen its configuration: before
/// the first response, each reset costs the client a test for TLS.
async fn service_with_failing_writes(
    failure: Failure,
    max_per_batch: usize,
) -> (ScriptedGms, Arc<AtomicBool>, Emitter) {
    let (gms, works) =
        failing(
            move |request| {
                if request.is_write() { failure(request) } else { Response::Status(200, CONFIG.into()) }
            },
        );
    let emitter = service(&gms).max_per_batch(max_per_batch).build().unwrap();
    emitter.server_config().await.unwrap();
    (gms, works, emitter)
}

type Failure = fn(&Request) -> Response;

fn failures() -> Vec<(&'static str, Failure)> {
    vec![
        ("reset", |_| Response::Reset),
        ("503", |_| Response::Status(503, String::new())),
        ("500", |_| Response::Status(500, r#"{"message":"no connection","status":500}"#.into())),
        ("401", |_| Response::Status(401, r#"{"status":401,"error":"Unauthorized"}"#.into())),
        ("403", |_| Response::Status(403, r#"{"status":403,"message":"not allowed"}"#.into())),
        ("page", |_| Response::WithHeaders(200, "<html></html>".into(), "Content-Type: text/html\r\n")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_any_kind_and_length_loses_nothing() {
    for (name, failure) in failures() {
        let (gms, works, emitter) = service_with_failing_writes(failure, 5).await;
        let mut receipts = Vec::new();
        for number in 0..40 {
            receipts.push(emitter.emit(proposal(number % 10, "tagProperties", &number.to_string())).await);
        }
        // More requests than the retries of all batches, and of all halves after a 500.
        until(name, || gms.writes().len() > 60);
        let status = emitter.status();
        let Health::Degraded { cause, .. } = &status.health else { panic!("{name}: {status:?}") };
        assert!(cause.diagnosis.is_some(), "{name}: {cause:?}");
        assert_eq!((status.pending, status.counts.delivered, status.last_success), (40, 0, None), "{name}");
        assert!(status.oldest_pending.is_some(), "{name}");
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!(json["state"], "degraded", "{json}");
        assert_eq!(json["cause"]["diagnosis"]["code"], cause.diagnosis.as_ref().unwrap().code.as_str());
        assert!(json["since"].as_str().unwrap().ends_with('Z'), "{json}");

        works.store(true, SeqCst);
        for outcome in outcomes(receipts).await {
            assert_eq!(outcome, Outcome::Delivered, "{name}");
        }
        emitter.flush().await;
        let status = emitter.status();
        assert_eq!(status.health, Health::Healthy, "{name}");
        assert_eq!((status.queued, status.pending, status.oldest_pending), (0, 0, None), "{name}");
        assert!(status.last_success.is_some() && emitter.stop_reason().is_none(), "{name}");
        assert_eq!(gms.collisions(), Vec::<String>::new(), "{name}");
        assert_eq!(emitter.close(None).await.delivered, 40, "{name}");
        assert_eq!(emitter.status().health, Health::Closed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_keeps_the_order_of_each_urn() {
    for (name, failure) in failures() {
        let (gms, works, emitter) = service_with_failing_writes(failure, 4).await;
        for number in 0..30 {
            drop(emitter.emit(proposal(number % 3, &format!("aspect{number:02}"), "x")).await);
        }
        until(name, || gms.writes().len() > 40);
        let refused = gms.writes().len();
        works.store(true, SeqCst);
        // Closing would end the attempts with one that is still refused.
        emitter.flush().await;
        assert_eq!(emitter.close(None).await.delivered, 30, "{name}");
        // Requests that were on their way when the server recovered may have been refused.
        let accepted = gms.writes().into_iter().skip(refused);
        let mut last: std::collections::HashMap<String, String> = std::collections::HashMap::new();
        for (urn, aspect) in accepted.flat_map(|request| request.proposals()) {
            let before = last.insert(urn.clone(), aspect.clone());
            assert!(before.is_none_or(|before| before <= aspect), "{name}: {urn} {aspect}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openapi_waits_for_a_server_that_is_down_at_the_start() {
    let (gms, works) = failing(|_| Response::Status(503, String::new()));
    let emitter = service(&gms).endpoint(Endpoint::Openapi).build().unwrap();
    let receipt = emitter.emit(status(1)).await;
    until("requests for the configuration", || gms.all().len() > 10);
    assert!(matches!(emitter.status().health, Health::Degraded { .. }));
    works.store(true, SeqCst);
    // This server does not list what it accepted, which OpenAPI's responses do; the request arrived.
    assert!(!matches!(receipt.await, Outcome::Undelivered(_)));
    assert!(emitter.stop_reason().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_proposal_does_not_hold_up_a_service() {
    // GMS has accepted nothing before, so that a run would not know whether the records are at fault.
    let gms = ScriptedGms::start(|_| Response::Status(422, r#"{"message":"bad","status":422}"#.into()));
    let emitter = service(&gms).build().unwrap();
    let mut receipts = Vec::new();
    for number in 0..20 {
        receipts.push(emitter.emit(status(number)).await);
    }
    for outcome in outcomes(receipts).await {
        assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    }
    assert_eq!(emitter.status().health, Health::Healthy);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_that_always_fails_is_rejected_once_others_are_accepted() {
    let gms = ScriptedGms::start(|request: &Request| {
        if request.proposals().iter().any(|(urn, _)| urn == "urn:li:tag:t0") {
            return Response::Status(500, r#"{"message":"NullPointerException","status":500}"#.into());
        }
        Response::ok()
    });
    let emitter = service(&gms).build().unwrap();
    let bad = emitter.emit(status(0)).await;
    until("the bad proposal to fail alone", || gms.writes().len() > 5);
    let mut good = Vec::new();
    for number in 1..10 {
        good.push(emitter.emit(status(number)).await);
    }
    for outcome in outcomes(good).await {
        assert_eq!(outcome, Outcome::Delivered);
    }
    assert!(matches!(bad.await, Outcome::Rejected(_)));
    // Together in one batch, the good ones show that the server works.
    let mut receipts = Vec::new();
    for number in 0..8 {
        receipts.push(emitter.emit(status(number)).await);
    }
    let outcomes = outcomes(receipts).await;
    assert!(matches!(outcomes[0], Outcome::Rejected(_)), "{outcomes:?}");
    assert!(outcomes[1..].iter().all(Outcome::is_delivered), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_does_not_wait_for_the_end_of_an_outage() {
    let emitter =
        Emitter::builder(CLOSED_PORT_URL).no_proxy().retry(few_retries()).keep_trying().build().unwrap();
    let receipt = emitter.emit(status(1)).await;
    until("the outage", || matches!(emitter.status().health, Health::Degraded { .. }));
    let counts = emitter.close(None).await;
    assert_eq!((counts.emitted, counts.undelivered), (1, 1));
    assert!(matches!(receipt.await, Outcome::Undelivered(_)));
    assert!(matches!(emitter.status().health, Health::Stopped { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_stopped_says_so_in_its_status() {
    let gms = ScriptedGms::start(|_| Response::Status(401, r#"{"status":401}"#.into()));
    let emitter = emitter(&gms).build().unwrap();
    assert!(matches!(emitter.send(status(1)).await, Outcome::Undelivered(_)));
    let Health::Stopped { cause } = emitter.status().health else { panic!("it has stopped") };
    assert_eq!(cause.diagnosis.as_ref(), emitter.stop_reason().unwrap().diagnosis());
}

#[test]
fn a_runtime_that_is_shut_down_is_the_reason_of_what_it_leaves() {
    let (gms, _works) = failing(|_| Response::Never);
    // With a worker the request is in flight; without one the emitter's task has never run.
    for workers in [0, 1] {
        let mut builder = match workers {
            0 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let emitter = {
            let _entered = runtime.enter();
            emitter(&gms).build().unwrap()
        };
        let receipt = emitter.try_emit(status(workers)).unwrap();
        if workers > 0 {
            until("the request", || gms.writes().len() == 1);
        }
        drop(runtime);
        let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        other.block_on(async {
            let counts = emitter.close(None).await;
            assert_eq!((counts.emitted, counts.undelivered), (1, 1));
            for outcome in [receipt.await, emitter.send(status(9)).await] {
                let Outcome::Undelivered(undelivered) = outcome else { panic!("{outcome:?}") };
                assert_eq!(undelivered.reason, UndeliveredReason::RuntimeGone, "{undelivered}");
            }
        });
        assert_eq!(emitter.status().health, Health::RuntimeGone);
        assert_eq!(serde_json::to_value(emitter.status()).unwrap()["state"], "runtime-gone");
        assert!(emitter.stop_reason().unwrap().to_string().contains("runtime"));
    }
}

#[test]
fn a_runtime_without_a_timer_is_an_error_of_build() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _entered = runtime.enter();
    let error = Emitter::builder(CLOSED_PORT_URL).build().unwrap_err();
    assert!(error.to_string().contains("no timer"), "{error}");
}

#[tokio::test]
async fn a_receipt_resolves_again_to_the_same_outcome() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let emitter = emitter(&gms).build().unwrap();
    let mut receipt = emitter.emit(status(1)).await;
    assert_eq!((&mut receipt).await, Outcome::Delivered);
    assert_eq!((&mut receipt).await, Outcome::Delivered);
    assert_eq!(receipt.await, Outcome::Delivered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_leaves_when_nothing_more_can_be_admitted() {
    // The first request is answered once the second has arrived. A full batch would need 100 proposals, but
    // only two may be pending.
    let (arrived, arrivals) = mpsc::channel();
    let arrivals = Mutex::new(arrivals);
    let gms = ScriptedGms::start(move |request: &Request| {
        if request.proposals().iter().any(|(urn, _)| urn == "urn:li:tag:t1") {
            arrivals.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        } else {
            arrived.send(()).unwrap();
        }
        Response::ok()
    });
    let emitter = emitter(&gms).max_pending_proposals(2).max_linger(Duration::MAX).build().unwrap();
    let first = emitter.emit(status(1)).await;
    until("the first request", || gms.writes().len() == 1);
    let second = emitter.emit(status(2)).await;
    assert_eq!(second.await, Outcome::Delivered);
    assert_eq!(first.await, Outcome::Delivered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_setting_panics_or_hangs() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let extremes = [0, 1, usize::MAX / 2 + 1, usize::MAX];
    let durations = [Duration::ZERO, Duration::MAX];
    let mut built = 0;
    for value in extremes {
        for setting in [
            EmitterBuilder::max_in_flight_requests,
            EmitterBuilder::max_per_batch,
            EmitterBuilder::max_batch_bytes,
            EmitterBuilder::max_pending_proposals,
            EmitterBuilder::max_pending_bytes,
        ] {
            let Ok(emitter) = setting(emitter(&gms), value).build() else { continue };
            assert_eq!(emitter.send(status(built)).await, Outcome::Delivered, "{value}");
            assert_eq!(emitter.close(None).await.delivered, 1);
            built += 1;
        }
    }
    assert_eq!(built, 5, "1 is a valid value of each");
    for duration in durations {
        let retry = RetryPolicy::default()
            .with_max_times(u32::MAX)
            .with_budget(duration)
            .with_first_delay(duration)
            .with_longest_delay(duration);
        // Every second request fails once, so that the delays are computed.
        let requests = std::sync::atomic::AtomicUsize::new(0);
        let gms = ScriptedGms::start(move |_| {
            if requests.fetch_add(1, SeqCst).is_multiple_of(2) {
                Response::Status(503, String::new())
            } else {
                Response::ok()
            }
        });
        for keeps_trying in [false, true] {
            let builder = emitter(&gms).retry(retry.clone()).max_linger(duration).trace_timeout(duration);
            let builder = if keeps_trying { builder.keep_trying() } else { builder };
            let emitter = builder.build().unwrap();
            let receipt = emitter.emit(status(1)).await;
            until("a request", || !gms.writes().is_empty());
            let counts = emitter.close(Some(Duration::ZERO)).await;
            assert_eq!(counts.delivered + counts.undelivered, 1, "{duration:?}");
            drop(receipt.await);
        }
    }
}
