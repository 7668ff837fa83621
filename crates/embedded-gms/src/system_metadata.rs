//! System metadata: when and by which run an aspect was written (`SystemMetadata.pdl`). It is stored as
//! received, with missing members added.

use crate::tree::{Node, Object};
/// The run id of writes without one.
pub(super) const NO_RUN: &str = "no-run-id-provided";

/// The system metadata of a write that has none.
pub(super) fn default(time: i64) -> String {
    format!(r#"{{"lastObserved":{time},"runId":"{NO_RUN}","lastRunId":"{NO_RUN}"}}"#)
}

/// Adds a missing run id and time, as GMS does (`generateSystemMetadataIfEmpty`).
pub(super) fn completed(text: &str, time: i64) -> String {
    changed(text, |members| {
        if members.get("runId").is_none_or(Node::is_null) {
            members.set("runId", Node::string(NO_RUN));
        }
        if members.get("lastObserved").is_none_or(|seen| matches!(seen.to_string().as_str(), "0" | "null")) {
            members.set("lastObserved", Node::new(time.to_string()));
        }
    })
}

/// The stored system metadata after another observation of the same value: its time, and its run as the last
/// run.
pub(super) fn observed_again(stored: &str, new: &str) -> String {
    let mut new = Node::new(new);
    let Ok(Some(new)) = new.members() else { return stored.to_owned() };
    changed(stored, |members| {
        for (from, to) in [("lastObserved", "lastObserved"), ("runId", "lastRunId")] {
            if let Some(value) = new.remove(from) {
                members.set(to, value);
            }
        }
    })
}

/// Adds the version number, which `If-Version-Match` refers to, unless there is one.
pub(super) fn with_version(text: &str, number: i64) -> String {
    changed(text, |members| {
        if members.get("version").is_none() {
            members.set("version", Node::string(&number.to_string()));
        }
    })
}

fn changed(text: &str, change: impl FnOnce(&mut Object)) -> String {
    let mut node = Node::new(text);
    // Only objects are stored.
    if let Ok(Some(members)) = node.members() {
        change(members);
    }
    node.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_members_are_added() {
        let full = r#"{"lastObserved":5,"runId":"r","properties":{"a":"1.0"}}"#;
        assert_eq!(completed(full, 7), full);
        assert_eq!(
            completed(r#"{"x":1.0}"#, 7),
            r#"{"x":1.0,"runId":"no-run-id-provided","lastObserved":7}"#
        );
        assert_eq!(completed(r#"{"lastObserved":0,"runId":"r"}"#, 7), r#"{"lastObserved":7,"runId":"r"}"#);
        assert_eq!(
            with_version(full, 3),
            full.replace('}', "").replace("\"1.0\"", "\"1.0\"}") + r#","version":"3"}"#
        );
        assert_eq!(with_version(r#"{"version":"9"}"#, 3), r#"{"version":"9"}"#);
    }

    #[test]
    fn another_observation_changes_two_members() {
        let stored = r#"{"lastObserved":5,"runId":"r1","lastRunId":"r0","z":1.10}"#;
        assert_eq!(
            observed_again(stored, r#"{"runId":"r2","lastObserved":6}"#),
            r#"{"lastObserved":6,"runId":"r1","lastRunId":"r2","z":1.10}"#
        );
    }
}
