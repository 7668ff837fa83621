//! The default size limits of a request. These records are too large for a fixture.

use memchr::memmem;
use serde_json::{Value, json};

use super::capture;
use super::case::Case;
use crate::support::scripted_gms::Request;

/// The maximum size of a body, in bytes.
const MAX_BYTES: usize = 15 * 1024 * 1024;

/// Sends records with these descriptions, and returns the number of proposals of each request, the largest
/// first.
fn sizes(sink: &Value, descriptions: &[String]) -> Vec<usize> {
    let records = descriptions.iter().enumerate().map(|(number, description)| {
        format!(
            r#"{{"entityType":"tag","entityUrn":"urn:li:tag:t{number}","changeType":"UPSERT","aspectName":"tagProperties","aspect":{{"json":{{"description":"{description}"}}}}}}"#
        )
    });
    let records = records.collect::<Vec<_>>().join(",");
    // The case expects writes, without saying which.
    let case =
        format!(r#"{{"shows":"","sink":{sink},"records":[{records}],"requests":[{{"request":"POST"}}]}}"#);
    let (ran, requests) = capture::requests(&Case::parse("large", &case));
    ran.ends_with(0);
    for request in requests.iter().filter(|request| proposals(request) > 1) {
        assert!(request.body.len() <= MAX_BYTES, "{} bytes", request.body.len());
    }
    let mut sizes: Vec<usize> = requests.iter().map(proposals).filter(|proposals| *proposals > 0).collect();
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    sizes
}

/// The number of proposals of the case in a request.
fn proposals(request: &Request) -> usize {
    memmem::find_iter(&request.body, "urn:li:tag:t").count()
}

fn both_endpoints() -> [Value; 2] {
    // Capacity for all records at once, or the source would have to wait for responses.
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
fn no_batch_is_longer_than_the_server_accepts() {
    let many = vec![String::new(); 450];
    for mut sink in both_endpoints() {
        sink["max_per_batch"] = 200.into();
        assert_eq!(sizes(&sink, &many), [200, 200, 50], "{sink}");
    }
}

#[test]
fn fifteen_mebibytes_are_a_batch() {
    let large = vec!["x".repeat(5_500_000); 3];
    for sink in both_endpoints() {
        assert_eq!(sizes(&sink, &large), [2, 1], "{sink}");
    }
}

#[test]
fn a_proposal_larger_than_a_batch_is_sent_alone() {
    let large = ["x".repeat(16_000_000), "x".into(), "x".into()];
    for sink in both_endpoints() {
        assert_eq!(sizes(&sink, &large), [2, 1], "{sink}");
    }
}

#[test]
fn the_size_limit_counts_encoded_bytes() {
    // Seven bytes per character over Rest.li, where it is escaped in a string within a string, and six over
    // OpenAPI.
    let large = vec!["港".repeat(1_200_000); 2];
    let [restli, openapi] = both_endpoints();
    assert_eq!(sizes(&restli, &large), [1, 1]);
    assert_eq!(sizes(&openapi, &large), [2]);
}
