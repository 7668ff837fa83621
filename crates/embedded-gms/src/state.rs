//! The state that the parts of a running server share.

use crate::authentication::Authentication;
use crate::authorization::Authorization;
use crate::faults::Faults;
use crate::registry::Registry;
use crate::request_log::RequestLog;
use crate::store::Store;
use crate::trace::Traces;
use std::sync::Arc;
use std::time::Duration;

/// What the parts of a running server share.
#[derive(Debug)]
pub(crate) struct ServerState {
    pub(crate) store: Arc<Store>,
    pub(crate) authentication: Authentication,
    pub(crate) authorization: Authorization,
    pub(crate) request_log: Arc<RequestLog>,
    pub(crate) faults: Faults,
    pub(crate) traces: Traces,
    /// What may be written at all.
    pub(crate) registry: Registry,
    /// Whether Rest.li leaves out what it cannot build a proposal of, and OpenAPI what is not registered, and both say
    /// nothing.
    pub(crate) silent_drops: bool,
    /// How long a client may take between two pieces of a body, and for a small one as a whole.
    pub(crate) body_timeout: Duration,
    /// What `/config` says.
    pub(crate) version: String,
}

impl ServerState {
    /// Looks up again who may come in and do what: users, tokens or policies may have changed.
    pub(crate) fn access_may_have_changed(&self) {
        self.authentication.invalidate();
        self.authorization.invalidate();
    }
}
