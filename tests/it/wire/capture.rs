//! Runs a case, and brings what was captured into the form in which a case says it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::sync::oneshot;

use super::case::Case;
use super::exact::{exact, fault_of_form};
use super::gms;
use crate::sandbox::{Ran, Sandbox};
use crate::scripted_gms::{Answer, Request, ScriptedGms};

/// The one record that goes ahead where batches are sent. As long as its request is open, a batch leaves when it is full or
/// the source is at its end, and for no other reason: so it does not depend on the machine what goes together.
const AHEAD: &str = "urn:li:tag:goes-ahead";

/// Headers of the connection, and not of what is said over it.
const OF_THE_CONNECTION: [&str; 4] = ["accept-encoding", "connection", "content-length", "host"];

/// A test that goes well never waits as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request, in the form in which it is compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Captured {
    /// Method and path.
    pub(super) request: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<Value>,
    /// What is wrong with it beside what is compared.
    pub(super) faults: Vec<String>,
}

/// What the server has seen.
#[derive(Default)]
struct Seen {
    requests: Vec<Request>,
    /// Where the answer to the record that goes ahead is awaited.
    held: Option<oneshot::Sender<Answer>>,
}

/// Runs the case, and returns how the command ended and every request in the order in which they came.
pub(super) fn run(case: &Case) -> (Ran, Vec<Captured>) {
    let sandbox = Sandbox::new();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (tell, told) = channel();
    let gms = server(case, Arc::clone(&seen), tell);
    let ahead = case.sends_batches() && case.writes() > 0;
    let source = if ahead { "-" } else { "records.jsonl" };
    sandbox.write("recipe.yml", &case.recipe(source, &gms.url()));
    sandbox.write("records.jsonl", &case.records());
    let mut command = sandbox.command();
    command.args(["ingest", "-c", "recipe.yml"]).args(&case.arguments).envs(case.environment(&gms.url()));
    let began = SystemTime::now();
    let ran = if ahead {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        feed(child, case, &seen, &told)
    } else {
        Ran::of(command.stdin(Stdio::null()))
    };
    let times = milliseconds(began)..=milliseconds(SystemTime::now());
    let requests = seen.lock().unwrap().requests.clone();
    let captured = requests.iter().filter(|request| !is_ahead(request)).map(|request| Captured::of(request, &times));
    (ran, captured.collect())
}

fn server(case: &Case, seen: Arc<Mutex<Seen>>, tell: Sender<()>) -> crate::scripted_gms::Apart {
    let config = case.config();
    ScriptedGms::of_all(move |request: &Request| {
        let answer = gms::answer(request, &config);
        let mut seen = seen.lock().unwrap();
        seen.requests.push(request.clone());
        // Nobody listens any more when the command has ended.
        drop(tell.send(()));
        if is_ahead(request) && seen.held.is_none() && !request.path().contains("/trace/") {
            let (held, later) = oneshot::channel();
            seen.held = Some(held);
            return Answer::Later(later);
        }
        answer
    })
}

fn is_ahead(request: &Request) -> bool {
    request.body.windows(AHEAD.len()).any(|window| window == AHEAD.as_bytes())
}

/// Lets one record go ahead, then gives the others, and answers the first when those are all under way.
fn feed(mut child: Child, case: &Case, seen: &Mutex<Seen>, told: &Receiver<()>) -> Ran {
    let mut input = child.stdin.take().unwrap();
    let ahead = serde_json::json!({
        "entityType": "tag",
        "entityUrn": AHEAD,
        "changeType": "UPSERT",
        "aspectName": "status",
        "aspect": {"json": {"removed": false}},
    });
    // A command that has ended reads no more.
    drop(writeln!(input, "{ahead}"));
    wait(&mut child, told, || seen.lock().unwrap().held.is_some());
    drop(input.write_all(case.records().as_bytes()));
    drop(input);
    wait(&mut child, told, || {
        let seen = seen.lock().unwrap();
        seen.requests.iter().filter(|request| request.is_write() && !is_ahead(request)).count() >= case.writes()
    });
    if let Some(held) = seen.lock().unwrap().held.take() {
        drop(held.send(Answer::Status(200, String::new())));
    }
    child.wait_with_output().unwrap().into()
}

/// Waits until it is so, or the command has ended, or it takes so long that something must be wrong.
fn wait(child: &mut Child, told: &Receiver<()>, is_so: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() && Instant::now() < give_up && child.try_wait().unwrap().is_none() {
        // Looks after the command now and then.
        drop(told.recv_timeout(Duration::from_millis(50)));
    }
}

fn milliseconds(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap().as_millis()
}

impl Captured {
    fn of(request: &Request, times: &std::ops::RangeInclusive<u128>) -> Self {
        let text = String::from_utf8_lossy(&request.body);
        let mut faults = Vec::new();
        let body = (!text.is_empty()).then(|| {
            faults.extend(fault_of_form(&text));
            let mut body = exact(&text).unwrap_or_else(|error| {
                faults.push(error);
                Value::Null
            });
            for proposal in proposals(&mut body) {
                open(proposal, &mut faults);
            }
            normalise(&mut body, times);
            if request.path().contains("/trace/") {
                // Which aspect is named first is no matter.
                body.as_object_mut().into_iter().flatten().for_each(|(_, names)| sort(names));
            }
            body
        });
        let mut headers = request.headers();
        headers.retain(|name, _| !OF_THE_CONNECTION.contains(&name.as_str()));
        Self { request: format!("{} {}", request.method(), request.path()), headers, body, faults }
    }
}

fn sort(names: &mut Value) {
    if let Value::Array(names) = names {
        names.sort_by_key(ToString::to_string);
    }
}

/// The proposals of a Rest.li body.
fn proposals(body: &mut Value) -> Vec<&mut Value> {
    let Value::Object(members) = body else { return Vec::new() };
    members
        .iter_mut()
        .flat_map(|(name, value)| match (name.as_str(), value) {
            ("proposals", Value::Array(proposals)) => proposals.iter_mut().collect(),
            ("proposal", proposal) => vec![proposal],
            _ => Vec::new(),
        })
        .collect()
}

/// Reads the JSON text inside a proposal's strings.
fn open(proposal: &mut Value, faults: &mut Vec<String>) {
    for name in ["aspect", "entityKeyAspect"] {
        let Some(value) = proposal.get_mut(name).and_then(|aspect| aspect.get_mut("value")) else { continue };
        let Value::String(text) = value else {
            faults.push(format!("{name}.value is no text: {value}"));
            continue;
        };
        faults.extend(fault_of_form(text));
        match exact(text) {
            Ok(inner) => *value = inner,
            Err(error) => faults.push(error),
        }
    }
}

/// A time of the run, and the id that a run makes up, give way to their names.
fn normalise(value: &mut Value, times: &std::ops::RangeInclusive<u128>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| normalise(item, times)),
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("lastObserved", Value::String(time)) if is_of(time, times) => *time = "{now}".into(),
                    ("runId", Value::String(id)) if is_made_up(id) => *id = "{made up}".into(),
                    (_, member) => normalise(member, times),
                }
            }
        }
        _ => {}
    }
}

/// A clock that is set while a test runs does not jump by more than an hour.
fn is_of(time: &str, times: &std::ops::RangeInclusive<u128>) -> bool {
    const HOUR: u128 = 3_600_000;
    let time = time.strip_prefix("number ").and_then(|time| time.parse::<u128>().ok());
    time.is_some_and(|time| time + HOUR >= *times.start() && time <= times.end() + HOUR)
}

/// As in `file-2026_11_24-09_30_00-ab12cd`.
fn is_made_up(id: &str) -> bool {
    let shape: String = id
        .chars()
        .enumerate()
        .map(|(at, c)| match c {
            '0'..='9' if at < 24 => '0',
            'a'..='z' | '0'..='9' if at >= 25 => 'x',
            other => other,
        })
        .collect();
    shape == "file-0000_00_00-00_00_00-xxxxxx"
}
