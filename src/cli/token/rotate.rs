//! `datahub-emit token rotate`.

use std::path::Path;

use clap::Args;
use datahub_emitter::auth::{Token, TokenFile, TokenInfo, TokenMetadata};
use datahub_emitter::gms::{AccessTokenDuration, AccessTokenInfo, Client, Me, NewAccessToken};
use datahub_emitter::{Error, ErrorKind};

use super::caller::Caller;
use crate::cli::exit::Exit;
use crate::cli::progress::Screen;
use crate::cli::{Global, server};

/// The name of the new token if that of the old one is not known.
const NAME: &str = "datahub-emit";

/// GMS computes the expiry some milliseconds before it writes the claim, which it truncates to seconds
/// (`StatefulTokenService`).
const MILLISECONDS_BEFORE: i64 = 2_000;

#[derive(Debug, Args)]
#[command(after_help = "\
Uses the token in --token-file to create a new one, checks that GMS accepts the new one, writes it to the file and then
revokes the old one. If a step before that fails, the old token stays in the file and stays valid. Exits with code 1 if
the old token could not be revoked.

The id of the old token comes from FILE.meta.json; without that file the old token is recognised by its expiry among your
tokens. If it cannot be identified, it is not revoked, and a warning says so.

Example:
  datahub-emit token rotate --token-file /run/secrets/datahub-token --duration P30D")]
pub(super) struct Rotate {
    /// The lifetime of the new token, as for `token create`. The default is the lifetime of the old one, if
    /// it is in `FILE.meta.json`, and otherwise `ONE_MONTH`.
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    duration: Option<AccessTokenDuration>,
}

/// The old token, and its metadata as far as they are known.
struct OldToken {
    token: Token,
    metadata: Option<TokenMetadata>,
    info: Option<AccessTokenInfo>,
}

impl OldToken {
    fn id(&self) -> Option<&str> {
        let metadata = self.metadata.as_ref().map(|metadata| metadata.id.as_str());
        metadata.or(self.info.as_ref().map(|info| info.id.as_str()))
    }

    fn name(&self) -> Option<&str> {
        let metadata = self.metadata.as_ref().map(|metadata| metadata.name.as_str());
        metadata.or(self.info.as_ref().map(|info| info.name.as_str()))
    }
}

impl Rotate {
    pub(super) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let Some(path) = &global.token_file else {
            return Err(Error::new(ErrorKind::Input, "name the token to replace: --token-file FILE"));
        };
        if !path.is_file() {
            let message =
                format!("{} is not a regular file, so its token cannot be replaced", path.display());
            return Err(Error::new(ErrorKind::Input, message));
        }
        let token = server::read_token(path)?;
        let file = TokenFile::prepare_rotation(path)?;
        let caller = Caller::by_token(global).await?;
        let rotated = self.rotate(&caller, path, token, file, screen).await;
        caller.stop().await;
        rotated
    }

    async fn rotate(
        &self,
        caller: &Caller,
        path: &Path,
        token: Token,
        file: TokenFile,
        screen: &Screen,
    ) -> Result<Exit, Error> {
        let Caller { client, me, .. } = caller;
        let metadata = TokenMetadata::beside(path, &token);
        // Before there is another token with nearly the same expiry.
        let info = if metadata.is_some() { None } else { find(client, me, &token).await? };
        let old = OldToken { token, metadata, info };
        let before = old.metadata.as_ref().and_then(|metadata| metadata.duration.as_deref()?.parse().ok());
        let duration = self.duration.or(before).unwrap_or(AccessTokenDuration::OneMonth);
        let made = client.tokens().create(me, old.name().unwrap_or(NAME), &me.urn, duration).await?;
        let new = match verify_and_write(caller, path, &old.token, &made, duration, file).await {
            Ok(new) => new,
            Err(error) => {
                discard(client, me, &made, path, screen).await;
                return Err(error);
            }
        };
        if !screen.quiet() {
            let what = made.info.as_ref().map_or_else(
                || format!("of {}", me.urn),
                |info| format!("{}, expires {}", super::describe(info), super::expiry(info)),
            );
            screen.say(&format!("rotated: {} holds the token {what}\n", path.display()));
        }
        let Some(id) = old.id() else {
            screen.say(&format!(
                "warning: the old token (sha256 {}, of {}{}) is still valid: it cannot be identified among your tokens. Find it with \
                 `datahub-emit token list`, and revoke it with `datahub-emit token revoke ID`\n",
                old.token.fingerprint(),
                me.urn,
                expiry(&old.token).map_or_else(|| ", without an expiry".to_owned(), |end| format!(", expires {end}"))
            ));
            return Ok(Exit::Done);
        };
        match new.tokens().revoke(me, id).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                screen.say(&format!(
                    "error: the new token is in the file, and the old one, id {id}, could not be revoked: {}\n  fix       datahub-emit \
                     token revoke '{id}'\n",
                    error.full_message()
                ));
                return Ok(Exit::Failed);
            }
        }
        if !screen.quiet() {
            screen.say(&format!("revoked: the old token, id {id}\n"));
        }
        Ok(Exit::Done)
    }
}

/// Checks that GMS accepts the new token, and writes it to the file. Returns a client that uses it.
async fn verify_and_write(
    caller: &Caller,
    path: &Path,
    old: &Token,
    made: &NewAccessToken,
    duration: AccessTokenDuration,
    file: TokenFile,
) -> Result<Client, Error> {
    let me = &caller.me;
    let new = caller.with(made.token.clone())?;
    let found = new.require_me().await?;
    if found.urn != me.urn {
        let message = format!("GMS says that the new token belongs to {}, and not to {}", found.urn, me.urn);
        return Err(Error::new(ErrorKind::Rejected, message));
    }
    if server::read_token(path)?.fingerprint() != old.fingerprint() {
        let message = format!("{} holds another token now: another process has renewed it", path.display());
        return Err(Error::new(ErrorKind::Rejected, message));
    }
    let metadata = made.info.as_ref().map(|info| TokenMetadata {
        id: info.id.clone(),
        name: info.name.clone(),
        actor: info.actor.clone(),
        expires_at: info.expires_at.map(|time| time.to_string()),
        duration: Some(duration.to_string()),
        sha256: Some(made.token.fingerprint()),
    });
    file.write(&made.token, metadata.as_ref())?;
    Ok(new)
}

/// Revokes the new token after a failure; the old one stays in use.
async fn discard(client: &Client, me: &Me, made: &NewAccessToken, path: &Path, screen: &Screen) {
    screen.say(&format!("not rotated: the old token is still valid, and in {}\n", path.display()));
    let Some(info) = &made.info else { return };
    if let Err(error) = client.tokens().revoke(me, &info.id).await {
        screen.say(&format!(
            "warning: the new token {} could not be revoked: {}\n",
            super::describe(info),
            error.full_message()
        ));
    }
}

/// Identifies `token` among GMS's tokens; `None` if that is not certain.
async fn find(client: &Client, me: &Me, token: &Token) -> Result<Option<AccessTokenInfo>, Error> {
    if me.manage_tokens
        && let Some(info) = client.tokens().find(token).await?
    {
        return Ok(Some(info));
    }
    // Tokens without an expiry cannot be told apart.
    let Some(end) = expiry(token) else { return Ok(None) };
    let end = end.as_millisecond();
    let range = end - MILLISECONDS_BEFORE..end + 1_000;
    let mut alike: Vec<AccessTokenInfo> = client.tokens().list(me, Some(&me.urn)).await?;
    alike.retain(|info| {
        info.actor == me.urn && info.expires_at.is_some_and(|time| range.contains(&time.as_millisecond()))
    });
    Ok(if alike.len() == 1 { alike.pop() } else { None })
}

fn expiry(token: &Token) -> Option<jiff::Timestamp> {
    TokenInfo::new(token).claims?.expires_at
}
