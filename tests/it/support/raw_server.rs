//! An HTTP/1.1 server that reads each request whole and sends exactly the response that it is given, also
//! broken ones.
//!
//! The benchmarks and `examples/drain.rs` use it as well: it does as little per request as a server can.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A request as it was received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// The request line and the headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// A response, or another reaction to a request.
pub(crate) enum Response {
    /// Sends this status and this body, as JSON.
    Status(u16, String),
    /// Sends this status, this body and these header lines. Without a `Content-Type` among them the body is
    /// JSON.
    WithHeaders(u16, String, &'static str),
    /// Closes the connection without a response.
    Reset,
    /// Announces a longer body than it sends, and closes the connection.
    Cut,
    /// Leaves the connection open without a response until the client closes it.
    Never,
}

type Handler = dyn Fn(&Request) -> Response + Send + Sync;

/// Listens on a free port of the loopback interface, with a thread per connection, until it is dropped.
pub(crate) struct RawServer {
    address: SocketAddr,
    connections: Arc<Connections>,
}

#[derive(Default)]
struct Connections {
    state: Mutex<ConnectionState>,
    changed: Condvar,
}

#[derive(Default)]
struct ConnectionState {
    open: HashMap<usize, TcpStream>,
    is_closed: bool,
}

impl Request {
    pub(crate) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// The path with its query.
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// Method and path.
    pub(crate) fn target(&self) -> &str {
        let line = self.head.lines().next().unwrap_or_default();
        line.strip_suffix(" HTTP/1.1").unwrap_or(line)
    }

    /// The value of a header; `name` in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.header_lines().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The headers, with their names in lower case.
    pub(crate) fn headers(&self) -> BTreeMap<String, String> {
        self.header_lines().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect()
    }

    fn header_lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.map(|(name, value)| (name, value.trim()))
    }

    /// Reads the next request in place of this one; false if the client has closed the connection.
    fn read(&mut self, reader: &mut impl BufRead) -> io::Result<bool> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if reader.read_until(b'\n', &mut head)? == 0 {
                return if head.is_empty() { Ok(false) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
        }
        // A header's bytes are Latin-1: one byte per character.
        self.head = head.iter().map(|byte| char::from(*byte)).collect();
        if self.header("transfer-encoding").is_some() {
            return Err(ErrorKind::Unsupported.into());
        }
        let length = self.header("content-length").map_or(Ok(0), str::parse);
        let length: u64 = length.map_err(|_| ErrorKind::InvalidData)?;
        self.body.clear();
        if reader.take(length).read_to_end(&mut self.body)? as u64 != length {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(true)
    }
}

impl RawServer {
    /// Starts a server that treats each request as `handler` says. The handler may block.
    ///
    /// # Errors
    /// If no port is free.
    pub(crate) fn start(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let connections = Arc::new(Connections::default());
        let handler: Arc<Handler> = Arc::new(handler);
        let accepted = Arc::clone(&connections);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { continue };
                if !accepted.open(number, &stream) {
                    break;
                }
                let (connections, handler) = (Arc::clone(&accepted), Arc::clone(&handler));
                thread::spawn(move || {
                    // A client that goes away in the middle of a request ends its connection, and nothing
                    // else.
                    serve(&stream, &*handler).ok();
                    connections.close(number);
                });
            }
        });
        Ok(Self { address, connections })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until all requests have arrived that were sent by processes that have ended.
    ///
    /// # Errors
    /// If the server does not respond.
    pub(crate) fn wait_until_idle(&self) -> io::Result<()> {
        // Connections are accepted in the order of their arrival: once this one has been, all before it are
        // known.
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(b"GET /config HTTP/1.1\r\n\r\n")?;
        stream.read_exact(&mut [0])?;
        drop(stream);
        let mut state = self.connections.lock();
        while !state.open.is_empty() {
            state = self.connections.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        let mut state = self.connections.lock();
        state.is_closed = true;
        for stream in state.open.values() {
            stream.shutdown(Shutdown::Both).ok();
        }
        drop(state);
        // Wakes the thread that accepts connections, which then sees that it is over.
        TcpStream::connect(self.address).ok();
    }
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a connection; false if the server is closed.
    fn open(&self, number: usize, stream: &TcpStream) -> bool {
        let mut state = self.lock();
        if let Ok(stream) = stream.try_clone() {
            state.open.insert(number, stream);
        }
        !state.is_closed
    }

    fn close(&self, number: usize) {
        self.lock().open.remove(&number);
        self.changed.notify_all();
    }
}

/// Responds to the requests of one connection until the client closes it, or a response does.
fn serve(stream: &TcpStream, handler: &Handler) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(256 * 1024, stream);
    let mut writer = stream;
    let mut request = Request::default();
    while request.read(&mut reader)? {
        let (status, body, headers, length) = match handler(&request) {
            Response::Status(status, body) => (status, body, "", None),
            Response::WithHeaders(status, body, headers) => (status, body, headers, None),
            Response::Cut => (200, "{\"value\":".to_owned(), "", Some(1_000)),
            Response::Never => return io::copy(&mut reader, &mut io::sink()).map(drop),
            Response::Reset => break,
        };
        let json = if headers.contains("Content-Type:") { "" } else { "Content-Type: application/json\r\n" };
        let announced = length.unwrap_or(body.len());
        let head =
            format!("HTTP/1.1 {status} Scripted\r\n{json}Content-Length: {announced}\r\n{headers}\r\n");
        writer.write_all((head + &body).as_bytes())?;
        if length.is_some() {
            break;
        }
    }
    // The server's own handle in `Connections` would keep it open.
    stream.shutdown(Shutdown::Both)
}
