//! Does a run that was killed at any moment come to the same end?

use std::collections::{BTreeMap, HashSet};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::support::report::adds_up;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::scripted_gms::{Answer, Apart, Request, ScriptedGms};
use crate::support::server::Server;

/// Every so many records are about the same entities again.
const ENTITIES: usize = 1_500;

/// The `number`th record: it says so in its description.
fn record(number: usize) -> String {
    let urn = format!("urn:li:tag:t{}", number % ENTITIES);
    let aspect = serde_json::json!({"json": {"name": "n", "description": number.to_string()}});
    serde_json::json!({
        "entityType": "tag",
        "entityUrn": urn,
        "changeType": "UPSERT",
        "aspectName": "tagProperties",
        "aspect": aspect,
    })
    .to_string()
}

fn write_records(sandbox: &Sandbox, count: usize) {
    let lines: String = (0..count).map(|number| record(number) + "\n").collect();
    sandbox.write("tags.jsonl", &lines);
}

/// What a run of `count` records leaves of each entity that nobody disturbed: its last record.
fn undisturbed(count: usize) -> BTreeMap<String, usize> {
    (0..count).map(|number| (format!("urn:li:tag:t{}", number % ENTITIES), number)).collect()
}

/// A proposal that arrived.
#[derive(Clone, Debug)]
struct Arrival {
    urn: String,
    number: usize,
    at: SystemTime,
}

/// Takes everything, and knows what came and when.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Arrival>>>);

impl Recorder {
    fn start(&self) -> Apart {
        let recorder = self.clone();
        ScriptedGms::apart(move |request| {
            recorder.note(request);
            Answer::ok()
        })
    }

    fn note(&self, request: &Request) {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let at = SystemTime::now();
        let arrivals = body["proposals"].as_array().unwrap().iter().map(|proposal| {
            let value = proposal["aspect"]["value"].as_str().unwrap();
            let aspect: Value = serde_json::from_str(value).unwrap();
            Arrival {
                urn: proposal["entityUrn"].as_str().unwrap().to_owned(),
                number: aspect["description"].as_str().unwrap().parse().unwrap(),
                at,
            }
        });
        let arrivals: Vec<Arrival> = arrivals.collect();
        self.0.lock().unwrap().extend(arrivals);
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn since(&self, start: usize) -> Vec<Arrival> {
        self.0.lock().unwrap()[start..].to_vec()
    }
}

/// Starts a run that goes on with what the last one left, if it left anything.
fn start(sandbox: &Sandbox) -> Child {
    sandbox
        .command()
        .args(["ingest", "-c", "recipe.yml", "--resume", "--no-progress"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// When the checkpoint was last written; the beginning of time if it never was.
fn checkpoint_written(sandbox: &Sandbox) -> SystemTime {
    let pipelines = std::fs::read_dir(sandbox.path("state/datahub-emit"));
    let paths = pipelines.into_iter().flatten().map(|entry| entry.unwrap().path().join("checkpoint.json"));
    let times = paths.filter_map(|path| path.metadata().ok()?.modified().ok());
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Waits until `reached` or until the process has ended. False in the second case.
fn wait_until(child: &mut Child, mut reached: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if reached() {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "the run does not get on");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What killing came to.
#[derive(Debug, Default)]
struct Figures {
    kills: usize,
    /// Proposals that arrived more than once.
    twice: usize,
    /// Proposals that arrived in the 100 ms before a kill, in flight or delivered.
    window: usize,
    /// Proposals that arrived after a checkpoint that was not written again before the kill, and 500 ms before it.
    unwritten: usize,
}

/// Runs `records` records, killed `kills` times at random moments, and checks what arrived.
fn kill_and_resume(records: usize, kills: usize, seed: u64) -> Figures {
    let mut random = fastrand::Rng::with_seed(seed);
    let sandbox = Sandbox::new();
    let recorder = Recorder::default();
    let gms = recorder.start();
    write_records(&sandbox, records);
    sandbox.recipe(
        "tags.jsonl",
        &format!(
            "{{type: datahub-rest, config: {{server: '{}', token: t, max_threads: 4, max_per_batch: 20}}}}",
            gms.url()
        ),
    );
    let mut figures = Figures::default();
    let mut known: HashSet<usize> = HashSet::new();
    // Without a kill, a run would come to its end in that many steps.
    let step = records / kills / 2;
    loop {
        let before = recorder.count();
        let mut child = start(&sandbox);
        let wanted = before + random.usize(0..=step);
        let mut killed = false;
        if figures.kills < kills && wait_until(&mut child, || recorder.count() >= wanted) {
            // Some are killed before they have begun, some between two looks at the checkpoint.
            std::thread::sleep(Duration::from_millis(random.u64(0..20)));
            killed = child.try_wait().unwrap().is_none();
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        let now = SystemTime::now();
        gms.wait_for_the_last();
        let arrived = recorder.since(before);
        check_order(&arrived);
        figures.twice += arrived.iter().filter(|arrival| !known.insert(arrival.number)).count();
        if !killed {
            assert!(status.success(), "{status}");
            break;
        }
        figures.kills += 1;
        let since = |start: SystemTime| arrived.iter().filter(|arrival| arrival.at >= start).count();
        figures.window += since(now - Duration::from_millis(100));
        let written = checkpoint_written(&sandbox);
        figures.unwritten += since(written.checked_sub(Duration::from_millis(500)).unwrap_or(written));
    }
    assert_eq!(known.len(), records, "each arrives");
    let store: BTreeMap<String, usize> =
        recorder.since(0).into_iter().map(|arrival| (arrival.urn, arrival.number)).collect();
    assert_eq!(store, undisturbed(records), "the last that arrived is the last that was written");
    figures
}

/// In one run, what is about one entity arrives in order.
fn check_order(arrived: &[Arrival]) {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for arrival in arrived {
        if let Some(before) = last.insert(&arrival.urn, arrival.number) {
            assert!(before < arrival.number, "{} came after {before}", arrival.number);
        }
    }
}

#[test]
fn ten_kills_change_nothing_in_the_end() {
    let figures = kill_and_resume(8_000, 10, 7);
    println!("{figures:?}");
    assert!(figures.kills >= 5, "{figures:?}");
    // A machine that leaves a thread waiting has an older checkpoint; the long form measures the 100 ms.
    assert!(figures.twice <= figures.unwritten, "{figures:?}");
}

#[test]
#[ignore = "takes minutes: 200 kills of a run of 50,000 records"]
fn two_hundred_kills_send_little_twice() {
    let figures = kill_and_resume(50_000, 200, 11);
    println!("{figures:?}");
    assert!(figures.kills >= 150, "{figures:?}");
    // Measured over all of them, so that one moment in which the machine did something else decides nothing.
    assert!(figures.twice <= figures.window, "{figures:?}");
}

#[test]
fn the_embedded_gms_has_in_the_end_what_an_undisturbed_run_leaves() {
    let records = 3 * ENTITIES;
    let (sandbox, server) = (Sandbox::new(), Server::start());
    write_records(&sandbox, records);
    let sink = format!(
        "{{type: datahub-rest, config: {{server: '{}', token: '{}', max_per_batch: 20}}}}",
        server.url(),
        server.token()
    );
    sandbox.recipe("tags.jsonl", &sink);
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..3 {
        let wanted = server.writes().len() + random.usize(1..40);
        let mut child = start(&sandbox);
        if wait_until(&mut child, || server.writes().len() >= wanted) {
            child.kill().unwrap();
        }
        child.wait().unwrap();
    }
    sandbox.ingest(&["--resume"]).ends_with(0);
    for (urn, number) in undisturbed(records) {
        let stored: Value = serde_json::from_str(&server.aspect(&urn, "tagProperties").unwrap()).unwrap();
        assert_eq!(stored["description"], number.to_string(), "{urn}");
    }
}

#[test]
fn after_a_401_in_the_middle_a_new_token_delivers_the_rest_and_everything_once() {
    let records = ENTITIES;
    let (sandbox, server) = (Sandbox::new(), Server::start());
    write_records(&sandbox, records);
    let tokens = ["first", "second"].map(|name| {
        let made = server.block_on(server.gms().create_named_token(name, "datahub", None));
        made.unwrap().0
    });
    let config = format!("server: '{}', token: '${{TOKEN}}', max_threads: 1, max_per_batch: 2", server.url());
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{{config}}}}}"));
    let ingest = |token: &str, arguments: &[&str]| {
        let mut command = sandbox.command();
        command.args(["ingest", "-c", "recipe.yml", "--report-to", "report.json"]).args(arguments);
        command.env("TOKEN", token).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut child = ingest(&tokens[0], &[]).spawn().unwrap();
    assert!(wait_until(&mut child, || server.writes().len() >= 20));
    server.block_on(server.gms().revoke(&tokens[0])).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let refused = sandbox.json("report.json");
    adds_up(&refused);
    let delivered = |report: &Value| report["proposals"]["delivered"].as_u64().unwrap();
    assert!(delivered(&refused) > 0 && delivered(&refused) < records as u64, "{refused:#}");

    Ran::of(&mut ingest(&tokens[1], &["--resume"])).ends_with(0);
    let rest = sandbox.json("report.json");
    adds_up(&rest);
    assert_eq!(delivered(&refused) + delivered(&rest), records as u64);
    for urn in undisturbed(records).keys() {
        assert!(server.aspect(urn, "tagProperties").is_some(), "{urn}");
    }
}
