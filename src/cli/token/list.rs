//! `datahub-emit token list`.

use clap::Args;
use datahub_emitter::gms::AccessTokenInfo;
use datahub_emitter::metadata::Urn;
use datahub_emitter::{Error, ErrorKind};
use serde_json::json;

use super::caller::Caller;
use crate::cli::exit::Exit;
use crate::cli::progress::Screen;
use crate::cli::table::table;
use crate::cli::{Global, output};

#[derive(Debug, Args)]
#[command(after_help = "\
The list may lag a few seconds behind creations and revocations.

Examples:
  datahub-emit token list
  datahub-emit token list --actor urn:li:corpuser:loader --json")]
pub(super) struct List {
    /// Lists only the tokens of this user.
    #[arg(long, value_name = "URN")]
    actor: Option<String>,
    /// Prints the list as JSON.
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) async fn run(self, global: &Global, _: &Screen) -> Result<Exit, Error> {
        let actor = self.actor.as_deref().map(super::actor).transpose()?;
        let caller = Caller::by_token(global).await?;
        let tokens = caller.client.tokens().list(&caller.me, actor.as_ref().map(Urn::as_str)).await;
        caller.stop().await;
        let tokens = tokens?;
        output::write(&if self.json { document(&tokens)? } else { shown(&tokens).into_bytes() })?;
        Ok(Exit::Done)
    }
}

fn document(tokens: &[AccessTokenInfo]) -> Result<Vec<u8>, Error> {
    let tokens: Vec<_> = tokens
        .iter()
        .map(|token| {
            json!({
                "id": token.id,
                "name": token.name,
                "actor": token.actor,
                "owner": token.owner,
                "created_at": token.created_at.map(|time| time.to_string()),
                "expires_at": token.expires_at.map(|time| time.to_string()),
            })
        })
        .collect();
    let document = json!({"schema": "datahub-emit/tokens/1", "tokens": tokens});
    let mut text = serde_json::to_vec_pretty(&document).map_err(|error| {
        Error::new(ErrorKind::Internal, "the tokens have no JSON form").with_source(error)
    })?;
    text.push(b'\n');
    Ok(text)
}

/// A header, and one line per token.
fn shown(tokens: &[AccessTokenInfo]) -> String {
    let rows = tokens.iter().map(|token| {
        let created = token.created_at.map_or_else(|| "?".to_owned(), |time| time.to_string());
        [token.id.clone(), token.name.clone(), token.actor.clone(), created, super::expiry(token)]
    });
    table(["ID", "NAME", "ACTOR", "CREATED", "EXPIRES"], rows)
}
