//! The GMS that `get` and `exists` read from.

use std::path::Path;

use datahub_emitter::gms::Client;
use datahub_emitter::pipeline::Pipeline;
use datahub_emitter::recipe::Recipe;
use datahub_emitter::sink::GmsSink;
use datahub_emitter::{Environment, Error, ErrorKind};

use super::Global;
use super::server::Server;

/// A GMS to read from.
pub(crate) enum Lookup {
    /// The GMS that the options or the environment name.
    Server(Box<Server>),
    /// The GMS of a recipe's sink, with its token, certificates and headers.
    Sink(Box<dyn GmsSink>),
}

impl Lookup {
    /// Opens the GMS of `recipe`, or without one the GMS that `global` or the environment names.
    pub(crate) async fn open(recipe: Option<&Path>, global: &Global) -> Result<Self, Error> {
        let Some(path) = recipe else {
            return Ok(Self::Server(Box::new(Server::find(global).await?)));
        };
        let recipe = Recipe::load(path, &Environment::from_process())?;
        let pipeline = Pipeline::from_recipe(&recipe, global.run_options()?)?;
        let sink_type = pipeline.types().1.to_owned();
        match pipeline.open_gms().await? {
            Some(sink) => Ok(Self::Sink(sink)),
            None => Err(Error::new(
                ErrorKind::Input,
                format!(
                    "the sink `{sink_type}` of {} has no server to read from; --server URL names one",
                    path.display()
                ),
            )),
        }
    }

    /// The name in messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Server(server) => server.name(),
            Self::Sink(sink) => sink.client().server().to_string(),
        }
    }

    pub(crate) fn client(&self) -> Result<Client, Error> {
        match self {
            Self::Server(server) => server.client(),
            Self::Sink(sink) => Ok(sink.client().clone()),
        }
    }

    /// Stops an embedded GMS in good order.
    pub(crate) async fn close(self) -> Result<(), Error> {
        match self {
            Self::Server(server) => {
                server.stop().await;
                Ok(())
            }
            Self::Sink(sink) => sink.close(None).await,
        }
    }
}
