//! `datahub-emit delete`.

use clap::Args;
use datahub_emitter::metadata::{Proposal, Urn};
use datahub_emitter::{Error, ErrorKind};

use super::entity::EntityAspects;
use super::exit::Exit;
use super::progress::Screen;
use super::server::Server;
use super::urn_argument::UrnArgument;
use super::{Global, question, single_write};

#[derive(Debug, Args)]
#[command(after_help = "\
Without --hard, the entity is soft-deleted: DataHub hides it, and its aspects
stay. To restore it:
  echo '{\"removed\": false}' | datahub-emit put URN --aspect status --data -

With --hard or --aspect, what is deleted is lost. References to a deleted entity
in the aspects of other entities stay.

On a terminal it asks before it deletes. A script needs --force. Exits with code
1 if there is nothing to delete.

Examples:
  datahub-emit delete urn:li:tag:pii --dry-run           show what would happen
  datahub-emit delete urn:li:tag:pii                     hide the tag
  datahub-emit delete urn:li:tag:pii --hard --force      remove it, do not ask
  datahub-emit delete urn:li:tag:pii --aspect ownership  remove its owners")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Delete {
    #[command(flatten)]
    urn: UrnArgument,
    /// Removes the entity with all versions of all aspects.
    #[arg(long, conflicts_with = "aspect")]
    hard: bool,
    /// The default, as in `datahub delete`.
    #[arg(long, hide = true, conflicts_with_all = ["hard", "aspect"])]
    soft: bool,
    /// Removes this aspect of the entity.
    #[arg(long, short = 'a', value_name = "NAME")]
    aspect: Option<String>,
    /// Shows what would be deleted, and deletes nothing.
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Does not ask.
    #[arg(long, short)]
    force: bool,
}

impl Delete {
    pub(crate) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let urn = self.urn.parse()?;
        let server = Server::find(global).await?;
        let deleted = self.delete(&urn, &server, screen).await;
        server.stop().await;
        deleted
    }

    async fn delete(&self, urn: &Urn, server: &Server, screen: &Screen) -> Result<Exit, Error> {
        let (client, name) = (server.client()?, server.name());
        let text = client.entity(urn, &[]).await?;
        let found = text.as_deref().map(EntityAspects::read).transpose()?.filter(EntityAspects::was_written);
        let Some(found) = found else {
            screen.say(&format!("not found: {name} does not have the entity {urn}\n"));
            return Ok(Exit::Failed);
        };
        if let Some(aspect) = &self.aspect {
            if aspect.ends_with("Key") {
                return Err(Error::new(
                    ErrorKind::Input,
                    format!("{aspect} stands for the entity as a whole; --hard deletes that"),
                ));
            }
            if !found.has(aspect) {
                screen.say(&format!("not found: {name} does not have {aspect} of {urn}\n"));
                return Ok(Exit::Failed);
            }
        } else if !self.hard && found.is_removed() {
            screen.say(&format!("done: {urn} is soft-deleted already\n"));
            return Ok(Exit::Done);
        }
        let effect = self.effect(urn, &found);
        if self.dry_run {
            screen.say(&format!("dry run: at {name}, this would {effect}; nothing sent\n"));
            return Ok(Exit::Done);
        }
        if !self.force {
            let question = format!("At {name}, {effect}?");
            if !question::confirm(&question, "add --force, or see --dry-run", screen)? {
                screen.say("nothing was deleted\n");
                return Ok(Exit::Failed);
            }
        }
        if let Some(aspect) = &self.aspect {
            single_write::write(server, Proposal::delete(urn.clone(), aspect.clone())).await?;
        } else if self.hard {
            client.delete_entity(urn).await?;
        } else {
            let proposal =
                Proposal::upsert(urn.clone(), "status", r#"{"removed":true}"#).map_err(|error| {
                    Error::new(ErrorKind::Internal, "the aspect `status` is not valid").with_source(error)
                })?;
            single_write::write(server, proposal).await?;
        }
        if !screen.quiet() {
            screen.say(&format!("done: at {name}: {effect}\n"));
        }
        Ok(Exit::Done)
    }

    /// The deletion as an order.
    fn effect(&self, urn: &Urn, found: &EntityAspects<'_>) -> String {
        match &self.aspect {
            Some(aspect) => format!("delete {aspect} of {urn} for good"),
            None if self.hard => {
                let names: Vec<&str> = found.names().collect();
                format!("delete {urn} and its aspects for good ({})", names.join(", "))
            }
            None => format!("soft-delete {urn}, which hides it"),
        }
    }
}
