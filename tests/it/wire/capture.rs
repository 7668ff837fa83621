//! Runs a case, and converts the captured requests to the form of a case.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::case::Case;
use super::exact::{exact, format_error};
use super::gms;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::scripted_gms::{Request, ScriptedGms};

/// Two records around those of a case with batches, so that batches do not depend on the speed of the
/// machine. While the request with the first record is open and there was no other response, a batch is sent
/// only when it is full or at the end of the source. The last record shows the end of the source; then all
/// requests get their response.
const AHEAD: &str = "urn:li:dataPlatform:goes-ahead";
const LAST: &str = "urn:li:dataPlatform:goes-last";

/// Headers that belong to the connection, not to the request.
const OF_THE_CONNECTION: [&str; 4] = ["accept-encoding", "connection", "content-length", "host"];

/// A passing test never waits this long.
const PATIENCE: Duration = Duration::from_secs(300);

/// A request in the form for comparisons.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Captured {
    /// Method and path.
    pub(super) request: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<Value>,
    /// Errors that the comparison would not find.
    pub(super) faults: Vec<String>,
}

/// The requests that the server has received.
#[derive(Default)]
struct Seen {
    requests: Vec<Request>,
    ahead: bool,
    last: bool,
    /// Dropping these releases the responses that are held back; `None` if responses are not held back.
    held: Option<Vec<Sender<()>>>,
}

impl Seen {
    fn release_all(&mut self) {
        self.held.take();
    }
}

/// Runs the case, and returns the result of the command and its requests, in the order of arrival.
pub(super) fn run(case: &Case) -> (Ran, Vec<Captured>) {
    let began = SystemTime::now();
    let (ran, requests) = requests(case);
    let times = milliseconds(began)..=milliseconds(SystemTime::now());
    (ran, requests.iter().filter_map(|request| Captured::of(request, &times)).collect())
}

/// As [`run`], with the requests unchanged.
pub(super) fn requests(case: &Case) -> (Ran, Vec<Request>) {
    let sandbox = Sandbox::new();
    let guided = case.sends_batches() && case.writes() > 0;
    let seen = Arc::new(Mutex::new(Seen { held: guided.then(Vec::new), ..Seen::default() }));
    let (tell, told) = channel();
    let gms = server(case, Arc::clone(&seen), tell);
    sandbox.write("recipe.yml", &case.recipe(if guided { "-" } else { "records.jsonl" }, &gms.url()));
    sandbox.write("records.jsonl", &case.records());
    let mut command = sandbox.command();
    command
        .args(["ingest", "-c", "recipe.yml", "--no-default-report"])
        .args(&case.arguments)
        .envs(case.environment(&gms.url()));
    let ran = if guided {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        feed(command.spawn().unwrap(), case, &seen, &told)
    } else {
        Ran::of(command.stdin(Stdio::null()))
    };
    let requests = std::mem::take(&mut seen.lock().unwrap().requests);
    (ran, requests)
}

fn server(case: &Case, seen: Arc<Mutex<Seen>>, tell: Sender<()>) -> ScriptedGms {
    let config = case.config();
    ScriptedGms::start_for_all(move |request: &Request| {
        let response = gms::respond(request, &config);
        let (ahead, last) = (names(request, AHEAD), names(request, LAST));
        let mut seen = seen.lock().unwrap();
        seen.ahead |= ahead;
        seen.last |= last;
        seen.requests.push(request.clone());
        // There is no receiver after the command has ended.
        tell.send(()).ok();
        if let (true, Some(held)) = (request.is_write(), &mut seen.held) {
            let (hold, released) = channel();
            held.push(hold);
            drop(seen);
            // Nothing is ever sent: it ends when the other side is dropped.
            released.recv().ok();
        }
        response
    })
}

fn names(request: &Request, urn: &str) -> bool {
    memchr::memmem::find(&request.body, urn.as_bytes()).is_some()
}

/// Writes the first record, waits for its request, then writes the others.
fn feed(mut child: Child, case: &Case, seen: &Mutex<Seen>, told: &Receiver<()>) -> Ran {
    let mut input = child.stdin.take().unwrap();
    // A command that has ended does not read its input.
    input.write_all(platform(AHEAD).as_bytes()).ok();
    wait(&mut child, told, || seen.lock().unwrap().ahead);
    input.write_all(case.records().as_bytes()).ok();
    input.write_all(platform(LAST).as_bytes()).ok();
    drop(input);
    wait(&mut child, told, || seen.lock().unwrap().last);
    seen.lock().unwrap().release_all();
    child.wait_with_output().unwrap().into()
}

fn platform(urn: &str) -> String {
    let record = serde_json::json!({
        "entityType": "dataPlatform",
        "entityUrn": urn,
        "changeType": "UPSERT",
        "aspectName": "status",
        "aspect": {"json": {"removed": false}},
    });
    format!("{record}\n")
}

/// Waits until the condition holds or the command has ended, for at most [`PATIENCE`].
fn wait(child: &mut Child, told: &Receiver<()>, is_so: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() && Instant::now() < give_up && child.try_wait().unwrap().is_none() {
        // Checks the command from time to time.
        told.recv_timeout(Duration::from_millis(50)).ok();
    }
}

fn milliseconds(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap().as_millis()
}

impl Captured {
    /// `None` for a request without records of the case.
    fn of(request: &Request, times: &RangeInclusive<u128>) -> Option<Self> {
        let text = String::from_utf8_lossy(&request.body);
        let mut faults = Vec::new();
        let body = if text.is_empty() {
            None
        } else {
            faults.extend(format_error(&text));
            let mut body = exact(&text).unwrap_or_else(|error| {
                faults.push(error);
                Value::Null
            });
            if take_out_guides(&mut body) {
                return None;
            }
            for proposal in proposals(&mut body) {
                open(proposal, &mut faults);
            }
            normalise(&mut body, times);
            if request.path().contains("/trace/") {
                // The order of the aspects does not matter.
                body.as_object_mut().into_iter().flatten().for_each(|(_, names)| sort(names));
            }
            Some(body)
        };
        let mut headers = request.headers();
        headers.retain(|name, _| !OF_THE_CONNECTION.contains(&name.as_str()));
        Some(Self { request: request.target().to_owned(), headers, body, faults })
    }
}

/// Removes the records around those of the case. True if nothing remains.
fn take_out_guides(body: &mut Value) -> bool {
    let guides = |urn: &Value| urn == AHEAD || urn == LAST;
    match body {
        Value::Array(items) => {
            let before = items.len();
            items.retain(|item| !guides(&item["urn"]));
            items.is_empty() && before > 0
        }
        Value::Object(members) => {
            let before = members.len();
            members.retain(|name, _| name != AHEAD && name != LAST);
            if let Some(Value::Array(proposals)) = members.get_mut("proposals") {
                let before = proposals.len();
                proposals.retain(|proposal| !guides(&proposal["entityUrn"]));
                return proposals.is_empty() && before > 0;
            }
            members.is_empty() && before > 0
        }
        _ => false,
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
        faults.extend(format_error(text));
        match exact(text) {
            Ok(inner) => *value = inner,
            Err(error) => faults.push(error),
        }
    }
}

/// Replaces times of the run and its generated id by placeholders.
fn normalise(value: &mut Value, times: &RangeInclusive<u128>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| normalise(item, times)),
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("lastObserved", Value::String(time)) if is_of(time, times) => *time = "{now}".into(),
                    ("runId", Value::String(id)) if is_generated(id) => *id = "{made up}".into(),
                    (_, member) => normalise(member, times),
                }
            }
        }
        _ => {}
    }
}

/// Allows for a clock that is adjusted by up to an hour during the test.
fn is_of(time: &str, times: &RangeInclusive<u128>) -> bool {
    const HOUR: u128 = 3_600_000;
    let time = time.strip_prefix("number ").and_then(|time| time.parse::<u128>().ok());
    time.is_some_and(|time| time + HOUR >= *times.start() && time <= times.end() + HOUR)
}

/// As in `file-2026_11_24-09_30_00-ab12cd`.
fn is_generated(id: &str) -> bool {
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
