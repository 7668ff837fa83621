use proptest::prelude::*;

use super::*;
use crate::clock::SystemClock;
use crate::diagnosis::LibraryRenderer;

fn report() -> Report {
    Report::without_run(
        &Error::new(ErrorKind::Input, "recipe.yml: nothing in it"),
        jiff::Timestamp::UNIX_EPOCH,
        &SystemClock,
        &LibraryRenderer,
    )
}

#[test]
fn the_report_has_the_keys_of_the_contract() {
    let value = serde_json::to_value(report()).unwrap();
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "dead_letters",
            "diagnosis",
            "duration_ms",
            "failures",
            "outcome",
            "pipeline_name",
            "proposals",
            "requests",
            "resume",
            "run_id",
            "schema",
            "sink",
            "source",
            "started_at",
            "state",
            "token",
            "transformers",
            "warnings",
        ]
    );
    assert_eq!(value["outcome"], "invalid");
    assert_eq!(value["started_at"], "1970-01-01T00:00:00Z");
    assert_eq!(value["token"]["source"], "none");
}

#[test]
fn every_outcome_is_serialised_as_its_name() {
    use RunOutcome::{Delivered, DryRun, Interrupted, Invalid, Partial, Refused, Unreachable};
    for outcome in [Delivered, Partial, Refused, Unreachable, Interrupted, Invalid, DryRun] {
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
    }
}

#[test]
fn replaces_an_older_report() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("report.json");
    std::fs::write(&path, "old".repeat(10_000)).unwrap();
    report().write_to(&path, &Platform::default()).unwrap();
    let text = std::fs::read(&path).unwrap();
    serde_json::from_slice::<serde_json::Value>(&text).unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_missing_directory_is_found_before_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let platform = Platform::default();
    let error =
        output_file::check_writable(&platform, &directory.path().join("no/report.json"), OutputFile::Report)
            .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disk);
    output_file::check_writable(&platform, &directory.path().join("report.json"), OutputFile::Report)
        .unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_of_the_disk() {
    let error = report().write_to(Path::new("/dev/full"), &Platform::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disk);
    assert!(error.to_string().contains("/dev/full"), "{error}");
}

proptest! {
    #[test]
    fn counts_always_add_up(
        delivered in 0..u64::MAX / 8, rejected in 0..u64::MAX / 8, filtered in 0..u64::MAX / 8,
        undelivered in 0..u64::MAX / 8,
    ) {
        let read = delivered + rejected + filtered + undelivered;
        let counts = ProposalCounts::new(read, delivered, rejected, filtered);
        prop_assert_eq!(counts.undelivered, undelivered);
        prop_assert_eq!(
            counts.read,
            counts.delivered + counts.rejected + counts.undelivered + counts.filtered
        );
    }
}
