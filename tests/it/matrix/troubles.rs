//! The failures of the matrix.

use std::time::Duration;

use datahub_emitter::embedded::Fault;

use super::world::World;

/// A failure during a run.
#[derive(Clone)]
pub(super) struct Trouble {
    pub(super) name: &'static str,
    /// The faults of the server.
    faults: Faults,
    pub(super) what: What,
    /// The file for the report.
    pub(super) report: &'static str,
    /// The file for the dead letters.
    pub(super) dead_letters: &'static str,
    /// More arguments of the command.
    pub(super) arguments: &'static [&'static str],
    /// The exit codes that the contract allows.
    pub(super) ends: &'static [i32],
    /// Whether a write may have been lost track of, so that it is repeated.
    pub(super) repeats: bool,
}

#[derive(Clone, Copy)]
enum Faults {
    None,
    /// A script of `fixtures/faults`.
    Script(&'static str),
    /// The text of such a script.
    Text(&'static str),
}

/// A failure outside of the server's responses.
#[derive(Clone, Copy)]
pub(super) enum What {
    Nothing,
    /// A signal at a stage of the run; with several stages, one signal for each resumed run.
    Signal(&'static str, &'static [Stage]),
    /// The token is unknown to the server.
    WrongToken,
    /// The server is down.
    NoServer,
    /// A directory blocks the path of the checkpoint.
    NoCheckpoint,
}

/// Whether a run has reached a stage.
pub(super) type Stage = fn(&World) -> bool;

/// The file for dead letters.
pub(super) const DEAD_LETTERS: &str = "dead.jsonl";
/// A path below a regular file, where not even root can write.
const NOWHERE: &str = "a-file/below";
/// A full disk.
const FULL: &str = "/dev/full";

const REJECTING: &str = "faults: [{path: '/aspects?action=', urn: 'urn:li:tag:b', action: status, code: 422, message: 'urn:li:tag:b: no'}]";
const THROTTLING: &str = "faults: [{path: '/aspects?action=', times: 2, action: throttle, retry_after: 1}]";

fn named(name: &'static str, ends: &'static [i32]) -> Trouble {
    let (what, report) = (What::Nothing, "report.json");
    Trouble {
        name,
        faults: Faults::None,
        what,
        report,
        dead_letters: DEAD_LETTERS,
        arguments: &[],
        ends,
        repeats: false,
    }
}

fn script(name: &'static str, ends: &'static [i32]) -> Trouble {
    Trouble { faults: Faults::Script(name), ..named(name, ends) }
}

fn unknown(name: &'static str, ends: &'static [i32]) -> Trouble {
    Trouble { repeats: true, ..script(name, ends) }
}

fn text(name: &'static str, faults: &'static str, ends: &'static [i32]) -> Trouble {
    Trouble { faults: Faults::Text(faults), ..named(name, ends) }
}

fn signal(name: &'static str, signal: &'static str, stages: &'static [Stage]) -> Trouble {
    // If the signal is too late, the run has ended normally.
    let ends: &[i32] = if signal == "KILL" { &[0] } else { &[0, 143] };
    Trouble { what: What::Signal(signal, stages), repeats: signal == "KILL", ..named(name, ends) }
}

/// All failures: each script, the local disk, the connection to the server, and the process itself.
pub(super) fn all() -> Vec<Trouble> {
    [scripts(), disk(), connection(), ends()].concat()
}

fn scripts() -> Vec<Trouble> {
    vec![
        script("away-for-a-while.yml", &[0]),
        script("bad-gateway.yml", &[0]),
        script("gateway-timeout.yml", &[0]),
        unknown("half-body-after-commit.yml", &[0]),
        script("half-body.yml", &[0]),
        script("jetty-json.yml", &[0]),
        script("jetty-page.yml", &[0]),
        script("login-page.yml", &[4]),
        script("no-batches.yml", &[0]),
        // When only that entity is left, a 500 may as well be a failure of the server: then the run stops.
        script("one-entity.yml", &[1, 4]),
        script("own-status.yml", &[0, 1]),
        unknown("partial-apply.yml", &[0]),
        script("pending-for-a-while.yml", &[0]),
        script("redirect.yml", &[4]),
        script("rejected-later.yml", &[0, 1]),
        unknown("reset-after-commit.yml", &[0]),
        script("reset.yml", &[0]),
        script("server-error-without-a-word.yml", &[0]),
        script("server-error.yml", &[0]),
        unknown("server-timeout.yml", &[0]),
        script("silent-drop.yml", &[0, 1]),
        script("slow-body.yml", &[0]),
        script("slow-head.yml", &[0]),
        script("slow-server.yml", &[0]),
        script("spring-page-for-browsers.yml", &[0]),
        script("spring-page.yml", &[0]),
        script("throttled-until-a-date.yml", &[0]),
        script("throttled-without-a-time.yml", &[0]),
        script("throttled.yml", &[0]),
        script("token-expiry.yml", &[3]),
        script("too-large.yml", &[0]),
        script("transaction-conflict.yml", &[0]),
        script("unauthorized-from-the-third.yml", &[3]),
    ]
}

fn disk() -> Vec<Trouble> {
    vec![
        Trouble { dead_letters: FULL, ..text("dead letters on a full disk", REJECTING, &[6]) },
        Trouble { dead_letters: NOWHERE, ..text("dead letters in no directory", REJECTING, &[6]) },
        Trouble { report: FULL, ..named("a report on a full disk", &[6]) },
        Trouble { report: NOWHERE, ..named("a report in no directory", &[6]) },
        Trouble { arguments: &["--metrics-file", NOWHERE], ..named("metrics in no directory", &[6]) },
        Trouble { arguments: &["--state-dir", NOWHERE], ..named("state in no directory", &[6]) },
        Trouble { what: What::NoCheckpoint, repeats: true, ..named("no new checkpoint", &[6]) },
    ]
}

fn connection() -> Vec<Trouble> {
    let forbidden = "faults: [{path: '/aspects?action=', action: status, code: 403, message: 'not you'}]";
    let rejecting_all =
        "faults: [{path: '/aspects?action=', action: status, code: 422, message: 'not today'}]";
    vec![
        Trouble { what: What::WrongToken, ..named("a token of another server", &[3]) },
        Trouble { what: What::NoServer, ..named("no server", &[4]) },
        text("forbidden from now on", forbidden, &[1, 3]),
        text("everything is rejected from now on", rejecting_all, &[1]),
        text("one entity is rejected", REJECTING, &[1]),
    ]
}

fn ends() -> Vec<Trouble> {
    vec![
        signal("killed as it starts", "KILL", &[|_| true]),
        signal("killed while it asks who it talks to", "KILL", &[|world| world.server.requests() > 0]),
        signal("killed at its first write", "KILL", &[|world| !world.server.writes().is_empty()]),
        signal("killed in the middle", "KILL", &[|world| world.wrote(100)]),
        signal("killed twice", "KILL", &[|world| world.wrote(60), |world| world.wrote(120)]),
        signal("killed at its end", "KILL", &[|world| world.wrote(super::corpus::RECORDS)]),
        Trouble {
            faults: Faults::Text(THROTTLING),
            ..signal("killed while it waits", "KILL", &[|world| world.server.writes().contains(&Some(429))])
        },
        Trouble {
            faults: Faults::Text(REJECTING),
            ends: &[1],
            ..signal("killed at its first dead letter", "KILL", &[|world| !world.dead_letters().is_empty()])
        },
        signal("asked to end in the middle", "TERM", &[|world| world.wrote(100)]),
        Trouble {
            faults: Faults::Text(THROTTLING),
            ..signal(
                "asked to end while it waits",
                "TERM",
                &[|world| world.server.writes().contains(&Some(429))],
            )
        },
    ]
}

impl Trouble {
    /// The faults for the server: they begin after the first delivery, and their times are shorter than in
    /// the script.
    pub(super) fn faults(&self, endpoint: &str) -> Vec<Fault> {
        let text = match self.faults {
            Faults::None => return Vec::new(),
            Faults::Text(text) => text.to_owned(),
            Faults::Script(name) => std::fs::read_to_string(super::directory().join(name)).unwrap(),
        };
        let text = text.replace("aspect: status", "aspect: deprecation");
        // Faults of batches cannot occur over OpenAPI.
        let text = match endpoint {
            "openapi" if !text.contains("unknown_action") => text
                .replace("/aspects?action=ingestProposalBatch", "/openapi/v3/entity/")
                .replace("/aspects?action=", "/openapi/v3/entity/"),
            _ => text,
        };
        let shorter = |fault: Fault| Fault {
            // There are a dozen batches, and a few of them for one entity.
            after: fault.after + if fault.urn_contains.is_some() { 1 } else { 4 },
            after_time: Duration::ZERO,
            lasts: fault.lasts.map(|_| Duration::from_millis(500)),
            ..fault
        };
        Fault::parse(&text).unwrap().into_iter().map(shorter).collect()
    }

    pub(super) fn script(&self) -> Option<&'static str> {
        match self.faults {
            Faults::Script(name) => Some(name),
            _ => None,
        }
    }
}
