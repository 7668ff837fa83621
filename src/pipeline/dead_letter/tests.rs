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

fn letters(directory: &tempfile::TempDir) -> (PathBuf, DeadLetters) {
    let path = directory.path().join("dead-letters.jsonl");
    (path.clone(), DeadLetters::new(path, "file-1".into()))
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_rejected_proposal_is_kept_as_a_record() {
    let directory = tempfile::tempdir().unwrap();
    let (path, letters) = letters(&directory);
    assert!(letters.rejected(&proposal(), &rejection()));
    let line = lines(&path).remove(0);
    assert_eq!(line["entityUrn"], "urn:li:dataset:(urn:li:dataPlatform:hive,dö.t,PROD)");
    assert_eq!(line["aspect"], json!({"value": "{\"removed\":false}", "contentType": "application/json"}));
    let letter = &line["deadLetter"];
    assert_eq!(letter["reason"], "gms-rejected");
    assert_eq!(letter["status"], 422);
    assert_eq!(letter["message"], "no \"such\" aspect");
    assert_eq!(letter["attempts"], 2);
    assert_eq!(letter["origin"], "mcps.json#12");
    assert_eq!(letter["runId"], "file-1");
    letter["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(letters.report().records, 0, "not on the disk yet");
    assert_eq!(letters.sync(), Ok(()));
    assert_eq!(letters.report(), DeadLetterReport { path: Some(path), records: 1 });
}

#[test]
fn a_record_that_was_not_understood_keeps_its_text() {
    let directory = tempfile::tempdir().unwrap();
    let (path, letters) = letters(&directory);
    for raw in [
        RawRecord::Text(Bytes::from_static(b"{\"a\": nope")),
        RawRecord::Text(Bytes::from_static(b"\xff\xfe")),
        RawRecord::Long { length: 5_000_000 },
    ] {
        assert!(letters.invalid(&InvalidRecord { origin: origin(), reason: "not JSON".into(), raw }));
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
fn without_letters_there_is_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let (path, letters) = letters(&directory);
    letters.check_writable().unwrap();
    assert_eq!(letters.report(), DeadLetterReport::default());
    assert!(!path.exists());
}

#[test]
fn goes_on_behind_a_line_that_was_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let (path, letters) = letters(&directory);
    std::fs::write(&path, "{\"old\":1}\n{\"cut\":2}").unwrap();
    letters.rejected(&proposal(), &rejection());
    let lines = lines(&path);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1]["cut"], 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_not_counted() {
    let letters = DeadLetters::new("/dev/full".into(), "file-1".into());
    letters.check_writable().unwrap();
    assert!(!letters.rejected(&proposal(), &rejection()));
    assert!(!letters.rejected(&proposal(), &rejection()));
    let failure = letters.failure().unwrap();
    assert_eq!(failure.kind(), ErrorKind::Disk);
    assert!(failure.to_string().contains("/dev/full"), "{failure}");
    assert_eq!(letters.report().records, 0);
}

#[test]
fn a_missing_directory_is_found_before_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let letters = DeadLetters::new(directory.path().join("no/letters.jsonl"), "file-1".into());
    assert_eq!(letters.check_writable().unwrap_err().kind(), ErrorKind::Disk);
}
