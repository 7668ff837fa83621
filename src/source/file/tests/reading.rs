use std::fs;
use std::io::{self, Cursor, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::ErrorKind;
use crate::metadata::Proposal;
use crate::source::file::{FileSource, FileSourceConfig};
use crate::source::{InvalidRecord, Item, RawRecord, Source};

fn record(number: usize) -> String {
    format!(
        r#"{{"entityType":"dataset","entityUrn":"urn:li:dataset:(urn:li:dataPlatform:hive,t{number},PROD)","changeType":"UPSERT","aspectName":"{}","aspect":{{"json":{{"removed":false}}}}}}"#,
        if number.is_multiple_of(2) { "status" } else { "owners" }
    )
}

fn lines(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| record(number) + "\n").collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Everything that a source gives.
#[derive(Default)]
struct All {
    proposals: Vec<Proposal>,
    filtered: u64,
    invalid: Vec<InvalidRecord>,
    ignored: usize,
    warnings: Vec<String>,
}

fn read_all(mut source: FileSource) -> All {
    let mut all = All::default();
    while let Some(item) = source.next().unwrap() {
        match item {
            Item::Record { proposals, filtered } => {
                all.proposals.extend(proposals);
                all.filtered += filtered;
            }
            Item::Invalid(invalid) => all.invalid.push(invalid),
            Item::Ignored(..) => all.ignored += 1,
        }
    }
    all.warnings = source.take_warnings();
    all
}

fn read_stream(stream: impl Read + Send + 'static) -> All {
    read_all(FileSource::from_reader(FileSourceConfig::new("-"), "-", stream).unwrap())
}

fn names(all: &All) -> Vec<String> {
    all.proposals.iter().map(|proposal| proposal.origin().unwrap().to_string()).collect()
}

#[test]
fn a_record_knows_file_index_and_offset() {
    let text = lines(0..3);
    let all = read_stream(Cursor::new(text.clone()));
    assert_eq!(names(&all), ["-#0", "-#1", "-#2"]);
    let offsets: Vec<u64> = all.proposals.iter().map(|proposal| proposal.origin().unwrap().offset).collect();
    let length = record(0).len() as u64 + 1;
    assert_eq!(offsets, [0, length, 2 * length]);
}

#[test]
fn a_record_that_is_not_understood_is_kept_with_its_place_and_the_rest_goes_on() {
    let text = format!("[{},{{\"what\":1}},{}]", record(0), record(1));
    let all = read_stream(Cursor::new(text));
    assert_eq!(names(&all), ["-#0", "-#2"]);
    let [invalid] = &all.invalid[..] else { panic!("{:?}", all.invalid) };
    assert_eq!(invalid.origin.index, 1);
    assert_eq!(invalid.origin.offset, record(0).len() as u64 + 2);
    assert_eq!(invalid.raw, RawRecord::Text(r#"{"what":1}"#.into()));
    assert!(invalid.reason.contains("of the file"), "{}", invalid.reason);
}

#[test]
fn every_record_that_is_not_understood_says_its_byte_once() {
    let sound = record(0);
    let at = sound.len() + 2;
    for text in [
        format!("[{sound},{{\"cut\": 1"),
        format!("[{sound},{{\"cut\": [1}}, {{}}]"),
        format!("[{sound}, 5]"),
        format!("[{sound}"),
        format!("{sound}\n\n{{\"cut\": 1"),
        format!("{sound}\n\n{{\"cut\": \"x}}\n"),
        format!("{sound}\n\nno json"),
        format!("{sound}\n\n{{\"what\": 1}}"),
        format!("{sound}\n\n{{\"what\" 1}}"),
    ] {
        let all = read_stream(Cursor::new(text.clone()));
        let [invalid] = &all.invalid[..] else { panic!("{text}: {:?}", all.invalid) };
        let (_, place) = invalid.reason.split_once("(byte ").unwrap();
        let place: usize = place.split_once(" of the file)").unwrap().0.parse().unwrap();
        assert!((at - 1..=text.len()).contains(&place), "{text}: {}", invalid.reason);
        assert_eq!(invalid.reason.matches("byte").count(), 1, "{}", invalid.reason);
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_is_passed_over_with_a_word() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.json"), record(0)).unwrap();
    std::os::unix::fs::symlink("not-there", directory.path().join("x.json")).unwrap();
    let path = directory.path().to_str().unwrap();
    let all = read_all(FileSource::open(FileSourceConfig::new(path)).unwrap());
    assert_eq!(all.proposals.len(), 1);
    assert!(all.warnings.len() == 1 && all.warnings[0].contains("x.json"), "{:?}", all.warnings);

    fs::remove_file(directory.path().join("a.json")).unwrap();
    let error = FileSource::open(FileSourceConfig::new(path)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("x.json"), "{error}");
}

#[test]
fn only_the_aspect_that_is_asked_for_is_kept_and_the_others_are_counted() {
    let config = FileSourceConfig { aspect: Some("status".into()), ..FileSourceConfig::new("-") };
    let all = read_all(FileSource::from_reader(config, "-", Cursor::new(lines(0..5))).unwrap());
    assert_eq!(all.proposals.len(), 3);
    assert_eq!(all.filtered, 2);
}

#[test]
fn usage_records_are_ignored_with_one_warning() {
    let usage = r#"{"bucket":1,"duration":"DAY","resource":"urn:li:dataset:x","metrics":{}}"#;
    let all = read_stream(Cursor::new(format!("{usage}\n{}{usage}\n", lines(0..1))));
    assert_eq!((all.ignored, all.proposals.len()), (2, 1));
    assert_eq!(all.warnings.len(), 1, "{:?}", all.warnings);
}

#[test]
fn an_empty_file_is_warned_of_and_an_empty_array_is_not() {
    assert_eq!(read_stream(Cursor::new(" \n")).warnings, ["- is empty: it contains no record"]);
    assert!(read_stream(Cursor::new("[]")).warnings.is_empty());
}

#[test]
fn gzip_is_known_by_its_content_also_in_several_members() {
    let mut packed = gzip(&lines(0..10));
    packed.extend(gzip(&lines(10..20)));
    let all = read_stream(Cursor::new(packed));
    assert_eq!((all.proposals.len(), all.invalid.len()), (20, 0));
    let all = read_stream(Cursor::new(gzip("")));
    assert_eq!(all.warnings.len(), 1);
}

#[test]
fn gzip_that_breaks_off_keeps_the_records_before_the_break() {
    let text = lines(0..2000);
    let packed = gzip(&text);
    let all = read_stream(Cursor::new(packed[..packed.len() / 2].to_vec()));
    assert!(all.proposals.len() > 500, "{}", all.proposals.len());
    let [invalid] = &all.invalid[..] else { panic!("{:?}", all.invalid) };
    assert!(invalid.reason.contains("gzip"), "{}", invalid.reason);

    // Only the checksum is missing: every record is there, and the truncation is reported.
    let all = read_stream(Cursor::new(packed[..packed.len() - 4].to_vec()));
    assert_eq!((all.proposals.len(), all.invalid.len()), (2000, 1));
}

#[test]
fn corrupt_gzip_never_loses_what_came_long_before() {
    let text = lines(0..4000);
    let packed = gzip(&text);
    for place in (packed.len() / 2..packed.len()).step_by(packed.len() / 50) {
        let mut broken = packed.clone();
        broken[place] ^= 0x55;
        let all = read_stream(Cursor::new(broken));
        assert!(all.proposals.len() > 500, "{} at {place}", all.proposals.len());
        assert!(!all.invalid.is_empty());
    }
}

#[test]
fn a_directory_gives_its_files_in_the_order_of_their_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(path.join("b.json"), lines(0..1)).unwrap();
    fs::write(path.join("a.json"), format!("[{}]", record(1))).unwrap();
    fs::write(path.join("c.jsonl"), lines(2..4)).unwrap();
    fs::write(path.join("d.json.gz"), gzip(&lines(4..5))).unwrap();
    fs::create_dir(path.join("e.json")).unwrap();
    fs::write(path.join("e.json").join("f.json"), lines(5..6)).unwrap();

    let shown = path.to_string_lossy().into_owned();
    let config = FileSourceConfig::new(shown.clone());
    let mut source = FileSource::open(config.clone()).unwrap();
    let total: u64 = source.progress().total_bytes.unwrap();
    assert_eq!(total, 2 * record(0).len() as u64 + 3);
    let Some(Item::Record { proposals, .. }) = source.next().unwrap() else {
        panic!("a record comes first");
    };
    assert_eq!(proposals[0].origin().unwrap().to_string(), format!("{shown}/a.json#0"));
    while source.next().unwrap().is_some() {}
    assert_eq!(source.progress().bytes, total);

    let all = FileSourceConfig { file_extension: None, ..config.clone() };
    let all = read_all(FileSource::open(all).unwrap());
    let files: Vec<String> = names(&all).iter().map(|name| name.replace(&format!("{shown}/"), "")).collect();
    assert_eq!(files, ["a.json#0", "b.json#0", "c.jsonl#0", "c.jsonl#1", "d.json.gz#0"]);

    let none = FileSourceConfig { file_extension: Some(".avro".into()), ..config };
    let error = FileSource::open(none).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains(&shown) && error.to_string().contains(".avro"), "{error}");
}

#[test]
fn a_single_file_is_read_whatever_its_name_and_a_missing_one_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("records.txt");
    fs::write(&path, lines(0..2)).unwrap();
    let config = FileSourceConfig::new(path.to_string_lossy());
    assert_eq!(read_all(FileSource::open(config).unwrap()).proposals.len(), 2);

    let missing = directory.path().join("no.json");
    let error = FileSource::open(FileSourceConfig::new(missing.to_string_lossy())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("no.json"), "{error}");
}

/// Gives its bytes, and then an error.
struct Failing(Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the disk is gone")),
            count => Ok(count),
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_on_is_an_error_with_the_place_packed_or_not() {
    let plain = lines(0..100);
    let packed = gzip(&plain);
    let packed = packed[..packed.len() / 2].to_vec();
    for bytes in [plain.into_bytes(), packed] {
        let stream = Failing(Cursor::new(bytes));
        let mut source = FileSource::from_reader(FileSourceConfig::new("-"), "x.json", stream).unwrap();
        let error = loop {
            match source.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the end was not reached"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains("x.json") && error.to_string().contains("byte"), "{error}");
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("the disk is gone"));
    }
}
