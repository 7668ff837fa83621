//! Does a run go on where the last one stopped?

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::report::adds_up;
use crate::support::sandbox::{Ran, Sandbox, read_json, tag};
use crate::support::scripted_gms::{Answer, Apart, Request, ScriptedGms};

/// Takes proposals until it is told to refuse, and knows what it took.
#[derive(Clone, Default)]
struct Taker {
    taken: Arc<Mutex<Vec<String>>>,
    /// After so many requests everyone is refused; 0 for never.
    refuses_after: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    well: Arc<AtomicBool>,
}

impl Taker {
    fn refusing_after(requests: usize) -> Self {
        let taker = Self::default();
        taker.refuses_after.store(requests, SeqCst);
        taker
    }

    fn start(&self) -> Apart {
        let taker = self.clone();
        ScriptedGms::apart(move |request| taker.answer(request))
    }

    fn answer(&self, request: &Request) -> Answer {
        let refuses_after = self.refuses_after.load(SeqCst);
        let number = self.requests.fetch_add(1, SeqCst);
        if refuses_after > 0 && number >= refuses_after && !self.well.load(SeqCst) {
            return Answer::Status(401, String::new());
        }
        self.taken.lock().unwrap().extend(request.proposals().into_iter().map(|(urn, _)| urn));
        Answer::ok()
    }

    fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("t{number}")).collect()
}

fn lines(count: usize) -> String {
    names(count).iter().map(|name| tag(name) + "\n").collect()
}

fn urns(count: usize) -> Vec<String> {
    names(count).iter().map(|name| format!("urn:li:tag:{name}")).collect()
}

fn recipe(sandbox: &Sandbox, source: &str, gms: &Apart) {
    let sink = format!(
        "{{type: datahub-rest, config: {{server: '{}', token: t, max_threads: 1, max_per_batch: 1, max_pending_requests: 50}}}}",
        gms.url()
    );
    sandbox.recipe(source, &sink);
}

fn ingest(sandbox: &Sandbox, arguments: &[&str]) -> (Ran, Value) {
    let ran = sandbox.ingest(&[&["--report-to", "report.json"], arguments].concat());
    let report = sandbox.json("report.json");
    adds_up(&report);
    (ran, report)
}

/// The one checkpoint in the sandbox's state, if there is one.
fn checkpoint(sandbox: &Sandbox) -> Option<PathBuf> {
    let pipelines = std::fs::read_dir(sandbox.path("state/datahub-emit")).ok()?;
    pipelines.map(|entry| entry.unwrap().path().join("checkpoint.json")).find(|path| path.exists())
}

/// Runs until it is refused after 30 records of 100, one a request, and returns the report.
fn refused(sandbox: &Sandbox, taker: &Taker, gms: &Apart) -> Value {
    sandbox.write("tags.jsonl", &lines(100));
    recipe(sandbox, "tags.jsonl", gms);
    let (ran, report) = ingest(sandbox, &[]);
    ran.ends_with(3);
    assert_eq!(taker.taken(), urns(30));
    report
}

#[test]
fn after_a_refusal_the_rest_is_sent_and_nothing_twice() {
    let (sandbox, taker) = (Sandbox::new(), Taker::refusing_after(30));
    let gms = taker.start();
    let report = refused(&sandbox, &taker, &gms);
    let resume = &report["resume"];
    assert_eq!((&resume["from_record"], &resume["skipped_records"]), (&30.into(), &0.into()), "{resume}");
    assert_eq!(Path::new(resume["checkpoint"].as_str().unwrap()), checkpoint(&sandbox).unwrap());

    taker.well.store(true, SeqCst);
    let (ran, report) = ingest(&sandbox, &["--resume"]);
    let ran = ran.ends_with(0);
    assert!(ran.stderr.contains("goes on at record 30"), "{ran:#?}");
    assert_eq!(taker.taken(), urns(100));
    assert_eq!((&report["proposals"]["read"], &report["source"]["records"]), (&70.into(), &70.into()));
    assert_eq!(report["resume"], Value::Null);
    assert_eq!(checkpoint(&sandbox), None, "a clean end leaves none");

    let (ran, report) = ingest(&sandbox, &["--resume"]);
    let ran = ran.ends_with(0);
    assert!(ran.stderr.contains("starts at the beginning"), "{ran:#?}");
    assert_eq!(report["proposals"]["delivered"], 100);
    assert_eq!(report["warnings"], serde_json::json!([]));
}

#[cfg(unix)]
#[test]
fn the_command_that_is_printed_works_as_it_stands() {
    let (sandbox, taker) = (Sandbox::new(), Taker::refusing_after(30));
    let gms = taker.start();
    sandbox.write("tags.jsonl", &lines(100));
    sandbox.write("a token's file", "one\n");
    recipe(&sandbox, "tags.jsonl", &gms);
    let arguments =
        ["--token-file", "a token's file", "--state-dir", "some state", "--report-to", "report.json"];
    let ran = sandbox.ingest(&arguments).ends_with(3);
    let report = sandbox.json("report.json");
    let command = report["resume"]["command"].as_str().unwrap();
    assert!(ran.stderr.contains(command), "{ran:#?}");
    assert!(report["resume"]["checkpoint"].as_str().unwrap().contains("some state"), "{report}");
    taker.well.store(true, SeqCst);
    let home = sandbox.command();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(home.get_current_dir().unwrap()).stdin(Stdio::null());
    Ran::of(&mut shell).ends_with(0);
    assert_eq!(taker.taken(), urns(100));
}

#[test]
fn without_the_flag_a_run_starts_at_the_beginning_and_warns() {
    let (sandbox, taker) = (Sandbox::new(), Taker::refusing_after(30));
    let gms = taker.start();
    refused(&sandbox, &taker, &gms);
    // One that gets nowhere leaves the other's checkpoint as it is.
    let (ran, report) = ingest(&sandbox, &[]);
    ran.ends_with(3);
    assert_eq!(report["resume"]["from_record"], 30);
    taker.well.store(true, SeqCst);
    let (ran, report) = ingest(&sandbox, &[]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 100);
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(warning.contains("left a checkpoint at record 30") && warning.contains("--resume"), "{warning}");
    assert_eq!(checkpoint(&sandbox), None);
}

#[test]
fn an_input_that_has_changed_is_not_gone_on_with() {
    let (sandbox, taker) = (Sandbox::new(), Taker::refusing_after(30));
    let gms = taker.start();
    refused(&sandbox, &taker, &gms);
    taker.well.store(true, SeqCst);
    let same_length = lines(100).replacen("t99", "u99", 2);
    for (text, what) in [
        (lines(101), "the size of"),
        (same_length, "the content of"),
        (lines(100), "the modification time (mtime) of"),
    ] {
        sandbox.write("tags.jsonl", &text);
        let (ran, report) = ingest(&sandbox, &["--resume"]);
        let ran = ran.ends_with(2);
        for words in ["the input has changed", what, "tags.jsonl", "--restart"] {
            assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
        }
        assert_eq!(report["outcome"], "invalid");
    }
    assert_eq!(taker.taken().len(), 30, "nothing was sent");
    let (ran, report) = ingest(&sandbox, &["--restart"]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 100);
    assert_eq!(report["warnings"], serde_json::json!([]));
}

#[test]
fn standard_input_cannot_be_resumed() {
    let (sandbox, taker) = (Sandbox::new(), Taker::refusing_after(30));
    let gms = taker.start();
    let sink = format!("{{type: datahub-rest, config: {{server: '{}', token: t}}}}", gms.url());
    sandbox.write("recipe.yml", &format!("source: {{type: file, config: {{path: '-'}}}}\nsink: {sink}\n"));
    let ran = sandbox.ingest(&["--resume"]).ends_with(2);
    assert!(ran.stderr.contains("standard input"), "{ran:#?}");
    // Nor is anything kept of it.
    sandbox.ingest(&["--report-to", "report.json"]).ends_with(0);
    assert_eq!(sandbox.json("report.json")["resume"], Value::Null);
    assert_eq!(checkpoint(&sandbox), None);
}

#[test]
fn a_damaged_checkpoint_is_named_and_can_be_discarded() {
    let (sandbox, taker) = (Sandbox::new(), Taker::refusing_after(30));
    let gms = taker.start();
    refused(&sandbox, &taker, &gms);
    taker.well.store(true, SeqCst);
    let path = checkpoint(&sandbox).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"number\":30", "\"number\":90", 1)).unwrap();
    let ran = sandbox.ingest(&["--resume"]).ends_with(2);
    for words in [&*path.to_string_lossy(), "damaged", "--restart"] {
        assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
    }
    assert_eq!(taker.taken().len(), 30, "nothing was sent");
    let damaged = std::fs::read(&path).unwrap();
    let (ran, report) = ingest(&sandbox, &["--restart"]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 100);
    // Without a flag it is a warning, once.
    std::fs::write(&path, damaged).unwrap();
    let (ran, report) = ingest(&sandbox, &[]);
    ran.ends_with(0);
    assert!(report["warnings"][0].as_str().unwrap().contains("damaged"), "{report:#}");
    assert_eq!(checkpoint(&sandbox), None);
}

#[test]
fn a_dry_run_and_a_preview_leave_the_checkpoint_alone() {
    let (sandbox, taker) = (Sandbox::new(), Taker::refusing_after(30));
    let gms = taker.start();
    refused(&sandbox, &taker, &gms);
    let path = checkpoint(&sandbox).unwrap();
    let before = std::fs::read(&path).unwrap();
    for arguments in [
        &["--dry-run"][..],
        &["--preview=2"],
        &["--dry-run", "--restart"],
        &["--preview", "--restart"],
        &["--dry-run", "--resume"],
    ] {
        let (ran, report) = ingest(&sandbox, arguments);
        ran.ends_with(0);
        assert_eq!(report["resume"], Value::Null);
        assert_eq!(std::fs::read(&path).unwrap(), before, "{arguments:?}");
    }
    // A dry run that resumes shows what is left.
    let (_, report) = ingest(&sandbox, &["--dry-run", "--resume"]);
    assert_eq!(report["proposals"]["filtered"], 70);
}

#[test]
fn a_dry_run_and_a_preview_pass_over_what_is_finished_ahead_as_a_run_does() {
    let sandbox = Sandbox::new();
    let taken = AtomicUsize::new(0);
    let gms = ScriptedGms::apart(move |request| {
        // One waits until others have overtaken it, and then no one is let in.
        if request.proposals().iter().any(|(urn, _)| urn == "urn:li:tag:t5") {
            while taken.load(SeqCst) < 20 {
                std::thread::yield_now();
            }
            return Answer::Status(401, String::new());
        }
        match taken.fetch_add(1, SeqCst) {
            0..20 => Answer::ok(),
            _ => Answer::Status(401, String::new()),
        }
    });
    sandbox.write("tags.jsonl", &lines(100));
    let config = format!("server: '{}', token: t, max_threads: 2, max_per_batch: 1", gms.url());
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{{config}}}}}"));
    let (ran, report) = ingest(&sandbox, &[]);
    ran.ends_with(3);
    let resume = &report["resume"];
    assert_eq!((&resume["from_record"], &resume["skipped_records"]), (&5.into(), &15.into()), "{resume}");
    let (_, report) = ingest(&sandbox, &["--resume", "--dry-run"]);
    assert_eq!(report["proposals"]["filtered"], 80, "{report:#}");
    let ran = sandbox.ingest(&["--resume", "--preview=2"]).ends_with(0);
    let shown: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&shown[0]["entityUrn"], &shown[1]["entityUrn"]),
        (&"urn:li:tag:t5".into(), &"urn:li:tag:t21".into())
    );
}

#[test]
fn a_server_that_is_away_leaves_everything_to_a_resume() {
    let (sandbox, taker) = (Sandbox::new(), Taker::refusing_after(30));
    let gms = taker.start();
    refused(&sandbox, &taker, &gms);
    let text = std::fs::read_to_string(sandbox.path("recipe.yml")).unwrap();
    // A name, so that both are runs of one pipeline.
    sandbox.write("recipe.yml", &format!("pipeline_name: p\n{text}"));
    ingest(&sandbox, &[]).0.ends_with(3);
    taker.refuses_after.store(taker.requests.load(SeqCst) + 20, SeqCst);
    ingest(&sandbox, &[]).0.ends_with(3);
    let away = text
        .replace(&gms.url(), "http://127.0.0.1:1")
        .replace("max_threads", "retry_max_times: 0, max_threads");
    sandbox.write("away.yml", &format!("pipeline_name: p\n{away}"));
    let ran = Ran::of(sandbox.command().args([
        "ingest",
        "-c",
        "away.yml",
        "--resume",
        "--report-to",
        "report.json",
    ]))
    .ends_with(4);
    let report = sandbox.json("report.json");
    assert_eq!(report["resume"]["from_record"], 20, "{report:#}");
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(warning.contains(&gms.url()) && warning.contains("http://127.0.0.1:1"), "{warning}");
    assert!(ran.stderr.contains(report["resume"]["command"].as_str().unwrap()), "{ran:#?}");
    taker.well.store(true, SeqCst);
    let (ran, report) = ingest(&sandbox, &["--resume"]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 80);
}

#[test]
fn directories_and_compressed_files_go_on_too() {
    for compressed in [false, true] {
        let (sandbox, taker) = (Sandbox::new(), Taker::refusing_after(70));
        let gms = taker.start();
        std::fs::create_dir(sandbox.path("many")).unwrap();
        for (number, part) in names(100).chunks(25).enumerate() {
            let records: Vec<String> = part.iter().map(|name| tag(name)).collect();
            // Each in another form.
            let text = match number % 3 {
                0 => format!("[{}]", records.join(",\n")),
                1 => records.join("\n"),
                _ => records.iter().map(|text| text.replace(',', ",\n ") + "\n").collect(),
            };
            let name = format!("many/{number}.json");
            if compressed {
                use std::io::Write as _;
                let file = std::fs::File::create(sandbox.path(&name)).unwrap();
                let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
                encoder.write_all(text.as_bytes()).unwrap();
                encoder.finish().unwrap();
            } else {
                sandbox.write(&name, &text);
            }
        }
        recipe(&sandbox, "many", &gms);
        let (ran, report) = ingest(&sandbox, &[]);
        ran.ends_with(3);
        assert_eq!(report["resume"]["from_record"], 70);
        taker.well.store(true, SeqCst);
        let (ran, report) = ingest(&sandbox, &["--resume"]);
        ran.ends_with(0);
        assert_eq!(taker.taken(), urns(100));
        assert_eq!(report["source"]["records"], 30);
    }
}

#[test]
fn what_is_rejected_or_no_record_is_finished_and_is_not_read_again() {
    let sandbox = Sandbox::new();
    let taker = Taker::refusing_after(120);
    let gms = ScriptedGms::apart({
        let taker = taker.clone();
        move |request| {
            if request.proposals().iter().any(|(urn, _)| urn == "urn:li:tag:t3") {
                return Answer::Status(422, r#"{"message":"urn:li:tag:t3 is not wanted"}"#.into());
            }
            taker.answer(request)
        }
    });
    let broken = "no record\n";
    sandbox.write("tags.jsonl", &format!("{broken}{}{broken}", lines(200)));
    recipe(&sandbox, "tags.jsonl", &gms);
    let (ran, first) = ingest(&sandbox, &[]);
    ran.ends_with(3);
    taker.well.store(true, SeqCst);
    let (_, second) = ingest(&sandbox, &["--resume"]);
    let both = |pointer: &str| {
        let figures =
            [&first, &second].map(|report| report.pointer(pointer).and_then(Value::as_u64).unwrap());
        figures.iter().sum::<u64>()
    };
    assert_eq!(both("/dead_letters/records"), 3);
    assert_eq!(both("/source/invalid"), 2);
    assert_eq!(both("/proposals/rejected"), 1);
    assert_eq!(both("/proposals/delivered"), 199);
    let mut sent = taker.taken();
    sent.sort_unstable();
    let mut expected = urns(200);
    expected.retain(|urn| urn != "urn:li:tag:t3");
    expected.sort_unstable();
    assert_eq!(sent, expected, "each once");
    // All that is left is in the dead letters.
    assert_eq!((&second["resume"], checkpoint(&sandbox)), (&Value::Null, None));
}

#[test]
fn a_file_sink_starts_over() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &lines(10));
    sandbox.recipe(
        "tags.jsonl",
        &format!("{{type: file, config: {{filename: '{}'}}}}", sandbox.path("out.json").display()),
    );
    let (ran, report) = ingest(&sandbox, &["--resume"]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 10);
    assert_eq!(read_json(&sandbox.path("out.json")).as_array().unwrap().len(), 10);
    assert_eq!(checkpoint(&sandbox), None);
}

#[cfg(unix)]
#[test]
fn a_run_that_was_interrupted_or_ran_out_of_time_is_gone_on_with() {
    let (sandbox, taker) = (Sandbox::new(), Taker::default());
    let gms = ScriptedGms::apart({
        let taker = taker.clone();
        move |request| {
            // So slow that the file takes longer than it is given.
            std::thread::sleep(std::time::Duration::from_millis(4));
            taker.answer(request)
        }
    });
    sandbox.write("tags.jsonl", &lines(1_000));
    recipe(&sandbox, "tags.jsonl", &gms);
    let arguments = ["ingest", "-c", "recipe.yml", "--report-to", "report.json", "--no-progress"];
    let child = sandbox.start(&arguments);
    while taker.taken().len() < 100 {
        std::thread::yield_now();
    }
    crate::support::sandbox::signal(&child, "TERM");
    let ran = Ran::from(child.wait_with_output().unwrap()).ends_with(143);
    let report = sandbox.json("report.json");
    let sent = taker.taken().len();
    assert_eq!(report["resume"]["from_record"], sent, "{report:#}");
    assert!(ran.stderr.contains(report["resume"]["command"].as_str().unwrap()), "{ran:#?}");

    let (ran, report) = ingest(&sandbox, &["--resume", "--deadline", "1s"]);
    ran.ends_with(1);
    assert_eq!(report["resume"]["from_record"], taker.taken().len(), "{report:#}");
    assert!(taker.taken().len() >= sent);
    let (ran, _) = ingest(&sandbox, &["--resume"]);
    ran.ends_with(0);
    assert_eq!(taker.taken(), urns(1_000));
}

#[cfg(target_os = "linux")]
#[test]
fn a_checkpoint_that_cannot_be_written_ends_the_run_with_6_and_loses_nothing() {
    let (sandbox, taker) = (Sandbox::new(), Taker::refusing_after(30));
    let gms = taker.start();
    refused(&sandbox, &taker, &gms);
    taker.well.store(true, SeqCst);
    let path = checkpoint(&sandbox).unwrap();
    // What is written beside it goes to a disk that is full.
    let beside = path.with_file_name("checkpoint.json.new");
    std::fs::create_dir(&beside).unwrap();
    let before = std::fs::read(&path).unwrap();
    let ran = sandbox.ingest(&["--resume"]).ends_with(6);
    assert!(ran.stderr.contains("cannot write the checkpoint"), "{ran:#?}");
    assert_eq!(taker.taken().len(), 30, "nothing was sent");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::remove_dir(&beside).unwrap();
    let (ran, report) = ingest(&sandbox, &["--resume"]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 70);
}
