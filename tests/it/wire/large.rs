//! The presets for how much goes in a request. Such records are too large for a file of cases.

use serde_json::{Value, json};

use super::capture::{self, Captured};
use super::case::Case;

/// Bytes of a body, at most.
const MAX_BYTES: usize = 15 * 1024 * 1024;

/// Runs records whose descriptions are these, and returns how many items each request has, and how many bytes.
fn sizes(sink: &Value, descriptions: &[String]) -> Vec<usize> {
    let records: Vec<Value> = descriptions
        .iter()
        .enumerate()
        .map(|(number, description)| {
            json!({
                "entityType": "tag",
                "entityUrn": format!("urn:li:tag:t{number}"),
                "changeType": "UPSERT",
                "aspectName": "tagProperties",
                "aspect": {"json": {"description": description}},
            })
        })
        .collect();
    // That there are writes is all that is to be known of them beforehand.
    let case = json!({"shows": "", "sink": sink, "records": records, "requests": [{"request": "POST"}]});
    let (ran, captured) = capture::run(&Case::parse("large", &case.to_string()));
    ran.ends_with(0);
    let writes: Vec<Captured> = captured.into_iter().filter(|captured| captured.body.is_some()).collect();
    assert!(writes.iter().all(|write| write.faults.is_empty()));
    for write in &writes {
        assert!(write.bytes <= MAX_BYTES || items(write) == 1, "{} bytes", write.bytes);
    }
    let mut sizes: Vec<usize> = writes.iter().map(items).collect();
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    sizes
}

fn items(captured: &Captured) -> usize {
    let body = captured.body.as_ref().unwrap();
    body.as_array().or_else(|| body["proposals"].as_array()).unwrap().len()
}

fn both_endpoints() -> [Value; 2] {
    // Room for all records at once, or the source would have to wait for answers.
    ["restli", "openapi"].map(|endpoint| json!({"endpoint": endpoint, "max_pending_bytes": 1 << 28}))
}

#[test]
fn a_hundred_proposals_are_a_batch() {
    let many = vec![String::new(); 250];
    for sink in both_endpoints() {
        assert_eq!(sizes(&sink, &many), [100, 100, 50], "{sink}");
    }
}

#[test]
fn no_batch_is_longer_than_the_server_takes() {
    let many = vec![String::new(); 450];
    for mut sink in both_endpoints() {
        sink["max_per_batch"] = 200.into();
        assert_eq!(sizes(&sink, &many), [200, 200, 50], "{sink}");
    }
}

#[test]
fn fifteen_mebibytes_are_a_batch() {
    let large = vec!["x".repeat(4_000_000); 6];
    for sink in both_endpoints() {
        assert_eq!(sizes(&sink, &large), [3, 3], "{sink}");
    }
}

#[test]
fn a_proposal_larger_than_that_travels_alone() {
    let large = ["x".repeat(16_000_000), "x".into(), "x".into()];
    for sink in both_endpoints() {
        assert_eq!(sizes(&sink, &large), [2, 1], "{sink}");
    }
}

#[test]
fn what_counts_is_what_is_sent() {
    // Seven bytes a letter over Rest.li, where it is escaped in a text in a text, and six over OpenAPI.
    let large = vec!["港".repeat(1_200_000); 2];
    let [restli, openapi] = both_endpoints();
    assert_eq!(sizes(&restli, &large), [1, 1]);
    assert_eq!(sizes(&openapi, &large), [2]);
}
