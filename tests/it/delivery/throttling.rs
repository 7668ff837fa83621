//! Does the emitter keep to the rate that a server allows?

use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use datahub_emitter::emitter::{Batching, Emitter};

use super::{emitter, proposal};
use crate::support::scripted_gms::{Answer, ScriptedGms};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_limit_takes_everything_and_hardly_refuses() {
    const A_SECOND: f64 = 50.0;
    let began = std::time::Instant::now();
    // Answers after two seconds: taken, refused.
    let answers = std::sync::Arc::new(Mutex::new((0_u32, 0_u32)));
    let counted = std::sync::Arc::clone(&answers);
    let allowance = Mutex::new((A_SECOND, began));
    let gms = ScriptedGms::start(move |_| {
        let mut allowance = allowance.lock().unwrap();
        let now = std::time::Instant::now();
        let new = (now - allowance.1).as_secs_f64() * A_SECOND;
        *allowance = ((allowance.0 + new).min(A_SECOND / 5.0), now);
        let late = (now - began) > Duration::from_secs(2);
        let mut answers = counted.lock().unwrap();
        if allowance.0 >= 1.0 {
            allowance.0 -= 1.0;
            answers.0 += u32::from(late);
            Answer::ok()
        } else {
            answers.1 += u32::from(late);
            Answer::With(429, r#"{"error":"Rate limit exceeded"}"#.into(), "")
        }
    })
    .await;
    let emitter = Emitter::builder(gms.url()).token("good").batching(Batching::Single).build().unwrap();
    for number in 0..400 {
        drop(emitter.emit(proposal(number % 40, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.undelivered), (400, 0));
    assert_eq!(gms.collisions(), Vec::<String>::new());
    let (taken, refused) = *answers.lock().unwrap();
    assert!(f64::from(refused) < 0.05 * f64::from(taken + refused), "{refused} refused, {taken} taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_wants_to_be_left_alone_is() {
    let first = AtomicU32::new(0);
    let times = std::sync::Arc::new(Mutex::new(Vec::new()));
    let log = std::sync::Arc::clone(&times);
    let gms = ScriptedGms::start(move |_| {
        log.lock().unwrap().push(std::time::Instant::now());
        if first.fetch_add(1, SeqCst) == 0 {
            return Answer::With(503, String::new(), "Retry-After: 1\r\n");
        }
        Answer::ok()
    })
    .await;
    let emitter = emitter(&gms).max_in_flight_requests(1).max_per_batch(1).build().unwrap();
    for urn in 0..20 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    assert_eq!(emitter.close(None).await.delivered, 20);
    let times = times.lock().unwrap();
    assert!(times[1..].iter().all(|time| *time - times[0] >= Duration::from_millis(900)));
}
