use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::splitting::object;
use crate::metadata::Origin;
use crate::source::file::{FileSource, FileSourceConfig};
use crate::source::{Item, Position, Source as _};

/// The position and content of an item, for a comparison.
fn outline(item: &Item) -> String {
    let place = |origin: &Origin| format!("{}#{} at {}", origin.file, origin.index, origin.offset);
    match item {
        Item::Record { proposals, filtered } => {
            let places: Vec<_> = proposals.iter().filter_map(|one| one.origin()).map(place).collect();
            format!("{places:?} {filtered} {proposals:?}")
        }
        Item::Invalid(record) => format!("{} {} {:?}", place(&record.origin), record.reason, record.raw),
        Item::Ignored(origin, why) => format!("{} {why}", place(origin)),
    }
}

fn open(path: &Path) -> FileSource {
    let mut config = FileSourceConfig::new(path.to_string_lossy());
    config.file_extension = None;
    FileSource::open(config).unwrap()
}

/// Everything that comes, each with the place behind it.
fn rest(source: &mut FileSource) -> Vec<(String, Position)> {
    let mut all = Vec::new();
    while let Some(item) = source.next().unwrap() {
        all.push((outline(&item), source.position()));
    }
    all
}

/// From every place where a source once stood, it gives the same rest, and stands at the same places.
fn check(path: &Path) {
    let all = rest(&mut open(path));
    for (number, (_, position)) in all.iter().enumerate() {
        let mut source = open(path);
        source.seek(*position).unwrap();
        assert_eq!(source.position(), *position);
        assert_eq!(rest(&mut source), all[number + 1..], "from {position:?}");
        assert_eq!(source.progress().bytes, open(path).progress().total_bytes.unwrap());
    }
    let mut source = open(path);
    source.seek(Position::default()).unwrap();
    assert_eq!(rest(&mut source), all);
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn record(number: usize) -> String {
    format!(
        r#"{{"entityType":"tag","entityUrn":"urn:li:tag:t{number}","changeType":"UPSERT","aspectName":"status","aspect":{{"json":{{"removed":false}}}}}}"#
    )
}

#[test]
fn every_form_goes_on_from_every_record() {
    let records: Vec<String> = (0..4).map(record).collect();
    let pretty: Vec<String> = records
        .iter()
        .map(|text| format!("{:#}", serde_json::from_str::<serde_json::Value>(text).unwrap()))
        .collect();
    for text in [
        format!("\u{feff} [ {} ] \n", records.join(" ,\n ")),
        records.join("\n"),
        pretty.join("\n\n"),
        // Broken in every way that the splitter knows.
        format!("[{0},,7,{0} {0},{0},]", records[0]),
        format!("[{0},{0}]x{0}", records[0]),
        format!("[{0},{0}", records[0]),
        format!("[{0},{{\"a\":]}},{0}]", records[0]),
        format!("{0}\n{{\"a\":\n{0}\n7\n{{\"a\":]}}\n{0}\n{{\"a\":\"", records[0]),
        "[]".into(),
        " \n".into(),
    ] {
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in [("a.json", text.clone().into_bytes()), ("a.gz", gzip(text.as_bytes()))] {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            check(&path);
        }
        check(directory.path());
    }
}

#[test]
fn gzip_that_breaks_off_is_told_once() {
    let text: String = (0..9_000).map(|number| record(number) + "\n").collect();
    let packed = gzip(text.as_bytes());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cut.gz");
    for cut in [packed.len() - 4, packed.len() / 2] {
        std::fs::write(&path, &packed[..cut]).unwrap();
        let all = rest(&mut open(&path));
        assert!(all.last().unwrap().0.contains("gzip"), "{:?}", all.last());
        for number in [0, all.len() / 2, all.len() - 2, all.len() - 1] {
            let mut source = open(&path);
            source.seek(all[number].1).unwrap();
            assert_eq!(rest(&mut source), all[number + 1..], "from {number} of {}", all.len());
        }
    }
}

#[test]
fn a_place_that_is_not_there_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.json");
    std::fs::write(&path, record(0)).unwrap();
    let place = Position { record: 1, offset: 100_000, form: crate::source::Form::Objects, file: 0 };
    assert!(open(&path).seek(place).is_err());
    assert!(open(&path).seek(Position { file: 7, ..place }).is_err());
    std::fs::write(&path, gzip(record(0).as_bytes())).unwrap();
    assert!(open(&path).seek(place).is_err());
}

#[test]
fn an_input_is_known_again_and_its_changes_are_seen() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.json");
    let long = |middle: char| format!("{}{middle}{}", " ".repeat(70_000), " ".repeat(70_000));
    std::fs::write(&path, long('x')).unwrap();
    let input = || open(directory.path()).input().unwrap().unwrap();
    let before = input();
    assert_eq!(before, input());
    assert_eq!((before.files[0].name.as_str(), before.files[0].size), ("a.json", 140_001));
    std::fs::write(directory.path().join("b.json"), "{}").unwrap();
    assert!(before.changes(&input()).unwrap().to_string().contains("\"b.json\" is new"));
    std::fs::remove_file(directory.path().join("b.json")).unwrap();
    std::fs::write(&path, long('x').replacen(' ', "{", 1)).unwrap();
    assert!(before.changes(&input()).unwrap().to_string().contains("content of \"a.json\""));
    // Neither standard input nor a stream that someone gives can be read twice.
    assert!(FileSource::open(FileSourceConfig::new("-")).unwrap().input().unwrap().is_none());
    let stream = FileSource::from_reader(FileSourceConfig::new("x"), "x", std::io::empty()).unwrap();
    assert!(stream.input().unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn from_any_record_comes_the_same_rest(
        objects in prop::collection::vec((object(), any::<bool>()), 0..7),
        array: bool,
        packed: bool,
        cut in 0_usize..40,
    ) {
        let parts: Vec<String> = objects
            .iter()
            .map(|(object, pretty)| if *pretty { format!("{object:#}") } else { object.to_string() })
            .collect();
        let mut text = if array { format!("[{}]", parts.join(",\n")) } else { parts.join("\n") }.into_bytes();
        // Half of them are whole.
        text.truncate(text.len().saturating_sub(cut.saturating_sub(20)));
        // The look at a file's encoding reads a shorter one to its end, and its last record then says so.
        prop_assume!(text.len() >= 6);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        std::fs::write(&path, if packed { gzip(&text) } else { text }).unwrap();
        check(&path);
    }
}
