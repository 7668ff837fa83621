//! A server that answers as a test says, request by request: for the faults that no real server makes on demand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What `GET /config` answers.
const CONFIG: &str = r#"{"noCode":"true","versions":{"acryldata/datahub":{"version":"v1.3.0"}}}"#;

/// What a test lets the server do with a request.
pub(crate) enum Answer {
    /// This status, with this body.
    Status(u16, String),
    /// This status, with this body and these header lines; without a `Content-Type` among them it is JSON.
    With(u16, String, &'static str),
    /// Closes the connection without a word.
    Reset,
    /// Says that a longer body follows than does.
    Cut,
    /// What is sent here, when it is. Until then the request stays open.
    Later(tokio::sync::oneshot::Receiver<Self>),
}

impl Answer {
    pub(crate) fn ok() -> Self {
        Self::Status(200, r#"{"value":"success"}"#.into())
    }
}

/// A request that carried proposals, or asked for something else.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The proposals' URNs and aspect names, in order.
    pub(crate) fn proposals(&self) -> Vec<(String, String)> {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        if let Value::Array(items) = &body {
            return items.iter().flat_map(|item| openapi_aspects(item, &text(item, "urn"))).collect();
        }
        match (&body["proposals"], &body["proposal"]) {
            (Value::Array(proposals), _) => {
                proposals.iter().map(|p| (text(p, "entityUrn"), text(p, "aspectName"))).collect()
            }
            (_, Value::Null) => Vec::new(),
            (_, proposal) => vec![(text(proposal, "entityUrn"), text(proposal, "aspectName"))],
        }
    }

    pub(crate) fn is_write(&self) -> bool {
        self.method() != "GET"
    }

    /// Method and path.
    pub(crate) fn target(&self) -> &str {
        let line = self.head.lines().next().unwrap_or_default();
        line.strip_suffix(" HTTP/1.1").unwrap_or(line)
    }

    pub(crate) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// The path with its query.
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The headers, their names in small letters.
    pub(crate) fn headers(&self) -> BTreeMap<String, String> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect()
    }
}

/// The aspects of one item of an OpenAPI request.
fn openapi_aspects(item: &Value, urn: &str) -> Vec<(String, String)> {
    let names = item.as_object().into_iter().flat_map(|item| item.keys());
    names.filter(|name| *name != "urn").map(|name| (urn.to_owned(), name.clone())).collect()
}

type Script = dyn Fn(&Request) -> Answer + Send + Sync;

pub(crate) struct ScriptedGms {
    address: SocketAddr,
    log: Arc<Log>,
}

/// A [`ScriptedGms`] on threads of its own, for tests that wait for a process.
pub(crate) struct Apart {
    gms: ScriptedGms,
    _runtime: tokio::runtime::Runtime,
}

impl std::ops::Deref for Apart {
    type Target = ScriptedGms;

    fn deref(&self) -> &ScriptedGms {
        &self.gms
    }
}

#[derive(Default)]
struct Log {
    forgetful: std::sync::atomic::AtomicBool,
    all: Mutex<Vec<Request>>,
    connections: std::sync::atomic::AtomicUsize,
    writes: Mutex<Vec<Request>>,
    open: Mutex<Vec<String>>,
    collisions: Mutex<Vec<String>>,
}

impl ScriptedGms {
    /// Starts a server that answers `GET /config` as a GMS does, and each POST as `script` says.
    pub(crate) async fn start(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::scripted(
            move |request| {
                if request.is_write() { script(request) } else { Answer::Status(200, CONFIG.into()) }
            },
        )
        .await
    }

    /// As [`start`](Self::start), on threads of its own. A script may wait there.
    pub(crate) fn apart(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Apart {
        Apart::of(Self::start(script))
    }

    /// Takes everything and remembers nothing, for more than one wants to keep.
    #[cfg(target_os = "linux")]
    pub(crate) fn forgetful() -> Apart {
        let gms = Self::apart(|_| Answer::ok());
        gms.log.forgetful.store(true, SeqCst);
        gms
    }

    /// As [`apart`](Self::apart), where the script answers every request, also those that are no writes.
    pub(crate) fn of_all(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Apart {
        Apart::of(Self::scripted(script))
    }

    /// As [`start`](Self::start), where the script answers every request.
    pub(crate) async fn scripted(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (log, script) = (Arc::new(Log::default()), Arc::new(script));
        let server = Self { address, log: Arc::clone(&log) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, script) = (Arc::clone(&log), Arc::clone(&script) as Arc<Script>);
                log.connections.fetch_add(1, SeqCst);
                tokio::spawn(async move {
                    serve(stream, Arc::clone(&log), script).await;
                    log.connections.fetch_sub(1, SeqCst);
                });
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request but GETs, in the order in which they came.
    pub(crate) fn writes(&self) -> Vec<Request> {
        self.log.writes.lock().unwrap().clone()
    }

    /// Every request, in the order in which they came.
    pub(crate) fn all(&self) -> Vec<Request> {
        self.log.all.lock().unwrap().clone()
    }

    /// Waits until everything has arrived that processes sent which are gone by now.
    pub(crate) fn wait_for_the_last(&self) {
        // Connections are taken in the order in which they came: those before this one are known when it is.
        let mut stream = std::net::TcpStream::connect(self.address).unwrap();
        std::io::Write::write_all(&mut stream, b"GET /config HTTP/1.1\r\n\r\n").unwrap();
        std::io::Read::read_exact(&mut stream, &mut [0]).unwrap();
        drop(stream);
        while self.log.connections.load(SeqCst) > 0 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// URNs that were in two requests at once.
    pub(crate) fn collisions(&self) -> Vec<String> {
        self.log.collisions.lock().unwrap().clone()
    }
}

impl Apart {
    fn of(starting: impl Future<Output = ScriptedGms>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { gms: runtime.block_on(starting), _runtime: runtime }
    }
}

impl Log {
    /// Returns what the request is about.
    fn begin(&self, request: &Request) -> Vec<String> {
        if self.forgetful.load(SeqCst) {
            return Vec::new();
        }
        self.writes.lock().unwrap().push(request.clone());
        let mut open = self.open.lock().unwrap();
        let mut urns: Vec<String> = request.proposals().into_iter().map(|(urn, _)| urn).collect();
        urns.dedup();
        let twice = urns.iter().filter(|urn| open.contains(urn)).cloned();
        self.collisions.lock().unwrap().extend(twice);
        open.extend(urns.iter().cloned());
        urns
    }

    fn end(&self, urns: &[String]) {
        self.open.lock().unwrap().retain(|open| !urns.contains(open));
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Log>, script: Arc<Script>) {
    while let Some(request) = read(&mut stream).await {
        let mut urns = Vec::new();
        if !log.forgetful.load(std::sync::atomic::Ordering::SeqCst) {
            log.all.lock().unwrap().push(request.clone());
        }
        if request.is_write() {
            urns = log.begin(&request);
            // Other requests get a chance to arrive while this one is open.
            tokio::task::yield_now().await;
        }
        let answer = match script(&request) {
            Answer::Later(answer) => answer.await.unwrap_or(Answer::Reset),
            at_once => at_once,
        };
        log.end(&urns);
        let (status, body, headers, length) = match answer {
            Answer::Status(status, body) => (status, body.clone(), "", body.len()),
            Answer::With(status, body, headers) => (status, body.clone(), headers, body.len()),
            Answer::Cut => (200, "{\"value\":".into(), "", 1_000),
            Answer::Reset | Answer::Later(_) => return,
        };
        let json = if headers.contains("Content-Type:") { "" } else { "Content-Type: application/json\r\n" };
        let text =
            format!("HTTP/1.1 {status} Scripted\r\n{json}Content-Length: {length}\r\n{headers}\r\n{body}");
        if stream.write_all(text.as_bytes()).await.is_err() || length != body.len() {
            return;
        }
    }
}

/// Reads one request, or `None` when the client has closed.
async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    // A header's bytes are Latin-1, one each character.
    let head: String = bytes[..end].iter().map(|byte| char::from(*byte)).collect();
    let length: usize = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")
                .map(|value| value.trim().parse().unwrap())
        })
        .unwrap_or(0);
    let mut body = bytes[end..].to_vec();
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request { head, body })
}
