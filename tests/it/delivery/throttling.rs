//! Does the emitter keep to the rate that a server allows?

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use datahub_emitter::emitter::{Batching, Emitter};

use crate::support::emitting::{emitter, proposal};
use crate::support::scripted_gms::{Response, ScriptedGms};

/// Requests per second.
const RATE: f64 = 50.0;

/// A server with a token bucket, and what it counted after the first two seconds: requests accepted and
/// refused.
fn rate_limited() -> (ScriptedGms, Arc<Mutex<(u32, u32)>>) {
    let begin = Instant::now();
    let counts = Arc::new(Mutex::new((0, 0)));
    let bucket = Mutex::new((RATE, begin));
    let counted = Arc::clone(&counts);
    let gms = ScriptedGms::start(move |_| {
        let mut bucket = bucket.lock().unwrap();
        let now = Instant::now();
        let new = (now - bucket.1).as_secs_f64() * RATE;
        *bucket = ((bucket.0 + new).min(RATE / 5.0), now);
        let counts_now = u32::from(now - begin > Duration::from_secs(2));
        let mut counts = counted.lock().unwrap();
        if bucket.0 >= 1.0 {
            bucket.0 -= 1.0;
            counts.0 += counts_now;
            Response::ok()
        } else {
            counts.1 += counts_now;
            Response::WithHeaders(429, r#"{"error":"Rate limit exceeded"}"#.into(), "")
        }
    });
    (gms, counts)
}

async fn emit_to_rate_limited(proposals: usize) -> (u32, u32) {
    let (gms, counts) = rate_limited();
    let emitter = Emitter::builder(gms.url()).token("good").batching(Batching::Single).build().unwrap();
    for number in 0..proposals {
        drop(emitter.emit(proposal(number % 40, "status", "x")).await);
    }
    let outcomes = emitter.close(None).await;
    assert_eq!((outcomes.delivered, outcomes.undelivered), (proposals as u64, 0));
    assert_eq!(gms.collisions(), Vec::<String>::new());
    let counts = counts.lock().unwrap();
    *counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_rate_limit_gets_every_proposal_once() {
    emit_to_rate_limited(100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures a rate: needs a machine that does nothing else"]
async fn a_server_with_a_rate_limit_refuses_less_than_five_percent() {
    let (accepted, refused) = emit_to_rate_limited(400).await;
    assert!(
        f64::from(refused) < 0.05 * f64::from(accepted + refused),
        "{refused} refused, {accepted} accepted"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_sent_before_the_time_that_retry_after_gives() {
    let refusal: Mutex<Option<Instant>> = Mutex::default();
    let early = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&early);
    let gms = ScriptedGms::start(move |_| {
        let mut refusal = refusal.lock().unwrap();
        match *refusal {
            None => *refusal = Some(Instant::now()),
            Some(time) if time.elapsed() < Duration::from_secs(1) => drop(counted.fetch_add(1, SeqCst)),
            Some(_) => return Response::ok(),
        }
        Response::WithHeaders(503, String::new(), "Retry-After: 1\r\n")
    });
    let emitter = emitter(&gms).max_in_flight_requests(1).max_per_batch(1).build().unwrap();
    for urn in 0..20 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    assert_eq!(emitter.close(None).await.delivered, 20);
    assert_eq!(early.load(SeqCst), 0);
    assert_eq!(gms.writes().len(), 21);
}
