use datahub_emitter::clock::SystemClock;
use datahub_emitter::diagnosis::{Code, Diagnosis, Evidence, Fix, Summary as Cause};
use datahub_emitter::metadata::Urn;
use datahub_emitter::pipeline::{ProposalCounts, Report};
use datahub_emitter::sink::DeliveredMeans;
use datahub_emitter::{Error, ErrorKind};

use super::*;
use crate::cli::renderer::CommandLine;

fn report() -> Report {
    let error = Error::new(ErrorKind::Input, "");
    let mut report = Report::without_run(&error, jiff::Timestamp::UNIX_EPOCH, &SystemClock, &CommandLine);
    report.failures.clear();
    report.duration_ms = 412;
    report.source.kind = Some("file".into());
    report.source.records = 1_998;
    report.source.bytes = 1_258_292;
    report.source.complete = true;
    report.sink.kind = Some("datahub-rest".into());
    report.sink.destination.server = Some("http://gms:8080".into());
    report.sink.destination.gms_version = Some("v1.3.0".into());
    report.sink.destination.delivered_means = Some(DeliveredMeans::Queued);
    report.requests.sent = 20;
    report
}

fn counts(delivered: u64, rejected: u64, undelivered: u64) -> ProposalCounts {
    let mut counts = ProposalCounts::default();
    counts.read = delivered + rejected + undelivered;
    (counts.delivered, counts.rejected, counts.undelivered) = (delivered, rejected, undelivered);
    counts
}

fn proposal_failure(kind: FailureKind, message: &str) -> Failure {
    let mut failure = Failure::new(kind, message);
    (failure.urn, failure.aspect) = (Some("urn:li:tag:a".into()), Some("status".into()));
    failure
}

fn finished(report: Report, failure: Option<Error>) -> FinishedRun {
    let mut finished = FinishedRun::new(report, failure);
    finished.source_bytes = Some(2_000_000);
    finished
}

fn text(finished: &FinishedRun) -> String {
    Summary::new(finished, Some(Path::new("recipe.yml")), "datahub-emit", false).to_string()
}

#[test]
fn all_delivered() {
    let mut report = report();
    report.outcome = RunOutcome::Delivered;
    report.proposals = counts(2_000, 0, 0);
    let mut finished = finished(report, None);
    let mut hint = InspectHint::default();
    hint.urn = Some(Urn::parse("urn:li:dataset:(urn:li:dataPlatform:hive,a,PROD)").unwrap());
    finished.inspect_hint = Some(hint);
    insta::assert_snapshot!(text(&finished), @r"
    done: 2,000 proposals accepted (queued by GMS)
      from          1,998 records (1.2 MiB) in 0.41 s
      to            the embedded GMS, which is for first runs and tests; 20 requests
      look          datahub-emit get 'urn:li:dataset:(urn:li:dataPlatform:hive,a,PROD)' --server embedded
      serve         datahub-emit gms serve
    ");
}

#[test]
fn some_rejected_and_some_not_understood() {
    let mut report = report();
    report.outcome = RunOutcome::Partial;
    report.proposals = counts(1_990, 10, 0);
    report.source.invalid = 1;
    let mut invalid = Failure::new(FailureKind::Invalid, "not JSON:\nexpected a comma");
    invalid.origin = Some("mcps.json#7".into());
    let mut rejected = proposal_failure(FailureKind::Rejected, "not delivered, as this GMS words it");
    rejected.origin = Some("mcps.json#12".into());
    rejected.status = Some(422);
    report.failures = vec![invalid, rejected];
    report.dead_letters.path = Some("/state/dead-letters.jsonl".into());
    report.dead_letters.records = 11;
    report.warnings = vec!["`datahub_api` has no effect here".into()];
    insta::assert_snapshot!(text(&finished(report, None)), @r"
    partial: 1,990 of 2,000 proposals accepted (queued by GMS)
      from          1,998 records (1.2 MiB) in 0.41 s
      to            http://gms:8080 (GMS v1.3.0); 20 requests
      invalid       (mcps.json#7) not JSON: expected a comma
      rejected      urn:li:tag:a status (mcps.json#12) 422 not delivered, as this GMS words it
                    and 9 more like these; --report-to lists them
      dead letters  11 in /state/dead-letters.jsonl
      replay        to send them again: datahub-emit replay /state/dead-letters.jsonl -c recipe.yml
      warning       `datahub_api` has no effect here
    ");
}

#[test]
fn a_refusal_is_explained() {
    let diagnosis = Diagnosis::new(
        Code::TokenExpired,
        Cause::Other("GMS refused the token: it expired 3 days ago".to_owned()),
    )
    .with_evidence(
        ["401 from POST http://gms:8080/aspects", "the token is from env:T"]
            .map(|text| Evidence::Other(text.to_owned())),
    )
    .with_fixes([Fix::Other("export T=<token>".to_owned())]);
    let mut report = report();
    report.outcome = RunOutcome::Refused;
    report.source.complete = false;
    report.source.bytes = 780_000;
    report.proposals = counts(1_204, 0, 796);
    report.diagnosis = Some(diagnosis.render(&CommandLine));
    let mut undelivered = proposal_failure(FailureKind::Undelivered, "not delivered (refused): 401");
    undelivered.origin = Some("m#1".into());
    report.failures = vec![undelivered];
    insta::assert_snapshot!(text(&finished(report, Some(diagnosis.into()))), @r"
    error[auth.token-expired]: GMS refused the token: it expired 3 days ago
      observed      401 from POST http://gms:8080/aspects
      observed      the token is from env:T
      fix           export T=<token>
      outcome       1,204 delivered, 796 undelivered, 61% of the input unread; to send everything again: datahub-emit ingest -c recipe.yml
    ");
}

#[test]
fn a_run_that_did_not_begin_has_nothing_to_count() {
    let error = Error::new(ErrorKind::Disk, "cannot write the report /no/r.json")
        .with_source(std::io::Error::from(std::io::ErrorKind::NotFound));
    let report = Report::without_run(&error, jiff::Timestamp::UNIX_EPOCH, &SystemClock, &CommandLine);
    insta::assert_snapshot!(text(&finished(report, Some(error))), @"error: cannot write the report /no/r.json: entity not found");
}

#[test]
fn figures_are_read_at_a_glance() {
    assert_eq!(
        [grouped(0), grouped(999), grouped(1_000), grouped(1_234_567)],
        ["0", "999", "1,000", "1,234,567"]
    );
    assert_eq!([bytes(1_023), bytes(1_024), bytes(1_610_612_736)], ["1023 bytes", "1.0 KiB", "1.5 GiB"]);
    assert_eq!([seconds(412), seconds(61_000), seconds(192_000)], ["0.41 s", "61 s", "3 min 12 s"]);
    assert_eq!([shell::word("a/b.c"), shell::word("it's")], ["a/b.c", r"'it'\''s'"]);
}
