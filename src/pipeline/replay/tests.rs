use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::lines::{Line, LineText};
use super::*;
use crate::pipeline::dead_letter::DeadLetterWriter;
use crate::platform::Platform;
use crate::source::{InvalidRecord, RawRecord};

fn dead_letter(name: &str) -> String {
    json!({
        "entityType": "tag",
        "entityUrn": format!("urn:li:tag:{name}"),
        "changeType": "UPSERT",
        "aspectName": "tagProperties",
        "aspect": {"value": format!("{{\"name\":\"{name}\"}}"), "contentType": "application/json"},
        "deadLetter": {"reason": "gms-rejected", "status": 422, "message": "{\"entityType\": no", "attempts": 1,
            "origin": "mcps.json#12", "runId": "file-1", "at": "2026-11-23T20:15:02.480Z"},
    })
    .to_string()
}

fn raw(raw: &str) -> String {
    json!({"deadLetter": {"reason": "invalid-record", "origin": "mcps.json#3", "at": "2026-11-23T20:15:02Z", "raw": raw}})
        .to_string()
}

fn reader() -> DeadLetterReader {
    DeadLetterReader::new(Platform::default().files, "dead-letters.jsonl".into(), Timestamp::UNIX_EPOCH)
}

fn read(text: &[u8]) -> Vec<DeadLetterContent> {
    let mut reader = reader();
    let mut lines = Lines::new(text);
    let mut contents = Vec::new();
    while let Some(line) = lines.next().unwrap() {
        reader.read(&line, &mut contents);
    }
    contents
}

/// The tags' URNs of the proposals, and the reasons of the rest.
fn described(contents: &[DeadLetterContent]) -> Vec<String> {
    contents
        .iter()
        .flat_map(|content| match content {
            DeadLetterContent::Proposals { proposals, .. } => {
                proposals.iter().map(|proposal| proposal.urn().as_str().to_owned()).collect()
            }
            DeadLetterContent::Invalid(record) => vec![record.reason.clone()],
            DeadLetterContent::Ignored(_, why) => vec![(*why).to_owned()],
        })
        .collect()
}

fn invalid(content: &DeadLetterContent) -> &InvalidRecord {
    match content {
        DeadLetterContent::Invalid(record) => record,
        other => panic!("{other:?} is not invalid"),
    }
}

#[test]
fn a_dead_letter_is_the_rejected_proposal_with_its_time_and_origin() {
    let contents = read(dead_letter("a").as_bytes());
    let [DeadLetterContent::Proposals { proposals, at }] = contents.as_slice() else {
        panic!("{contents:?}")
    };
    assert_eq!(proposals[0].urn().as_str(), "urn:li:tag:a");
    assert_eq!(proposals[0].origin().unwrap().to_string(), "mcps.json#12");
    assert_eq!(at.to_string(), "2026-11-23T20:15:02.48Z");
}

#[test]
fn a_record_that_was_corrected_by_hand_has_the_time_of_the_file() {
    let corrected = dead_letter("a").replace("deadLetter", "auditHeader");
    let contents = read(corrected.as_bytes());
    let [DeadLetterContent::Proposals { proposals, at }] = contents.as_slice() else {
        panic!("{contents:?}")
    };
    assert_eq!((proposals.len(), *at), (1, Timestamp::from_microsecond(1).unwrap()));
    assert_eq!(proposals[0].origin().unwrap().to_string(), "dead-letters.jsonl#0");
}

#[test]
fn an_invalid_record_is_read_again() {
    let text = [raw(&dead_letter("a")), raw("no json"), raw(r#"{"bucket": 1, "metrics": {}}"#)].join("\n");
    let contents = read(text.as_bytes());
    assert_eq!(described(&contents[..1]), ["urn:li:tag:a"]);
    let still = invalid(&contents[1]);
    assert_eq!((still.origin.to_string().as_str(), &still.raw), ("mcps.json#3", &RawRecord::of(b"no json")));
    assert!(matches!(contents[2], DeadLetterContent::Ignored(..)));
}

#[test]
fn a_long_record_is_read_from_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mcps.jsonl");
    let record = dead_letter("a");
    std::fs::write(&path, format!("{record}\n{record}\n")).unwrap();
    let place = |file: &Path, length: usize| {
        let dead_letter = json!({"deadLetter": {"origin": "mcps.jsonl#1", "file": file, "offset": record.len() + 1,
            "length": length}});
        read(dead_letter.to_string().as_bytes())
    };
    assert_eq!(described(&place(&path, record.len())), ["urn:li:tag:a"]);
    for contents in [place(&path, record.len() + 9), place(&directory.path().join("gone"), 9)] {
        let record = invalid(&contents[0]);
        assert!(record.reason.contains("cannot be read"), "{record:?}");
        assert!(matches!(record.raw, RawRecord::Long { .. }), "{record:?}");
    }
}

#[test]
fn a_damaged_file_yields_what_is_complete_and_names_the_lines() {
    let (a, b) = (dead_letter("a"), dead_letter("b"));
    let (half, _) = a.split_at(a.len() / 2);
    let text = format!("{a}\n{half}\n\n\0\0\0\0\n{b}\n{half}{b}\n{a}{b}\n{half}");
    let described = described(&read(text.as_bytes()));
    let whole: Vec<_> = described.iter().filter_map(|text| text.strip_prefix("urn:li:tag:")).collect();
    assert_eq!(whole, ["a", "b", "b", "a", "b"]);
    let damaged: Vec<_> =
        described.iter().filter_map(|text| text.strip_prefix("line ")?.split(' ').next()).collect();
    assert_eq!(damaged, ["2", "4", "6", "7", "8"], "{described:#?}");
}

#[test]
fn bytes_that_are_not_utf8_are_an_invalid_record() {
    let text = [dead_letter("a").as_bytes(), b"\n\xff\xfe\n", dead_letter("b").as_bytes()].concat();
    let contents = read(&text);
    assert_eq!(contents.len(), 3);
    assert_eq!(invalid(&contents[1]).raw, RawRecord::of(b"\xff\xfe"));
}

#[test]
fn a_line_that_is_too_long_is_reported_with_its_length() {
    let mut reader = reader();
    let mut contents = Vec::new();
    reader.read(&Line { number: 7, offset: 100, text: LineText::TooLong(1 << 40) }, &mut contents);
    let record = invalid(&contents[0]);
    assert!(record.reason.starts_with("line 7 "), "{record:?}");
    assert_eq!((record.origin.offset, &record.raw), (100, &RawRecord::Long { length: 1 << 40 }));
}

#[test]
fn the_file_that_is_read_is_recognised_under_any_name() {
    let directory = tempfile::tempdir().unwrap();
    let dead_letters = directory.path().join("dead-letters.jsonl");
    let replay = Replay::new(Platform::default(), dead_letters.clone(), false);
    assert!(replay.check().is_err());
    std::fs::write(&dead_letters, "").unwrap();
    replay.check().unwrap();
    assert!(replay.reads(&directory.path().join("./dead-letters.jsonl")));
    assert!(!replay.reads(&directory.path().join("another.jsonl")));
    assert_eq!(replay.path_beside(), directory.path().join("dead-letters-again.jsonl"));
}

proptest! {
    /// Dead letters that were not touched come back in their order, whatever happens to the bytes of others.
    #[test]
    fn damage_affects_only_the_lines_it_touches(
        count in 2_usize..8,
        damaged in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut lines: Vec<Vec<u8>> = (0..count).map(|n| dead_letter(&format!("t{n}")).into_bytes()).collect();
        let hit = damaged.index(count);
        let place = at.index(lines[hit].len());
        lines[hit][place] = byte;
        let described = described(&read(&lines.join(&b'\n')));
        for n in (0..count).filter(|n| *n != hit) {
            prop_assert!(described.contains(&format!("urn:li:tag:t{n}")), "{described:#?}");
        }
    }

    #[test]
    fn any_bytes_are_read_to_the_end(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&bytes);
    }

    #[test]
    fn anything_like_dead_letters_is_read_to_the_end(
        text in r#"([{}\[\]",:\
]|\{"|"deadLetter":|"raw":|"entityType":|null|1){0,80}"#,
    ) {
        read(text.as_bytes());
    }

    /// The dead-letter file stores any bytes, and the reader returns them unchanged.
    #[test]
    fn a_raw_text_survives_writing_and_reading(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dead-letters.jsonl");
        let kept = DeadLetterWriter::new(Platform::default(), path.clone(), "run".into());
        let record = InvalidRecord {
            origin: crate::metadata::Origin { file: "x#y.json".into(), index: 4, offset: 0 },
            reason: "no".into(),
            raw: RawRecord::of(&bytes),
        };
        prop_assert!(kept.write_invalid(&record));
        let contents = read(&std::fs::read(path).unwrap());
        prop_assert_eq!(contents.len(), 1);
        let again = invalid(&contents[0]);
        prop_assert_eq!(&again.raw, &record.raw);
        prop_assert_eq!(&again.origin, &record.origin);
    }
}
