//! The server that transformers ask and that keeps the state, through the client of the sink or of
//! `datahub_api`.

use crate::Error;
use crate::box_future::BoxFuture;
use crate::gms::{Client, RetryPolicy};
use crate::metadata::{Aspect, Name, Urn};
use crate::sink::GmsSink;
use crate::transform::Graph;

/// A client as a [`Graph`].
#[derive(Clone)]
pub(super) struct ClientGraph {
    client: Client,
    retry: RetryPolicy,
}

impl ClientGraph {
    /// The client and the retries of a sink.
    pub(super) fn of(sink: &dyn GmsSink) -> Self {
        Self { client: sink.client().clone(), retry: sink.retry() }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// How its requests are repeated.
    pub(super) fn retry(&self) -> &RetryPolicy {
        &self.retry
    }
}

impl Graph for ClientGraph {
    fn aspects<'a>(
        &'a self,
        entity: &'a Urn,
        names: &'a [Name],
    ) -> BoxFuture<'a, Result<Vec<Option<Aspect>>, Error>> {
        Box::pin(self.client.aspects(entity, names, &self.retry))
    }

    fn domain_named<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Urn>, Error>> {
        Box::pin(self.client.domain_named(name, &self.retry))
    }
}
