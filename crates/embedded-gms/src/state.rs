//! The state that the parts of a running server share.

use crate::authentication::Authentication;
use crate::authorization::Authorization;
use crate::faults::Faults;
use crate::frontend::LogInLimit;
use crate::registry::Registry;
use crate::request_log::RequestLog;
use crate::seed::Seed;
use crate::store::Store;
use crate::trace::Traces;
use std::sync::Arc;
use std::time::Duration;

/// The state that the parts of a running server share.
#[derive(Debug)]
pub(crate) struct ServerState {
    pub(crate) store: Arc<Store>,
    pub(crate) authentication: Authentication,
    pub(crate) authorization: Authorization,
    pub(crate) request_log: Arc<RequestLog>,
    pub(crate) faults: Faults,
    pub(crate) traces: Traces,
    /// The entity types and aspects that may be written.
    pub(crate) registry: Registry,
    /// Whether Rest.li drops invalid proposals, and OpenAPI unregistered aspects, silently.
    pub(crate) silent_drops: bool,
    /// It listens on a loopback address.
    pub(crate) local_only: bool,
    pub(crate) log_in_limit: LogInLimit,
    /// Whether the fields of aspects are checked against the model.
    pub(crate) check_fields: bool,
    /// The time limit for each pause in a body, and for a small body as a whole.
    pub(crate) body_timeout: Duration,
    /// The version in `/config`.
    pub(crate) version: String,
    /// The seed, which a reset applies again.
    pub(crate) seed: Seed,
}

impl ServerState {
    /// Invalidates the caches of authentication and authorization: users, tokens or policies may have
    /// changed.
    pub(crate) fn access_may_have_changed(&self) {
        self.authentication.invalidate();
        self.authorization.invalidate();
    }
}
