//! The thread and runtime of the server: it listens, serves each connection, and stops in good order.

use std::net::SocketAddr;
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
use super::faults::{Faults, Reset};
use super::record::Record;
use super::socket::{Resetter, Socket};
use super::store::write::Stamp;
use super::store::{Location, Store};
use super::tokens::{self, Tokens};
use super::trace::Traces;
use super::{SYSTEM_ACTOR, Server, routes, user};
use crate::{Error, ErrorKind};

/// How long a client may take for the head of a request; a connection without a request is closed after it, too.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// How many connections are served at a time; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 1024;

/// How long requests under way may take when the server stops.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// How a server is to run.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) location: Location,
    pub(super) listen: SocketAddr,
    pub(super) authentication: bool,
    pub(super) version: String,
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
    pub(super) server: Arc<Server>,
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
    let (listener, server) = match started {
        Ok((listener, address, server)) => {
            let announced = Ready { address, server: Arc::clone(&server) };
            if ready.send(Ok(announced)).is_err() {
                // Nobody waits for it any more.
                server.store.close();
                return;
            }
            (listener, server)
        }
        Err(error) => {
            drop(ready.send(Err(error)));
            return;
        }
    };
    runtime.block_on(serve(listener, &server, orders));
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

async fn start(
    settings: &Settings,
    runtime: &Runtime,
) -> Result<(TcpListener, SocketAddr, Arc<Server>), Error> {
    let cannot_listen = |error: std::io::Error| {
        Error::new(
            ErrorKind::Input,
            format!("the embedded GMS cannot listen on {}: {error}", settings.listen),
        )
        .with_source(error)
    };
    let listener = TcpListener::bind(settings.listen).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    let (store, secrets) = Store::open(&settings.location, runtime.handle().clone())?;
    let store = Arc::new(store);
    store
        .write(|connection| {
            let stamp =
                Stamp { actor: user::urn(SYSTEM_ACTOR), time: tokens::milliseconds(SystemTime::now()) };
            authentication::delete_expired(connection, stamp.time)?;
            user::ensure(connection, user::ADMINISTRATOR, &stamp)
        })
        .await
        .map_err(|failure| Error::new(ErrorKind::Disk, failure.message().to_owned()))?;
    let server = Arc::new(Server {
        authentication: Authentication::new(
            settings.authentication,
            Tokens::new(&secrets),
            Arc::clone(&store),
        ),
        store,
        record: Arc::new(Record::default()),
        faults: Faults::default(),
        traces: Traces::default(),
        version: settings.version.clone(),
    });
    Ok((listener, address, server))
}

async fn serve(listener: TcpListener, server: &Arc<Server>, mut orders: watch::Receiver<Order>) {
    let router = routes::router(Arc::clone(server));
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    loop {
        tokio::select! {
            // An error means that the one who gives orders is gone.
            order = orders.changed() => {
                if order.is_err() || *orders.borrow() != Order::Run {
                    break;
                }
            }
            accepted = accept(&listener, &room) => match accepted {
                Ok((stream, permit)) => {
                    let connection = connection(stream, router.clone(), graceful.watcher(), permit);
                    tokio::spawn(connection);
                }
                Err(error) => {
                    // Too many open files, or a client that left in the queue: others can be served later.
                    tracing::debug!(%error, "the embedded GMS could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
        }
    }
    drop(listener);
    if *orders.borrow() == Order::Stop {
        tokio::select! {
            () = graceful.shutdown() => {}
            () = tokio::time::sleep(DRAIN_TIME) => {}
            _ = orders.wait_for(|order| *order == Order::Abort) => {}
        }
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

/// Serves one connection to its end.
async fn connection(stream: TcpStream, router: Router, watcher: Watcher, permit: OwnedSemaphorePermit) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "answers may be delayed");
    }
    let resetter = Resetter::default();
    let socket = TokioIo::new(Socket::new(stream, resetter.clone()));
    let handlers = TowerToHyperService::new(router);
    let service = service_fn(move |request| answer(handlers.clone(), request, resetter.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(socket, service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::trace!(%error, "a connection to the embedded GMS ended early");
    }
    drop(permit);
}

/// Answers a request, unless the connection is to be reset in its place.
async fn answer(
    handlers: TowerToHyperService<Router>,
    request: Request<Incoming>,
    resetter: Resetter,
) -> Result<Response, &'static str> {
    let Ok(response) = handlers.call(request).await;
    if response.extensions().get::<Reset>().is_some() {
        resetter.reset();
        return Err("reset by a fault");
    }
    Ok(response)
}
