//! The recipe's `transformers`.

use std::sync::Arc;

use super::config::DATAHUB_REST;
use super::destination::Destination;
use super::graph::ClientGraph;
use super::settings::RunSettings;
use crate::Error;
use crate::recipe::{Fields, Node, Value};
use crate::sink::OpenSink;
use crate::sink::datahub_rest::{DatahubRestConfig, DatahubRestSink};
use crate::transform::{Chain, Graph, Transformer, TransformerRegistry, is_python};

/// The transformers of a planned run, and the server that they ask.
pub(super) struct PlannedChain {
    chain: Chain,
    datahub_api: Option<Box<DatahubRestConfig>>,
    /// The sink of a run that sends nothing, and asks its server all the same.
    sink: Option<OpenSink>,
}

impl PlannedChain {
    pub(super) fn new(chain: Chain, datahub_api: Option<Box<DatahubRestConfig>>) -> Self {
        Self { chain, datahub_api, sink: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chain.is_empty()
    }

    /// Asks the server of this sink, if a transformer needs one.
    pub(super) fn ask_through(&mut self, sink: OpenSink) {
        if self.chain.needs_graph().is_some() && self.datahub_api.is_none() {
            self.sink = Some(sink);
        }
    }

    /// Connects to the server, and starts the transformers.
    pub(super) async fn start(
        self,
        destination: &Destination,
        settings: &RunSettings,
    ) -> Result<Chain, Error> {
        let Self { mut chain, datahub_api, sink } = self;
        if chain.is_empty() {
            return Ok(chain);
        }
        let mut context = settings.sink_context();
        let graph = if let Some(config) = datahub_api.filter(|_| chain.needs_graph().is_some()) {
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
        let graph = graph.map(|graph| Arc::new(graph) as Arc<dyn Graph>);
        chain.start(graph).await?;
        Ok(chain)
    }
}

/// Reads the list. `has_graph` says whether there is a server to look things up in.
pub(super) fn read(fields: &mut Fields<'_>, registry: &TransformerRegistry, has_graph: bool) -> Chain {
    let python: Vec<bool> = match fields.node("transformers").map(|node| &node.value) {
        Some(Value::List(items)) => items.iter().map(is_python).collect(),
        _ => Vec::new(),
    };
    let mut transformers = Vec::new();
    for (index, mut item) in fields.blocks("transformers").into_iter().enumerate() {
        if python.get(index) == Some(&true) {
            item.node("config");
            item.mistake(
                "type",
                "it calls a class or a function in Python, which this program does not run yet: run the recipe with \
                 DataHub's Python client, or use a transformer without a callback",
            );
        } else if let Some((kind, transformer)) = read_one(&mut item, registry) {
            match transformer.needs_graph().filter(|_| !has_graph) {
                None => transformers.push((kind, transformer)),
                Some(why) => item.mistake(
                    "type",
                    format!(
                        "it needs a server, because {why}: use the sink `{DATAHUB_REST}`, or add `datahub_api: {{server: …}}` \
                         to the recipe"
                    ),
                ),
            }
        }
        item.finish();
    }
    Chain::new(transformers)
}

fn read_one(item: &mut Fields<'_>, registry: &TransformerRegistry) -> Option<(String, Box<dyn Transformer>)> {
    item.missing("type", "the name of a transformer, for example `simple_add_dataset_tags`");
    let kind = item.string("type");
    // Python insists on it, also for a transformer without keys.
    item.missing("config", "a mapping, `{}` for a transformer without keys");
    let has_config = item.has("config");
    let mut config = item.block("config");
    let kind = kind?;
    match registry.configure(&kind, &mut config) {
        Ok(configured) => {
            config.finish();
            configured.ok().filter(|_| has_config).map(|transformer| (kind, transformer))
        }
        Err(unknown) => {
            item.mistake("type", unknown.to_string());
            None
        }
    }
}

/// Whether the recipe has `datahub_api` with a server.
pub(super) fn has_datahub_api(root: &Node) -> bool {
    root.get("datahub_api").is_some_and(|api| !api.is_null())
}
