//! Starts child processes from a thread that lives as long as this process.
//!
//! Linux sends the parent-death signal when the *thread* that started a process ends. The threads of a run
//! end before the process does.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

struct Request {
    command: Command,
    reply: Sender<io::Result<Child>>,
}

static LAUNCHER: OnceLock<Mutex<Sender<Request>>> = OnceLock::new();

/// Starts a process. The command is dropped, and its descriptors with it.
///
/// # Errors
/// When the process cannot be started.
pub(super) fn start(command: Command) -> io::Result<Child> {
    let gone = || io::Error::other("the thread that starts processes has ended");
    let (reply, result) = channel();
    let launcher = LAUNCHER.get_or_init(|| Mutex::new(start_thread()));
    let sent = launcher.lock().unwrap_or_else(PoisonError::into_inner).send(Request { command, reply });
    sent.map_err(|_| gone())?;
    result.recv().map_err(|_| gone())?
}

fn start_thread() -> Sender<Request> {
    let (sender, requests): (_, Receiver<Request>) = channel();
    // Without the thread, the receiver is dropped, and `start` reports it.
    drop(thread::Builder::new().name("launcher".into()).spawn(move || {
        for Request { mut command, reply } in requests {
            let child = command.spawn();
            drop(command);
            drop(reply.send(child));
        }
    }));
    sender
}
