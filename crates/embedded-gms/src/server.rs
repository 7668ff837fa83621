//! The thread and runtime of the server: listening, connections, shutdown.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::actor::{self, SYSTEM_ACTOR};
use crate::authentication::{self, Authentication};
use crate::authorization::Authorization;
use crate::bootstrap::bootstrap;
use crate::error::{Error, ErrorKind};
use crate::faults::{Faults, Reset, SlowHead};
use crate::frontend::LogInLimit;
use crate::registry::Registry;
use crate::request_log::RequestLog;
use crate::seed::Seed;
use crate::socket::{ConnectionControl, Socket};
use crate::state::ServerState;
use crate::store::row::AuditStamp;
use crate::store::{Location, Store};
use crate::tokens::{self, Tokens};
use crate::trace::Traces;
use crate::{frontend, routes, token_info};
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

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// The number of simultaneous connections; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 1024;

/// How long requests in progress may take when the server stops.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// The settings of a server.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) location: Location,
    pub(super) listen: SocketAddr,
    pub(super) frontend: Option<FrontendSettings>,
    pub(super) authentication: authentication::AuthenticationSettings,
    pub(super) rest_authorization: bool,
    /// As in [`GmsBuilder::header_timeout`](crate::GmsBuilder::header_timeout).
    pub(super) header_timeout: Duration,
    pub(super) version: String,
    pub(super) silent_drops: bool,
    pub(super) check_fields: bool,
    /// Files with custom models.
    pub(super) registries: Vec<PathBuf>,
    pub(super) seed: Seed,
}

/// The settings of the frontend.
#[derive(Clone, Debug)]
pub(super) struct FrontendSettings {
    pub(super) listen: SocketAddr,
    /// Whether the start fails if the address is in use.
    pub(super) required: bool,
    pub(super) authentication: bool,
}

/// A command to the server's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerCommand {
    Run,
    /// Finish the requests in progress.
    Stop,
    /// Drop the requests in progress.
    Abort,
}

/// The message of the thread when the server is ready.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) address: SocketAddr,
    pub(super) frontend: Option<SocketAddr>,
    pub(super) server: Arc<ServerState>,
}

/// The address of the client, as an extension of its requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerAddress(pub(super) IpAddr);

/// A server that listens but does not respond yet.
struct Started {
    listener: TcpListener,
    frontend: Option<TcpListener>,
    ready: Ready,
}

/// The thread: starts a server, reports it on `ready`, and runs it until a command ends it. `done` is closed
/// when everything is released.
pub(super) fn run(
    settings: &Settings,
    ready: oneshot::Sender<Result<Ready, Error>>,
    commands: watch::Receiver<ServerCommand>,
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
        // The caller has been cancelled.
        server.store.close();
        return;
    }
    let listeners = Listeners::new(settings, listener, frontend, &server);
    runtime.block_on(serve(listeners, commands));
    // Ends the remaining connections and reads.
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
            let stamp = AuditStamp {
                actor: actor::user_urn(SYSTEM_ACTOR),
                time: tokens::milliseconds(SystemTime::now()),
            };
            token_info::delete_expired(connection, stamp.time)?;
            bootstrap(connection, &stamp)
        })
        .await
        .map_err(|failure| Error::new(ErrorKind::Disk, failure.message().to_owned()))?;
    let system_client = settings.authentication.system_client.as_ref().map(|client| client.id.clone());
    let authentication =
        Authentication::new(settings.authentication.clone(), Tokens::new(&secrets), Arc::clone(&store));
    if let Err(error) = settings.seed.clone().apply(&store, &authentication).await {
        let closed = Arc::clone(&store);
        // Completes the file; entries before the invalid one stay.
        drop(tokio::task::spawn_blocking(move || closed.close()).await);
        return Err(error);
    }
    let server = Arc::new(ServerState {
        authentication,
        authorization: Authorization::new(settings.rest_authorization, system_client, Arc::clone(&store)),
        store,
        request_log: Arc::new(RequestLog::default()),
        faults: Faults::default(),
        traces: Traces::default(),
        registry,
        silent_drops: settings.silent_drops,
        local_only: address.ip().is_loopback(),
        log_in_limit: LogInLimit::default(),
        check_fields: settings.check_fields,
        body_timeout: settings.header_timeout,
        version: settings.version.clone(),
        seed: settings.seed.clone(),
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

/// The listeners and their routers.
struct Listeners {
    gms: (TcpListener, Router),
    frontend: Option<(TcpListener, Router)>,
    header_timeout: Duration,
}

impl Listeners {
    fn new(
        settings: &Settings,
        listener: TcpListener,
        frontend: Option<TcpListener>,
        server: &Arc<ServerState>,
    ) -> Self {
        let router = routes::router(Arc::clone(server));
        let authentication = settings.frontend.as_ref().is_none_or(|frontend| frontend.authentication);
        let frontend = frontend
            .map(|listener| (listener, frontend::router(Arc::clone(server), router.clone(), authentication)));
        Self { gms: (listener, router), frontend, header_timeout: settings.header_timeout }
    }

    /// The next connection, with its router.
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

async fn serve(listeners: Listeners, mut commands: watch::Receiver<ServerCommand>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let header_timeout = listeners.header_timeout;
    loop {
        tokio::select! {
            // An error means that the one who gives commands is gone.
            command = commands.changed() => {
                if command.is_err() || *commands.borrow() != ServerCommand::Run {
                    break;
                }
            }
            accepted = listeners.accept(&room) => match accepted {
                Ok((stream, router, permit)) => {
                    tokio::spawn(connection(stream, router, graceful.watcher(), header_timeout, permit));
                }
                Err(error) => {
                    // Too many open files, or a client that disconnected: later connections may succeed.
                    tracing::debug!(%error, "the embedded GMS could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
        }
    }
    drop(listeners);
    if *commands.borrow() == ServerCommand::Stop {
        tokio::select! {
            () = graceful.shutdown() => {}
            () = tokio::time::sleep(DRAIN_TIME) => {}
            _ = commands.wait_for(|command| *command == ServerCommand::Abort) => {}
        }
    }
}

/// Serves one connection.
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
    let peer = stream.peer_addr().map(|address| PeerAddress(address.ip())).ok();
    let control = ConnectionControl::default();
    let socket = TokioIo::new(Socket::new(stream, control.clone()));
    let handlers = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        respond(handlers.clone(), request, control.clone())
    });
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

/// Responds to a request, or resets the connection or delays the response if a fault requires it.
async fn respond(
    handlers: TowerToHyperService<Router>,
    request: Request<Incoming>,
    control: ConnectionControl,
) -> Result<Response, &'static str> {
    let Ok(response) = handlers.call(request).await;
    if response.extensions().get::<Reset>().is_some() {
        control.reset();
        return Err("reset by a fault");
    }
    if let Some(SlowHead(takes)) = response.extensions().get() {
        control.slow_head(*takes);
    }
    Ok(response)
}
