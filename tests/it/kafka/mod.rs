//! Does the sink `datahub-kafka` deliver what DataHub's consumers read, also when the cluster is in trouble?

mod avro;
mod cases;
mod cluster;
mod recipes;
mod trouble;

use serde_json::json;

use self::cluster::Cluster;
use crate::support::raw_server::Request;
use crate::support::sandbox::{Sandbox, tag};
use crate::support::server::Server;

/// CRC-32 as zlib has it, bit by bit: librdkafka's default partitioner uses it.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn a_run_writes_each_proposal_with_its_urn_as_key() {
    let (sandbox, cluster) = (Sandbox::new(), Cluster::start());
    let lines: String = (0..300).map(|number| tag(&format!("t{number}")) + "\n").collect();
    sandbox.write("tags.jsonl", &lines);
    sandbox.recipe("tags.jsonl", &cluster.sink(""));
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 300, "{report:#}");
    let sink = &report["sink"];
    assert_eq!(sink["type"], "datahub-kafka");
    assert_eq!(sink["server"], cluster.mock.bootstrap_servers());
    assert_eq!(sink["gms_version"], json!(null));
    assert_eq!((&sink["endpoint"], &sink["delivered_means"]), (&json!("kafka"), &json!("queued")));
    assert_eq!(report["requests"]["sent"], 300);

    let messages = cluster.messages();
    assert_eq!(messages.len(), 300);
    for message in &messages {
        assert_eq!(message.record["entityUrn"], message.key);
        assert_eq!(message.partition, i32::try_from(crc32(message.key.as_bytes()) % 3).unwrap());
        assert_eq!(message.record["systemMetadata"]["runId"], report["run_id"]);
        let text = message.record["aspect"]["value"].as_str().unwrap();
        assert!(text.is_ascii() && text.contains("f\\u00fcr Tests"), "{text}");
    }
    // One registration, whatever the number of records.
    let requests = cluster.registry_requests();
    let targets: Vec<&str> = requests.iter().map(Request::target).collect();
    assert_eq!(targets, ["POST /subjects/MetadataChangeProposal_v1-value/versions?normalize=False"]);
}

#[test]
fn the_summary_says_that_kafka_has_queued_the_proposals() {
    let (sandbox, cluster) = (Sandbox::new(), Cluster::start());
    sandbox.write("tags.jsonl", &tag("a"));
    sandbox.recipe("tags.jsonl", &cluster.sink(""));
    let ran = sandbox.ingest(&[]).ends_with(0);
    assert!(
        ran.stderr.contains("queued in Kafka") && ran.stderr.contains(&cluster.mock.bootstrap_servers()),
        "{ran:#?}"
    );
}

#[test]
fn proposals_that_kafka_cannot_carry_go_to_the_fallback_in_order() {
    let (sandbox, cluster, server) = (Sandbox::new(), Cluster::start(), Server::start());
    let delete = json!({
        "entityType": "tag", "entityUrn": "urn:li:tag:a", "changeType": "DELETE", "aspectName": "tagProperties",
    });
    sandbox.write("tags.jsonl", &[tag("a"), delete.to_string(), tag("b")].join("\n"));
    let fallback = format!(", rest_fallback: {{server: '{}', token: '{}'}}", server.url(), server.token());
    sandbox.recipe("tags.jsonl", &cluster.sink(&fallback));
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 3, "{report:#}");
    assert_eq!(report["token"]["source"], "recipe");
    assert_eq!(cluster.messages().len(), 2);
    assert_eq!(server.writes().len(), 1);
}

#[test]
fn without_a_fallback_they_are_dead_lettered() {
    let (sandbox, cluster) = (Sandbox::new(), Cluster::start());
    let delete = json!({
        "entityType": "tag", "entityUrn": "urn:li:tag:a", "changeType": "DELETE", "aspectName": "tagProperties",
    });
    sandbox.write("tags.jsonl", &[tag("a"), delete.to_string(), tag("b")].join("\n"));
    sandbox.recipe("tags.jsonl", &cluster.sink(""));
    let (ran, report) = sandbox.ingest_with_report(&["--dead-letters", "dead.jsonl"]);
    ran.ends_with(1);
    assert_eq!((&report["proposals"]["delivered"], &report["proposals"]["rejected"]), (&json!(2), &json!(1)));
    let dead_letter = sandbox.json("dead.jsonl");
    assert_eq!(dead_letter["deadLetter"]["reason"], "change-type-not-supported");
    assert!(
        dead_letter["deadLetter"]["message"].as_str().unwrap().contains("rest_fallback"),
        "{dead_letter}"
    );
}

#[test]
fn a_check_shows_broker_topic_and_registry() {
    let (sandbox, cluster) = (Sandbox::new(), Cluster::start());
    sandbox.write("tags.jsonl", &tag("a"));
    sandbox.recipe("tags.jsonl", &cluster.sink(""));
    let ran = sandbox.run(&["check", "recipe.yml", "--write", "--json"]).ends_with(0);
    let found = ran.json();
    let steps: Vec<&str> =
        found["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["recipe", "broker", "topic", "registry", "write"], "{found:#}");
    assert!(found["steps"][2]["observed"].as_str().unwrap().contains("3 partitions"), "{found:#}");
    assert!(cluster.messages().is_empty());
}
