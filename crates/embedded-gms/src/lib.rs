//! A GMS in the process: DataHub's metadata service for first runs and for tests, on a real socket.
//!
//! It takes proposals, patches and snapshots over Rest.li and OpenAPI, keeps aspects with their versions in SQLite (a
//! file, or memory), and wants a token of its own making, as GMS does with metadata service authentication on. A client
//! cannot tell the way to it from the way to a real GMS. It is no replacement for one: there is no ranking, there
//! are no facets, no lineage, no page.
//!
//! ```
//! # async fn example() -> Result<(), datahub_embedded_gms::Error> {
//! use datahub_embedded_gms::Gms;
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

mod administration;
mod authentication;
mod authorization;
mod body_form;
mod builder;
mod change;
mod compact;
mod duration;
mod error;
mod failure;
mod faults;
mod frontend;
mod graphql;
mod group;
mod ingest;
mod keys;
mod model;
mod openapi;
mod password;
mod patch;
mod proposal;
mod record;
mod references;
mod refusal;
mod registry;
mod restli;
mod routes;
mod search;
mod seed;
mod server;
mod snapshot;
mod socket;
mod store;
mod system_metadata;
mod token_info;
mod tokens;
mod trace;
mod tree;
mod urn;
mod user;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use authentication::Authentication;
use authorization::Authorization;
use faults::Faults;
use record::Record;
use registry::Registry;
use server::Order;
use store::{Store, read};
use trace::Traces;
use urn::Urn;

pub use authentication::Filter;
pub use authorization::Policy;
pub use body_form::BodyForm;
pub use builder::Builder;
pub use duration::TokenDuration;
pub use error::{Error, ErrorKind};
pub use faults::{Action, Fault, RetryAfter};
pub use record::ReceivedRequest;
pub use refusal::RefusalForm;
pub use token_info::TokenInfo;
pub use user::User;

/// A free port of this machine alone.
const LOOPBACK: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

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
    authorization: Authorization,
    record: Arc<Record>,
    faults: Faults,
    traces: Traces,
    /// What may be written at all.
    registry: Registry,
    /// Whether Rest.li leaves out what it cannot build a proposal of, and OpenAPI what is not registered, and both say
    /// nothing.
    silent_drops: bool,
    /// How long a client may take between two pieces of a body, and for a small one as a whole.
    body_timeout: Duration,
    /// What `/config` says.
    version: String,
}

impl Server {
    /// Looks up again who may come in and do what: users, tokens or policies may have changed.
    fn access_may_have_changed(&self) {
        self.authentication.doubt();
        self.authorization.doubt();
    }
}

/// A running embedded GMS. Dropping it stops it at once; [`stop`](Self::stop) lets it finish first.
pub struct Gms {
    server: Arc<Server>,
    address: SocketAddr,
    url: String,
    frontend_url: Option<String>,
    token: String,
    data: Option<PathBuf>,
    orders: watch::Sender<Order>,
    done: watch::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Gms {
    /// A server in memory, on a free port of this machine, with authentication on, unless the builder is told
    /// otherwise.
    pub fn builder() -> Builder {
        Builder::new()
    }

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
