//! The context of the resolvers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::{Context, Result};
use rusqlite::Connection;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{bad_request, failed, server_error};
use super::node::{EntityNode, Node};
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

/// The call of a field that is computed.
pub(super) struct Call<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) caller: &'a Caller,
    pub(super) node: &'a Node,
    /// The arguments, as a JSON object.
    arguments: Value,
}

impl<'a> Call<'a> {
    pub(super) fn new(context: &'a Context<'a>, node: &'a Node, arguments: Value) -> Result<Self> {
        Ok(Self { context, caller: context.data()?, node, arguments })
    }

    /// The arguments.
    ///
    /// # Errors
    /// 400 if they are not as the schema says, which validation excludes.
    pub(super) fn arguments<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(self.arguments.clone()).map_err(|error| bad_request(error.to_string()))
    }

    /// The argument `input`; its default if there is none.
    ///
    /// # Errors
    /// As [`arguments`](Self::arguments).
    pub(super) fn input<T: DeserializeOwned>(&self) -> Result<T> {
        let input = self.arguments.get("input").filter(|input| !input.is_null()).cloned();
        let input = input.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        serde_json::from_value(input).map_err(|error| bad_request(error.to_string()))
    }

    /// The entity to which the field belongs.
    ///
    /// # Errors
    /// If it belongs to none, which the schema excludes.
    pub(super) fn entity(&self) -> Result<&'a Arc<EntityNode>> {
        self.node.owner().ok_or_else(|| server_error("java.lang.IllegalStateException: there is no entity"))
    }

    /// Whether the request asks for a field of the result.
    pub(super) fn asks_for(&self, field: &str) -> bool {
        self.context.look_ahead().field(field).exists()
    }
}

/// Parses a URN.
///
/// # Errors
/// 400.
pub(super) fn urn(text: &str) -> Result<Urn> {
    Urn::parse(text).map_err(|error| bad_request(format!("Failed to parse urn: {error}")))
}
