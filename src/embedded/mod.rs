//! A GMS in the process: DataHub's metadata service for first runs and for tests, on a real socket.
//!
//! It takes proposals, patches and snapshots over Rest.li and OpenAPI, keeps aspects with their versions in SQLite (a
//! file, or memory), and wants a token of its own making, as GMS does with metadata service authentication on. A client
//! cannot tell the way to it from the way to a real GMS. It is no replacement for one: there is no search, no lineage,
//! no page.
//!
//! ```
//! # async fn example() -> Result<(), datahub_emitter::Error> {
//! use datahub_emitter::embedded::Gms;
//!
//! let gms = Gms::builder().start().await?;
//! println!("{} takes {} as a bearer token", gms.url(), gms.token());
//!
//! // … send something to it, and then look:
//! let stored = gms.aspect("urn:li:corpuser:datahub", "corpUserKey").await;
//! assert_eq!(stored.as_deref(), Some(r#"{"username":"datahub"}"#));
//! assert!(gms.requests().is_empty());
//!
//! gms.stop().await;
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```
//!
//! It runs on a thread and a runtime of its own, so it can be used from any runtime, also from one with a single
//! thread, and nothing that blocks there holds it up.

mod authentication;
mod change;
mod compact;
mod failure;
mod faults;
mod ingest;
mod keys;
mod model;
mod openapi;
mod patch;
mod proposal;
mod record;
mod restli;
mod routes;
mod server;
mod snapshot;
mod socket;
mod store;
mod system_metadata;
mod tokens;
mod trace;
mod tree;
mod user;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::sync::{oneshot, watch};

use crate::{Error, ErrorKind};
use authentication::Authentication;
use faults::Faults;
use record::Record;
use server::{Order, Settings};
use store::{Location, Store, read};
use trace::Traces;

pub use faults::{Action, Fault};
pub use record::ReceivedRequest;

/// The version that it says it has: the GMS that it behaves like, and a mark of its own.
const VERSION: &str = "v1.3.0-embedded";

/// The longest body of a request, in bytes. GMS has no such limit; this one keeps a mistake from taking all memory.
const MAX_BODY: u64 = 64 * 1024 * 1024;

/// The name of GMS itself, where it acts for nobody else.
const SYSTEM_ACTOR: &str = "__datahub_system";

/// How long the token is good that [`Gms::create_token`] makes: what the page of DataHub offers first.
const TOKEN_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What the parts of a running server share.
#[derive(Debug)]
struct Server {
    store: Arc<Store>,
    authentication: Authentication,
    record: Arc<Record>,
    faults: Faults,
    traces: Traces,
    /// What `/config` says.
    version: String,
}

/// A running embedded GMS. Dropping it stops it at once; [`stop`](Self::stop) lets it finish first.
pub struct Gms {
    server: Arc<Server>,
    address: SocketAddr,
    url: String,
    token: String,
    data: Option<PathBuf>,
    orders: watch::Sender<Order>,
    done: watch::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// Says how an embedded GMS is to run. Made by [`Gms::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    data: Option<PathBuf>,
    listen: SocketAddr,
    authentication: bool,
    version: String,
}

impl Builder {
    /// Keeps everything in the SQLite file at `path`, which is made where it is not there, with its directories.
    ///
    /// The file also holds what tokens are signed with, so they outlive the process, and only its owner can read it.
    /// Several processes may have it open. By default, and for `:memory:`, everything is kept in memory, and is gone
    /// when the server stops.
    #[must_use]
    pub fn data(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.data = (path != Path::new(":memory:")).then_some(path);
        self
    }

    /// Listens on `address`. The default is `127.0.0.1:0`: this machine alone, on a port that is free.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Whether requests need a token; they do by default. Without, everyone may do everything, as in a GMS whose
    /// metadata service authentication is off.
    #[must_use]
    pub fn authentication(mut self, on: bool) -> Self {
        self.authentication = on;
        self
    }

    /// The version that `/config` says, by which clients decide what a server can do: for example `v0.13.1`. What this
    /// one can do stays the same.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Starts the server, and returns when it answers.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] when the address cannot be listened on, [`ErrorKind::Disk`] when the data file cannot be
    /// used, [`ErrorKind::Internal`] when there are no threads to be had.
    pub async fn start(self) -> Result<Gms, Error> {
        let settings = Settings {
            location: self.data.clone().map_or(Location::Memory, Location::File),
            listen: self.listen,
            authentication: self.authentication,
            version: self.version,
        };
        let (orders, given) = watch::channel(Order::Run);
        let (ending, done) = watch::channel(());
        let (ready, started) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("embedded-gms".into())
            .spawn(move || server::run(&settings, ready, given, ending))
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "cannot start the embedded GMS's thread").with_source(error)
            })?;
        let ready = started.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Internal, "the embedded GMS ended while it started"))
        })?;
        let mut gms = Gms {
            url: url_of(ready.address),
            address: ready.address,
            server: ready.server,
            token: String::new(),
            data: self.data,
            orders,
            done,
            thread: Some(thread),
        };
        gms.token = gms.create_token(user::ADMINISTRATOR).await?;
        Ok(gms)
    }
}

impl Gms {
    /// A server in memory, on a free port of this machine, with authentication on, unless the builder is told
    /// otherwise.
    pub fn builder() -> Builder {
        Builder {
            data: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            authentication: true,
            version: VERSION.to_owned(),
        }
    }

    /// Where clients reach it, for example `http://127.0.0.1:41373`; without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The data file; `None` for a server in memory.
    pub fn data(&self) -> Option<&Path> {
        self.data.as_deref()
    }

    /// A personal token of the user `datahub`, made at the start, good for 30 days. It is a secret.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Makes a personal token for the user of that name (`jdoe`, not a URN), good for 30 days. A user who is not there
    /// yet is made, with `corpUserKey` and `corpUserInfo`.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for a name that no user can have, [`ErrorKind::Disk`] when the token cannot be stored.
    pub async fn create_token(&self, actor_id: &str) -> Result<String, Error> {
        self.create_token_until(actor_id, Some(SystemTime::now() + TOKEN_LIFETIME)).await
    }

    /// Makes a personal token as [`create_token`](Self::create_token) does, which is good until `expires`, to the
    /// second; with `None` for ever. A time that has passed makes a token that is refused.
    ///
    /// # Errors
    /// As [`create_token`](Self::create_token).
    pub async fn create_token_until(
        &self,
        actor_id: &str,
        expires: Option<SystemTime>,
    ) -> Result<String, Error> {
        self.server.authentication.issue(actor_id, expires).await
    }

    /// Revokes a token: it is refused from now on. Returns whether there was such a token.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`] when that cannot be stored.
    pub async fn revoke(&self, token: &str) -> Result<bool, Error> {
        let revoked = self.server.authentication.revoke(token).await;
        revoked.map_err(|failure| Error::new(ErrorKind::Disk, failure.message().to_owned()))
    }

    /// Treats a token as if its time were over, from now on until the server stops; what the token itself says does
    /// not change. For a token whose own time is over, see [`create_token_until`](Self::create_token_until).
    pub fn expire_token(&self, token: &str) {
        self.server.authentication.expire(token);
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
        self.server.record.requests()
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
        self.orders.send_if_modified(|order| {
            let running = *order == Order::Run;
            if running {
                *order = Order::Stop;
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
        self.orders.send_replace(Order::Abort);
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

/// The address as a client writes it: one that stands for all of this machine's is reached by loopback.
fn url_of(address: SocketAddr) -> String {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}
