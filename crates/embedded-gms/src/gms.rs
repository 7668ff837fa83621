//! A running server.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::faults::Fault;
use crate::request_log::ReceivedRequest;
use crate::server::ServerCommand;
use crate::state::ServerState;
use crate::store::read;
use tokio::sync::watch;

/// A running embedded GMS. Dropping it stops the server at once; [`stop`](Self::stop) lets requests finish
/// first.
pub struct Gms {
    pub(crate) server: Arc<ServerState>,
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    pub(crate) frontend_url: Option<String>,
    pub(crate) token: String,
    pub(crate) data: Option<PathBuf>,
    pub(crate) commands: watch::Sender<ServerCommand>,
    pub(crate) done: watch::Receiver<()>,
    pub(crate) thread: Option<JoinHandle<()>>,
}

impl Gms {
    /// The URL of the server, for example `http://127.0.0.1:41373`, without a final slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL of the frontend; `None` without a frontend.
    pub fn frontend_url(&self) -> Option<&str> {
        self.frontend_url.as_deref()
    }

    /// The address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The data file; `None` for a server in memory.
    pub fn data(&self) -> Option<&Path> {
        self.data.as_deref()
    }

    /// A personal access token of the user `datahub`. It is created at the start and is valid for 30 days,
    /// but only while the server runs. It is a secret.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The stored JSON text of the latest version of an aspect, as it was received but without white space
    /// between tokens; `None` if the aspect does not exist.
    pub async fn aspect(&self, urn: &str, name: &str) -> Option<String> {
        self.aspect_version(urn, name, 0).await
    }

    /// One version of an aspect, as in [`aspect`](Self::aspect): 0 is the latest; earlier versions are
    /// numbered from 1, in the order in which they were written.
    pub async fn aspect_version(&self, urn: &str, name: &str, version: u32) -> Option<String> {
        let (urn, name) = (urn.to_owned(), name.to_owned());
        self.server
            .store
            .read(move |connection| read::aspect(connection, &urn, &name, version.into()))
            .await
            .ok()?
            .map(|stored| stored.metadata)
    }

    /// The last 10,000 requests, in the order of arrival.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.server.request_log.requests()
    }

    /// Adds a fault after the existing ones.
    pub fn fault(&self, fault: Fault) {
        self.server.faults.add(fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.server.faults.clear();
    }

    /// Stops the server: it accepts no more connections, waits up to 10 seconds for requests in progress, and
    /// writes everything to the data file. A second call only waits. Dropping the future does not cancel the
    /// stop.
    pub async fn stop(&self) {
        self.commands.send_if_modified(|order| {
            let running = *order == ServerCommand::Run;
            if running {
                *order = ServerCommand::Stop;
            }
            running
        });
        self.stopped().await;
    }

    /// Waits until the server has stopped. Cancel-safe.
    pub async fn stopped(&self) {
        let mut done = self.done.clone();
        // Nothing is sent on this channel; it is closed when the thread has released everything.
        while done.changed().await.is_ok() {}
    }
}

impl Drop for Gms {
    fn drop(&mut self) {
        self.commands.send_replace(ServerCommand::Abort);
        if let Some(thread) = self.thread.take() {
            // The thread has already reported a panic.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Gms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gms").field("url", &self.url).field("data", &self.data).finish_non_exhaustive()
    }
}
