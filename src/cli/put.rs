//! `datahub-emit put`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use datahub_emitter::diagnosis::Renderer as _;
use datahub_emitter::emitter::{Batching, Emitter, Outcome};
use datahub_emitter::gms::ClientMode;
use datahub_emitter::metadata::{Proposal, Urn};
use datahub_emitter::{Error, ErrorKind};

use super::Global;
use super::exit::Exit;
use super::progress::Screen;
use super::renderer::CommandLine;
use super::server::Server;

/// GMS accepts no aspect of this size.
const MAX_ASPECT_BYTES: u64 = 64 << 20;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datahub-emit put urn:li:tag:pii --aspect tagProperties --data tag.json
  echo '{\"removed\": true}' | datahub-emit put urn:li:tag:pii --aspect status --data -")]
pub(crate) struct Put {
    /// The URN of the entity.
    urn: String,
    /// The name of the aspect, for example `datasetProperties`.
    #[arg(long, short = 'a', value_name = "NAME")]
    aspect: String,
    /// The file with the aspect as JSON; `-` reads standard input.
    #[arg(long, short = 'd', value_name = "FILE")]
    data: PathBuf,
}

impl Put {
    pub(crate) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let urn = Urn::parse(&self.urn).map_err(|error| {
            Error::new(ErrorKind::Input, "the first argument is not a URN").with_source(error)
        })?;
        let text = read(&self.data)?;
        let proposal = Proposal::upsert(urn, self.aspect.clone(), text).map_err(|error| {
            Error::new(ErrorKind::Input, format!("{} is not an aspect", self.data.display()))
                .with_source(error)
        })?;
        let server = Server::find(global).await?;
        let mut builder = Emitter::builder(server.address.to_string())
            .client_mode(ClientMode::Cli)
            .batching(Batching::Sequential);
        if let Some(token) = &server.token {
            builder = builder.token_with_source(token.clone());
        }
        if server.is_embedded() {
            builder = builder.no_proxy();
        }
        let emitter = builder.build()?;
        // A wrong address is found now, and not after the last retry.
        emitter.server_config().await?;
        let outcome = emitter.send(proposal).await;
        emitter.close(None).await;
        let stopped = emitter.stop_reason();
        let name = server.name();
        server.stop().await;
        match (outcome, stopped) {
            (Outcome::Delivered, _) => {
                if !screen.quiet() {
                    screen.say(&format!("done: {name} has stored {} of {}\n", self.aspect, self.urn));
                }
                Ok(Exit::Done)
            }
            (_, Some(error)) => Err(error),
            (Outcome::Rejected(rejection), None) => {
                let status = rejection.status.map(|status| format!("{status} ")).unwrap_or_default();
                Err(Error::new(ErrorKind::Rejected, format!("rejected: {status}{}", rejection.message)))
            }
            (Outcome::Undelivered(undelivered), None) => {
                let message = undelivered
                    .diagnosis()
                    .map_or(undelivered.message.clone(), |diagnosis| CommandLine.summary(&diagnosis.summary));
                Err(Error::new(ErrorKind::Unreachable, format!("not delivered: {message}")))
            }
            (other, None) => {
                Err(Error::new(ErrorKind::Internal, format!("the outcome is unknown: {other:?}")))
            }
        }
    }
}

fn read(path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_ASPECT_BYTES + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_ASPECT_BYTES + 1).read_to_string(&mut text))
    };
    let problem = |what: &str| Error::new(ErrorKind::Input, format!("{} {what}", path.display()));
    read.map_err(|error| problem("cannot be read").with_source(error))?;
    if text.len() as u64 > MAX_ASPECT_BYTES {
        return Err(problem("is larger than 64 MiB, which GMS does not accept"));
    }
    Ok(text)
}
