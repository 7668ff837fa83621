mod avro;
mod entities;
mod fuzz;
mod reading;
mod snapshot_kinds;
mod snapshots;
mod writing;

use super::*;
use crate::metadata::{Aspect, ChangeType, SystemMetadata, Urn};

const URN: &str = "urn:li:dataset:(urn:li:dataPlatform:hive,db.orders,PROD)";

fn origin() -> Origin {
    Origin { file: "orders.json".into(), index: 12, offset: 3400 }
}

fn proposals(record: &str) -> Vec<Proposal> {
    match read(record.as_bytes(), &RecordLimits::default(), origin()) {
        Ok(ParsedRecord::Proposals(proposals)) => proposals,
        other => panic!("{other:?}"),
    }
}

fn proposal(record: &str) -> Proposal {
    let mut found = proposals(record);
    assert_eq!(found.len(), 1);
    found.remove(0)
}

fn error(record: &str) -> RecordError {
    read(record.as_bytes(), &RecordLimits::default(), origin()).unwrap_err()
}

/// The error's reason, and what is in the record at its offset.
#[track_caller]
fn check_error(record: &str, reason: &str, at: &str) {
    let error = error(record);
    assert!(error.reason.contains(reason), "{}", error.reason);
    let place = record.get(error.offset..).unwrap();
    assert!(place.starts_with(at), "{} points at {place}", error.reason);
}

fn text(aspect: Option<&Aspect>) -> &str {
    std::str::from_utf8(&aspect.unwrap().value).unwrap()
}

/// A record of a dataset with these members behind the usual ones.
fn record(change_type: &str, aspect_name: &str, rest: &str) -> String {
    format!(
        r#"{{"entityType":"dataset","entityUrn":"{URN}","changeType":"{change_type}","aspectName":"{aspect_name}"{rest}}}"#
    )
}
