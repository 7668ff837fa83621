//! Whether the layout of a file is trusted or not, the same records are found in it.

use std::io::Cursor;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Pieces, Split, split};
use crate::metadata::Origin;
use crate::metadata::record::{RecordLimits, RecordReader};
use crate::source::file::{FileSource, FileSourceConfig};
use crate::source::{Item, RawRecord, Source};

/// How records are laid out; the first is on one line.
const INDENTS: [&str; 4] = ["", " ", "    ", "\t"];

/// Separators of records.
const SEPARATORS: [&str; 6] = ["\n", "\r\n", ",\n", ",", "\n    ", ",\n  "];

/// One thing that was found: its index, its offset, and its text if it was not understood.
type Told = (u64, u64, Option<RawRecord>);

/// As the source tells it, which guesses.
fn told(text: &[u8]) -> Vec<Told> {
    let config = FileSourceConfig::new("-");
    let mut source = FileSource::from_reader(config, "-", Cursor::new(text.to_vec())).unwrap();
    let mut told = Vec::new();
    while let Some(item) = source.next().unwrap() {
        told.push(match item {
            Item::Record { proposals, .. } => {
                let origin = proposals[0].origin().unwrap().clone();
                (origin.index, origin.offset, None)
            }
            Item::Invalid(record) => (record.origin.index, record.origin.offset, Some(record.raw)),
            Item::Ignored(origin, _) => (origin.index, origin.offset, None),
        });
    }
    told
}

/// As the scan of brackets tells it, which never guesses; in small pieces, so that records go over their
/// ends.
fn scanned(text: &[u8], size: usize) -> Vec<Told> {
    let mut reader = RecordReader::new(RecordLimits::default());
    let found = split(Pieces::new(text, &[size]), RecordLimits::default().max_bytes);
    let tell = |(index, (offset, piece)): (u64, (u64, Split))| match piece {
        Split::Broken(_, raw) => (index, offset, Some(raw)),
        Split::Record(text) => {
            let origin = Origin { file: "-".into(), index, offset };
            let refused = reader.read(text.as_bytes(), origin).is_err();
            (index, offset, refused.then(|| RawRecord::of(text.as_bytes())))
        }
    };
    (0..).zip(found).map(tell).collect()
}

/// A record in one of the layouts, or what is none.
fn piece() -> impl Strategy<Value = String> {
    (0..1000_u32, select(&INDENTS[..]), 0..10_u32).prop_map(|(number, indent, kind)| {
        let record = serde_json::json!({
            "entityType": "tag", "entityUrn": format!("urn:li:tag:{number}"), "changeType": "UPSERT",
            "aspectName": "tagProperties", "aspect": {"json": {"name": "}\n{", "list": [{"a": {}}, []]}},
        });
        match (kind, indent) {
            (0, _) => "{\n\"a\": {\n}\n}".to_owned(),
            (1, _) => "{\"a\":\n{\"b\":1}}".to_owned(),
            (2, _) => "7".to_owned(),
            (_, "") => record.to_string(),
            (_, indent) => {
                let format = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
                let mut text = Vec::new();
                serde::Serialize::serialize(
                    &record,
                    &mut serde_json::Serializer::with_formatter(&mut text, format),
                )
                .unwrap();
                String::from_utf8(text).unwrap()
            }
        }
    })
}

fn file() -> impl Strategy<Value = String> {
    let several = prop::collection::vec(piece(), 0..8);
    // Mostly one layout for all, as in real files.
    let same = (piece(), 1..8_usize).prop_map(|(piece, times)| vec![piece; times]);
    (prop_oneof![several, same], select(&SEPARATORS[..]), any::<bool>()).prop_map(
        |(pieces, separator, array)| {
            let text = pieces.join(separator);
            if array { format!("[\n{text}\n]\n") } else { text + "\n" }
        },
    )
}

proptest! {
    #[test]
    fn the_same_is_found_as_by_brackets_alone(text in file(), size in 1..200_usize) {
        prop_assert_eq!(told(text.as_bytes()), scanned(text.as_bytes(), size));
    }

    #[test]
    fn also_in_a_damaged_file(text in file(), at in any::<Index>(), with in select(&b"{}[]\",\\\n x"[..]), cut in any::<bool>()) {
        let mut text = text.into_bytes();
        let at = at.index(text.len());
        if cut {
            text.drain(at..(at + 5).min(text.len()));
        } else {
            text[at] = with;
        }
        prop_assert_eq!(told(&text), scanned(&text, 64));
    }
}
