//! `datahub-emit exists`.

use std::path::PathBuf;

use clap::Args;
use datahub_emitter::Error;

use super::entity::EntityAspects;
use super::exit::Exit;
use super::lookup::Lookup;
use super::progress::Screen;
use super::urn_argument::UrnArgument;
use super::{Global, output};

#[derive(Debug, Args)]
#[command(after_help = "\
Prints true or false. Exits with code 0 if the entity exists, and with code 1 if
it was never written or is soft-deleted.

Examples:
  datahub-emit exists urn:li:tag:pii && echo yes
  datahub-emit exists urn:li:tag:pii -c recipe.yml       at the recipe's server")]
pub(crate) struct Exists {
    #[command(flatten)]
    urn: UrnArgument,
    /// Asks the server of this recipe, with its token.
    #[arg(long, short, value_name = "RECIPE")]
    config: Option<PathBuf>,
}

impl Exists {
    pub(crate) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let urn = self.urn.parse()?;
        let lookup = Lookup::open(self.config.as_deref(), global).await?;
        let name = lookup.name();
        let text = lookup.client()?.entity(&urn, &[]).await?;
        lookup.close().await?;
        let aspects = text.as_deref().map(EntityAspects::read).transpose()?;
        let absent = match aspects {
            Some(aspects) if !aspects.was_written() => Some("does not have"),
            Some(aspects) if aspects.is_removed() => Some("has soft-deleted"),
            Some(_) => None,
            None => Some("does not have"),
        };
        output::write(if absent.is_some() { b"false\n" } else { b"true\n" })?;
        let Some(absent) = absent else { return Ok(Exit::Done) };
        if !screen.quiet() {
            screen.say(&format!("not found: {name} {absent} {urn}\n"));
        }
        Ok(Exit::Failed)
    }
}
