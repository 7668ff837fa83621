//! Checks of every report.

/// Checks that every proposal that was read has exactly one outcome.
#[track_caller]
pub(crate) fn adds_up(report: &serde_json::Value) {
    let counts = &report["proposals"];
    let sum: u64 = ["delivered", "rejected", "undelivered", "filtered"]
        .iter()
        .map(|end| counts[end].as_u64().unwrap())
        .sum();
    assert_eq!(counts["read"], sum, "{report:#}");
}
