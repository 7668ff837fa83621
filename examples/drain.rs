//! A minimal replacement for GMS: it reads each request completely, checks the bearer token, counts the
//! proposals and answers "success". It stores nothing. `benches/compare.py` measures clients against it.
//!
//! ```text
//! cargo run --release --example drain -- TOKEN [DELAY_MS]
//! ```
//!
//! It listens on a free port of the loopback interface and prints one line when it is ready: `{"gms":
//! "http://…"}`. It waits `DELAY_MS` (default 0) before it answers a request with proposals. `GET /stats`
//! returns the counts, `POST /reset` sets them to zero.

use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use memchr::memmem;

/// The configuration that a client reads before it sends; the keys are those of GMS's `Config.java`.
const CONFIG: &str = r#"{"models":{},"noCode":"true","retention":"true","statefulIngestionCapable":true,"patchCapable":true,
"supportsImpactAnalysis":true,"timeZone":"UTC","versions":{"acryldata/datahub":{"version":"v1.3.0","commit":"0000000"}},
"telemetry":{"enabledCli":false,"enabledIngestion":false},"managedIngestion":{"enabled":false,"defaultCliVersion":"1.3.0"},
"datahub":{"serverType":"dev","serverEnv":"core"}}"#;

/// Occurs once in each proposal. Its quotes are escaped inside an aspect's text, so it does not occur there.
const PROPOSAL: &[u8] = b"\"entityUrn\":";

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    bytes: AtomicU64,
    proposals: AtomicU64,
    refused: AtomicU64,
}

struct Server {
    authorization: String,
    delay: Duration,
    counts: Counts,
}

struct Request {
    method: String,
    path: String,
    authorized: bool,
    body: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let token = arguments.next().ok_or("usage: drain TOKEN [DELAY_MS]")?;
    let delay = arguments.next().map_or(Ok(0), |text| text.parse())?;
    let server = Arc::new(Server {
        authorization: format!("Bearer {token}"),
        delay: Duration::from_millis(delay),
        counts: Counts::default(),
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    writeln!(io::stdout(), r#"{{"gms": "http://{}"}}"#, listener.local_addr()?)?;
    for stream in listener.incoming() {
        let (stream, server) = (stream?, Arc::clone(&server));
        // A client that disconnects early is not an error.
        thread::spawn(move || server.serve(&stream).ok());
    }
    Ok(())
}

impl Server {
    /// Answers the requests of one connection until the client closes it.
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::with_capacity(256 * 1024, stream);
        let mut writer = stream;
        let mut body = Vec::new();
        while let Some(request) = self.read(&mut reader, body)? {
            let (status, text) = self.answer(&request);
            let length = text.len();
            writer.write_all(
                format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{text}"
                )
                .as_bytes(),
            )?;
            body = request.body;
        }
        Ok(())
    }

    /// The next request, or `None` if the client has closed the connection. The memory of `body` is reused.
    fn read(&self, reader: &mut impl BufRead, mut body: Vec<u8>) -> io::Result<Option<Request>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(ErrorKind::InvalidData.into());
        };
        let (mut length, mut authorized) = (0_u64, false);
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(|_| ErrorKind::InvalidData)?;
            } else if name.eq_ignore_ascii_case("authorization") {
                authorized = value.trim() == self.authorization;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(ErrorKind::Unsupported.into());
            }
        }
        body.clear();
        if reader.by_ref().take(length).read_to_end(&mut body)? as u64 != length {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(Request { method, path, authorized, body }))
    }

    fn answer(&self, request: &Request) -> (&'static str, String) {
        let counts = &self.counts;
        let all = [&counts.requests, &counts.bytes, &counts.proposals, &counts.refused];
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/config") => ("200 OK", CONFIG.into()),
            ("GET", "/stats") => {
                let [requests, bytes, proposals, refused] = all.map(|count| count.load(Relaxed));
                let text = format!(
                    r#"{{"requests": {requests}, "bytes": {bytes}, "proposals": {proposals}, "refused": {refused}}}"#
                );
                ("200 OK", text)
            }
            ("POST", "/reset") => {
                for count in all {
                    count.store(0, Relaxed);
                }
                ("200 OK", "{}".into())
            }
            ("POST", path) if path.starts_with("/aspects?action=ingestProposal") => {
                thread::sleep(self.delay);
                counts.requests.fetch_add(1, Relaxed);
                if !request.authorized {
                    counts.refused.fetch_add(1, Relaxed);
                    return ("401 Unauthorized", String::new());
                }
                let found = memmem::find_iter(&request.body, PROPOSAL).count();
                counts.bytes.fetch_add(request.body.len() as u64, Relaxed);
                counts.proposals.fetch_add(found as u64, Relaxed);
                ("200 OK", r#"{"value":"success"}"#.into())
            }
            _ => ("404 Not Found", String::new()),
        }
    }
}
