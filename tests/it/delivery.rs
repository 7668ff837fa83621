//! Does every proposal reach GMS once, in order, in as few requests as can be?

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use datahub_emitter::emitter::{Emitter, EmitterBuilder, Outcome, Receipt, SinkMode, UndeliveredReason};
use datahub_emitter::gms::RetryPolicy;
use datahub_emitter::metadata::{Aspect, ChangeType, Proposal, Urn};
use proptest::prelude::*;

use crate::scripted_gms::{Answer, Request, ScriptedGms};

fn proposal(urn: usize, aspect: &str, text: &str) -> Proposal {
    let urn = Urn::parse(&format!("urn:li:tag:t{urn}")).unwrap();
    Proposal::upsert(urn, aspect.to_owned(), &serde_json::json!({ "name": text }).to_string()).unwrap()
}

/// Retries as ever, but does not wait for long: the delays are `gms::retry`'s own tests' business.
fn impatient() -> RetryPolicy {
    RetryPolicy {
        max_times: 100,
        first_delay: Duration::from_millis(2),
        longest_delay: Duration::from_millis(2),
        ..RetryPolicy::default()
    }
}

fn emitter(gms: &ScriptedGms) -> EmitterBuilder {
    Emitter::builder(gms.url()).token("good").retry(impatient())
}

async fn outcomes(receipts: Vec<Receipt>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for receipt in receipts {
        outcomes.push(receipt.await);
    }
    outcomes
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_and_twenty_records_take_at_most_three_requests() {
    let gms = ScriptedGms::start(|_| Answer::ok()).await;
    let emitter = emitter(&gms).build().unwrap();
    let mut receipts = Vec::new();
    for urn in 0..120 {
        receipts.push(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.emitted, counts.delivered), (120, 120));
    assert!(gms.writes().len() <= 3, "{} requests", gms.writes().len());
    assert!(outcomes(receipts).await.iter().all(|outcome| *outcome == Outcome::Delivered));
    let head = gms.writes()[0].head.to_ascii_lowercase();
    assert!(head.starts_with("post /aspects?action=ingestproposalbatch "));
    for line in [
        "authorization: bearer good",
        "x-restli-protocol-version: 2.0.0",
        "content-type: application/json",
        "x-datahub-client-mode: sdk",
        "user-agent: datahub-client/1.0 (sdk; datahub/",
    ] {
        assert!(head.contains(line), "{line} is not in {head}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_record_does_not_wait_for_company() {
    let gms = ScriptedGms::start(|_| Answer::ok()).await;
    let emitter = emitter(&gms).min_process_interval(Duration::from_secs(3_600)).build().unwrap();
    // No flush, no close: it leaves by itself.
    assert_eq!(emitter.emit(proposal(1, "status", "x")).await.await, Outcome::Delivered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_larger_than_every_limit_travels_alone() {
    let gms = ScriptedGms::start(|_| Answer::ok()).await;
    let emitter = emitter(&gms).max_batch_bytes(4_000).max_pending_bytes(10_000).build().unwrap();
    let large = "x".repeat(50_000);
    for urn in 0..30 {
        let text = if urn == 7 { &large } else { "small" };
        drop(emitter.emit(proposal(urn, "status", text)).await);
    }
    assert_eq!(emitter.close(None).await.delivered, 30);
    for write in gms.writes() {
        let proposals = write.proposals();
        assert!(proposals.len() == 1 || write.body.len() <= 4_000, "{} bytes", write.body.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_401_stops_everything_at_once_and_loses_nothing() {
    let gms = ScriptedGms::start(|_| Answer::Status(401, String::new())).await;
    let emitter = emitter(&gms).max_threads(4).max_per_batch(10).build().unwrap();
    let mut receipts = Vec::new();
    for urn in 0..500 {
        receipts.push(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.emitted, counts.undelivered), (500, 500));
    assert!(gms.writes().len() <= 4, "{} requests with a refused token", gms.writes().len());
    assert_eq!(counts.retried, 0);
    let error = emitter.stopped().unwrap();
    assert_eq!(error.diagnosis().unwrap().code.as_str(), "auth.token-opaque-refused");
    for outcome in outcomes(receipts).await {
        let Outcome::Undelivered(undelivered) = outcome else { panic!("{outcome:?}") };
        assert_eq!(undelivered.reason, UndeliveredReason::Refused);
    }
}

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
            other @ Outcome::Undelivered(_) => panic!("{other:?}"),
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
async fn a_server_that_rejects_everything_is_no_record_s_fault() {
    for (mode, most) in [(SinkMode::AsyncBatch, 8 + 16), (SinkMode::Async, 4 + 4), (SinkMode::Sync, 3)] {
        let gms = ScriptedGms::start(|_| Answer::Status(422, r#"{"message":"no"}"#.into())).await;
        let emitter = emitter(&gms).mode(mode).max_threads(4).build().unwrap();
        for urn in 0..500 {
            drop(emitter.emit(proposal(urn, "status", "x")).await);
        }
        let counts = emitter.close(None).await;
        assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (0, 0, 500), "{mode:?}");
        let error = emitter.stopped().unwrap();
        assert_eq!(error.kind(), datahub_emitter::ErrorKind::Rejected);
        assert!(error.to_string().contains("no record alone"), "{error}");
        assert!(gms.writes().len() <= most, "{mode:?}: {} requests", gms.writes().len());
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
    let emitter = emitter(&gms).mode(SinkMode::Async).build().unwrap();
    let receipts =
        vec![emitter.emit(proposal(0, "status", "x")).await, emitter.emit(proposal(1, "status", "x")).await];
    // A receipt resolves although nothing was ever delivered, and nobody closes.
    assert!(outcomes(receipts).await.iter().all(|outcome| matches!(outcome, Outcome::Rejected(_))));
    emitter.flush().await;
    assert_eq!(emitter.close(None).await.rejected, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_413_teaches_a_smaller_limit() {
    const LIMIT: usize = 8_000;
    let gms = ScriptedGms::start(|request: &Request| {
        if request.body.len() > LIMIT { Answer::Status(413, String::new()) } else { Answer::ok() }
    })
    .await;
    let emitter = emitter(&gms).max_threads(1).build().unwrap();
    for urn in 0..2_000 {
        let text = if urn == 1_000 { "x".repeat(LIMIT) } else { "x".into() };
        drop(emitter.emit(proposal(urn, "tagProperties", &text)).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (1_999, 1, 0));
    let refused = gms.writes().iter().filter(|write| write.body.len() > LIMIT).count();
    assert!(refused <= 12, "{refused} requests were too large: nothing was learnt");
}

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
    let emitter = Emitter::builder(gms.url()).token("good").mode(SinkMode::Async).build().unwrap();
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
    let emitter = emitter(&gms).max_threads(1).max_per_batch(1).build().unwrap();
    for urn in 0..20 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    assert_eq!(emitter.close(None).await.delivered, 20);
    let times = times.lock().unwrap();
    assert!(times[1..].iter().all(|time| *time - times[0] >= Duration::from_millis(900)));
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
                return Answer::ok();
            }
            let message =
                format!("User urn:li:corpuser:x is unauthorized to modify entity: {}", named.join(", "));
            Answer::Status(403, serde_json::json!({"message": message, "status": 403}).to_string())
        }
    };
    let gms = ScriptedGms::start(forbid(&["urn:li:tag:t1", "urn:li:tag:t3"])).await;
    let some = emitter(&gms).build().unwrap();
    for urn in 0..5 {
        drop(some.emit(proposal(urn, "status", "x")).await);
    }
    let counts = some.close(None).await;
    assert_eq!((counts.delivered, counts.rejected), (3, 2));
    assert!(some.stopped().is_none());

    let gms = ScriptedGms::start(forbid(&["urn:li:tag:t1", "urn:li:tag:t3"])).await;
    let all = emitter(&gms).build().unwrap();
    for urn in [1, 3] {
        drop(all.emit(proposal(urn, "status", "x")).await);
    }
    let counts = all.close(None).await;
    assert_eq!((counts.delivered, counts.undelivered), (0, 2));
    assert_eq!(all.stopped().unwrap().diagnosis().unwrap().code.as_str(), "auth.forbidden");
}

#[tokio::test]
async fn what_is_not_utf_8_costs_itself_alone() {
    let gms = ScriptedGms::start(|_| Answer::Status(200, "{}".into())).await;
    let emitter = emitter(&gms).build().unwrap();
    let receipts = [&b"{\"a\":\"\xff\"}"[..], b"\x80", b"{}"].map(|text| {
        let mut proposal = proposal(1, "status", "x");
        proposal.aspect = Some(Aspect { value: Bytes::from_static(text), content_type: Aspect::JSON });
        emitter.emit(proposal)
    });
    let mut outcomes = Vec::new();
    for receipt in receipts {
        outcomes.push(receipt.await.await);
    }
    assert!(
        matches!(&outcomes[..], [Outcome::Rejected(one), Outcome::Rejected(_), Outcome::Delivered] if one.reason == "not-utf-8"),
        "{outcomes:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_gms_would_drop_in_silence_is_never_sent() {
    let gms = ScriptedGms::start(|_| Answer::ok()).await;
    let emitter = emitter(&gms).build().unwrap();
    let long = Urn::parse(&format!("urn:li:tag:{}", "x".repeat(600))).unwrap();
    let outcome = emitter.emit(Proposal::upsert(long, "status", "{}").unwrap()).await.await;
    let Outcome::Rejected(rejection) = outcome else { panic!("{outcome:?}") };
    assert_eq!(rejection.reason, "urn-dropped-by-gms");
    assert_eq!(emitter.close(None).await.rejected, 1);
    assert!(gms.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flush_waits_for_all_and_close_for_no_longer_than_told() {
    let gms = ScriptedGms::start(|_| Answer::ok()).await;
    let emitter = emitter(&gms).build().unwrap();
    for urn in 0..250 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    emitter.flush().await;
    assert_eq!(emitter.counts().delivered, 250);

    // A port where nobody listens: the request is tried again until the deadline.
    let silent = Emitter::builder("http://127.0.0.1:9").retry(impatient()).build().unwrap();
    let receipt = silent.emit(proposal(1, "status", "x")).await;
    let counts = silent.close(Some(Duration::ZERO)).await;
    assert_eq!((counts.emitted, counts.undelivered), (1, 1));
    assert!(matches!(receipt.await, Outcome::Undelivered(_)));
    let late = silent.emit(proposal(2, "status", "x")).await.await;
    assert!(matches!(late, Outcome::Undelivered(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mode_has_its_request() {
    for (mode, path, asynchronous) in [
        (SinkMode::Sync, "POST /aspects?action=ingestProposal ", "false"),
        (SinkMode::Async, "POST /aspects?action=ingestProposal ", "true"),
        (SinkMode::AsyncBatch, "POST /aspects?action=ingestProposalBatch ", "true"),
    ] {
        let gms = ScriptedGms::start(|_| Answer::ok()).await;
        let emitter = emitter(&gms).mode(mode).build().unwrap();
        drop(emitter.emit(proposal(1, "status", "x")).await);
        assert_eq!(emitter.close(None).await.delivered, 1);
        let write = gms.writes().remove(0);
        assert!(write.head.starts_with(path), "{}", write.head);
        let body: serde_json::Value = serde_json::from_slice(&write.body).unwrap();
        assert_eq!(body["async"], asynchronous);
        assert_eq!(write.proposals(), [("urn:li:tag:t1".to_owned(), "status".to_owned())]);
    }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_breaks_in_the_middle_is_no_fault_of_the_records() {
    let requests = AtomicU32::new(0);
    let gms = ScriptedGms::start(move |_| {
        if requests.fetch_add(1, SeqCst) < 2 {
            return Answer::ok();
        }
        Answer::Status(500, r#"{"message":"Failed to acquire JDBC Connection","status":500}"#.into())
    })
    .await;
    let retry = RetryPolicy { max_times: 2, ..impatient() };
    let emitter = emitter(&gms).max_threads(1).retry(retry).build().unwrap();
    for urn in 0..1_000 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!(counts.rejected, 0);
    assert!(counts.delivered > 0 && counts.undelivered > 0);
    assert_eq!(counts.delivered + counts.undelivered, 1_000);
    assert_eq!(emitter.stopped().unwrap().diagnosis().unwrap().code.as_str(), "endpoint.server-error");
    assert!(gms.writes().len() <= 40, "{} requests to a server in trouble", gms.writes().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_with_many_requests_under_way_rejects_nothing() {
    let requests = AtomicU32::new(0);
    let gms = ScriptedGms::start(move |_| {
        if requests.fetch_add(1, SeqCst) == 3 {
            return Answer::ok();
        }
        Answer::Status(500, r#"{"message":"Failed to acquire JDBC Connection","status":500}"#.into())
    })
    .await;
    let retry = RetryPolicy { max_times: 2, ..impatient() };
    let emitter = emitter(&gms).max_per_batch(20).retry(retry).build().unwrap();
    for urn in 0..300 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (20, 0, 280));
    assert_eq!(emitter.stopped().unwrap().diagnosis().unwrap().code.as_str(), "endpoint.server-error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_gms_chokes_on_costs_itself_where_it_travels_alone() {
    // The last one may be at fault as well as the server: nothing comes after it that could tell.
    for (bad, rejected) in [(5, 1), (19, 0)] {
        let gms = ScriptedGms::start(move |request: &Request| {
            if request.proposals().iter().any(|(urn, _)| urn == &format!("urn:li:tag:t{bad}")) {
                return Answer::Status(
                    500,
                    r#"{"message":"java.lang.NullPointerException","status":500}"#.into(),
                );
            }
            Answer::ok()
        })
        .await;
        let retry = RetryPolicy { max_times: 1, ..impatient() };
        let emitter = emitter(&gms).mode(SinkMode::Sync).retry(retry).build().unwrap();
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
async fn what_was_not_tried_to_the_end_is_undelivered() {
    let (refuse, refused) = tokio::sync::oneshot::channel();
    let refused = Mutex::new(Some(refused));
    let refuse = Mutex::new(Some(refuse));
    let gms = ScriptedGms::start(move |request: &Request| match request.proposals()[0].0.as_str() {
        "urn:li:tag:t0" => Answer::ok(),
        "urn:li:tag:t1" => {
            // Its next try comes in minutes, and the other's refusal now.
            if let Some(refuse) = refuse.lock().unwrap().take() {
                drop(refuse.send(Answer::Status(401, String::new())));
            }
            Answer::Status(500, r#"{"message":"boom"}"#.into())
        }
        // Once more than that, since the token was good before.
        _ => refused.lock().unwrap().take().map_or(Answer::Status(401, String::new()), Answer::Later),
    })
    .await;
    let retry = RetryPolicy {
        first_delay: Duration::from_secs(600),
        budget: Duration::MAX,
        ..RetryPolicy::default()
    };
    let emitter = emitter(&gms).mode(SinkMode::Async).retry(retry).build().unwrap();
    assert_eq!(emitter.emit(proposal(0, "status", "x")).await.await, Outcome::Delivered);
    let receipts =
        vec![emitter.emit(proposal(2, "status", "x")).await, emitter.emit(proposal(1, "status", "x")).await];
    for outcome in outcomes(receipts).await {
        let Outcome::Undelivered(undelivered) = outcome else { panic!("{outcome:?}") };
        assert_eq!(undelivered.reason, UndeliveredReason::Refused);
    }
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
async fn a_slow_source_does_not_fill_the_dead_letters() {
    let gms = ScriptedGms::start(|_| Answer::Status(422, r#"{"message":"no"}"#.into())).await;
    let emitter = emitter(&gms).max_threads(4).timeout(Duration::MAX).build().unwrap();
    for urn in 0..50 {
        drop(emitter.emit(proposal(urn, "status", "x")).await.await);
    }
    let counts = emitter.close(None).await;
    assert!(counts.rejected <= 4 && counts.undelivered >= 46, "{counts:?}");
    assert!(emitter.stopped().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_403_that_names_one_at_a_time_costs_those() {
    let gms = ScriptedGms::start(|request: &Request| {
        let forbidden =
            |urn: &str| urn.trim_start_matches("urn:li:tag:t").parse().is_ok_and(|n: usize| n < 20);
        match request.proposals().into_iter().find(|(urn, _)| forbidden(urn)) {
            Some((urn, _)) => {
                let message = format!("urn:li:corpuser:x is unauthorized to modify entity: {urn}");
                Answer::Status(403, serde_json::json!({"message": message, "status": 403}).to_string())
            }
            None => Answer::ok(),
        }
    })
    .await;
    let emitter = emitter(&gms).build().unwrap();
    for urn in 0..50 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (30, 20, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_gms_chokes_on_is_rejected_while_others_pass() {
    let gms = ScriptedGms::start(|request: &Request| {
        if request.proposals().iter().any(|(urn, _)| urn == "urn:li:tag:t163") {
            return Answer::Status(500, r#"{"message":"INTERNAL SERVER ERROR","status":500}"#.into());
        }
        Answer::ok()
    })
    .await;
    let retry = RetryPolicy { max_times: 1, ..impatient() };
    let emitter = emitter(&gms).max_threads(1).retry(retry).build().unwrap();
    for urn in 0..300 {
        drop(emitter.emit(proposal(urn, "status", "x")).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (299, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_without_an_answer_is_no_rejection_when_it_is_found_there() {
    let create = || Proposal { change_type: ChangeType::Create, ..proposal(1, "tagProperties", "x") };
    let exists = r#"{"message":"Cannot perform CREATE since the aspect already exists.","status":422}"#;
    for (first, delivered) in [(Answer::Reset, 1), (Answer::Status(422, exists.into()), 0)] {
        let first = Mutex::new(Some(first));
        let gms = ScriptedGms::start(move |_| {
            first.lock().unwrap().take().unwrap_or_else(|| Answer::Status(422, exists.into()))
        })
        .await;
        let emitter = emitter(&gms).build().unwrap();
        drop(emitter.emit(create()).await);
        let counts = emitter.close(None).await;
        assert_eq!((counts.delivered, counts.rejected), (delivered, 1 - delivered));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_403_in_the_middle_of_a_run_costs_what_it_names_in_every_mode() {
    for mode in [SinkMode::Sync, SinkMode::AsyncBatch] {
        let gms = ScriptedGms::start(|request: &Request| {
            let named = request.proposals().into_iter().find(|(urn, _)| urn == "urn:li:tag:t150");
            named.map_or_else(Answer::ok, |(urn, _)| {
                let message = format!("User x is unauthorized to modify entity: HttpStatus: 403 Urn: {urn}");
                Answer::Status(403, serde_json::json!({"message": message, "status": 403}).to_string())
            })
        })
        .await;
        let emitter = emitter(&gms).mode(mode).max_threads(1).max_per_batch(50).build().unwrap();
        for urn in 0..200 {
            drop(emitter.emit(proposal(urn, "status", "x")).await);
        }
        let counts = emitter.close(None).await;
        assert_eq!((counts.delivered, counts.rejected), (199, 1), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_add_up_also_for_what_comes_while_it_closes() {
    for _ in 0..50 {
        let gms = ScriptedGms::start(|_| Answer::ok()).await;
        let emitter =
            emitter(&gms).min_process_interval(Duration::MAX).max_pending_requests(4).build().unwrap();
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Random proposals over few URNs, random trouble: order per URN, no URN in two requests at once, every proposal
    /// settled exactly once, limits kept.
    #[test]
    fn order_limits_and_counts_hold_whatever_happens(
        urns in proptest::collection::vec(0..12_usize, 1..250),
        faults in proptest::collection::vec(0..8_u8, 1..60),
        threads in 1..6_usize,
        per_batch in 1..40_usize,
        bytes in 600..6_000_usize,
    ) {
        runtime().block_on(async {
            let next = AtomicU32::new(0);
            let accepted: Mutex<Vec<(String, String)>> = Mutex::default();
            let accepted = std::sync::Arc::new(accepted);
            let log = std::sync::Arc::clone(&accepted);
            let gms = ScriptedGms::start(move |request: &Request| {
                let number = next.fetch_add(1, SeqCst) as usize;
                // Trouble ends, so that delivery can.
                let fault = faults.get(number).copied().unwrap_or(7);
                match fault {
                    0 => Answer::Status(503, String::new()),
                    // Each slows down what follows, so there are few.
                    1 if number < 10 => Answer::With(429, String::new(), "Retry-After: 0\r\n"),
                    2 => Answer::Reset,
                    3 => Answer::Cut,
                    _ => {
                        log.lock().unwrap().extend(request.proposals());
                        Answer::ok()
                    }
                }
            })
            .await;
            let emitter = emitter(&gms)
                .max_threads(threads)
                .max_per_batch(per_batch)
                .max_batch_bytes(bytes)
                .max_pending_requests(64)
                .build()
                .unwrap();
            for (number, urn) in urns.iter().enumerate() {
                drop(emitter.emit(proposal(*urn, &format!("a{number:05}"), "x")).await);
            }
            let counts = emitter.close(None).await;
            prop_assert_eq!(counts.emitted, urns.len() as u64);
            prop_assert_eq!(counts.delivered, urns.len() as u64);
            prop_assert_eq!(gms.collisions(), Vec::<String>::new());
            for write in gms.writes() {
                let proposals = write.proposals();
                prop_assert!(proposals.len() <= per_batch);
                prop_assert!(proposals.len() == 1 || write.body.len() <= bytes, "{} bytes", write.body.len());
            }
            let mut by_urn: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (urn, aspect) in accepted.lock().unwrap().iter() {
                by_urn.entry(urn.clone()).or_default().push(aspect.clone());
            }
            for (urn, aspects) in by_urn {
                prop_assert!(aspects.is_sorted(), "{} arrived in the order {:?}", urn, aspects);
            }
            prop_assert_eq!(accepted.lock().unwrap().len(), urns.len());
            Ok(())
        })?;
    }

    /// Records that are refused for what they are, in any form, cost themselves alone, and order holds around them.
    #[test]
    fn poison_costs_itself_alone(
        urns in proptest::collection::vec(0..15_usize, 1..200),
        poison in proptest::collection::btree_map(0..200_usize, prop_oneof![Just(400_u16), Just(413), Just(422)], 0..12),
        threads in 1..5_usize,
        per_batch in 1..50_usize,
    ) {
        runtime().block_on(async {
            let accepted = std::sync::Arc::new(Mutex::new(Vec::new()));
            let log = std::sync::Arc::clone(&accepted);
            let bad = poison.clone();
            let gms = ScriptedGms::start(move |request: &Request| {
                let proposals = request.proposals();
                let number = |aspect: &str| aspect[1..].parse::<usize>().unwrap_or(usize::MAX);
                let found = proposals.iter().find_map(|(_, aspect)| bad.get(&number(aspect)).copied());
                if let Some(status) = found {
                    return Answer::Status(status, r#"{"message":"no"}"#.into());
                }
                log.lock().unwrap().extend(proposals);
                Answer::ok()
            })
            .await;
            let emitter = emitter(&gms).max_threads(threads).max_per_batch(per_batch).build().unwrap();
            for (number, urn) in urns.iter().enumerate() {
                drop(emitter.emit(proposal(*urn, &format!("a{number:05}"), "x")).await);
            }
            let counts = emitter.close(None).await;
            let rejected = poison.keys().filter(|number| **number < urns.len()).count() as u64;
            if emitter.stopped().is_some() {
                // Nothing went through of what was tried first, so it was taken for the run's fault.
                prop_assert!(counts.delivered <= urns.len() as u64 - rejected && counts.rejected <= rejected);
                prop_assert!(rejected > 0 && counts.undelivered > 0);
            } else {
                prop_assert_eq!((counts.rejected, counts.undelivered), (rejected, 0));
                prop_assert_eq!(counts.delivered, urns.len() as u64 - rejected);
            }
            prop_assert_eq!(gms.collisions(), Vec::<String>::new());
            let accepted = accepted.lock().unwrap();
            for urn in 0..15 {
                let urn = format!("urn:li:tag:t{urn}");
                let aspects: Vec<_> = accepted.iter().filter(|(of, _)| *of == urn).map(|(_, aspect)| aspect).collect();
                prop_assert!(aspects.is_sorted(), "{} arrived in the order {:?}", urn, aspects);
            }
            Ok(())
        })?;
    }
}
