//! Runs a case, and brings what was captured into the form in which a case says it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::sync::oneshot;

use super::case::Case;
use super::exact::{exact, fault_of_form};
use super::gms;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::scripted_gms::{Answer, Apart, Request, ScriptedGms};

/// Two records around those of a case where batches are sent, so that it does not depend on the machine what goes together.
/// As long as the request with the first is open and no other was answered, a batch leaves when it is full or the source is
/// at its end, and for no other reason. The last tells that the source is at its end; then everything is answered.
const AHEAD: &str = "urn:li:dataPlatform:goes-ahead";
const LAST: &str = "urn:li:dataPlatform:goes-last";

/// Headers of the connection, and not of what is said over it.
const OF_THE_CONNECTION: [&str; 4] = ["accept-encoding", "connection", "content-length", "host"];

/// A test that goes well never waits as long.
const PATIENCE: Duration = Duration::from_secs(300);

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
    ahead: bool,
    last: bool,
    /// Where answers are awaited, and those answers; `None` when everything is answered at once.
    held: Option<Vec<(oneshot::Sender<Answer>, Answer)>>,
}

impl Seen {
    fn answer_all(&mut self) {
        for (awaited, answer) in self.held.take().into_iter().flatten() {
            // Whoever has gone needs no answer.
            awaited.send(answer).ok();
        }
    }
}

/// Runs the case, and returns how the command ended and what it sent, in the order in which it came.
pub(super) fn run(case: &Case) -> (Ran, Vec<Captured>) {
    let began = SystemTime::now();
    let (ran, requests) = requests(case);
    let times = milliseconds(began)..=milliseconds(SystemTime::now());
    (ran, requests.iter().filter_map(|request| Captured::of(request, &times)).collect())
}

/// As [`run`], but with every request as it came.
pub(super) fn requests(case: &Case) -> (Ran, Vec<Request>) {
    let sandbox = Sandbox::new();
    let guided = case.sends_batches() && case.writes() > 0;
    let seen = Arc::new(Mutex::new(Seen { held: guided.then(Vec::new), ..Seen::default() }));
    let (tell, told) = channel();
    let gms = server(case, Arc::clone(&seen), tell);
    sandbox.write("recipe.yml", &case.recipe(if guided { "-" } else { "records.jsonl" }, &gms.url()));
    sandbox.write("records.jsonl", &case.records());
    let mut command = sandbox.command();
    command.args(["ingest", "-c", "recipe.yml"]).args(&case.arguments).envs(case.environment(&gms.url()));
    let ran = if guided {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        feed(command.spawn().unwrap(), case, &seen, &told)
    } else {
        Ran::of(command.stdin(Stdio::null()))
    };
    let requests = std::mem::take(&mut seen.lock().unwrap().requests);
    (ran, requests)
}

fn server(case: &Case, seen: Arc<Mutex<Seen>>, tell: Sender<()>) -> Apart {
    let config = case.config();
    ScriptedGms::of_all(move |request: &Request| {
        let answer = gms::answer(request, &config);
        let (ahead, last) = (names(request, AHEAD), names(request, LAST));
        let mut seen = seen.lock().unwrap();
        seen.ahead |= ahead;
        seen.last |= last;
        seen.requests.push(request.clone());
        // Nobody listens any more when the command has ended.
        tell.send(()).ok();
        if let (true, Some(held)) = (request.is_write(), &mut seen.held) {
            let (awaited, later) = oneshot::channel();
            held.push((awaited, answer));
            return Answer::Later(later);
        }
        answer
    })
}

fn names(request: &Request, urn: &str) -> bool {
    memchr::memmem::find(&request.body, urn.as_bytes()).is_some()
}

/// Lets the first record go ahead, then gives the others.
fn feed(mut child: Child, case: &Case, seen: &Mutex<Seen>, told: &Receiver<()>) -> Ran {
    let mut input = child.stdin.take().unwrap();
    // A command that has ended reads no more, which is no fault here.
    input.write_all(platform(AHEAD).as_bytes()).ok();
    wait(&mut child, told, || seen.lock().unwrap().ahead);
    input.write_all(case.records().as_bytes()).ok();
    input.write_all(platform(LAST).as_bytes()).ok();
    drop(input);
    wait(&mut child, told, || seen.lock().unwrap().last);
    seen.lock().unwrap().answer_all();
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

/// Waits until it is so, or the command has ended, or it takes so long that something must be wrong.
fn wait(child: &mut Child, told: &Receiver<()>, is_so: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() && Instant::now() < give_up && child.try_wait().unwrap().is_none() {
        // Looks after the command now and then.
        told.recv_timeout(Duration::from_millis(50)).ok();
    }
}

fn milliseconds(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap().as_millis()
}

impl Captured {
    /// `None` for a request that holds nothing of the case.
    fn of(request: &Request, times: &RangeInclusive<u128>) -> Option<Self> {
        let text = String::from_utf8_lossy(&request.body);
        let mut faults = Vec::new();
        let body = if text.is_empty() {
            None
        } else {
            faults.extend(fault_of_form(&text));
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
                // Which aspect is named first is no matter.
                body.as_object_mut().into_iter().flatten().for_each(|(_, names)| sort(names));
            }
            Some(body)
        };
        let mut headers = request.headers();
        headers.retain(|name, _| !OF_THE_CONNECTION.contains(&name.as_str()));
        Some(Self { request: request.target().to_owned(), headers, body, faults })
    }
}

/// Takes out the records around those of a case. True if nothing is left then.
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
        faults.extend(fault_of_form(text));
        match exact(text) {
            Ok(inner) => *value = inner,
            Err(error) => faults.push(error),
        }
    }
}

/// A time of the run, and the id that a run makes up, give way to their names.
fn normalise(value: &mut Value, times: &RangeInclusive<u128>) {
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
fn is_of(time: &str, times: &RangeInclusive<u128>) -> bool {
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
