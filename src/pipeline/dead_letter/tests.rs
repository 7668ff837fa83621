use std::path::Path;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::emitter::RejectionReason;
use crate::metadata::{Origin, Urn};

fn origin() -> Origin {
    Origin { file: "mcps.json".into(), index: 12, offset: 3_456 }
}

fn proposal() -> Proposal {
    let urn = Urn::parse("urn:li:dataset:(urn:li:dataPlatform:hive,dö.t,PROD)").unwrap();
    Proposal::upsert(urn, "status", r#"{"removed":false}"#).unwrap().with_origin(origin())
}

fn rejection() -> Rejection {
    Rejection::new(RejectionReason::GmsRejected, "no \"such\" aspect").with_response(422, 2)
}

fn writer(directory: &tempfile::TempDir) -> (PathBuf, DeadLetterWriter) {
    let path = directory.path().join("dead-letters.jsonl");
    (path.clone(), writer_to(path))
}

fn writer_to(path: PathBuf) -> DeadLetterWriter {
    DeadLetterWriter::new(crate::platform::Platform::default(), path, "file-1".into())
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_rejected_proposal_is_written_as_a_record() {
    let directory = tempfile::tempdir().unwrap();
    let (path, writer) = writer(&directory);
    assert!(writer.write_rejected(&proposal(), &rejection()));
    let line = lines(&path).remove(0);
    assert_eq!(line["entityUrn"], "urn:li:dataset:(urn:li:dataPlatform:hive,dö.t,PROD)");
    assert_eq!(line["aspect"], json!({"value": "{\"removed\":false}", "contentType": "application/json"}));
    let dead_letter = &line["deadLetter"];
    assert_eq!(dead_letter["reason"], "gms-rejected");
    assert_eq!(dead_letter["status"], 422);
    assert_eq!(dead_letter["message"], "no \"such\" aspect");
    assert_eq!(dead_letter["attempts"], 2);
    assert_eq!(dead_letter["origin"], "mcps.json#12");
    assert_eq!(dead_letter["runId"], "file-1");
    dead_letter["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(writer.report().records, 0, "not synced yet");
    assert_eq!(writer.sync(), Ok(()));
    assert_eq!(writer.report(), DeadLetterReport { path: Some(path), records: 1 });
}

#[test]
fn an_invalid_record_is_written_with_its_text() {
    let directory = tempfile::tempdir().unwrap();
    let (path, writer) = writer(&directory);
    for raw in [
        RawRecord::Text(Bytes::from_static(b"{\"a\": nope")),
        RawRecord::Text(Bytes::from_static(b"\xff\xfe")),
        RawRecord::Long { length: 5_000_000 },
    ] {
        assert!(writer.write_invalid(&InvalidRecord { origin: origin(), reason: "not JSON".into(), raw }));
    }
    let lines = lines(&path);
    assert_eq!(lines[0]["deadLetter"]["raw"], "{\"a\": nope");
    assert_eq!(lines[0]["deadLetter"]["reason"], "invalid-record");
    assert_eq!(lines[1]["deadLetter"]["rawBase64"], "//4=");
    assert_eq!(lines[2]["deadLetter"]["file"], "mcps.json");
    assert_eq!(lines[2]["deadLetter"]["offset"], 3_456);
    assert_eq!(lines[2]["deadLetter"]["length"], 5_000_000);
    assert!(lines.iter().all(|line| line.as_object().unwrap().len() == 1));
}

#[test]
fn without_dead_letters_there_is_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let (path, writer) = writer(&directory);
    writer.check_writable().unwrap();
    assert_eq!(writer.report(), DeadLetterReport::default());
    assert!(!path.exists());
}

#[test]
fn continues_on_a_new_line_after_one_that_was_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let (path, writer) = writer(&directory);
    std::fs::write(&path, "{\"old\":1}\n{\"cut\":2}").unwrap();
    writer.write_rejected(&proposal(), &rejection());
    let lines = lines(&path);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1]["cut"], 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported_and_not_counted() {
    let writer = writer_to("/dev/full".into());
    writer.check_writable().unwrap();
    assert!(!writer.write_rejected(&proposal(), &rejection()));
    assert!(!writer.write_rejected(&proposal(), &rejection()));
    let failure = writer.failure().unwrap();
    assert_eq!(failure.kind(), ErrorKind::Disk);
    assert!(failure.to_string().contains("/dev/full"), "{failure}");
    assert_eq!(writer.report().records, 0);
}

#[test]
fn a_missing_directory_is_found_before_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer_to(directory.path().join("no/dead-letters.jsonl"));
    assert_eq!(writer.check_writable().unwrap_err().kind(), ErrorKind::Disk);
}
