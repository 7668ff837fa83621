//! Does a run that is killed at any moment and resumed have the same result?

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::report::adds_up;
use crate::support::sandbox::{Ran, Sandbox, read_json};
use crate::support::scripted_gms::{Request, Response, ScriptedGms};
use crate::support::server::Server;
use crate::support::wait;

/// The number of different entities.
const ENTITIES: usize = 1_500;

/// The record with this number, which is also its description.
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

/// For each entity the number of its last record: the result of an undisturbed run.
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

/// Accepts everything, and records each proposal with its time.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Arrival>>>);

impl Recorder {
    fn start(&self) -> ScriptedGms {
        let recorder = self.clone();
        ScriptedGms::start(move |request| {
            recorder.note(request);
            Response::ok()
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

/// Starts a run that resumes the previous one.
fn start(sandbox: &Sandbox) -> Child {
    sandbox
        .command()
        .args(["ingest", "-c", "recipe.yml", "--resume", "--no-progress", "--no-default-report"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Numbers of the records that the checkpoint calls finished, if there is a checkpoint.
fn finished(sandbox: &Sandbox) -> Vec<Range<usize>> {
    let pipelines = std::fs::read_dir(sandbox.path("state/datahub-emit"));
    let mut paths =
        pipelines.into_iter().flatten().map(|entry| entry.unwrap().path().join("checkpoint.json"));
    let Some(path) = paths.find(|path| path.exists()) else { return Vec::new() };
    let checkpoint = read_json(&path);
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let behind = checkpoint["finished"].as_array().unwrap().iter();
    let behind = behind.map(|range| number(&range[0])..number(&range[1]));
    behind.chain(std::iter::once(0..number(&checkpoint["number"]))).collect()
}

/// Measurements over all kills.
#[derive(Debug, Default)]
struct Figures {
    kills: usize,
    /// Proposals that arrived more than once.
    twice: usize,
    /// Proposals that arrived in the 100 ms before a kill, in flight or delivered.
    window: usize,
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
    // So that the kills are spread over the whole input.
    let step = records / kills / 2;
    loop {
        let before = recorder.count();
        let finished = finished(&sandbox);
        let mut child = start(&sandbox);
        // Some are killed before they have sent anything.
        let wanted = before + random.usize(0..=step);
        let mut killed = false;
        if figures.kills < kills && wait::until_or_end(&mut child, || recorder.count() >= wanted) {
            killed = child.try_wait().unwrap().is_none();
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        let now = SystemTime::now();
        gms.wait_until_idle().unwrap();
        let arrived = recorder.since(before);
        check_order(&arrived);
        for arrival in &arrived {
            let is_finished = finished.iter().any(|range| range.contains(&arrival.number));
            assert!(!is_finished, "record {} was sent again: {finished:?}", arrival.number);
        }
        figures.twice += arrived.iter().filter(|arrival| !known.insert(arrival.number)).count();
        if !killed {
            assert!(status.success(), "{status}");
            break;
        }
        figures.kills += 1;
        let since = |start: SystemTime| arrived.iter().filter(|arrival| arrival.at >= start).count();
        figures.window += since(now - Duration::from_millis(100));
    }
    assert_eq!(known.len(), records, "every record arrives");
    let store: BTreeMap<String, usize> =
        recorder.since(0).into_iter().map(|arrival| (arrival.urn, arrival.number)).collect();
    assert_eq!(store, undisturbed(records), "the last arrival of each entity is its last record");
    figures
}

/// Checks that the records of one entity arrived in order within one run.
fn check_order(arrived: &[Arrival]) {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for arrival in arrived {
        if let Some(before) = last.insert(&arrival.urn, arrival.number) {
            assert!(before < arrival.number, "{} came after {before}", arrival.number);
        }
    }
}

#[test]
fn ten_kills_do_not_change_the_result() {
    let figures = kill_and_resume(8_000, 10, 7);
    println!("{figures:?}");
    assert!(figures.kills >= 5, "{figures:?}");
}

#[test]
#[ignore = "takes minutes, and measures time: 200 kills of a run of 50,000 records"]
fn two_hundred_kills_send_few_records_twice() {
    let figures = kill_and_resume(50_000, 200, 11);
    println!("{figures:?}");
    assert!(figures.kills >= 150, "{figures:?}");
    // Measured over all kills, so that one pause of the machine does not matter.
    assert!(figures.twice <= figures.window, "{figures:?}");
}

#[test]
fn the_embedded_gms_has_the_same_content_as_after_an_undisturbed_run() {
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
        if wait::until_or_end(&mut child, || server.writes().len() >= wanted) {
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
fn after_a_401_a_resume_with_a_new_token_delivers_the_rest_exactly_once() {
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
    assert!(wait::until_or_end(&mut child, || server.writes().len() >= 20));
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
