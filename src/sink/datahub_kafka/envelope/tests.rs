use std::io::Write as _;

use proptest::prelude::*;

use super::*;
use crate::metadata::Urn;

fn long(value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    push_long(&mut out, value);
    out
}

#[test]
fn numbers_are_zigzag_varints() {
    for (value, bytes) in [
        (0, &[0x00][..]),
        (-1, &[0x01]),
        (1, &[0x02]),
        (-64, &[0x7f]),
        (64, &[0x80, 0x01]),
        (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
    ] {
        assert_eq!(long(value), bytes, "{value}");
    }
}

/// A message of DataHub's Python client, byte for byte, but for the blank in its JSON.
#[test]
fn a_message_has_pythons_bytes() {
    let urn = Urn::parse("urn:li:dataset:(urn:li:dataPlatform:mysql,db.t1,PROD)").unwrap();
    let proposal = Proposal::upsert(urn, "status", r#"{"removed": false}"#)
        .unwrap()
        .with_run_id("file-2026_11_30-18_09_22-1pqouj");
    let mut message = Vec::new();
    push_message(&mut message, 1, &proposal, 1_796_062_166_527);
    let mut expected = Vec::new();
    expected.extend([0, 0, 0, 0, 1, 0]);
    expected
        .write_all(b"\x0edataset\x02jurn:li:dataset:(urn:li:dataPlatform:mysql,db.t1,PROD)\x00\x00")
        .unwrap();
    expected.write_all(b"\x02\x0cstatus\x02\x22{\"removed\":false} application/json").unwrap();
    expected.extend([0x02, 0x00, 0xfe, 0xf7, 0xad, 0xda, 0xc5, 0x68]);
    expected.write_all(b"\x00>file-2026_11_30-18_09_22-1pqouj\x00$no-run-id-provided").unwrap();
    expected.extend([0; 9]);
    assert_eq!(message, expected);
}

#[test]
fn system_metadata_of_any_form_is_encoded() {
    let urn = Urn::parse("urn:li:tag:a").unwrap();
    let mut metadata = SystemMetadata::default();
    for (name, json) in [
        ("version", "3"),
        ("schemaVersion", "2"),
        ("registryName", "null"),
        ("aspectCreated", r#"{"time":5,"actor":"urn:li:corpuser:a"}"#),
        ("unknown", "[1]"),
    ] {
        metadata.other.push((name.to_owned(), json.into()));
    }
    let proposal = Proposal::delete(urn, "status").with_system_metadata(metadata);
    let mut message = Vec::new();
    push_message(&mut message, 0, &proposal, 7);
    let mut tail = Vec::new();
    // No headers, no aspectModified; the audit stamp; schemaVersion 2; no version, which is not a string.
    tail.extend([0x00, 0x02, 0x04, 0x02, 0x0a]);
    push_string(&mut tail, "urn:li:corpuser:a");
    tail.extend([0x00, 0x00, 0x00, 0x00]);
    assert!(message.ends_with(&tail), "{message:x?}");
}

proptest! {
    #[test]
    fn a_number_decodes_to_itself(value: i64) {
        let decoded = long(value).iter().rev().fold(0_u128, |sum, byte| (sum << 7) | u128::from(byte & 0x7f));
        let decoded = u64::try_from(decoded).unwrap();
        prop_assert_eq!((decoded >> 1).cast_signed() ^ -(decoded & 1).cast_signed(), value);
    }

    #[test]
    fn aspects_are_ascii(text in "\\PC{0,40}") {
        let aspect = Aspect::from_serialize(&text).unwrap();
        let mut out = Vec::new();
        push_aspect(&mut out, &aspect);
        let length = usize::from(out[0] >> 1);
        prop_assert!(length > 63 || out[1..].is_ascii());
    }
}

#[test]
fn the_registration_has_pythons_form() {
    let body: serde_json::Value = serde_json::from_slice(&registration_body()).unwrap();
    assert_eq!(body["schema"], SCHEMA);
    assert_eq!((&body["schemaType"], &body["references"]), (&"AVRO".into(), &serde_json::json!([])));
    assert_eq!(SCHEMA.len(), 13_033);
}
