use std::fs::{self, OpenOptions};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn identity() -> SpoolIdentity {
    SpoolIdentity { run_id: "sqlite-1".into(), started_at: "2026-12-01T00:00:00Z".into() }
}

fn read_all(spool: &Arc<Spool>) -> Vec<Frame> {
    let mut reader = SpoolReader::new(Arc::clone(spool), SpoolPosition::default());
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

fn record(content: &[u8]) -> Frame {
    Frame { kind: FrameKind::Record, content: content.to_vec() }
}

#[test]
fn a_reader_follows_the_writer_through_segments() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("spool");
    let (spool, mut writer) = Spool::create(&directory, identity(), 4096).unwrap();
    let writing = std::thread::spawn(move || {
        for number in 0..200_u32 {
            writer.append(FrameKind::Record, number.to_string().as_bytes()).unwrap();
        }
        writer.finish(true).unwrap();
    });
    let mut reader = SpoolReader::new(Arc::clone(&spool), SpoolPosition::default());
    for number in 0..200_u32 {
        assert_eq!(reader.next().unwrap().unwrap(), record(number.to_string().as_bytes()));
        spool.release(reader.position());
    }
    assert_eq!(reader.next().unwrap().unwrap().kind, FrameKind::End);
    assert_eq!(reader.next().unwrap(), None);
    writing.join().unwrap();
    assert!(spool.lock().first > 0, "segments that were read are removed");
    Spool::remove(&directory).unwrap();
    assert!(!directory.exists());
}

#[test]
fn a_full_spool_refuses_records_once_nothing_is_released() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, mut writer) = Spool::create(directory.path(), identity(), 1000).unwrap();
    spool.end_release();
    let mut written = 0;
    let error = loop {
        match writer.append(FrameKind::Record, &[b'x'; 91]) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AppendError::Full));
    assert!(spool.bytes() <= 1000);
    drop(writer);
    assert_eq!(read_all(&spool).len(), written);
}

#[test]
fn a_writer_continues_when_segments_are_released() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, mut writer) = Spool::create(directory.path(), identity(), 1000).unwrap();
    let mut reader = SpoolReader::new(Arc::clone(&spool), SpoolPosition::default());
    let writing = std::thread::spawn(move || {
        for _ in 0..100 {
            writer.append(FrameKind::Record, &[b'x'; 91]).unwrap();
        }
    });
    for _ in 0..100 {
        reader.next().unwrap().unwrap();
        assert!(spool.bytes() <= 1000);
        spool.release(reader.position());
    }
    writing.join().unwrap();
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let _spool = Spool::create(directory.path(), identity(), 1 << 20).unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_changed_byte_in_the_middle_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let (_, mut writer) = Spool::create(directory.path(), identity(), 1 << 20).unwrap();
    for content in ["first", "second", "third"] {
        writer.append(FrameKind::Record, content.as_bytes()).unwrap();
    }
    drop(writer);
    let path = directory.path().join("00000000.spool");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(6).position(|window| window == b"second").unwrap();
    bytes[at] = b'x';
    fs::write(&path, bytes).unwrap();
    let mut reader =
        SpoolReader::new(Spool::open(directory.path()).unwrap().unwrap(), SpoolPosition::default());
    assert_eq!(reader.next().unwrap().unwrap(), record(b"first"));
    assert!(matches!(reader.next(), Err(ReadSpoolError::Damaged { segment: 0, .. })));
}

proptest! {
    /// Wherever the process dies, every record that was written before is read again.
    #[test]
    fn a_crash_loses_nothing_that_was_written(
        contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..30),
        max_bytes in 400_u64..4000,
        cut in any::<proptest::sample::Index>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let (spool, mut writer) = Spool::create(directory.path(), identity(), 1 << 30).unwrap();
        writer.limit_segments(max_bytes);
        // The state of the disk after each frame: the last segment, and its length.
        let mut states = vec![(0, 16)];
        for content in &contents {
            writer.append(FrameKind::Record, content).unwrap();
            let progress = spool.lock();
            states.push((progress.last(), *progress.sizes.back().unwrap()));
        }
        drop(writer);
        let (last, length) = *states.last().unwrap();
        let cut = cut.index(usize::try_from(length).unwrap() + 1) as u64;
        prop_assume!(cut >= 16);
        let file = OpenOptions::new().write(true).open(spool.segment_path(last)).unwrap();
        file.set_len(cut).unwrap();
        let whole = states.iter().filter(|(segment, end)| *segment < last || *end <= cut).count() - 1;
        let reopened = Spool::open(directory.path()).unwrap().unwrap();
        prop_assert_eq!(reopened.identity(), &identity());
        let expected: Vec<Frame> = contents.iter().take(whole).map(|content| record(content)).collect();
        prop_assert_eq!(read_all(&reopened), expected);
    }

    /// A reader that starts at a position continues there.
    #[test]
    fn reading_continues_at_any_position(contents in proptest::collection::vec(".{0,40}", 1..40), at in any::<proptest::sample::Index>()) {
        let directory = tempfile::tempdir().unwrap();
        let (spool, mut writer) = Spool::create(directory.path(), identity(), 1 << 30).unwrap();
        writer.limit_segments(200);
        for content in &contents {
            writer.append(FrameKind::Record, content.as_bytes()).unwrap();
        }
        drop(writer);
        let at = at.index(contents.len());
        let mut reader = SpoolReader::new(Arc::clone(&spool), SpoolPosition::default());
        for _ in 0..at {
            reader.next().unwrap();
        }
        let position = reader.position();
        spool.release(position);
        let mut resumed = SpoolReader::new(Spool::open(directory.path()).unwrap().unwrap(), position);
        let rest: Vec<Frame> = std::iter::from_fn(|| resumed.next().unwrap()).collect();
        prop_assert_eq!(rest, contents.iter().skip(at).map(|content| record(content.as_bytes())).collect::<Vec<_>>());
    }
}
