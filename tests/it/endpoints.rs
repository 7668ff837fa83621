//! Are both endpoints of GMS used so that nothing is lost, and are missing features of a server noticed?

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use datahub_emitter::emitter::{Batching, Emitter, EmitterBuilder, Outcome, UndeliveredReason};
use datahub_emitter::gms::{EmitMode, Endpoint};
use datahub_emitter::metadata::{ChangeType, Proposal, Urn};
use serde_json::{Value, json};

use crate::support::emitting::{outcomes, status};
use crate::support::sandbox::{Sandbox, tags};
use crate::support::scripted_gms::{Request, Response, ScriptedGms};

/// The trace header of the scripted GMS.
const TRACEPARENT: &str = "traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-01\r\n";

fn openapi_emitter(gms: &ScriptedGms) -> EmitterBuilder {
    Emitter::builder(gms.url()).endpoint(Endpoint::Openapi).no_proxy()
}

fn proposal(urn: &str, change_type: ChangeType, aspect_name: &'static str, value: &str) -> Proposal {
    Proposal::new(change_type, Urn::parse(urn).unwrap(), aspect_name, Some(value.parse().unwrap()))
}

/// The items of a write over OpenAPI.
fn items(request: &Request) -> Vec<Value> {
    serde_json::from_slice(&request.body).unwrap()
}

/// Responds to a write as GMS does, with the items of the request.
fn echo(request: &Request) -> Response {
    Response::WithHeaders(200, String::from_utf8(request.body.clone()).unwrap(), TRACEPARENT)
}

fn reason(outcome: &Outcome) -> UndeliveredReason {
    match outcome {
        Outcome::Undelivered(undelivered) => undelivered.reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_missing_in_the_response_is_not_delivered() {
    let gms = ScriptedGms::start(|request| {
        // Grouped by URN, in another order, and without one of the aspects.
        let mut entities: HashMap<String, Value> = HashMap::new();
        for item in items(request) {
            let entity = entities
                .entry(item["urn"].as_str().unwrap().to_owned())
                .or_insert_with(|| json!({"urn": item["urn"]}));
            for (name, aspect) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "unheardOf") {
                entity[name] = aspect.clone();
            }
        }
        Response::Status(200, json!(entities.into_values().collect::<Vec<_>>()).to_string())
    });
    let emitter = openapi_emitter(&gms).build().unwrap();
    let mut receipts = Vec::new();
    for number in 0..30 {
        receipts.push(emitter.emit(status(number)).await);
    }
    let unheard = proposal("urn:li:tag:t7", ChangeType::Upsert, "unheardOf", "{}");
    let dropped = emitter.emit(unheard).await;
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (30, 1, 0));
    assert!(outcomes(receipts).await.iter().all(|outcome| *outcome == Outcome::Delivered));
    let Outcome::Rejected(rejection) = dropped.await else { panic!("it was delivered") };
    assert_eq!((rejection.reason.as_str(), rejection.status), ("aspect-dropped-by-gms", Some(200)));
    assert!(rejection.message.contains("unheardOf of urn:li:tag:t7"), "{}", rejection.message);
    assert!(rejection.message.contains("v1.3.0"), "{}", rejection.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_change_has_its_request_and_a_urn_keeps_its_order() {
    let gms = ScriptedGms::start(|request| match request.target() {
        target if target.starts_with("POST /openapi/v3/entity/tag?") => echo(request),
        _ => Response::Status(200, String::new()),
    });
    let emitter = openapi_emitter(&gms).batching(Batching::Batched).build().unwrap();
    let urn = "urn:li:tag:t0";
    for (change_type, name, value) in [
        (ChangeType::Upsert, "status", "{}"),
        (ChangeType::Patch, "tagProperties", "[]"),
        (ChangeType::Upsert, "tagProperties", "{}"),
        (ChangeType::Create, "ownership", "{}"),
    ] {
        drop(emitter.emit(proposal(urn, change_type, name, value)).await);
    }
    let delete = Proposal::delete(Urn::parse(urn).unwrap(), "tagKey");
    drop(emitter.emit(delete).await);
    assert_eq!(emitter.close(None).await.delivered, 5);
    let targets: Vec<String> = gms.writes().iter().map(|write| write.target().to_owned()).collect();
    assert_eq!(
        targets,
        [
            "POST /openapi/v3/entity/tag?async=true",
            "PATCH /openapi/v3/entity/tag?async=true",
            "POST /openapi/v3/entity/tag?async=true",
            "POST /openapi/v3/entity/tag/urn%3Ali%3Atag%3At0/ownership?async=true&createIfNotExists=true&createIfEntityNotExists=false",
            "DELETE /openapi/v3/entity/tag/urn%3Ali%3Atag%3At0",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entity_types_do_not_share_a_request_and_share_as_few_as_they_can() {
    let gms = ScriptedGms::start(echo);
    let emitter = openapi_emitter(&gms).max_in_flight_requests(1).build().unwrap();
    for number in 0..100 {
        drop(emitter.emit(status(number)).await);
        let user = format!("urn:li:corpuser:u{number}");
        drop(emitter.emit(proposal(&user, ChangeType::Upsert, "status", "{}")).await);
    }
    assert_eq!(emitter.close(None).await.delivered, 200);
    for write in gms.writes() {
        let kind = if write.target().contains("/tag?") { "urn:li:tag:" } else { "urn:li:corpuser:" };
        assert!(items(&write).iter().all(|item| item["urn"].as_str().unwrap().starts_with(kind)));
    }
    // A batch that is sent after 5 ms may be small; the others are full.
    assert!(gms.writes().len() <= 4, "{} requests for two batches", gms.writes().len());
}

/// Responds to queries for traces: pending at first, then the result of `fate` for each URN.
fn trace(request: &Request, asked: &AtomicUsize, pending: usize, fate: impl Fn(&str) -> Value) -> Response {
    let wanted: HashMap<String, Vec<String>> = serde_json::from_slice(&request.body).unwrap();
    let waits = asked.fetch_add(1, SeqCst) < pending;
    let states = wanted.into_iter().map(|(urn, aspects)| {
        let state = if waits {
            json!({"success": true, "primaryStorage": {"writeStatus": "PENDING"}})
        } else {
            fate(&urn)
        };
        (urn, aspects.into_iter().map(|aspect| (aspect, state.clone())).collect::<HashMap<_, _>>())
    });
    Response::Status(200, json!(states.collect::<HashMap<_, _>>()).to_string())
}

fn written() -> Value {
    json!({"success": true, "primaryStorage": {"writeStatus": "ACTIVE_STATE"}, "searchStorage": {"writeStatus": "ACTIVE_STATE"}})
}

fn failed() -> Value {
    json!({
        "success": false,
        "primaryStorage": {"writeStatus": "ERROR", "writeExceptions": [{"message": "Invalid format"}]},
        "searchStorage": {"writeStatus": "ERROR", "writeMessage": "Primary storage write failed."},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queued_write_is_followed_until_it_succeeds_or_fails() {
    let asked = AtomicUsize::new(0);
    let gms = ScriptedGms::start(move |request| {
        if !request.target().starts_with("POST /openapi/v1/trace/write/0123456789abcdef0123456789abcdef?") {
            return echo(request);
        }
        trace(request, &asked, 1, |urn| if urn == "urn:li:tag:t3" { failed() } else { written() })
    });
    let emitter =
        openapi_emitter(&gms).emit_mode(EmitMode::AsyncWait).max_in_flight_requests(1).build().unwrap();
    let mut receipts = Vec::new();
    for number in 0..10 {
        receipts.push(emitter.emit(status(number)).await);
    }
    emitter.flush().await;
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (9, 1, 0));
    for (number, outcome) in outcomes(receipts).await.into_iter().enumerate() {
        match outcome {
            Outcome::Delivered => assert_ne!(number, 3),
            Outcome::Rejected(rejection) => {
                assert_eq!((number, rejection.reason.as_str()), (3, "rejected-after-queueing"));
                assert!(rejection.message.contains("Invalid format"), "{}", rejection.message);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_without_a_result_is_undelivered_after_the_timeout() {
    let asked = AtomicUsize::new(0);
    let gms = ScriptedGms::start(move |request| match request.target() {
        target if target.contains("/trace/") => trace(request, &asked, usize::MAX, |_| written()),
        _ => echo(request),
    });
    let emitter = openapi_emitter(&gms)
        .emit_mode(EmitMode::AsyncWait)
        .trace_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let receipt = emitter.emit(status(1)).await;
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.undelivered), (0, 1));
    assert_eq!(reason(&receipt.await), UndeliveredReason::TraceUnsettled);
    assert!(emitter.stop_reason().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_trace_cannot_be_followed_is_not_delivered() {
    for (write, trace) in [
        // The response has no trace header.
        (Response::Status(202, String::new()), Response::ok()),
        (
            Response::WithHeaders(202, String::new(), TRACEPARENT),
            Response::Status(403, r#"{"error":"no READ"}"#.into()),
        ),
    ] {
        let answers = Mutex::new((write, trace));
        let gms = ScriptedGms::start(move |request| {
            let mut answers = answers.lock().unwrap();
            let answer = if request.target().contains("/trace/") { &mut answers.1 } else { &mut answers.0 };
            std::mem::replace(answer, Response::Reset)
        });
        let emitter = openapi_emitter(&gms).emit_mode(EmitMode::AsyncWait).build().unwrap();
        let patch = proposal("urn:li:tag:t1", ChangeType::Patch, "tagProperties", "[]");
        let receipt = emitter.emit(patch).await;
        emitter.close(None).await;
        assert_eq!(reason(&receipt.await), UndeliveredReason::TraceUnsettled);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_open_traces_is_bounded_and_sending_continues() {
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let gms = ScriptedGms::start({
        let (open, most) = (Arc::clone(&open), Arc::clone(&most));
        move |request| {
            if request.target().contains("/trace/") {
                open.fetch_sub(1, SeqCst);
                return trace(request, &AtomicUsize::new(0), 0, |_| written());
            }
            most.fetch_max(open.fetch_add(1, SeqCst) + 1, SeqCst);
            echo(request)
        }
    });
    let emitter = openapi_emitter(&gms)
        .batching(Batching::Single)
        .emit_mode(EmitMode::AsyncWait)
        .max_in_flight_requests(2)
        .build()
        .unwrap();
    for number in 0..150 {
        drop(emitter.emit(status(number)).await);
    }
    assert_eq!(emitter.close(None).await.delivered, 150);
    let most = most.load(SeqCst);
    assert!((3..=64).contains(&most), "{most} traces were open at a time, with two requests");
}

/// The response of an old GMS.
const NO_BATCHES: &str = r#"{"exceptionClass":"com.linkedin.restli.server.RestLiServiceException","message":"POST operation named ingestProposalBatch not supported on resource 'com.linkedin.metadata.resources.entity.AspectResource' URI: '/aspects?action=ingestProposalBatch'","status":400}"#;

fn without_batches(request: &Request) -> Response {
    if request.target().contains("ingestProposalBatch") {
        return Response::Status(400, NO_BATCHES.into());
    }
    Response::ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_gms_without_batches_gets_one_proposal_at_a_time() {
    let gms = ScriptedGms::start(without_batches);
    let emitter = Emitter::builder(gms.url()).no_proxy().max_in_flight_requests(1).build().unwrap();
    for number in 0..300 {
        drop(emitter.emit(status(number % 40)).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected), (300, 0));
    let (batches, singles): (Vec<_>, Vec<_>) =
        gms.writes().into_iter().partition(|write| write.target().contains("ingestProposalBatch"));
    assert_eq!((batches.len(), singles.len()), (1, 300));
    assert!(gms.collisions().is_empty());
}

#[test]
fn a_gms_without_batches_is_reported_once() {
    let gms = ScriptedGms::start(without_batches);
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a", "b", "c"]));
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{server: '{}'}}}}", gms.url()));
    let ran = sandbox.ingest(&["--json"]).ends_with(0);
    let warnings = ran.json()["warnings"].to_string();
    assert_eq!(warnings.matches("one by one").count(), 1, "{warnings}");
}

/// A GMS of this version that responds to writes with `respond`.
fn of_version(version: &'static str, respond: fn(&Request) -> Response) -> ScriptedGms {
    ScriptedGms::start_for_all(move |request| {
        if request.is_write() {
            return respond(request);
        }
        let config = json!({"noCode": "true", "versions": {"acryldata/datahub": {"version": version}}});
        Response::Status(200, config.to_string())
    })
}

#[test]
fn a_missing_feature_of_the_server_is_an_error_before_anything_is_sent() {
    for (version, config, instead) in [
        ("v0.10.5", "endpoint: openapi", "endpoint: restli"),
        ("v1.0.0", "endpoint: openapi, emit_mode: ASYNC_WAIT", "emit_mode: SYNC_WAIT"),
        ("head", "endpoint: openapi, emit_mode: ASYNC_WAIT", "emit_mode: SYNC_WAIT"),
    ] {
        let gms = of_version(version, echo);
        let sandbox = Sandbox::new();
        sandbox.write("tags.jsonl", &tags(["a"]));
        let sink = format!("{{type: datahub-rest, config: {{server: '{}', {config}}}}}", gms.url());
        sandbox.recipe("tags.jsonl", &sink);
        let ran = sandbox.ingest(&[]).ends_with(2);
        for word in [version, env!("CARGO_PKG_VERSION"), instead] {
            assert!(ran.stderr.contains(word), "{word}: {ran:#?}");
        }
        assert!(gms.writes().is_empty());
    }
}

#[test]
fn a_missing_endpoint_is_an_error_if_the_version_is_unknown() {
    let gms = of_version("head", |_| {
        Response::Status(404, r#"{"error":"No endpoint POST /openapi/v3/entity/tag."}"#.into())
    });
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a", "b"]));
    let sink = format!("{{type: datahub-rest, config: {{server: '{}', endpoint: openapi}}}}", gms.url());
    sandbox.recipe("tags.jsonl", &sink);
    let ran = sandbox.ingest(&["--json", "--no-default-report"]).ends_with(1);
    assert!(ran.stderr.contains("endpoint: restli") && ran.stderr.contains("404"), "{ran:#?}");
    assert_eq!(ran.json()["proposals"]["undelivered"], 2);
    assert_eq!(gms.writes().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emitter_for_a_missing_endpoint_sends_nothing() {
    let gms = ScriptedGms::start_for_all(|request| {
        if request.is_write() { echo(request) } else { Response::Status(200, r#"{"noCode":"true"}"#.into()) }
    });
    let emitter = openapi_emitter(&gms).build().unwrap();
    let receipt = emitter.emit(status(1)).await;
    assert_eq!(reason(&receipt.await), UndeliveredReason::Unsupported);
    emitter.close(None).await;
    assert_eq!(emitter.stop_reason().unwrap().kind(), datahub_emitter::ErrorKind::Input);
    assert!(gms.writes().is_empty());

    let restli = Emitter::builder(gms.url()).emit_mode(EmitMode::AsyncWait).build().unwrap_err();
    assert!(restli.to_string().contains("Endpoint::Openapi"), "{restli}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_through_the_frontend_use_another_path() {
    let gms = ScriptedGms::start(|request| match request.target() {
        target if target.starts_with("PATCH ") => Response::Status(202, String::new()),
        _ => echo(request),
    });
    let emitter = Emitter::builder(gms.url() + "/api/gms/").endpoint(Endpoint::Openapi).no_proxy();
    let emitter = emitter.batching(Batching::Sequential).build().unwrap();
    drop(emitter.emit(status(1)).await);
    drop(emitter.emit(proposal("urn:li:tag:t1", ChangeType::Patch, "tagProperties", "[]")).await);
    assert_eq!(emitter.close(None).await.delivered, 2);
    let targets: Vec<String> = gms.writes().iter().map(|write| write.target().to_owned()).collect();
    assert_eq!(
        targets,
        ["POST /api/gms/openapi/v3/entity/tag?async=false", "PATCH /openapi/v3/entity/tag?async=false"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aspect_name_that_would_change_the_request_path_is_not_sent() {
    let gms = ScriptedGms::start(echo);
    for name in ["", ".", "..", "a/b", "status?x=1"] {
        let emitter = openapi_emitter(&gms).emit_mode(EmitMode::SyncPrimary).build().unwrap();
        let delete = Proposal::delete(status(1).urn(), name);
        let receipt = emitter.emit(delete).await;
        emitter.close(None).await;
        let Outcome::Rejected(rejection) = receipt.await else { panic!("{name:?} was sent") };
        assert_eq!(rejection.reason.as_str(), "not-a-name");
    }
    assert!(gms.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patch_of_a_large_aspect_is_sent_once() {
    let gms = ScriptedGms::start(|_| {
        let tags = json!([{"urn": "urn:li:tag:t1", "tagProperties": {"value": {"description": "x".repeat(3 << 20)}}}]);
        Response::Status(200, tags.to_string())
    });
    let emitter = openapi_emitter(&gms).emit_mode(EmitMode::SyncPrimary).build().unwrap();
    drop(emitter.emit(proposal("urn:li:tag:t1", ChangeType::Patch, "tagProperties", "[]")).await);
    assert_eq!(emitter.close(None).await.delivered, 1);
    assert_eq!(gms.writes().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_403_that_names_the_actor_rejects_no_record() {
    let gms = ScriptedGms::start(|request| {
        if request.proposals().iter().any(|(urn, _)| urn == "urn:li:tag:t2") {
            let words = "User urn:li:corpuser:loader is unauthorized to modify entity: HttpStatus: 403 Urn: urn:li:tag:t2";
            return Response::Status(403, json!({"message": words, "status": 403}).to_string());
        }
        Response::ok()
    });
    let emitter = Emitter::builder(gms.url()).no_proxy().max_in_flight_requests(1).build().unwrap();
    drop(emitter.emit(status(1)).await);
    emitter.flush().await;
    let loader = emitter.emit(proposal("urn:li:corpuser:loader", ChangeType::Upsert, "status", "{}")).await;
    let refused = emitter.emit(status(2)).await;
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.rejected, counts.undelivered), (2, 1, 0));
    assert_eq!(loader.await, Outcome::Delivered);
    assert!(
        matches!(refused.await, Outcome::Rejected(rejection) if rejection.reason.as_str() == "forbidden")
    );
}
