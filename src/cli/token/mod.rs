//! `datahub-emit token`: personal access tokens.

mod caller;
mod create;
mod inspect;
mod list;
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
    /// Creates a personal access token.
    Create(create::Create),
    /// Lists your tokens, or all tokens if you have the privilege to see them.
    List(list::List),
    /// Revokes a token. GMS refuses it from then on.
    Revoke(revoke::Revoke),
    /// Describes a token without printing it and without asking a server.
    Inspect(inspect::Inspect),
    /// Replaces the token in --token-file by a new one and revokes the old one.
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

/// The URN of a user, which may be given by name only.
fn actor(text: &str) -> Result<Urn, Error> {
    let urn = if text.starts_with("urn:") { text.to_owned() } else { format!("urn:li:corpuser:{text}") };
    let urn = Urn::parse(&urn).map_err(|error| {
        Error::new(ErrorKind::Input, "--actor is not the URN of a user (urn:li:corpuser:NAME)")
            .with_source(error)
    })?;
    if urn.as_str().starts_with("urn:li:corpuser:") {
        return Ok(urn);
    }
    Err(Error::new(ErrorKind::Input, format!("--actor: {urn} is not a user; a user is urn:li:corpuser:NAME")))
}

/// Describes a token in a message.
fn describe(token: &AccessTokenInfo) -> String {
    format!("{:?}, id {}, of {}", token.name, token.id, token.actor)
}

fn expiry(token: &AccessTokenInfo) -> String {
    token.expires_at.map_or_else(|| "never".to_owned(), |time| time.to_string())
}
