//! The process that runs a source.

use std::io::{self, BufRead as _, BufReader, PipeReader, Read as _, Write as _, pipe};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::launcher;
use super::options::ChildOutput;
use crate::environment::Environment;

/// The program that the child runs.
const BRIDGE: &str = include_str!("../../../python/bridge.py");

/// The child reads the bridge from the socket that is its standard input. The socket gets another number, so
/// that neither the source nor a process that it starts can read from it by accident. The current
/// directory is taken off the module path: a folder `datahub` in it would hide the package.
const BOOTSTRAP: &str = "\
import os, socket, sys
sys.path = [directory for directory in sys.path if directory]
connection = socket.socket(fileno=os.dup(0))
null = os.open(os.devnull, os.O_RDONLY)
os.dup2(null, 0)
os.close(null)
commands = connection.makefile('rb')
code = commands.read(int(commands.readline()))
bridge = {'__name__': 'datahub_emit_bridge_main'}
exec(compile(code, 'bridge.py of datahub-emit', 'exec'), bridge)
bridge['main'](connection, commands)
";

/// How long the child may take to end after SIGTERM before it is killed.
const TERMINATE_GRACE: Duration = Duration::from_secs(3);

/// The longest line of output that is passed on as one.
const MAX_OUTPUT_LINE: u64 = 64 << 10;

/// A process that runs a source, with those that it has started: all in one process group.
#[derive(Debug)]
pub(super) struct Child {
    group: Pid,
    ended: Arc<Ended>,
}

#[derive(Debug, Default)]
struct Ended {
    status: Mutex<Option<ExitStatus>>,
    changed: Condvar,
}

impl Child {
    /// Starts `python`, and gives it the bridge and the message `start`. Returns the process and the
    /// socket to it. `output` receives what the source prints.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub(super) fn start(
        python: &Path,
        environment: &Environment,
        start: &serde_json::Value,
        output: ChildOutput,
    ) -> io::Result<(Self, UnixStream)> {
        let (mut ours, theirs) = UnixStream::pair()?;
        let (printed, prints) = pipe()?;
        let mut command = Command::new(python);
        command
            .args(["-c", BOOTSTRAP])
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(prints.try_clone()?)
            .stderr(prints)
            .env("PYTHONUNBUFFERED", "1")
            .process_group(0);
        // The child reaches GMS through a port of this machine, and not through a proxy.
        for variable in ["no_proxy", "NO_PROXY"] {
            let others = environment.get(variable).unwrap_or_default();
            let separator = if others.is_empty() { "" } else { "," };
            command.env(variable, format!("{others}{separator}127.0.0.1"));
        }
        let mut process = launcher::start(command)?;
        let group = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
        let group = group.ok_or_else(|| io::Error::other("the process has no id"))?;
        let ended = Arc::new(Ended::default());
        let waiting = Arc::clone(&ended);
        thread::Builder::new().name("source-wait".into()).spawn(move || {
            let status = process.wait();
            // Processes that the source has left behind keep the socket open.
            signal(group, Signal::KILL);
            *waiting.status.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(status.unwrap_or_else(|_| ExitStatus::from_raw(0)));
            waiting.changed.notify_all();
        })?;
        thread::Builder::new().name("source-output".into()).spawn(move || pass_on(printed, &output))?;
        // A child that dies before it has read everything is reported by its exit status.
        drop(ours.write_all(format!("{}\n{BRIDGE}{start}\n", BRIDGE.len()).as_bytes()));
        Ok((Self { group, ended }, ours))
    }

    /// Ends the process group: with SIGTERM, and with SIGKILL after [`TERMINATE_GRACE`]. Does not wait.
    pub(super) fn terminate(&self) {
        let (group, ended) = (self.group, Arc::clone(&self.ended));
        if ended.status().is_some() {
            return;
        }
        signal(group, Signal::TERM);
        // Without a thread, the child has to end by itself.
        drop(thread::Builder::new().name("source-kill".into()).spawn(move || {
            if ended.wait(Some(TERMINATE_GRACE)).is_none() {
                signal(group, Signal::KILL);
            }
        }));
    }

    /// Waits for the end of the process.
    pub(super) fn wait(&self) -> Option<ExitStatus> {
        self.ended.wait(None)
    }
}

impl Ended {
    fn status(&self) -> Option<ExitStatus> {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, limit: Option<Duration>) -> Option<ExitStatus> {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let is_running = |status: &mut Option<ExitStatus>| status.is_none();
        match limit {
            None => *self.changed.wait_while(status, is_running).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let waited = self.changed.wait_timeout_while(status, limit, is_running);
                *waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

/// Sends a signal to a process group, if it still exists.
fn signal(group: Pid, signal: Signal) {
    if let Err(error) = kill_process_group(group, signal) {
        tracing::debug!("no process of the source is left: {error}");
    }
}

/// Ends the connection, so that the bridge ends its process group. A child that is dead already does not
/// mind.
pub(super) fn disconnect(connection: &UnixStream) {
    drop(connection.shutdown(Shutdown::Both));
}

/// Passes on what the source prints, line by line.
fn pass_on(printed: PipeReader, output: &ChildOutput) {
    let mut printed = BufReader::new(printed);
    let mut line = Vec::new();
    loop {
        line.clear();
        match printed.by_ref().take(MAX_OUTPUT_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => output.call(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r'])),
        }
    }
}
