//! Faults of the cluster and of the registry. Counts add up, nothing overtakes, and the cause is named.

use std::collections::HashMap;

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde_json::json;

use super::cluster::{Cluster, Received, TOPIC};
use crate::support::raw_server::Response;
use crate::support::sandbox::{Ran, Sandbox, numbered_tags, tag};

/// Updates of `tags` tags, `versions` times each.
fn versions(tags: usize, versions: usize) -> String {
    let lines = (0..versions).flat_map(|version| {
        (0..tags).map(move |number| {
            let record = json!({
                "entityType": "tag",
                "entityUrn": format!("urn:li:tag:t{number}"),
                "changeType": "UPSERT",
                "aspectName": "tagProperties",
                "aspect": {"json": {"name": version.to_string()}},
            });
            format!("{record}\n")
        })
    });
    lines.collect()
}

/// The versions of each tag, in the order of the topic.
fn received_versions(messages: &[Received]) -> HashMap<String, Vec<u64>> {
    let mut versions: HashMap<String, Vec<u64>> = HashMap::new();
    for message in messages {
        let aspect: serde_json::Value =
            serde_json::from_str(message.record["aspect"]["value"].as_str().unwrap()).unwrap();
        let version = aspect["name"].as_str().unwrap().parse().unwrap();
        versions.entry(message.key.clone()).or_default().push(version);
    }
    versions
}

#[track_caller]
fn diagnosed(ran: Ran, report: &serde_json::Value, code: i32, diagnosis: &str, evidence: &str) {
    ran.ends_with(code);
    assert_eq!(report["diagnosis"]["code"], diagnosis, "{report:#}");
    assert!(report["diagnosis"].to_string().contains(evidence), "{evidence}: {report:#}");
}

#[test]
fn a_cluster_that_is_away_is_named_before_anything_is_read() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &numbered_tags(5));
    sandbox.recipe(
        "tags.jsonl",
        "{type: datahub-kafka, config: {connection: {bootstrap: '127.0.0.1:9', schema_registry_url: 'http://127.0.0.1:9'}}}",
    );
    let (ran, report) = sandbox.ingest_with_report(&[]);
    diagnosed(ran, &report, 4, "kafka.unreachable", "127.0.0.1:9");
    assert_eq!(report["proposals"]["delivered"], 0);
    assert_eq!(report["outcome"], "unreachable");
}

#[test]
fn a_registry_that_refuses_is_asked_once_a_run_and_named() {
    for (status, body, expected) in [
        (401, r#"{"error_code": 40101, "message": "who are you"}"#, "who are you"),
        (403, "{}", "credentials"),
        (404, r#"{"error_code": 40401, "message": "no subject"}"#, "topic_routes|route"),
        (409, r#"{"error_code": 409, "message": "incompatible"}"#, "incompatible"),
        (200, "hello", "hello"),
        (200, "{}", "not a schema registry"),
        (200, r#"{"id": -1}"#, "not a schema registry"),
    ] {
        let cluster = Cluster::with(1, 3, move |_| Response::Status(status, body.into()));
        let sandbox = Sandbox::new();
        sandbox.write("tags.jsonl", &numbered_tags(5));
        sandbox.recipe("tags.jsonl", &cluster.sink(""));
        let (ran, report) = sandbox.ingest_with_report(&[]);
        diagnosed(ran, &report, 4, "kafka.registry", expected.split('|').next_back().unwrap());
        assert_eq!(cluster.registry_requests().len(), 1, "{status}");
        assert!(cluster.messages().is_empty());
    }
}

#[test]
fn a_registry_that_is_overloaded_is_asked_again() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let cluster =
        Cluster::with(1, 3, move |_| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Response::Status(503, "{}".into()),
            1 => Response::WithHeaders(429, "{}".into(), "Retry-After: 0\r\n"),
            _ => Response::Status(200, r#"{"id": 0}"#.into()),
        });
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tag("a"));
    sandbox.recipe("tags.jsonl", &cluster.sink(""));
    sandbox.ingest(&[]).ends_with(0);
    let messages = cluster.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].schema_id, 0);
}

#[test]
fn a_topic_that_does_not_exist_or_is_forbidden_is_named() {
    for (error, evidence) in [
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "does not exist"),
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "does not allow writing"),
    ] {
        let (sandbox, cluster) = (Sandbox::new(), Cluster::start());
        cluster.mock.topic_error(TOPIC, error).unwrap();
        sandbox.write("tags.jsonl", &numbered_tags(5));
        sandbox.recipe("tags.jsonl", &cluster.sink(""));
        let (ran, report) = sandbox.ingest_with_report(&[]);
        diagnosed(ran, &report, 3, "kafka.refused", evidence);
        assert_eq!(report["outcome"], "refused");
    }
}

#[test]
fn a_rejected_batch_is_sent_one_by_one_and_keeps_the_order() {
    let (sandbox, cluster) = (Sandbox::new(), Cluster::start());
    sandbox.write("tags.jsonl", &versions(20, 30));
    sandbox.recipe("tags.jsonl", &cluster.sink(""));
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.mock.request_errors(RDKafkaApiKey::Produce, &[too_large]);
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 600, "{report:#}");
    assert!(report["requests"]["split"].as_u64() >= Some(1), "{report:#}");
    let received = received_versions(&cluster.messages());
    assert_eq!(received.len(), 20);
    for (key, mut versions) in received {
        // At least once: a message may be there twice, and the last one of each version is in order.
        versions.reverse();
        let mut seen = std::collections::HashSet::new();
        versions.retain(|version| seen.insert(*version));
        versions.reverse();
        assert_eq!(versions, (0..30).collect::<Vec<u64>>(), "{key}");
    }
}

#[test]
fn a_message_that_is_too_large_is_dead_lettered_alone() {
    let (sandbox, cluster) = (Sandbox::new(), Cluster::start());
    let large = json!({
        "entityType": "tag", "entityUrn": "urn:li:tag:large", "changeType": "UPSERT",
        "aspectName": "tagProperties", "aspect": {"json": {"name": "x".repeat(1_100_000)}},
    });
    sandbox.write("tags.jsonl", &format!("{}\n{large}\n{}\n", tag("a"), tag("b")));
    sandbox.recipe("tags.jsonl", &cluster.sink(""));
    let (ran, report) = sandbox.ingest_with_report(&["--dead-letters", "dead.jsonl"]);
    ran.ends_with(1);
    assert_eq!((&report["proposals"]["delivered"], &report["proposals"]["rejected"]), (&json!(2), &json!(1)));
    let dead_letter = sandbox.json("dead.jsonl");
    assert_eq!(dead_letter["entityUrn"], "urn:li:tag:large");
    assert_eq!(dead_letter["deadLetter"]["reason"], "message-too-large");
    // With a larger limit it is delivered.
    let allowed = format!(
        "{{type: datahub-kafka, config: {{connection: {}}}}}",
        cluster.connection(", producer_config: {message.max.bytes: 5000000}")
    );
    sandbox.recipe("tags.jsonl", &allowed);
    sandbox.ingest(&[]).ends_with(0);
}

#[test]
fn a_record_that_the_broker_rejects_is_dead_lettered() {
    let (sandbox, cluster) = (Sandbox::new(), Cluster::start());
    sandbox.write("tags.jsonl", &tag("a"));
    sandbox.recipe("tags.jsonl", &cluster.sink(""));
    let invalid = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD;
    cluster.mock.request_errors(RDKafkaApiKey::Produce, &[invalid]);
    let (ran, report) = sandbox.ingest_with_report(&["--dead-letters", "dead.jsonl"]);
    ran.ends_with(1);
    assert_eq!(report["proposals"]["rejected"], 1, "{report:#}");
    assert_eq!(sandbox.json("dead.jsonl")["deadLetter"]["reason"], "rejected-by-broker");
}

#[test]
fn a_broker_that_refuses_idempotence_gets_everything_in_order() {
    let (sandbox, cluster) = (Sandbox::new(), Cluster::start());
    sandbox.write("tags.jsonl", &versions(10, 20));
    sandbox.recipe("tags.jsonl", &cluster.sink(""));
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    cluster.mock.request_errors(RDKafkaApiKey::InitProducerId, &[refused]);
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 200, "{report:#}");
    assert!(report["warnings"].to_string().contains("idempotent"), "{report:#}");
    for (key, versions) in received_versions(&cluster.messages()) {
        assert_eq!(versions, (0..20).collect::<Vec<u64>>(), "{key}");
    }
}

#[test]
fn a_broker_that_stops_leaves_the_rest_undelivered_and_a_resume_completes() {
    let (sandbox, cluster) = (Sandbox::new(), Cluster::start());
    sandbox.write("tags.jsonl", &versions(50, 100));
    sandbox.recipe("tags.jsonl", &cluster.sink(", max_queue_full_block_seconds: 2"));
    // An error that is retried until the message's time is over.
    let away = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
    cluster.mock.request_errors(RDKafkaApiKey::Produce, &vec![away; 10_000]);
    let (ran, report) = sandbox.ingest_with_report(&[]);
    diagnosed(ran, &report, 4, "kafka.unreachable", "no Kafka broker");
    assert!(report["proposals"]["undelivered"].as_u64() > Some(0), "{report:#}");
    assert!(report["resume"]["command"].as_str().is_some(), "{report:#}");
    cluster.mock.clear_request_errors(RDKafkaApiKey::Produce);
    let (ran, report) = sandbox.ingest_with_report(&["--resume"]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["undelivered"], 0, "{report:#}");
    for (key, mut versions) in received_versions(&cluster.messages()) {
        versions.reverse();
        let mut seen = std::collections::HashSet::new();
        versions.retain(|version| seen.insert(*version));
        versions.reverse();
        assert_eq!(versions, (0..100).collect::<Vec<u64>>(), "{key}");
    }
}

#[test]
fn retried_requests_keep_the_order_and_lose_nothing() {
    let (sandbox, cluster) =
        (Sandbox::new(), Cluster::with(3, 3, |_| Response::Status(200, r#"{"id": 1}"#.into())));
    sandbox.write("tags.jsonl", &versions(50, 100));
    sandbox.recipe("tags.jsonl", &cluster.sink(""));
    let errors = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
    ];
    cluster.mock.request_errors(RDKafkaApiKey::Produce, &errors);
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 5_000, "{report:#}");
    for (key, mut versions) in received_versions(&cluster.messages()) {
        versions.dedup();
        assert_eq!(versions, (0..100).collect::<Vec<u64>>(), "{key}");
    }
}
