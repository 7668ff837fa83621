//! Do the proposals of one URN arrive in the order in which they were emitted?

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use datahub_emitter::emitter::Batching;

use crate::support::emitting::{emitter, proposal};
use crate::support::scripted_gms::{Request, Response, ScriptedGms};

/// URN and aspect name of each accepted proposal, in order.
type Accepted = Arc<Mutex<Vec<(String, String)>>>;

/// A server that responds as `fault` says, and accepts the request if that is `None`.
fn faulty(fault: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static) -> (ScriptedGms, Accepted) {
    let accepted = Accepted::default();
    let log = Arc::clone(&accepted);
    let gms = ScriptedGms::start(move |request| {
        fault(request).unwrap_or_else(|| {
            log.lock().unwrap().extend(request.proposals());
            Response::ok()
        })
    });
    (gms, accepted)
}

/// The aspects of the tag with this number, in the order of their acceptance.
fn aspects(accepted: &Accepted, tag: usize) -> Vec<String> {
    let urn = format!("urn:li:tag:t{tag}");
    let accepted = accepted.lock().unwrap();
    accepted.iter().filter(|(of, _)| *of == urn).map(|(_, aspect)| aspect.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_holds_back_later_proposals_of_its_urn_and_no_others() {
    const RETRIES: usize = 5;
    let attempts = AtomicUsize::new(0);
    let (gms, accepted) = faulty(move |request| {
        let is_first = request.proposals()[0].1 == "a0";
        (is_first && attempts.fetch_add(1, SeqCst) < RETRIES).then(|| Response::Status(503, String::new()))
    });
    let emitter = emitter(&gms).batching(Batching::Single).build().unwrap();
    for number in 0..20 {
        drop(emitter.emit(proposal(number % 2, &format!("a{number}"), "x")).await);
    }
    assert_eq!(emitter.close(None).await.delivered, 20);
    let expected = |tag: usize| (0..10).map(|number| format!("a{}", 2 * number + tag)).collect::<Vec<_>>();
    assert_eq!([aspects(&accepted, 0), aspects(&accepted, 1)], [expected(0), expected(1)]);
    assert_eq!(gms.collisions(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bisection_keeps_the_order_of_a_urn() {
    let (gms, accepted) = faulty(|request| {
        let is_bad = request.proposals().iter().any(|(_, aspect)| aspect == "a37");
        is_bad.then(|| Response::Status(422, r#"{"message":"no"}"#.into()))
    });
    let emitter = emitter(&gms).max_per_batch(50).build().unwrap();
    for number in 0..100 {
        drop(emitter.emit(proposal(0, &format!("a{number}"), "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (99, 1, 0));
    let expected: Vec<String> =
        (0..100).filter(|number| *number != 37).map(|number| format!("a{number}")).collect();
    assert_eq!(aspects(&accepted, 0), expected);
}
