//! The thread and runtime of the server: it listens, serves each connection, and stops in good order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::authentication::{self, Authentication};
use super::authorization::Authorization;
use super::faults::{Faults, Reset, SlowHead};
use super::record::Record;
use super::registry::Registry;
use super::seed::Seed;
use super::socket::{Grip, Socket};
use super::store::write::Stamp;
use super::store::{Location, Store};
use super::token_info;
use super::tokens::{self, Tokens};
use super::trace::Traces;
use super::{SYSTEM_ACTOR, Server, frontend, routes, user};
use crate::{Error, ErrorKind};

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// How many connections are served at a time; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 1024;

/// How long requests under way may take when the server stops.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// How a server is to run.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) location: Location,
    pub(super) listen: SocketAddr,
    pub(super) frontend: Option<FrontendSettings>,
    pub(super) authentication: authentication::Policy,
    pub(super) rest_authorization: bool,
    /// As in [`Builder::header_timeout`](super::Builder::header_timeout).
    pub(super) header_timeout: Duration,
    pub(super) version: String,
    pub(super) silent_drops: bool,
    /// Files with models that are added to the standard one.
    pub(super) registries: Vec<PathBuf>,
    pub(super) seed: Seed,
}

/// How the frontend is to run.
#[derive(Clone, Debug)]
pub(super) struct FrontendSettings {
    pub(super) listen: SocketAddr,
    /// Whether there is no going without.
    pub(super) required: bool,
    pub(super) authentication: bool,
}

/// What the thread is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Run,
    /// Finish what is under way.
    Stop,
    /// Leave everything.
    Abort,
}

/// What the thread says when the server is ready.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) address: SocketAddr,
    pub(super) frontend: Option<SocketAddr>,
    pub(super) server: Arc<Server>,
}

/// A server that listens, and does not answer yet.
struct Started {
    listener: TcpListener,
    frontend: Option<TcpListener>,
    ready: Ready,
}

/// The thread: starts a server, says so on `ready`, and runs it until `orders` say otherwise. `done` is closed when
/// everything is released.
pub(super) fn run(
    settings: &Settings,
    ready: oneshot::Sender<Result<Ready, Error>>,
    orders: watch::Receiver<Order>,
    done: watch::Sender<()>,
) {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            drop(ready.send(Err(error)));
            return;
        }
    };
    let started = runtime.block_on(start(settings, &runtime));
    let Started { listener, frontend, ready: announced } = match started {
        Ok(started) => started,
        Err(error) => {
            drop(ready.send(Err(error)));
            return;
        }
    };
    let server = Arc::clone(&announced.server);
    if ready.send(Ok(announced)).is_err() {
        // Nobody waits for it any more.
        server.store.close();
        return;
    }
    let doors = Doors::new(settings, listener, frontend, &server);
    runtime.block_on(serve(doors, orders));
    // Ends what is left: connections that did not drain, reads.
    runtime.shutdown_timeout(Duration::from_secs(1));
    server.store.close();
    drop(done);
}

fn runtime() -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(4)
        .thread_name("embedded-gms")
        .enable_all()
        .build()
        .map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot start the embedded GMS's threads").with_source(error)
        })
}

async fn start(settings: &Settings, runtime: &Runtime) -> Result<Started, Error> {
    let mut registry = Registry::standard()?;
    for path in &settings.registries {
        registry.add_file(path)?;
    }
    let (listener, address) = listen(settings.listen).await?;
    let frontend = match &settings.frontend {
        None => None,
        Some(frontend) => match listen(frontend.listen).await {
            Ok(listening) => Some(listening),
            Err(error) if frontend.required => return Err(error),
            Err(_) => None,
        },
    };
    let (store, secrets) = Store::open(&settings.location, runtime.handle().clone())?;
    let store = Arc::new(store);
    store
        .write(|connection| {
            let stamp =
                Stamp { actor: user::urn(SYSTEM_ACTOR), time: tokens::milliseconds(SystemTime::now()) };
            token_info::delete_expired(connection, stamp.time)?;
            user::found(connection, &stamp)
        })
        .await
        .map_err(|failure| Error::new(ErrorKind::Disk, failure.message().to_owned()))?;
    let system_client = settings.authentication.system_client.as_ref().map(|client| client.id.clone());
    let authentication =
        Authentication::new(settings.authentication.clone(), Tokens::new(&secrets), Arc::clone(&store));
    if let Err(error) = settings.seed.clone().plant(&store, &authentication).await {
        let closed = Arc::clone(&store);
        // Brings the file up to date; what was set up before the mistake stays.
        drop(tokio::task::spawn_blocking(move || closed.close()).await);
        return Err(error);
    }
    let server = Arc::new(Server {
        authentication,
        authorization: Authorization::new(settings.rest_authorization, system_client, Arc::clone(&store)),
        store,
        record: Arc::new(Record::default()),
        faults: Faults::default(),
        traces: Traces::default(),
        registry,
        silent_drops: settings.silent_drops,
        body_timeout: settings.header_timeout,
        version: settings.version.clone(),
    });
    let (frontend, frontend_address) = frontend.unzip();
    Ok(Started { listener, frontend, ready: Ready { address, frontend: frontend_address, server } })
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let cannot_listen = |error: std::io::Error| {
        Error::new(ErrorKind::Input, format!("the embedded GMS cannot listen on {address}: {error}"))
            .with_source(error)
    };
    let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    Ok((listener, address))
}

/// Where connections come in, and who answers them.
struct Doors {
    gms: (TcpListener, Router),
    frontend: Option<(TcpListener, Router)>,
    header_timeout: Duration,
}

impl Doors {
    fn new(
        settings: &Settings,
        listener: TcpListener,
        frontend: Option<TcpListener>,
        server: &Arc<Server>,
    ) -> Self {
        let router = routes::router(Arc::clone(server));
        let authentication = settings.frontend.as_ref().is_none_or(|frontend| frontend.authentication);
        let frontend = frontend
            .map(|listener| (listener, frontend::router(Arc::clone(server), router.clone(), authentication)));
        Self { gms: (listener, router), frontend, header_timeout: settings.header_timeout }
    }

    /// The next connection, with who answers it.
    async fn accept(
        &self,
        room: &Arc<Semaphore>,
    ) -> std::io::Result<(TcpStream, Router, OwnedSemaphorePermit)> {
        let permit = Arc::clone(room).acquire_owned().await.map_err(std::io::Error::other)?;
        let (gms, router) = &self.gms;
        let frontend = async {
            match &self.frontend {
                Some((listener, router)) => listener.accept().await.map(|accepted| (accepted, router)),
                None => std::future::pending().await,
            }
        };
        let ((stream, _), router) = tokio::select! {
            accepted = gms.accept() => (accepted?, router),
            accepted = frontend => accepted?,
        };
        Ok((stream, router.clone(), permit))
    }
}

async fn serve(doors: Doors, mut orders: watch::Receiver<Order>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let header_timeout = doors.header_timeout;
    loop {
        tokio::select! {
            // An error means that the one who gives orders is gone.
            order = orders.changed() => {
                if order.is_err() || *orders.borrow() != Order::Run {
                    break;
                }
            }
            accepted = doors.accept(&room) => match accepted {
                Ok((stream, router, permit)) => {
                    tokio::spawn(connection(stream, router, graceful.watcher(), header_timeout, permit));
                }
                Err(error) => {
                    // Too many open files, or a client that left in the queue: others can be served later.
                    tracing::debug!(%error, "the embedded GMS could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
        }
    }
    drop(doors);
    if *orders.borrow() == Order::Stop {
        tokio::select! {
            () = graceful.shutdown() => {}
            () = tokio::time::sleep(DRAIN_TIME) => {}
            _ = orders.wait_for(|order| *order == Order::Abort) => {}
        }
    }
}

/// Serves one connection to its end.
async fn connection(
    stream: TcpStream,
    router: Router,
    watcher: Watcher,
    header_timeout: Duration,
    permit: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "answers may be delayed");
    }
    let grip = Grip::default();
    let socket = TokioIo::new(Socket::new(stream, grip.clone()));
    let handlers = TowerToHyperService::new(router);
    let service = service_fn(move |request| answer(handlers.clone(), request, grip.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(MAX_HEAD)
        .serve_connection(socket, service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::trace!(%error, "a connection to the embedded GMS ended early");
    }
    drop(permit);
}

/// Answers a request, unless the connection is to be reset in its place; slowly, where a fault wants that.
async fn answer(
    handlers: TowerToHyperService<Router>,
    request: Request<Incoming>,
    grip: Grip,
) -> Result<Response, &'static str> {
    let Ok(response) = handlers.call(request).await;
    if response.extensions().get::<Reset>().is_some() {
        grip.reset();
        return Err("reset by a fault");
    }
    if let Some(SlowHead(takes)) = response.extensions().get() {
        grip.slow_head(*takes);
    }
    Ok(response)
}
