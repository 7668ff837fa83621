//! The context of the resolvers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::Result;
use rusqlite::Connection;

use super::error::{bad_request, failed};
use crate::authorization::{ApiOperation, Permissions};
use crate::state::ServerState;
use crate::urn::Urn;

/// The longest list in a response, whatever the request says.
pub(super) const MAX_LISTED: usize = 10_000;

/// The greatest number of searches in a request.
const MAX_SEARCHES: usize = 1_000;

/// The caller of a request.
pub(super) struct Caller {
    pub(super) server: Arc<ServerState>,
    pub(super) permissions: Permissions,
    /// The number of searches so far.
    searches: AtomicUsize,
}

impl Caller {
    pub(super) fn new(server: Arc<ServerState>, permissions: Permissions) -> Self {
        Self { server, permissions, searches: AtomicUsize::new(0) }
    }

    /// Whether the caller may perform an operation on an entity, as over REST.
    pub(super) async fn may(&self, operation: ApiOperation, urn: &Urn) -> Result<bool> {
        let refused = self.permissions.refused([(operation, urn.clone())]).await;
        Ok(refused.map_err(|failure| failed(&failure))?.is_empty())
    }

    /// Reads with an index that is up to date.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        if self.searches.fetch_add(1, Ordering::Relaxed) >= MAX_SEARCHES {
            return Err(bad_request(format!("a request may have at most {MAX_SEARCHES} searches")));
        }
        self.server.read_indexed(work).await.map_err(|failure| failed(&failure))
    }
}

/// Parses a URN.
///
/// # Errors
/// 400.
pub(super) fn urn(text: &str) -> Result<Urn> {
    Urn::parse(text).map_err(|error| bad_request(format!("Failed to parse urn: {error}")))
}
