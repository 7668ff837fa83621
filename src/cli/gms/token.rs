//! `datahub-emit gms token`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Data;

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Creates a personal access token, and prints it on standard output.
    Create(Create),
    /// Lists the tokens, as JSON Lines.
    List(Data),
    /// Revokes a token: it is refused from now on.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  export DATAHUB_GMS_TOKEN=$(datahub-emit gms token create)")]
struct Create {
    #[command(flatten)]
    data: Data,
    /// The user's name, without `urn:li:corpuser:`. A user that does not exist is created; policies decide
    /// what the user may do.
    #[arg(long, value_name = "NAME", default_value = "datahub")]
    actor: String,
    /// The name of the token.
    #[arg(long, value_name = "NAME", default_value = "gms token create")]
    name: String,
    /// The lifetime: one of GraphQL's durations (`ONE_HOUR`, `ONE_MONTH`, `NO_EXPIRY`), or one of ISO
    /// 8601 (`P30D`).
    #[arg(long, value_name = "DURATION", default_value = "ONE_MONTH")]
    duration: String,
    /// Writes the token to this file, which only its owner can read, instead of to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Lets --out replace a file that holds something else than a token.
    #[arg(long, requires = "out")]
    force: bool,
}

#[derive(Debug, Args)]
struct Revoke {
    #[command(flatten)]
    data: Data,
    /// The token's id, as `gms token list` shows it.
    id: String,
}

#[cfg(feature = "embedded")]
mod with {
    use std::time::SystemTime;

    use datahub_emitter::auth::{Token, TokenFile, TokenSource};
    use datahub_emitter::embedded::{TokenDuration, TokenInfo};
    use datahub_emitter::{Error, ErrorKind};
    use serde_json::json;

    use super::{Create, Revoke, TokenArgs, TokenCommand};
    use crate::cli::exit::Exit;
    use crate::cli::gms::file;
    use crate::cli::output;

    impl TokenArgs {
        pub(crate) async fn run(self) -> Result<Exit, Error> {
            match self.command {
                TokenCommand::Create(create) => create.run().await,
                TokenCommand::List(data) => {
                    let gms = data.open().await?;
                    let tokens = gms.tokens().await?;
                    gms.stop().await;
                    output::write(tokens.iter().map(line).collect::<String>().as_bytes())?;
                    Ok(Exit::Done)
                }
                TokenCommand::Revoke(Revoke { data, id }) => {
                    let gms = data.open().await?;
                    let revoked = gms.revoke_id(&id).await?;
                    gms.stop().await;
                    if revoked { Ok(Exit::Done) } else { Err(file::absent("token of that id")) }
                }
            }
        }
    }

    impl Create {
        async fn run(self) -> Result<Exit, Error> {
            let duration: TokenDuration = self
                .duration
                .parse()
                .map_err(|message| Error::new(ErrorKind::Input, format!("--duration: {message}")))?;
            // A file that cannot be written is an error before a token exists that nobody has.
            let prepare = if self.force { TokenFile::prepare_forced } else { TokenFile::prepare };
            let file = self.out.as_deref().map(prepare).transpose()?;
            let gms = self.data.open().await?;
            let (token, _) = gms
                .create_named_token(&self.name, &self.actor, duration.expires_at(SystemTime::now()))
                .await?;
            gms.stop().await;
            match file {
                None => output::write(format!("{token}\n").as_bytes())?,
                Some(file) => file.write(&Token::new(token, TokenSource::Issued), None)?,
            }
            Ok(Exit::Done)
        }
    }

    fn line(token: &TokenInfo) -> String {
        let milliseconds = |time: SystemTime| {
            time.duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| since.as_millis().min(u128::from(u64::MAX)))
        };
        let line = json!({
            "id": token.id(),
            "name": token.name(),
            "actorUrn": token.actor(),
            "ownerUrn": token.owner(),
            "createdAt": milliseconds(token.created_at()),
            "expiresAt": token.expires_at().map(milliseconds),
        });
        format!("{line}\n")
    }
}

#[cfg(not(feature = "embedded"))]
impl TokenArgs {
    #[expect(clippy::unused_async, reason = "has the form that it has with the feature")]
    pub(crate) async fn run(self) -> Result<crate::cli::exit::Exit, datahub_emitter::Error> {
        Err(super::not_built())
    }
}
