//! Does a run survive failures of the network, the disk and the input?

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::Value;

use crate::support::report::adds_up;
use crate::support::sandbox::{Running, Sandbox, numbered_tags, tag, tags};
use crate::support::scripted_gms::{Response, ScriptedGms};
use crate::support::wait::PATIENCE;

/// A sink that writes to `gms` with a single retry.
fn into(gms: &ScriptedGms) -> String {
    format!("{{type: datahub-rest, config: {{server: '{}', retry_max_times: 1}}}}", gms.url())
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Reads `file` into the blackhole sink, and returns the report.
#[track_caller]
fn read(name: &str, file: &[u8], code: i32) -> Value {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path(name), file).unwrap();
    sandbox.recipe(name, "{type: blackhole}");
    let ran = sandbox.ingest(&["--report-to", "report.json"]).ends_with(code);
    assert!(!ran.stderr.contains("panicked"), "{ran:#?}");
    let report = sandbox.json("report.json");
    adds_up(&report);
    report
}

#[test]
fn a_network_failure_during_a_run_is_reported_and_nothing_is_lost() {
    const GOOD: usize = 3;
    let answered = Arc::new(AtomicUsize::new(0));
    let requests = AtomicUsize::new(0);
    let counted = Arc::clone(&answered);
    let gms = ScriptedGms::start(move |request| {
        if requests.fetch_add(1, SeqCst) < GOOD {
            counted.fetch_add(request.proposals().len(), SeqCst);
            Response::ok()
        } else {
            Response::Reset
        }
    });
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &numbered_tags(3_000));
    sandbox.recipe("tags.jsonl", &into(&gms));
    let ran = sandbox.ingest(&["--report-to", "report.json"]).ends_with(4);
    let report = sandbox.json("report.json");
    adds_up(&report);
    assert_eq!(report["outcome"], "unreachable");
    assert_eq!(report["proposals"]["delivered"], answered.load(SeqCst));
    assert_eq!(report["proposals"]["rejected"], 0, "no record is rejected");
    assert!(report["proposals"]["undelivered"].as_u64().unwrap() > 0);
    assert!(ran.stderr.contains("error[endpoint.unreachable]"), "{ran:#?}");
    assert!(ran.stderr.contains("datahub-emit ingest -c recipe.yml"), "{ran:#?}");
    // Each of the requests that may be in flight at once is tried twice.
    assert!(gms.writes().len() <= GOOD + 2 * 15, "{}", gms.writes().len());
    assert_eq!(report["requests"]["sent"], gms.writes().len());
}

#[test]
fn retries_to_a_failing_server_are_bounded() {
    // Responses that say when to retry are retried until the time budget is used up, others up to the maximum
    // count.
    for (status, headers, fewest) in
        [(503, "Retry-After: 0\r\n", 1), (429, "", 1), (500, "", 2), (503, "", 2)]
    {
        let gms = ScriptedGms::start(move |_| Response::WithHeaders(status, String::new(), headers));
        let sandbox = Sandbox::new();
        sandbox.write("tags.jsonl", &tags(["a", "b"]));
        let sink = into(&gms).replace("retry_max_times: 1", "retry_max_times: 1, retry_budget_sec: 2");
        sandbox.recipe("tags.jsonl", &sink);
        sandbox.ingest(&["--report-to", "report.json"]).ends_with(4);
        let report = sandbox.json("report.json");
        adds_up(&report);
        assert_eq!(report["proposals"]["undelivered"], 2, "{status}: {report:#}");
        assert!((fewest..=20).contains(&gms.writes().len()), "{status}: {}", gms.writes().len());
        if headers.is_empty() && status != 429 {
            assert!(gms.writes().len() <= 4, "{status}: {}", gms.writes().len());
        }
    }
}

#[test]
fn a_dead_letter_file_that_cannot_be_written_is_an_error_before_anything_is_sent() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &(tags(["a"]) + "no json\n"));
    sandbox.recipe("tags.jsonl", &into(&gms));
    std::fs::create_dir(sandbox.path("directory")).unwrap();
    for path in ["directory", "no/such/directory/dead.jsonl", "tags.jsonl/dead.jsonl"] {
        let ran = sandbox.ingest(&["--dead-letters", path, "--json"]).ends_with(6);
        assert!(ran.stderr.contains(path), "{ran:#?}");
        let report = ran.json();
        adds_up(&report);
        assert_eq!(report["proposals"]["read"], 0, "{path}: {report:#}");
    }
    assert_eq!(gms.writes().len(), 0);
}

#[test]
fn a_sink_file_that_cannot_be_written_is_exit_code_6() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a", "b"]));
    std::fs::create_dir(sandbox.path("directory.json")).unwrap();
    let mut names = vec!["directory.json", "no/such/directory/out.json", "tags.jsonl/out.json"];
    if cfg!(target_os = "linux") {
        names.push("/dev/full");
    }
    for name in names {
        sandbox.recipe("tags.jsonl", &format!("{{type: file, config: {{filename: {name}}}}}"));
        let ran = sandbox.ingest(&["--json"]).ends_with(6);
        assert!(ran.stderr.contains(name), "{ran:#?}");
        let report = ran.json();
        adds_up(&report);
        assert_eq!(report["proposals"]["delivered"], 0, "{name}: {report:#}");
    }
}

#[test]
fn a_file_that_cannot_be_a_recipe_is_refused_quickly() {
    let sandbox = Sandbox::new();
    let large = std::fs::File::create(sandbox.path("large.yml")).unwrap();
    large.set_len(100 << 20).unwrap();
    std::fs::write(sandbox.path("long.yml"), "# ".repeat(1 << 20)).unwrap();
    std::fs::create_dir(sandbox.path("directory.yml")).unwrap();
    std::fs::write(sandbox.path("binary.yml"), b"source: \xff\xfe\x00").unwrap();
    for name in ["large.yml", "long.yml", "directory.yml", "binary.yml", "none.yml"] {
        let ran = sandbox.run(&["ingest", "-c", name, "--json"]).ends_with(2);
        assert!(ran.stderr.contains(name), "{ran:#?}");
        assert!(ran.stderr.len() < 2_000, "{}", ran.stderr.len());
        assert_eq!(ran.json()["outcome"], "invalid");
    }
}

#[test]
fn a_directory_without_metadata_files_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write("metadata/notes.txt", "none of it\n");
    sandbox.recipe("metadata", "{type: blackhole}");
    let ran = sandbox.ingest(&["--json"]).ends_with(2);
    assert!(ran.stderr.contains("metadata") && ran.stderr.contains("file_extension"), "{ran:#?}");
    assert_eq!(ran.json()["outcome"], "invalid");
    sandbox.write("metadata/tags.json", &tags(["a"]));
    assert_eq!(sandbox.ingest(&["--json"]).ends_with(0).json()["proposals"]["delivered"], 1);
}

#[test]
fn a_corrupt_archive_loses_only_the_records_after_the_damage() {
    let whole = gzip(numbered_tags(5_000).as_bytes());
    let report = read("tags.json.gz", &whole, 0);
    assert_eq!(report["proposals"]["delivered"], 5_000);

    let (half, _) = whole.split_at(whole.len() / 2);
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0xff);
    let mut checksum = whole.clone();
    let end = checksum.len() - 6;
    checksum[end] ^= 0xff;
    for (what, file, fewest) in
        [("half", half, 1), ("damaged", &damaged[..], 1), ("checksum", &checksum[..], 4_900)]
    {
        let report = read("tags.json.gz", file, 1);
        assert_eq!(report["outcome"], "partial", "{what}: {report:#}");
        let delivered = report["proposals"]["delivered"].as_u64().unwrap();
        assert!((fewest..=5_000).contains(&delivered), "{what}: {report:#}");
        assert!(!report["failures"].as_array().unwrap().is_empty(), "{what}: {report:#}");
    }
}

#[test]
fn a_truncated_file_delivers_the_records_before_its_end() {
    let records: Vec<String> = ["a", "b", "c", "d"].into_iter().map(tag).collect();
    let array = format!("[{}]", records.join(",\n"));
    let lines = records.join("\n");
    for whole in [array, lines] {
        let (half, _) = whole.split_at(whole.find("urn:li:tag:c").unwrap());
        let report = read("tags.json", half.as_bytes(), 1);
        assert_eq!(report["outcome"], "partial");
        assert_eq!(report["proposals"]["delivered"], 2, "{report:#}");
        assert_eq!(report["source"]["invalid"], 1, "{report:#}");
        assert_eq!(report["dead_letters"]["records"], 1, "{report:#}");
    }
}

#[test]
fn a_million_invalid_records_are_handled() {
    const ELEMENTS: usize = 1_000_000;
    let sandbox = Sandbox::new();
    sandbox.write("ones.json", &format!("[{}1]", "1,".repeat(ELEMENTS - 1)));
    sandbox.recipe("ones.json", "{type: blackhole}");
    // A dry run keeps no dead letters: a million of them are 200 MB.
    let ran = sandbox.ingest(&["--dry-run", "--report-to", "report.json"]).ends_with(1);
    let report = sandbox.json("report.json");
    adds_up(&report);
    assert_eq!(report["source"]["invalid"], ELEMENTS);
    assert!(ran.stderr.len() < 4_000, "{}", ran.stderr.len());
    let written = std::fs::metadata(sandbox.path("report.json")).unwrap().len();
    assert!(written < 100_000, "{written}");
}

/// Holds requests back until it is opened.
#[derive(Default)]
struct Gate {
    /// The number of requests at the gate, and whether it is open.
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    /// Waits until the gate is opened.
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.changed.notify_all();
        drop(self.changed.wait_timeout_while(state, PATIENCE, |(_, open)| !*open).unwrap());
    }

    /// Waits until a request is at the gate.
    fn wait_for_one(&self) {
        let state = self.state.lock().unwrap();
        let (state, _) =
            self.changed.wait_timeout_while(state, PATIENCE, |(waiting, _)| *waiting == 0).unwrap();
        assert!(state.0 > 0, "no request has come");
    }

    fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

#[cfg(unix)]
#[test]
fn a_signal_lets_requests_in_flight_finish_and_counts_them() {
    let gate = Arc::new(Gate::default());
    let before = AtomicUsize::new(0);
    let at_gate = Arc::clone(&gate);
    let gms = ScriptedGms::start(move |_| {
        if before.fetch_add(1, SeqCst) > 0 {
            at_gate.pass();
        }
        Response::ok()
    });
    let sandbox = Sandbox::new();
    sandbox.write(
        "recipe.yml",
        &format!(
            "source: {{type: file, config: {{path: '-'}}}}\nsink: {{type: datahub-rest, config: {{server: '{}', \
             max_threads: 1}}}}\n",
            gms.url()
        ),
    );
    let mut running = Running(sandbox.start(&["ingest", "-c", "recipe.yml", "--report-to", "report.json"]));
    let mut stdin = running.0.stdin.take().unwrap();
    stdin.write_all(numbered_tags(500).as_bytes()).unwrap();
    stdin.flush().unwrap();
    gate.wait_for_one();
    crate::support::sandbox::signal(&running.0, "TERM");
    gate.open();
    // Standard input stays open: only the signal can end the run.
    assert_eq!(running.0.wait().unwrap().code(), Some(143));
    drop(stdin);
    let report = sandbox.json("report.json");
    adds_up(&report);
    assert_eq!(report["outcome"], "interrupted");
    assert_eq!(report["source"]["complete"], false);
    let sent: usize = gms.writes().iter().map(|write| write.proposals().len()).sum();
    assert_eq!(report["proposals"]["delivered"], sent, "{report:#}");
    let mut said = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("interrupted: "), "{said}");
}

#[test]
fn a_closed_output_pipe_ends_the_run_quietly() {
    let sandbox = Sandbox::new();
    // More than a pipe holds.
    sandbox.write("tags.jsonl", &numbered_tags(20_000));
    sandbox.recipe("tags.jsonl", "{type: console}");
    let mut running = Running(
        sandbox
            .command()
            .args(["ingest", "-c", "recipe.yml", "--report-to", "report.json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("urn:li:tag:t0"), "{line}");
    let mut said = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let code = running.0.wait().unwrap().code();
    let report = sandbox.json("report.json");
    adds_up(&report);
    assert!(report["proposals"]["undelivered"].as_u64().unwrap() > 0, "{report:#}");
    assert_eq!(report["outcome"], "interrupted");
    assert_eq!((code, said.as_str()), (Some(141), ""));
}

#[test]
fn a_restart_of_gms_during_a_run_is_waited_for() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let writes = AtomicUsize::new(0);
    // Available, then away for more attempts than there are retries, and available again.
    let gms = ScriptedGms::start(move |_| match writes.fetch_add(1, Ordering::SeqCst) {
        3..9 => Response::Status(503, String::new()),
        _ => Response::ok(),
    });
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &numbered_tags(20));
    let sink = |wait: &str| {
        format!(
            "{{type: datahub-rest, config: {{server: '{}', {wait}retry_max_times: 1, max_threads: 1, max_per_batch: 2}}}}",
            gms.url()
        )
    };
    sandbox.recipe("tags.jsonl", &sink("wait_for_server: 10m, "));
    let (ran, report) = sandbox.ingest_with_report(&[]);
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 20);
    assert_eq!(report["requests"]["retried"], 6, "{report}");
}
