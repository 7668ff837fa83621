//! Is the record at fault, or the server?

use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;

use datahub_emitter::emitter::Batching;
use datahub_emitter::metadata::Proposal;

use crate::support::emitting::{emitter, proposal, retry_at_once};
use crate::support::scripted_gms::{Request, Response, ScriptedGms};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_during_a_run_rejects_nothing() {
    let requests = AtomicU32::new(0);
    let gms = ScriptedGms::start(move |_| {
        if requests.fetch_add(1, SeqCst) < 2 {
            return Response::ok();
        }
        Response::Status(500, r#"{"message":"Failed to acquire JDBC Connection","status":500}"#.into())
    });
    let retry = retry_at_once().with_max_times(2);
    let emitter = emitter(&gms).max_in_flight_requests(1).retry(retry).build().unwrap();
    for urn in 0..1_000 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!(counts.rejected, 0);
    assert!(counts.delivered > 0 && counts.undelivered > 0);
    assert_eq!(counts.delivered + counts.undelivered, 1_000);
    assert_eq!(emitter.stop_reason().unwrap().diagnosis().unwrap().code.as_str(), "endpoint.server-error");
    assert!(gms.writes().len() <= 40, "{} requests to a server in trouble", gms.writes().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_with_many_requests_in_flight_rejects_nothing() {
    let requests = AtomicU32::new(0);
    let gms = ScriptedGms::start(move |_| {
        if requests.fetch_add(1, SeqCst) == 3 {
            return Response::ok();
        }
        Response::Status(500, r#"{"message":"Failed to acquire JDBC Connection","status":500}"#.into())
    });
    let retry = retry_at_once().with_max_times(2);
    let emitter = emitter(&gms).max_per_batch(20).retry(retry).build().unwrap();
    for urn in 0..300 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (20, 0, 280));
    assert_eq!(emitter.stop_reason().unwrap().diagnosis().unwrap().code.as_str(), "endpoint.server-error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_that_causes_a_500_is_rejected_if_later_ones_succeed() {
    // For the last proposal the cause is unknown: no later success shows that the server works.
    for (bad, rejected) in [(5, 1), (19, 0)] {
        let gms = ScriptedGms::start(move |request: &Request| {
            if request.proposals().iter().any(|(urn, _)| urn == &format!("urn:li:tag:t{bad}")) {
                return Response::Status(
                    500,
                    r#"{"message":"java.lang.NullPointerException","status":500}"#.into(),
                );
            }
            Response::ok()
        });
        let retry = retry_at_once().with_max_times(1);
        let emitter = emitter(&gms).batching(Batching::Sequential).retry(retry).build().unwrap();
        for urn in 0..20 {
            drop(emitter.emit(proposal(urn, "status", "x")).await);
        }
        let counts = emitter.close(None).await;
        assert_eq!(
            (counts.delivered, counts.rejected, counts.undelivered),
            (19, rejected, 1 - rejected),
            "{bad}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_in_a_batch_that_causes_a_500_is_rejected_alone() {
    let gms = ScriptedGms::start(|request: &Request| {
        if request.proposals().iter().any(|(urn, _)| urn == "urn:li:tag:t163") {
            return Response::Status(500, r#"{"message":"INTERNAL SERVER ERROR","status":500}"#.into());
        }
        Response::ok()
    });
    let retry = retry_at_once().with_max_times(1);
    let emitter = emitter(&gms).max_in_flight_requests(1).retry(retry).build().unwrap();
    for urn in 0..300 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (299, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn already_exists_after_an_unknown_outcome_is_a_delivery() {
    let create = || {
        Proposal::create(proposal(1, "tagProperties", "x").urn(), "tagProperties", r#"{"name":"x"}"#).unwrap()
    };
    let exists = r#"{"message":"Cannot perform CREATE since the aspect already exists.","status":422}"#;
    for (first, delivered) in [(Response::Reset, 1), (Response::Status(422, exists.into()), 0)] {
        let first = Mutex::new(Some(first));
        let gms = ScriptedGms::start(move |_| {
            first.lock().unwrap().take().unwrap_or_else(|| Response::Status(422, exists.into()))
        });
        let emitter = emitter(&gms).build().unwrap();
        drop(emitter.emit(create()).await);
        let counts = emitter.close(None).await;
        assert_eq!((counts.delivered, counts.rejected), (delivered, 1 - delivered));
    }
}
