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

/// A running embedded GMS. Dropping it stops it at once; [`stop`](Self::stop) lets it finish first.
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
    /// Where clients reach it, for example `http://127.0.0.1:41373`; without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where browsers and programs reach the frontend that it plays; `None` where there is none.
    pub fn frontend_url(&self) -> Option<&str> {
        self.frontend_url.as_deref()
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The data file; `None` for a server in memory.
    pub fn data(&self) -> Option<&Path> {
        self.data.as_deref()
    }

    /// A personal token of the user `datahub`, made at the start, good for 30 days and while the server runs. It is a
    /// secret.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The stored JSON text of an aspect's latest version, without white space between its tokens and otherwise
    /// character for character as it came; `None` when it is not there.
    pub async fn aspect(&self, urn: &str, name: &str) -> Option<String> {
        self.aspect_version(urn, name, 0).await
    }

    /// One version of an aspect, as [`aspect`](Self::aspect) gives it: 0 is the latest, and the earlier ones are
    /// numbered from 1 in the order in which they were written.
    pub async fn aspect_version(&self, urn: &str, name: &str, version: u32) -> Option<String> {
        let (urn, name) = (urn.to_owned(), name.to_owned());
        self.server
            .store
            .read(move |connection| read::aspect(connection, &urn, &name, version.into()))
            .await
            .ok()?
            .map(|stored| stored.metadata)
    }

    /// The requests that arrived, in order; the last 10,000 of them.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.server.request_log.requests()
    }

    /// Adds a fault behind those that are set.
    pub fn fault(&self, fault: Fault) {
        self.server.faults.add(fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.server.faults.clear();
    }

    /// Stops the server: it takes no more connections, answers the requests that are under way (for up to 10
    /// seconds), and brings the data file up to date. A second call just waits.
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

    /// Waits until the server has stopped.
    pub async fn stopped(&self) {
        let mut done = self.done.clone();
        // Nothing is ever sent: the channel is closed when the thread has released everything.
        while done.changed().await.is_ok() {}
    }
}

impl Drop for Gms {
    fn drop(&mut self) {
        self.commands.send_replace(ServerCommand::Abort);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its own thread.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Gms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gms").field("url", &self.url).field("data", &self.data).finish_non_exhaustive()
    }
}
