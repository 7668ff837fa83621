//! A stand-in for GMS that responds to each request as a test says: for faults that no real server makes on
//! demand.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::raw_server::RawServer;
pub(crate) use super::raw_server::{Request, Response};

/// The response to `GET /config`.
pub(crate) const CONFIG: &str = r#"{"noCode":"true","versions":{"acryldata/datahub":{"version":"v1.3.0"}}}"#;

impl Response {
    /// GMS's response to a write that it accepts.
    pub(crate) fn ok() -> Self {
        Self::Status(200, r#"{"value":"success"}"#.into())
    }
}

impl Request {
    /// URN and aspect name of each proposal, in order.
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
}

/// The aspects of one item of an OpenAPI request.
fn openapi_aspects(item: &Value, urn: &str) -> Vec<(String, String)> {
    let names = item.as_object().into_iter().flat_map(|item| item.keys());
    names.filter(|name| *name != "urn").map(|name| (urn.to_owned(), name.clone())).collect()
}

/// The server, and a log of its requests.
pub(crate) struct ScriptedGms {
    server: RawServer,
    log: Arc<Log>,
}

impl Deref for ScriptedGms {
    type Target = RawServer;

    fn deref(&self) -> &RawServer {
        &self.server
    }
}

#[derive(Default)]
struct Log {
    requests: Mutex<Vec<Request>>,
    /// URNs in the writes that have no response yet.
    in_flight: Mutex<Vec<String>>,
    /// URNs that were in two such writes at once.
    collisions: Mutex<Vec<String>>,
}

impl ScriptedGms {
    /// Responds to `GET` as a GMS does to `GET /config`, and to every other request as `script` says. The
    /// script may block.
    pub(crate) fn start(script: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        Self::start_for_all(move |request| {
            if request.is_write() { script(request) } else { Response::Status(200, CONFIG.into()) }
        })
    }

    /// Responds to every request as `script` says.
    pub(crate) fn start_for_all(script: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        let log = Arc::new(Log::default());
        let writing = Arc::clone(&log);
        let server = RawServer::start(move |request| {
            let urns = writing.begin(request);
            let response = script(request);
            writing.end(&urns);
            response
        });
        Self { server: server.unwrap(), log }
    }

    /// Every request but `GET`s, in the order of arrival.
    pub(crate) fn writes(&self) -> Vec<Request> {
        let requests = self.log.requests.lock().unwrap();
        requests.iter().filter(|request| request.is_write()).cloned().collect()
    }

    /// Every request, in the order of arrival.
    pub(crate) fn all(&self) -> Vec<Request> {
        self.log.requests.lock().unwrap().clone()
    }

    /// URNs that were in two requests at once.
    pub(crate) fn collisions(&self) -> Vec<String> {
        self.log.collisions.lock().unwrap().clone()
    }
}

impl Log {
    /// Notes a request; returns the URNs that it writes.
    fn begin(&self, request: &Request) -> Vec<String> {
        self.requests.lock().unwrap().push(request.clone());
        if !request.is_write() {
            return Vec::new();
        }
        let mut in_flight = self.in_flight.lock().unwrap();
        let mut urns: Vec<String> = request.proposals().into_iter().map(|(urn, _)| urn).collect();
        urns.sort_unstable();
        urns.dedup();
        let twice = urns.iter().filter(|urn| in_flight.contains(urn)).cloned();
        self.collisions.lock().unwrap().extend(twice);
        in_flight.extend(urns.iter().cloned());
        urns
    }

    fn end(&self, urns: &[String]) {
        self.in_flight.lock().unwrap().retain(|urn| !urns.contains(urn));
    }
}
