//! `datahub-emit token revoke`.

use clap::Args;
use datahub_emitter::{Error, ErrorKind};

use super::caller::Caller;
use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::progress::Screen;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  datahub-emit token revoke 'kZ2gDmYtOJ0VwH5Z3m3hJnG3cZPzE9+uJ4f0/dD2n0E='")]
pub(super) struct Revoke {
    /// The id of the token, from `token list` or `FILE.meta.json`; not the token itself.
    id: String,
}

impl Revoke {
    pub(super) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let id = self.id.trim();
        let id = id.strip_prefix("urn:li:dataHubAccessToken:").unwrap_or(id);
        // An id is the base64 of 32 bytes, and has no dots.
        if id.is_empty() || id.contains('.') {
            return Err(Error::new(
                ErrorKind::Input,
                "this is not the id of a token; `datahub-emit token list` shows ids. Do not put a token itself on a command line, where \
                 other users can see it",
            ));
        }
        let caller = Caller::by_token(global).await?;
        let revoked = caller.client.tokens().revoke(&caller.me, id).await;
        caller.stop().await;
        revoked?;
        if !screen.quiet() {
            screen.say(&format!("revoked: the token with the id {id}\n"));
        }
        Ok(Exit::Done)
    }
}
