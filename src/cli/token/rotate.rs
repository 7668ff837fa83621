//! `datahub-emit token rotate`.

use std::path::Path;

use clap::Args;
use datahub_emitter::auth::{Token, TokenFacts, TokenFile, TokenMetadata};
use datahub_emitter::gms::{AccessTokenDuration, AccessTokenInfo, Client, Me, NewAccessToken};
use datahub_emitter::{Error, ErrorKind};

use super::caller::Caller;
use crate::cli::exit::Exit;
use crate::cli::progress::Screen;
use crate::cli::{Global, server};

/// What the new token is called where the old one's name is not known.
const NAME: &str = "datahub-emit";

/// GMS takes a token's end some milliseconds before it writes the claim, which it cuts to seconds (`StatefulTokenService`).
const MILLISECONDS_BEFORE: i64 = 2_000;

#[derive(Debug, Args)]
#[command(after_help = "\
Makes a new token with the one in --token-file, proves that GMS takes it, puts it into the file, and then revokes the old
one. Whatever fails before that leaves the old one working and in the file. Ends with exit code 1 if the old one could not be revoked.

Which token the old one is GMS alone can compute; it is found by FILE.meta.json, or by its end among your tokens. Where
that does not tell, it is left, and named.

Example:
  datahub-emit token rotate --token-file /run/secrets/datahub-token --duration P30D")]
pub(super) struct Rotate {
    /// How long the new one is good, as for `token create`; by default as long as the old one, if `FILE.meta.json` tells, else
    /// `ONE_MONTH`.
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    duration: Option<AccessTokenDuration>,
}

/// What is known of the old token.
struct Old {
    token: Token,
    metadata: Option<TokenMetadata>,
    info: Option<AccessTokenInfo>,
}

impl Old {
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
            return Err(Error::new(ErrorKind::Input, "say which token: --token-file FILE"));
        };
        if !path.is_file() {
            let message = format!("{} is not a file whose token could be replaced", path.display());
            return Err(Error::new(ErrorKind::Input, message));
        }
        let token = server::read_token(path)?;
        let file = TokenFile::prepare(path)?;
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
        // Before there is another one of nearly the same end.
        let info = if metadata.is_some() { None } else { find(client, me, &token).await? };
        let old = Old { token, metadata, info };
        let before = old.metadata.as_ref().and_then(|metadata| metadata.duration.as_deref()?.parse().ok());
        let duration = self.duration.or(before).unwrap_or(AccessTokenDuration::OneMonth);
        let made = client.create_access_token(me, old.name().unwrap_or(NAME), &me.urn, duration).await?;
        let new = match prove_and_write(caller, path, &old.token, &made, duration, file).await {
            Ok(new) => new,
            Err(error) => {
                give_up(client, me, &made, path, screen).await;
                return Err(error);
            }
        };
        if !screen.quiet() {
            let what = made.info.as_ref().map_or_else(
                || format!("of {}", me.urn),
                |info| format!("{}, expires {}", super::named(info), super::end(info)),
            );
            screen.say(&format!("rotated: {} holds the token {what}\n", path.display()));
        }
        let Some(id) = old.id() else {
            screen.say(&format!(
                "warning: the old token (sha256 {}, of {}{}) is still good: which of the tokens it is cannot be told from here. Find it \
                 with `datahub-emit token list`, and revoke it with `datahub-emit token revoke ID`\n",
                old.token.fingerprint(),
                me.urn,
                end(&old.token).map_or_else(|| ", without an end".to_owned(), |end| format!(", expires {end}"))
            ));
            return Ok(Exit::Done);
        };
        match new.revoke_access_token(me, id).await {
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

/// Lets GMS say that it takes the new token, and puts it into the file. Returns a client that goes with it.
async fn prove_and_write(
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
        let message = format!("GMS takes the new token for one of {}, and not of {}", found.urn, me.urn);
        return Err(Error::new(ErrorKind::Rejected, message));
    }
    if server::read_token(path)?.fingerprint() != old.fingerprint() {
        let message = format!("{} holds another token by now: someone else has renewed it", path.display());
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

/// The new token came to nothing: nobody shall have it, and the old one goes on.
async fn give_up(client: &Client, me: &Me, made: &NewAccessToken, path: &Path, screen: &Screen) {
    screen.say(&format!("not rotated: the old token is still good, and in {}\n", path.display()));
    let Some(info) = &made.info else { return };
    if let Err(error) = client.revoke_access_token(me, &info.id).await {
        screen.say(&format!(
            "warning: the new token {} could not be revoked: {}\n",
            super::named(info),
            error.full_message()
        ));
    }
}

/// Which of GMS's tokens `token` is, as far as it can be told without a doubt.
async fn find(client: &Client, me: &Me, token: &Token) -> Result<Option<AccessTokenInfo>, Error> {
    if me.manage_tokens
        && let Some(info) = client.access_token_info(token).await?
    {
        return Ok(Some(info));
    }
    // One that never ends looks like any other that does not.
    let Some(end) = end(token) else { return Ok(None) };
    let end = end.as_millisecond();
    let range = end - MILLISECONDS_BEFORE..end + 1_000;
    let mut alike: Vec<AccessTokenInfo> = client.access_tokens(me, Some(&me.urn)).await?;
    alike.retain(|info| {
        info.actor == me.urn && info.expires_at.is_some_and(|time| range.contains(&time.as_millisecond()))
    });
    Ok(if alike.len() == 1 { alike.pop() } else { None })
}

fn end(token: &Token) -> Option<jiff::Timestamp> {
    TokenFacts::of(token).claims?.expires_at
}
