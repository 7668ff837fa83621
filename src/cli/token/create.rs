//! `datahub-emit token create`.

use std::path::PathBuf;

use clap::Args;
use datahub_emitter::auth::{TokenFile, TokenMetadata};
use datahub_emitter::gms::{AccessTokenDuration, NewAccessToken, UserStatus};
use datahub_emitter::metadata::Urn;
use datahub_emitter::{Error, ErrorKind};

use super::caller::{Caller, Person};
use crate::cli::exit::Exit;
use crate::cli::progress::Screen;
use crate::cli::{Global, output};

/// As whom GMS sees everyone while authentication is off (`NoOpAuthenticator`).
const SYSTEM: &str = "urn:li:corpuser:__datahub_system";

#[derive(Debug, Args)]
#[command(after_help = "\
Prints the token, and nothing else, on standard output. With --out it is written to FILE, which only its owner can read, and
FILE.meta.json says what it is: id, name, actor and end.

Examples:
  datahub-emit token create --name loader --user datahub --frontend http://localhost:9002 --out ~/.datahub-token
  datahub-emit token create --name nightly --duration P90D
  datahub-emit token create --name ci --actor urn:li:corpuser:ci   for another user: Manage All Access Tokens")]
pub(super) struct Create {
    /// What the token is called.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// How long it is good: `ONE_HOUR`, `ONE_DAY`, `ONE_WEEK`, `ONE_MONTH`, `THREE_MONTHS`, `SIX_MONTHS`, `ONE_YEAR`, `NO_EXPIRY`, or
    /// the same in ISO 8601, for example `P30D`.
    #[arg(long, value_name = "DURATION", default_value = "ONE_MONTH", value_parser = super::duration)]
    duration: AccessTokenDuration,
    /// The user whom it is for, if that is another than you.
    #[arg(long, value_name = "URN")]
    actor: Option<String>,
    #[command(flatten)]
    person: Person,
    /// Writes it to this file instead of to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Create {
    pub(super) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let actor = self.actor.as_deref().map(super::actor).transpose()?;
        // What cannot be written is told before there is a token that nobody gets.
        let file = self.out.as_deref().map(TokenFile::prepare).transpose()?;
        let caller = Caller::new(global, &self.person, screen).await?;
        let made = self.make(&caller, actor, file, screen).await;
        caller.stop().await;
        made
    }

    async fn make(
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
                        "GMS at {} takes you for itself, because authentication is off there or you are the system client: say \
                         with --actor whom the token is for (while authentication is off, no one needs any)",
                        client.server()
                    ),
                ));
            }
            None => me.urn.clone(),
        };
        let NewAccessToken { token, info, .. } =
            client.create_access_token(me, &self.name, &actor, self.duration).await?;
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
                // Nobody has it, so nobody shall.
                if let Err(left) = client.revoke_access_token(me, &info.id).await {
                    screen.say(&format!(
                        "warning: the token {} was made and could not be revoked: {}\n",
                        super::named(info),
                        left.full_message()
                    ));
                }
            }
            return Err(error);
        }
        if !screen.quiet() {
            let what = info.as_ref().map_or_else(
                || format!("{:?} of {actor}", self.name),
                |info| format!("{}, expires {}", super::named(info), super::end(info)),
            );
            let place = self.out.as_ref().map_or_else(String::new, |path| format!(", in {}", path.display()));
            screen.say(&format!("made: the token {what}{place}\n"));
        }
        Ok(Exit::Done)
    }
}

/// Makes sure that a token for `actor` would be of use: GMS makes one for whoever is named.
async fn check(caller: &Caller, actor: &Urn, screen: &Screen) -> Result<(), Error> {
    let standing = caller.client.user_status(actor).await?;
    let wrong = match standing {
        UserStatus::Active => return Ok(()),
        UserStatus::Missing => "is not there",
        UserStatus::Removed => "was deleted",
        UserStatus::Suspended => "is suspended",
        _ => {
            screen.say(&format!(
                "warning: you may not see whether {actor} is there; if he is not, GMS makes the token and refuses it ever after\n"
            ));
            return Ok(());
        }
    };
    Err(Error::new(
        ErrorKind::NotFound,
        format!(
            "the user {actor} {wrong} at {}: GMS would make the token and refuse it ever after. See that --actor is written as in \
             DataHub under Settings > Users & Groups",
            caller.client.server()
        ),
    ))
}
