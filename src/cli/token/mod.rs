//! `datahub-emit token`: personal access tokens of a DataHub.

mod caller;
mod create;
mod inspect;
mod list;
mod password;
mod revoke;
mod rotate;

use clap::{Args, Subcommand};
use datahub_emitter::gms::{AccessTokenDuration, AccessTokenInfo};
use datahub_emitter::metadata::Urn;
use datahub_emitter::{Error, ErrorKind};

use super::Global;
use super::exit::Exit;
use super::progress::Screen;

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Makes a personal access token.
    Create(create::Create),
    /// Lists the tokens that you may see: your own, or with the privilege for it all.
    List(list::List),
    /// Revokes a token: GMS refuses it from then on.
    Revoke(revoke::Revoke),
    /// Says what a token is, without asking anyone and without showing it.
    Inspect(inspect::Inspect),
    /// Puts a new token in the place of the one in --token-file, and revokes that.
    Rotate(rotate::Rotate),
}

impl TokenArgs {
    pub(crate) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        match self.command {
            TokenCommand::Create(create) => create.run(global, screen).await,
            TokenCommand::List(list) => list.run(global, screen).await,
            TokenCommand::Revoke(revoke) => revoke.run(global, screen).await,
            TokenCommand::Inspect(inspect) => inspect.run(global),
            TokenCommand::Rotate(rotate) => rotate.run(global, screen).await,
        }
    }
}

fn duration(text: &str) -> Result<AccessTokenDuration, String> {
    text.parse()
}

/// A user's URN, also from the name alone.
fn actor(text: &str) -> Result<Urn, Error> {
    let urn = if text.starts_with("urn:") { text.to_owned() } else { format!("urn:li:corpuser:{text}") };
    let urn = Urn::parse(&urn).map_err(|error| {
        Error::new(ErrorKind::Input, "--actor is no user's URN (urn:li:corpuser:NAME)").with_source(error)
    })?;
    if urn.as_str().starts_with("urn:li:corpuser:") {
        return Ok(urn);
    }
    Err(Error::new(ErrorKind::Input, format!("--actor: {urn} is no user; a user is urn:li:corpuser:NAME")))
}

/// What a token is called where it is named.
fn named(token: &AccessTokenInfo) -> String {
    format!("{:?}, id {}, of {}", token.name, token.id, token.actor)
}

fn end(token: &AccessTokenInfo) -> String {
    token.expires_at.map_or_else(|| "never".to_owned(), |time| time.to_string())
}
