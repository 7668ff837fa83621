//! Does a resumed run continue where the last one stopped?

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::sandbox::{Ran, Sandbox, numbered_tags, read_json, tag};
use crate::support::scripted_gms::{Request, Response, ScriptedGms};

/// A server that accepts proposals and records them, and refuses them from some request on.
#[derive(Clone, Default)]
struct Acceptor {
    accepted: Arc<Mutex<Vec<String>>>,
    /// The number of requests after which all are refused; 0 for never.
    refuses_after: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    is_repaired: Arc<AtomicBool>,
}

impl Acceptor {
    fn refusing_after(requests: usize) -> Self {
        let acceptor = Self::default();
        acceptor.refuses_after.store(requests, SeqCst);
        acceptor
    }

    fn start(&self) -> ScriptedGms {
        let acceptor = self.clone();
        ScriptedGms::start(move |request| acceptor.answer(request))
    }

    fn answer(&self, request: &Request) -> Response {
        let refuses_after = self.refuses_after.load(SeqCst);
        let number = self.requests.fetch_add(1, SeqCst);
        if refuses_after > 0 && number >= refuses_after && !self.is_repaired.load(SeqCst) {
            return Response::Status(401, String::new());
        }
        self.accepted.lock().unwrap().extend(request.proposals().into_iter().map(|(urn, _)| urn));
        Response::ok()
    }

    fn accepted(&self) -> Vec<String> {
        self.accepted.lock().unwrap().clone()
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("t{number}")).collect()
}

fn urns(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("urn:li:tag:t{number}")).collect()
}

fn recipe(sandbox: &Sandbox, source: &str, gms: &ScriptedGms) {
    let sink = format!(
        "{{type: datahub-rest, config: {{server: '{}', token: t, max_threads: 1, max_per_batch: 1, max_pending_requests: 50}}}}",
        gms.url()
    );
    sandbox.recipe(source, &sink);
}

/// The checkpoint in the sandbox's state directory, if there is one.
fn checkpoint(sandbox: &Sandbox) -> Option<PathBuf> {
    let pipelines = std::fs::read_dir(sandbox.path("state/datahub-emit")).ok()?;
    pipelines.map(|entry| entry.unwrap().path().join("checkpoint.json")).find(|path| path.exists())
}

/// Runs until the refusal after 30 of 100 records, one per request, and returns the report.
fn refused(sandbox: &Sandbox, acceptor: &Acceptor, gms: &ScriptedGms) -> Value {
    sandbox.write("tags.jsonl", &numbered_tags(100));
    recipe(sandbox, "tags.jsonl", gms);
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(3);
    assert_eq!(acceptor.accepted(), urns(30));
    report
}

#[test]
fn after_a_refusal_a_resume_sends_the_rest_and_nothing_twice() {
    let (sandbox, acceptor) = (Sandbox::new(), Acceptor::refusing_after(30));
    let gms = acceptor.start();
    let report = refused(&sandbox, &acceptor, &gms);
    let resume = &report["resume"];
    assert_eq!((&resume["from_record"], &resume["skipped_records"]), (&30.into(), &0.into()), "{resume}");
    assert_eq!(Path::new(resume["checkpoint"].as_str().unwrap()), checkpoint(&sandbox).unwrap());

    acceptor.is_repaired.store(true, SeqCst);
    let (ran, report) = sandbox.ingest_with_report(&["--resume"]);
    let ran = ran.ends_with(0);
    assert!(ran.stderr.contains("continues at record 30"), "{ran:#?}");
    assert_eq!(acceptor.accepted(), urns(100));
    assert_eq!((&report["proposals"]["read"], &report["source"]["records"]), (&70.into(), &70.into()));
    assert_eq!(report["resume"], Value::Null);
    assert_eq!(checkpoint(&sandbox), None, "a successful run leaves no checkpoint");

    let (ran, report) = sandbox.ingest_with_report(&["--resume"]);
    let ran = ran.ends_with(0);
    assert!(ran.stderr.contains("starts at the beginning"), "{ran:#?}");
    assert_eq!(report["proposals"]["delivered"], 100);
    assert_eq!(report["warnings"], serde_json::json!([]));
}

#[cfg(unix)]
#[test]
fn the_printed_resume_command_works_as_printed() {
    let (sandbox, acceptor) = (Sandbox::new(), Acceptor::refusing_after(30));
    let gms = acceptor.start();
    sandbox.write("tags.jsonl", &numbered_tags(100));
    sandbox.write("a token's file", "one\n");
    recipe(&sandbox, "tags.jsonl", &gms);
    let arguments =
        ["--token-file", "a token's file", "--state-dir", "some state", "--report-to", "report.json"];
    let ran = sandbox.ingest(&arguments).ends_with(3);
    let report = sandbox.json("report.json");
    let command = report["resume"]["command"].as_str().unwrap();
    assert!(ran.stderr.contains(command), "{ran:#?}");
    assert!(report["resume"]["checkpoint"].as_str().unwrap().contains("some state"), "{report}");
    acceptor.is_repaired.store(true, SeqCst);
    let home = sandbox.command();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(home.get_current_dir().unwrap()).stdin(Stdio::null());
    Ran::of(&mut shell).ends_with(0);
    assert_eq!(acceptor.accepted(), urns(100));
}

#[test]
fn without_the_flag_a_run_starts_at_the_beginning_and_warns() {
    let (sandbox, acceptor) = (Sandbox::new(), Acceptor::refusing_after(30));
    let gms = acceptor.start();
    refused(&sandbox, &acceptor, &gms);
    // A run that delivers nothing does not change the checkpoint of the other.
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(3);
    assert_eq!(report["resume"]["from_record"], 30);
    acceptor.is_repaired.store(true, SeqCst);
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 100);
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(warning.contains("left a checkpoint at record 30") && warning.contains("--resume"), "{warning}");
    assert_eq!(checkpoint(&sandbox), None);
}

#[test]
fn a_changed_input_is_not_resumed() {
    let (sandbox, acceptor) = (Sandbox::new(), Acceptor::refusing_after(30));
    let gms = acceptor.start();
    refused(&sandbox, &acceptor, &gms);
    acceptor.is_repaired.store(true, SeqCst);
    let same_length = numbered_tags(100).replacen("t99", "u99", 2);
    for (text, what) in [
        (numbered_tags(101), "the size of"),
        (same_length, "the content of"),
        (numbered_tags(100), "the modification time (mtime) of"),
    ] {
        sandbox.write("tags.jsonl", &text);
        let (ran, report) = sandbox.ingest_with_report(&["--resume"]);
        let ran = ran.ends_with(2);
        for words in ["the input has changed", what, "tags.jsonl", "--restart"] {
            assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
        }
        assert_eq!(report["outcome"], "invalid");
    }
    assert_eq!(acceptor.accepted().len(), 30, "nothing was sent");
    let (ran, report) = sandbox.ingest_with_report(&["--restart"]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 100);
    assert_eq!(report["warnings"], serde_json::json!([]));
}

#[test]
fn standard_input_cannot_be_resumed() {
    let (sandbox, acceptor) = (Sandbox::new(), Acceptor::refusing_after(30));
    let gms = acceptor.start();
    let sink = format!("{{type: datahub-rest, config: {{server: '{}', token: t}}}}", gms.url());
    sandbox.write("recipe.yml", &format!("source: {{type: file, config: {{path: '-'}}}}\nsink: {sink}\n"));
    let ran = sandbox.ingest(&["--resume"]).ends_with(2);
    assert!(ran.stderr.contains("standard input"), "{ran:#?}");
    // There is no checkpoint either.
    sandbox.ingest(&["--report-to", "report.json"]).ends_with(0);
    assert_eq!(sandbox.json("report.json")["resume"], Value::Null);
    assert_eq!(checkpoint(&sandbox), None);
}

#[test]
fn a_damaged_checkpoint_is_named_and_can_be_discarded() {
    let (sandbox, acceptor) = (Sandbox::new(), Acceptor::refusing_after(30));
    let gms = acceptor.start();
    refused(&sandbox, &acceptor, &gms);
    acceptor.is_repaired.store(true, SeqCst);
    let path = checkpoint(&sandbox).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"number\":30", "\"number\":90", 1)).unwrap();
    let ran = sandbox.ingest(&["--resume"]).ends_with(2);
    for words in [&*path.to_string_lossy(), "damaged", "--restart"] {
        assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
    }
    assert_eq!(acceptor.accepted().len(), 30, "nothing was sent");
    let damaged = std::fs::read(&path).unwrap();
    let (ran, report) = sandbox.ingest_with_report(&["--restart"]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 100);
    // Without a flag it is a single warning.
    std::fs::write(&path, damaged).unwrap();
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(0);
    assert!(report["warnings"][0].as_str().unwrap().contains("damaged"), "{report:#}");
    assert_eq!(checkpoint(&sandbox), None);
}

#[test]
fn a_dry_run_and_a_preview_leave_the_checkpoint_alone() {
    let (sandbox, acceptor) = (Sandbox::new(), Acceptor::refusing_after(30));
    let gms = acceptor.start();
    refused(&sandbox, &acceptor, &gms);
    let path = checkpoint(&sandbox).unwrap();
    let before = std::fs::read(&path).unwrap();
    for arguments in [
        &["--dry-run"][..],
        &["--preview=2"],
        &["--dry-run", "--restart"],
        &["--preview", "--restart"],
        &["--dry-run", "--resume"],
    ] {
        let (ran, report) = sandbox.ingest_with_report(arguments);
        ran.ends_with(0);
        assert_eq!(report["resume"], Value::Null);
        assert_eq!(std::fs::read(&path).unwrap(), before, "{arguments:?}");
    }
    // A resumed dry run shows the remaining records.
    let (_, report) = sandbox.ingest_with_report(&["--dry-run", "--resume"]);
    assert_eq!(report["proposals"]["filtered"], 70);
}

#[test]
fn a_dry_run_and_a_preview_skip_records_that_finished_out_of_order() {
    let sandbox = Sandbox::new();
    let taken = AtomicUsize::new(0);
    let gms = ScriptedGms::start(move |request| {
        // One request waits until others have overtaken it; then all are refused.
        if request.proposals().iter().any(|(urn, _)| urn == "urn:li:tag:t5") {
            while taken.load(SeqCst) < 20 {
                std::thread::yield_now();
            }
            return Response::Status(401, String::new());
        }
        match taken.fetch_add(1, SeqCst) {
            0..20 => Response::ok(),
            _ => Response::Status(401, String::new()),
        }
    });
    sandbox.write("tags.jsonl", &numbered_tags(100));
    let config = format!("server: '{}', token: t, max_threads: 2, max_per_batch: 1", gms.url());
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{{config}}}}}"));
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(3);
    let resume = &report["resume"];
    assert_eq!((&resume["from_record"], &resume["skipped_records"]), (&5.into(), &15.into()), "{resume}");
    let (_, report) = sandbox.ingest_with_report(&["--resume", "--dry-run"]);
    assert_eq!(report["proposals"]["filtered"], 80, "{report:#}");
    let ran = sandbox.ingest(&["--resume", "--preview=2"]).ends_with(0);
    let shown: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&shown[0]["entityUrn"], &shown[1]["entityUrn"]),
        (&"urn:li:tag:t5".into(), &"urn:li:tag:t21".into())
    );
}

#[test]
fn if_the_server_is_down_a_resume_starts_at_the_first_record() {
    let (sandbox, acceptor) = (Sandbox::new(), Acceptor::refusing_after(30));
    let gms = acceptor.start();
    refused(&sandbox, &acceptor, &gms);
    let text = std::fs::read_to_string(sandbox.path("recipe.yml")).unwrap();
    // Named, so that both are runs of one pipeline.
    sandbox.write("recipe.yml", &format!("pipeline_name: p\n{text}"));
    sandbox.ingest_with_report(&[]).0.ends_with(3);
    acceptor.refuses_after.store(acceptor.requests.load(SeqCst) + 20, SeqCst);
    sandbox.ingest_with_report(&[]).0.ends_with(3);
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
    acceptor.is_repaired.store(true, SeqCst);
    let (ran, report) = sandbox.ingest_with_report(&["--resume"]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 80);
}

#[test]
fn directories_and_compressed_files_can_be_resumed() {
    for compressed in [false, true] {
        let (sandbox, acceptor) = (Sandbox::new(), Acceptor::refusing_after(70));
        let gms = acceptor.start();
        std::fs::create_dir(sandbox.path("many")).unwrap();
        for (number, part) in names(100).chunks(25).enumerate() {
            let records: Vec<String> = part.iter().map(|name| tag(name)).collect();
            // Each file has another form.
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
        let (ran, report) = sandbox.ingest_with_report(&[]);
        ran.ends_with(3);
        assert_eq!(report["resume"]["from_record"], 70);
        acceptor.is_repaired.store(true, SeqCst);
        let (ran, report) = sandbox.ingest_with_report(&["--resume"]);
        ran.ends_with(0);
        assert_eq!(acceptor.accepted(), urns(100));
        assert_eq!(report["source"]["records"], 30);
    }
}

#[test]
fn rejected_and_invalid_records_are_not_read_again() {
    let sandbox = Sandbox::new();
    let acceptor = Acceptor::refusing_after(120);
    let gms = ScriptedGms::start({
        let acceptor = acceptor.clone();
        move |request| {
            if request.proposals().iter().any(|(urn, _)| urn == "urn:li:tag:t3") {
                return Response::Status(422, r#"{"message":"urn:li:tag:t3 is not wanted"}"#.into());
            }
            acceptor.answer(request)
        }
    });
    let broken = "no record\n";
    sandbox.write("tags.jsonl", &format!("{broken}{}{broken}", numbered_tags(200)));
    recipe(&sandbox, "tags.jsonl", &gms);
    let (ran, first) = sandbox.ingest_with_report(&[]);
    ran.ends_with(3);
    acceptor.is_repaired.store(true, SeqCst);
    let (_, second) = sandbox.ingest_with_report(&["--resume"]);
    let both = |pointer: &str| {
        let figures =
            [&first, &second].map(|report| report.pointer(pointer).and_then(Value::as_u64).unwrap());
        figures.iter().sum::<u64>()
    };
    assert_eq!(both("/dead_letters/records"), 3);
    assert_eq!(both("/source/invalid"), 2);
    assert_eq!(both("/proposals/rejected"), 1);
    assert_eq!(both("/proposals/delivered"), 199);
    let mut sent = acceptor.accepted();
    sent.sort_unstable();
    let mut expected = urns(200);
    expected.retain(|urn| urn != "urn:li:tag:t3");
    expected.sort_unstable();
    assert_eq!(sent, expected, "each once");
    // Everything else is in the dead-letter file.
    assert_eq!((&second["resume"], checkpoint(&sandbox)), (&Value::Null, None));
}

#[test]
fn a_file_sink_starts_at_the_beginning() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &numbered_tags(10));
    sandbox.recipe(
        "tags.jsonl",
        &format!("{{type: file, config: {{filename: '{}'}}}}", sandbox.path("out.json").display()),
    );
    let (ran, report) = sandbox.ingest_with_report(&["--resume"]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 10);
    assert_eq!(read_json(&sandbox.path("out.json")).as_array().unwrap().len(), 10);
    assert_eq!(checkpoint(&sandbox), None);
}

#[cfg(unix)]
#[test]
fn a_run_ended_by_a_signal_or_a_deadline_can_be_resumed() {
    let (sandbox, acceptor) = (Sandbox::new(), Acceptor::default());
    let gms = ScriptedGms::start({
        let acceptor = acceptor.clone();
        move |request| {
            // So slow that the run takes longer than its deadline.
            std::thread::sleep(std::time::Duration::from_millis(4));
            acceptor.answer(request)
        }
    });
    sandbox.write("tags.jsonl", &numbered_tags(1_000));
    recipe(&sandbox, "tags.jsonl", &gms);
    let arguments = ["ingest", "-c", "recipe.yml", "--report-to", "report.json", "--no-progress"];
    let child = sandbox.start(&arguments);
    while acceptor.accepted().len() < 100 {
        std::thread::yield_now();
    }
    crate::support::sandbox::signal(&child, "TERM");
    let ran = Ran::from(child.wait_with_output().unwrap()).ends_with(143);
    let report = sandbox.json("report.json");
    let sent = acceptor.accepted().len();
    assert_eq!(report["resume"]["from_record"], sent, "{report:#}");
    assert!(ran.stderr.contains(report["resume"]["command"].as_str().unwrap()), "{ran:#?}");

    let (ran, report) = sandbox.ingest_with_report(&["--resume", "--deadline", "1s"]);
    ran.ends_with(1);
    assert_eq!(report["resume"]["from_record"], acceptor.accepted().len(), "{report:#}");
    assert!(acceptor.accepted().len() >= sent);
    let (ran, _) = sandbox.ingest_with_report(&["--resume"]);
    ran.ends_with(0);
    assert_eq!(acceptor.accepted(), urns(1_000));
}

#[cfg(target_os = "linux")]
#[test]
fn a_checkpoint_that_cannot_be_written_ends_the_run_with_6_and_loses_nothing() {
    let (sandbox, acceptor) = (Sandbox::new(), Acceptor::refusing_after(30));
    let gms = acceptor.start();
    refused(&sandbox, &acceptor, &gms);
    acceptor.is_repaired.store(true, SeqCst);
    let path = checkpoint(&sandbox).unwrap();
    // A directory blocks the temporary file beside it.
    let beside = path.with_file_name("checkpoint.json.new");
    std::fs::create_dir(&beside).unwrap();
    let before = std::fs::read(&path).unwrap();
    let ran = sandbox.ingest(&["--resume"]).ends_with(6);
    assert!(ran.stderr.contains("cannot write the checkpoint"), "{ran:#?}");
    assert_eq!(acceptor.accepted().len(), 30, "nothing was sent");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::remove_dir(&beside).unwrap();
    let (ran, report) = sandbox.ingest_with_report(&["--resume"]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 70);
}

#[test]
fn a_run_from_the_beginning_keeps_a_better_checkpoint_until_it_is_further() {
    let (sandbox, acceptor) = (Sandbox::new(), Acceptor::refusing_after(30));
    let gms = acceptor.start();
    refused(&sandbox, &acceptor, &gms);
    let number = || read_json(&checkpoint(&sandbox).unwrap())["number"].as_u64().unwrap();
    assert_eq!(number(), 30);
    // The next run, from the beginning, is refused earlier.
    let requests = acceptor.requests.load(SeqCst);
    acceptor.refuses_after.store(requests + 10, SeqCst);
    let (ran, report) = sandbox.ingest_with_report(&[]);
    let ran = ran.ends_with(3);
    assert!(ran.stderr.contains("it stays until this run has finished more"), "{ran:#?}");
    assert_eq!((number(), &report["resume"]["from_record"]), (30, &30.into()), "{report}");
    // One that gets further replaces it.
    let requests = acceptor.requests.load(SeqCst);
    acceptor.refuses_after.store(requests + 60, SeqCst);
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(3);
    assert_eq!((number(), &report["resume"]["from_record"]), (60, &60.into()), "{report}");
    // A checkpoint of another input is of no use.
    sandbox.write("tags.jsonl", &numbered_tags(101));
    let requests = acceptor.requests.load(SeqCst);
    acceptor.refuses_after.store(requests + 5, SeqCst);
    sandbox.ingest(&[]).ends_with(3);
    assert!(number() <= 5, "{}", number());
}
