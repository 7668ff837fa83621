//! The transformers of a planned run, and the server that they ask and that keeps the state.

use std::sync::Arc;

use super::destination::Destination;
use super::graph::ClientGraph;
use super::settings::RunSettings;
use crate::Error;
use crate::sink::datahub_rest::{DatahubRestConfig, DatahubRestSink};
use crate::sink::{OpenSink, OpenedSink};
use crate::transform::{Chain, Graph};

/// The transformers of a planned run, and the server that they ask.
pub(super) struct PlannedChain {
    chain: Chain,
    datahub_api: Option<Box<DatahubRestConfig>>,
    /// The state is kept in the server.
    keeps_state: bool,
    /// The sink of a run that sends nothing, and asks its server all the same.
    sink: Option<OpenSink>,
}

impl PlannedChain {
    pub(super) fn new(chain: Chain, datahub_api: Option<Box<DatahubRestConfig>>, keeps_state: bool) -> Self {
        Self { chain, datahub_api, keeps_state, sink: None }
    }

    fn needs_graph(&self) -> bool {
        self.keeps_state || self.chain.needs_graph().is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chain.is_empty()
    }

    /// Asks the server of this sink, if one is needed.
    pub(super) fn ask_through(&mut self, sink: OpenSink) {
        if self.needs_graph() && self.datahub_api.is_none() {
            self.sink = Some(sink);
        }
    }

    /// Connects to the server that keeps the state, for a command that runs nothing. The sink is to be
    /// closed.
    pub(super) async fn connect(self, settings: &RunSettings) -> Result<Option<OpenedSink>, Error> {
        let context = settings.sink_context();
        if let Some(config) = self.datahub_api.filter(|_| self.keeps_state) {
            let opened = Box::pin(DatahubRestSink::open(*config, None, &context)).await?;
            return Ok(Some(OpenedSink::gms(opened)));
        }
        match self.sink {
            Some(open) => open(context).await.map(Some),
            None => Ok(None),
        }
    }

    /// Connects to the server if one is needed, and starts the transformers.
    pub(super) async fn start(
        self,
        destination: &Destination,
        settings: &RunSettings,
    ) -> Result<(Chain, Option<ClientGraph>), Error> {
        let needs_graph = self.needs_graph();
        let Self { mut chain, datahub_api, keeps_state, sink } = self;
        if chain.is_empty() && !keeps_state {
            return Ok((chain, None));
        }
        let mut context = settings.sink_context();
        let graph = if let Some(config) = datahub_api.filter(|_| needs_graph) {
            let opened = Box::pin(DatahubRestSink::open(*config, None, &context)).await?;
            Some(ClientGraph::of(&opened))
        } else if let Destination::Sink(opened) = destination {
            opened.as_gms_sink().map(ClientGraph::of)
        } else if let Some(open) = sink.filter(|_| settings.embedded.is_none()) {
            context.for_check = true;
            let opened = open(context).await?;
            let graph = opened.as_gms_sink().map(ClientGraph::of);
            opened.as_sink().close(None).await?;
            graph
        } else {
            None
        };
        let asked = graph.clone().map(|graph| Arc::new(graph) as Arc<dyn Graph>);
        chain.start(asked).await?;
        Ok((chain, graph))
    }
}
