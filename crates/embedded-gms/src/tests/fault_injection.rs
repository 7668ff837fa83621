//! Traces of writes, and faults that act on single changes.

use super::*;
use crate::{Action, Fault};

const DATASETS: &str = "/openapi/v3/entity/dataset";

fn two(removed: bool) -> Value {
    json!([{"urn": DATASET, "status": {"value": {"removed": removed}}, "ownership": {"value": {"owners": []}}}])
}

/// Writes, and returns the response and its trace.
async fn write(gms: &Gms, body: &Value) -> (Value, String) {
    let response = send(gms, Method::POST, DATASETS, body).await;
    let trace = response.headers()["traceparent"].to_str().unwrap().to_owned();
    (value(response, 202).await, trace)
}

async fn trace(gms: &Gms, id: &str, query: &str) -> Value {
    let body = json!({DATASET: ["status", "ownership"]});
    let response = send(gms, Method::POST, &format!("/openapi/v1/trace/write/{id}{query}"), &body).await;
    value(response, 200).await
}

async fn states(gms: &Gms, id: &str) -> (String, String) {
    let found = trace(gms, id, "?onlyIncludeErrors=false&detailed=true").await;
    let of = |aspect: &str| {
        let status = &found[DATASET][aspect]["primaryStorage"]["writeStatus"];
        status.as_str().unwrap().to_owned()
    };
    (of("status"), of("ownership"))
}

fn pair(one: &str, other: &str) -> (String, String) {
    (one.into(), other.into())
}

#[tokio::test]
async fn a_trace_reports_the_outcome_of_a_write() {
    let gms = start().await;
    let (_, first) = write(&gms, &two(true)).await;
    assert_eq!(states(&gms, &first).await, pair("ACTIVE_STATE", "ACTIVE_STATE"));
    assert_eq!(trace(&gms, &first, "").await, json!({}));
    let (_, second) = write(&gms, &two(false)).await;
    let id = second.split('-').nth(1).unwrap();
    assert_eq!(states(&gms, &first).await, pair("HISTORIC_STATE", "ACTIVE_STATE"));
    assert_eq!(states(&gms, id).await, pair("ACTIVE_STATE", "NO_OP"));
    let unknown = trace(&gms, &"0".repeat(32), "?onlyIncludeErrors=false").await;
    assert_eq!(unknown[DATASET]["status"]["primaryStorage"]["writeStatus"], "UNKNOWN");
    assert_eq!(unknown[DATASET]["status"]["success"], true);
    let path = format!("/openapi/v1/trace/write/{id}?onlyIncludeErrors=false");
    let all = send(&gms, Method::POST, &path, &json!({DATASET: []})).await;
    assert_eq!(value(all, 200).await[DATASET].as_object().unwrap().len(), 2);
    assert_eq!(send(&gms, Method::POST, "/openapi/v1/trace/write/x", &json!({})).await.status(), 500);
    assert_eq!(
        send(&gms, Method::POST, &format!("/openapi/v1/trace/write/{id}"), &json!(1)).await.status(),
        400
    );
}

#[tokio::test]
async fn a_fault_drops_a_change_silently() {
    let gms = start().await;
    let drop = |aspect: Option<&str>| Fault {
        urn_contains: Some("db.t1".into()),
        ..Fault::new(Action::Drop { aspect: aspect.map(str::to_owned) })
    };
    gms.fault(drop(Some("status")));
    let (response, id) = write(&gms, &two(true)).await;
    assert_eq!(response, json!([{"urn": DATASET, "ownership": {"value": {"owners": []}}}]));
    assert_eq!(states(&gms, &id).await, pair("UNKNOWN", "ACTIVE_STATE"));
    let proposals = [upsert(DATASET, "status", "{}"), upsert("urn:li:tag:x", "status", "{}")];
    assert_eq!(value(ingest(&gms, &proposals).await, 200).await, json!({"value": "success"}));
    assert_eq!(gms.aspect(DATASET, "status").await, None);
    assert!(gms.aspect("urn:li:tag:x", "status").await.is_some());
    gms.clear_faults();
    gms.fault(drop(None));
    assert_eq!(write(&gms, &two(true)).await.0, json!([]));
    gms.clear_faults();
    assert_eq!(write(&gms, &two(true)).await.0[0]["status"]["value"]["removed"], true);
}

#[tokio::test]
async fn a_fault_rejects_an_accepted_change() {
    let gms = start().await;
    gms.fault(Fault::new(Action::RejectLater {
        aspect: Some("status".into()),
        message: "no such tag".into(),
    }));
    let (response, id) = write(&gms, &two(true)).await;
    assert_eq!(response[0]["status"]["value"]["removed"], true);
    assert_eq!(gms.aspect(DATASET, "status").await, None);
    let found = trace(&gms, &id, "?onlyIncludeErrors=true&detailed=true").await;
    assert_eq!(
        found,
        json!({DATASET: {"status": {
            "success": false,
            "primaryStorage": {"writeStatus": "ERROR", "writeExceptions": [{"message": "no such tag"}]},
            "searchStorage": {"writeStatus": "ERROR", "writeMessage": "Primary storage write failed."},
        }}})
    );
    let response = send(&gms, Method::POST, &format!("{DATASETS}?async=false"), &two(true)).await;
    assert_eq!(response.status(), 200);
    assert!(gms.aspect(DATASET, "status").await.is_some());
}

#[tokio::test]
async fn a_write_stays_pending() {
    let gms = start().await;
    gms.fault(Fault {
        times: Some(1),
        ..Fault::new(Action::StayPending { aspect: Some("status".into()), polls: Some(2) })
    });
    let (_, id) = write(&gms, &two(true)).await;
    gms.fault(Fault::new(Action::StayPending { aspect: None, polls: None }));
    let (_, endless) = write(&gms, &two(false)).await;
    for _ in 0..2 {
        assert_eq!(states(&gms, &id).await.0, "PENDING");
    }
    assert_eq!(states(&gms, &id).await.0, "HISTORIC_STATE");
    for _ in 0..5 {
        let found = trace(&gms, &endless, "?onlyIncludeErrors=false").await;
        assert_eq!(
            found[DATASET]["status"]["searchStorage"]["writeMessage"],
            "Pending primary storage write."
        );
    }
}

#[tokio::test]
async fn an_action_is_unknown_to_the_resource_of_its_path() {
    let gms = start().await;
    gms.fault(Fault::new(Action::UnknownAction));
    for (path, resource) in [
        ("/aspects?action=ingestProposal", "entity.AspectResource"),
        ("/entities?action=ingest", "entity.EntityResource"),
        ("/operations?action=getIndexSizes", "operations.OperationsResource"),
        ("/runs?action=rollback", "entity.BatchIngestionRunResource"),
    ] {
        let message = refusal(post(&gms, path, "{}").await, 400).await;
        assert!(message.contains(&format!("'com.linkedin.metadata.resources.{resource}'")), "{message}");
    }
}

#[tokio::test]
async fn an_old_server_has_no_batches() {
    let gms = Gms::builder().version("v0.13.1").start().await.unwrap();
    let config = value(get(&gms, "/config").await, 200).await;
    assert_eq!(config["versions"]["acryldata/datahub"]["version"], "v0.13.1");
    gms.fault(Fault {
        path_prefix: "/aspects?action=ingestProposalBatch".into(),
        ..Fault::new(Action::UnknownAction)
    });
    let message = refusal(ingest(&gms, &[upsert(DATASET, "status", "{}")]).await, 400).await;
    assert!(
        message.starts_with("POST operation named ingestProposalBatch not supported on resource"),
        "{message}"
    );
    let single = json!({"proposal": upsert(DATASET, "status", "{}")}).to_string();
    assert_eq!(post(&gms, "/aspects?action=ingestProposal", single).await.status(), 200);
}
