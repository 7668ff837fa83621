//! The call of a field that is computed.

use std::sync::Arc;

use async_graphql::{Context, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::context::Caller;
use super::error::{bad_request, server_error};
use super::node::{EntityNode, Node};

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
