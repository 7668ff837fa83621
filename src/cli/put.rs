//! `datahub-emit put`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use datahub_emitter::metadata::Proposal;
use datahub_emitter::{Error, ErrorKind};

use super::exit::Exit;
use super::progress::Screen;
use super::server::Server;
use super::urn_argument::UrnArgument;
use super::{Global, single_write};

/// GMS accepts no aspect of this size.
const MAX_ASPECT_BYTES: u64 = 64 << 20;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datahub-emit put urn:li:tag:pii --aspect tagProperties --data tag.json
  echo '{\"removed\": true}' |
    datahub-emit put urn:li:tag:pii --aspect status --data -")]
pub(crate) struct Put {
    #[command(flatten)]
    urn: UrnArgument,
    /// The name of the aspect, for example `datasetProperties`.
    #[arg(long, short = 'a', value_name = "NAME")]
    aspect: String,
    /// The file with the aspect as JSON; `-` reads standard input.
    #[arg(long, short = 'd', value_name = "FILE")]
    data: PathBuf,
}

impl Put {
    pub(crate) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let urn = self.urn.parse()?;
        let text = read(&self.data)?;
        let proposal = Proposal::upsert(urn.clone(), self.aspect.clone(), text).map_err(|error| {
            Error::new(ErrorKind::Input, format!("{} is not an aspect", self.data.display()))
                .with_source(error)
        })?;
        let server = Server::find(global).await?;
        let written = single_write::write(&server, proposal).await;
        let name = server.name();
        server.stop().await;
        written?;
        if !screen.quiet() {
            screen.say(&format!("done: {name} has stored {} of {urn}\n", self.aspect));
        }
        Ok(Exit::Done)
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
