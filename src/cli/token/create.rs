//! `datahub-emit token create`.

use std::path::PathBuf;

use clap::Args;
use datahub_emitter::auth::{TokenFile, TokenMetadata};
use datahub_emitter::gms::{AccessTokenDuration, NewAccessToken, UserStatus};
use datahub_emitter::metadata::Urn;
use datahub_emitter::{Error, ErrorKind};

use super::caller::{Caller, LogInFlags};
use crate::cli::exit::Exit;
use crate::cli::progress::Screen;
use crate::cli::{Global, output};

/// The actor of every request while authentication is off (`NoOpAuthenticator`).
const SYSTEM: &str = "urn:li:corpuser:__datahub_system";

#[derive(Debug, Args)]
#[command(after_help = "\
Prints the token, and nothing else, on standard output. --out writes it to FILE instead, which only its owner can read,
and its id, name, actor and expiry to FILE.meta.json.

Examples:
  datahub-emit token create --name loader --user datahub --frontend http://localhost:9002 --out ~/.datahub-token
  datahub-emit token create --name nightly --duration P90D
  datahub-emit token create --name ci --actor urn:li:corpuser:ci   for another user (privilege Manage All Access Tokens)")]
pub(super) struct Create {
    /// The name of the token.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The lifetime of the token: `ONE_HOUR`, `ONE_DAY`, `ONE_WEEK`, `ONE_MONTH`, `THREE_MONTHS`,
    /// `SIX_MONTHS`, `ONE_YEAR`, `NO_EXPIRY`, or the same in ISO 8601, for example `P30D`.
    #[arg(long, value_name = "DURATION", default_value = "ONE_MONTH", value_parser = super::duration)]
    duration: AccessTokenDuration,
    /// The user of the token, if it is for another user.
    #[arg(long, value_name = "URN")]
    actor: Option<String>,
    #[command(flatten)]
    log_in: LogInFlags,
    /// Writes the token to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Lets --out replace a file that holds something else than a token.
    #[arg(long, requires = "out")]
    force: bool,
}

impl Create {
    pub(super) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let actor = self.actor.as_deref().map(super::actor).transpose()?;
        // A file that cannot be written is an error before a token exists that nobody has.
        let prepare = if self.force { TokenFile::prepare_forced } else { TokenFile::prepare };
        let file = self.out.as_deref().map(prepare).transpose()?;
        let caller = Caller::new(global, &self.log_in, screen).await?;
        let created = self.create(&caller, actor, file, screen).await;
        caller.stop().await;
        created
    }

    async fn create(
        &self,
        caller: &Caller,
        actor: Option<Urn>,
        file: Option<TokenFile>,
        screen: &Screen,
    ) -> Result<Exit, Error> {
        let Caller { client, me, .. } = caller;
        let actor = match actor {
            Some(actor) => {
                check(caller, &actor, screen).await?;
                actor.to_string()
            }
            None if me.urn == SYSTEM => {
                return Err(Error::new(
                    ErrorKind::Input,
                    format!(
                        "GMS at {} treats you as the system actor, because authentication is off there or you are the system client: \
                         name the user of the token with --actor (while authentication is off, no token is needed)",
                        client.server()
                    ),
                ));
            }
            None => me.urn.clone(),
        };
        let NewAccessToken { token, info, .. } =
            client.tokens().create(me, &self.name, &actor, self.duration).await?;
        let written = match file {
            None => {
                let mut text = Vec::new();
                token.write_to(&mut text).map_err(|error| {
                    Error::new(ErrorKind::Internal, "the token has no text").with_source(error)
                })?;
                output::write(&text)
            }
            Some(file) => {
                let metadata = info.as_ref().map(|info| TokenMetadata {
                    id: info.id.clone(),
                    name: info.name.clone(),
                    actor: info.actor.clone(),
                    expires_at: info.expires_at.map(|time| time.to_string()),
                    duration: Some(self.duration.to_string()),
                    sha256: Some(token.fingerprint()),
                });
                file.write(&token, metadata.as_ref())
            }
        };
        if let Err(error) = written {
            if let Some(info) = &info {
                // Nobody has received it.
                if let Err(left) = client.tokens().revoke(me, &info.id).await {
                    screen.say(&format!(
                        "warning: the token {} was created and could not be revoked: {}\n",
                        super::describe(info),
                        left.full_message()
                    ));
                }
            }
            return Err(error);
        }
        if !screen.quiet() {
            let what = info.as_ref().map_or_else(
                || format!("{:?} of {actor}", self.name),
                |info| format!("{}, expires {}", super::describe(info), super::expiry(info)),
            );
            let place = self.out.as_ref().map_or_else(String::new, |path| format!(", in {}", path.display()));
            screen.say(&format!("created: the token {what}{place}\n"));
        }
        Ok(Exit::Done)
    }
}

/// Checks that a token for `actor` would be useful: GMS creates a token for any name.
async fn check(caller: &Caller, actor: &Urn, screen: &Screen) -> Result<(), Error> {
    let status = caller.client.user_status(actor).await?;
    let wrong = match status {
        UserStatus::Active => return Ok(()),
        UserStatus::Missing => "does not exist",
        UserStatus::Removed => "was deleted",
        UserStatus::Suspended => "is suspended",
        _ => {
            screen.say(&format!(
                "warning: you may not see whether {actor} exists; if not, GMS creates the token and then always refuses it\n"
            ));
            return Ok(());
        }
    };
    Err(Error::new(
        ErrorKind::NotFound,
        format!(
            "the user {actor} {wrong} at {}: GMS would create the token and then always refuse it. Check that --actor is spelled as in DataHub \
             under Settings > Users & Groups",
            caller.client.server()
        ),
    ))
}
