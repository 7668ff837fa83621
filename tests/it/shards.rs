//! Do several senders on one input deliver each proposal once, in order?

use serde_json::json;

use crate::support::sandbox::{Sandbox, numbered_tags, tag};
use crate::support::server::Server;

#[test]
fn all_shards_together_deliver_everything_once() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    sandbox.write("tags.jsonl", &(numbered_tags(200) + "{\"bad\": 1}\n"));
    let sink = format!(
        "{{type: datahub-rest, config: {{server: '{}', token: '{}'}}}}",
        server.url(),
        server.token()
    );
    sandbox.recipe("tags.jsonl", &sink);
    let (mut delivered, mut invalid) = (0, 0);
    for shard in ["1/3", "2/3", "3/3"] {
        let (ran, report) = sandbox.ingest_with_report(&["--shard", shard]);
        let counts = &report["proposals"];
        assert_eq!(counts["read"], 200, "{ran:#?}");
        let own = counts["delivered"].as_u64().unwrap();
        assert!(own > 30, "{report:#}");
        assert_eq!(counts["filtered"].as_u64().unwrap(), 200 - own);
        delivered += own;
        invalid += report["source"]["invalid"].as_u64().unwrap();
        assert_eq!(ran.code, Some(i32::from(report["source"]["invalid"] == 1)), "{ran:#?}");
    }
    assert_eq!((delivered, invalid), (200, 1));
    for number in 0..200 {
        assert!(server.aspect(&format!("urn:li:tag:t{number}"), "tagProperties").is_some());
    }
    // Each has a lock, a checkpoint and dead letters of its own.
    let state = std::fs::read_dir(sandbox.path("state/datahub-emit")).unwrap();
    let mut names: Vec<String> =
        state.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let suffixes: Vec<&str> = names.iter().map(|name| &name[name.len() - 7..]).collect();
    assert_eq!(suffixes, ["-1-of-3", "-2-of-3", "-3-of-3"], "{names:?}");
}

#[test]
fn a_shard_is_refused_with_stateful_ingestion_and_if_it_is_none() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tag("a"));
    sandbox.write(
        "recipe.yml",
        &json!({
            "pipeline_name": "p",
            "source": {"type": "file", "config": {"path": "tags.jsonl", "stateful_ingestion": {"enabled": true}}},
            "sink": {"type": "datahub-rest", "config": {"server": "http://127.0.0.1:9"}},
        })
        .to_string(),
    );
    let ran = sandbox.ingest(&["--shard", "1/2"]).ends_with(2);
    assert!(ran.stderr.contains("--shard"), "{ran:#?}");
    for shard in ["0/2", "3/2", "x"] {
        let ran = sandbox.ingest(&["--shard", shard]).ends_with(2);
        assert!(ran.stderr.contains("I/N"), "{ran:#?}");
    }
}
