//! A minimal replacement for GMS: it reads each request completely, checks the bearer token, counts the
//! proposals and responds "success". It stores nothing. `benches/compare.py` measures clients against it.
//!
//! ```text
//! cargo run --release --example drain -- TOKEN [DELAY_MS]
//! ```
//!
//! It listens on a free port of the loopback interface and prints one line when it is ready:
//! `{"gms": "http://…"}`. It waits `DELAY_MS` milliseconds (default 0) before it responds to a request with
//! proposals. `GET /stats` returns the counts, `POST /reset` sets them to zero.

use std::error::Error;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use memchr::memmem;

use raw_server::{RawServer, Request, Response};

#[path = "../tests/it/support/raw_server.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod raw_server;

/// The response to `GET /config`, which clients send first; the keys are those of GMS's `Config.java`.
const CONFIG: &str = r#"{"models":{},"noCode":"true","retention":"true","statefulIngestionCapable":true,"patchCapable":true,
"supportsImpactAnalysis":true,"timeZone":"UTC","versions":{"acryldata/datahub":{"version":"v1.3.0","commit":"0000000"}},
"telemetry":{"enabledCli":false,"enabledIngestion":false},"managedIngestion":{"enabled":false,"defaultCliVersion":"1.3.0"},
"datahub":{"serverType":"dev","serverEnv":"core"}}"#;

/// Occurs once in each proposal. Inside an aspect's text its quotes are escaped, so it is not found there.
const PROPOSAL: &[u8] = b"\"entityUrn\":";

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    bytes: AtomicU64,
    proposals: AtomicU64,
    refused: AtomicU64,
}

struct Drain {
    authorization: String,
    delay: Duration,
    counts: Counts,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let token = arguments.next().ok_or("usage: drain TOKEN [DELAY_MS]")?;
    let delay = arguments.next().map_or(Ok(0), |text| text.parse())?;
    let drain = Drain {
        authorization: format!("Bearer {token}"),
        delay: Duration::from_millis(delay),
        counts: Counts::default(),
    };
    let server = RawServer::start(move |request| drain.respond(request))?;
    writeln!(io::stdout(), r#"{{"gms": "{}"}}"#, server.url())?;
    loop {
        thread::park();
    }
}

impl Drain {
    fn respond(&self, request: &Request) -> Response {
        let counts = &self.counts;
        let all = [&counts.requests, &counts.bytes, &counts.proposals, &counts.refused];
        match (request.method(), request.path()) {
            ("GET", "/config") => Response::Status(200, CONFIG.into()),
            ("GET", "/stats") => {
                let [requests, bytes, proposals, refused] = all.map(|count| count.load(Relaxed));
                let text = format!(
                    r#"{{"requests": {requests}, "bytes": {bytes}, "proposals": {proposals}, "refused": {refused}}}"#
                );
                Response::Status(200, text)
            }
            ("POST", "/reset") => {
                for count in all {
                    count.store(0, Relaxed);
                }
                Response::Status(200, "{}".into())
            }
            ("POST", path) if path.starts_with("/aspects?action=ingestProposal") => {
                thread::sleep(self.delay);
                counts.requests.fetch_add(1, Relaxed);
                if request.header("authorization") != Some(&self.authorization) {
                    counts.refused.fetch_add(1, Relaxed);
                    return Response::Status(401, String::new());
                }
                let found = memmem::find_iter(&request.body, PROPOSAL).count();
                counts.bytes.fetch_add(request.body.len() as u64, Relaxed);
                counts.proposals.fetch_add(found as u64, Relaxed);
                Response::Status(200, r#"{"value":"success"}"#.into())
            }
            _ => Response::Status(404, String::new()),
        }
    }
}
