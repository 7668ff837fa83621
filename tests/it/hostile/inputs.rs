//! Inputs that change while they are read.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Once;

use serde_json::Value;

use crate::support::sandbox::{Ran, Sandbox, numbered_tags};
use crate::support::scripted_gms::{Response, ScriptedGms};

/// Runs a recipe over many records, and changes the file at the first write. The source is far from its end
/// then, because few proposals may be pending.
fn run_with_change(change: impl Fn(&Path) + Send + Sync + 'static) -> (Ran, Value) {
    let sandbox = Sandbox::new();
    let path: PathBuf = sandbox.write("tags.jsonl", &numbered_tags(20_000));
    let once = Once::new();
    let gms = ScriptedGms::start(move |_| {
        once.call_once(|| change(&path));
        Response::ok()
    });
    let sink = format!(
        "{{type: datahub-rest, config: {{server: '{}', max_pending_requests: 20, max_per_batch: 20}}}}",
        gms.url()
    );
    sandbox.recipe("tags.jsonl", &sink);
    sandbox.ingest_with_report(&[])
}

#[track_caller]
fn fails_the_source((ran, report): (Ran, Value)) {
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert_eq!(report["source"]["complete"], false, "{report}");
    assert!(ran.stderr.contains("has changed while it was read"), "{ran:#?}");
    let proposals = &report["proposals"];
    assert_eq!(proposals["delivered"], proposals["read"], "{report}");
}

/// The length of the first `lines` lines.
fn length_of(path: &Path, lines: usize) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    text.split_inclusive('\n').take(lines).map(|line| line.len() as u64).sum()
}

#[test]
fn a_file_that_shrinks_to_a_line_end_fails_the_source() {
    fails_the_source(run_with_change(|path| {
        OpenOptions::new().write(true).open(path).unwrap().set_len(length_of(path, 15_000)).unwrap();
    }));
}

#[test]
fn a_file_that_is_emptied_fails_the_source() {
    fails_the_source(run_with_change(|path| {
        OpenOptions::new().write(true).open(path).unwrap().set_len(length_of(path, 0)).unwrap();
    }));
}

#[test]
fn a_file_that_grows_fails_the_source() {
    fails_the_source(run_with_change(|path| {
        OpenOptions::new().append(true).open(path).unwrap().write_all(b"\n\n").unwrap();
    }));
}

#[test]
fn a_file_that_another_one_replaces_is_read_to_its_end() {
    let (ran, report) = run_with_change(|path| {
        let other = path.with_extension("new");
        fs::write(&other, "").unwrap();
        fs::rename(&other, path).unwrap();
    });
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(report["proposals"]["delivered"], 20_000, "{report}");
}
