//! The identity that manages tokens: the holder of a token, or a user who logs in at the frontend.

use std::sync::Arc;

use clap::Args;
use datahub_emitter::auth::{FixedToken, Token};
use datahub_emitter::gms::{Client, ClientConfig, ClientMode, LogIn, Me, ServerAddress, log_in};
use datahub_emitter::{Error, ErrorKind};

use crate::cli::Global;
use crate::cli::password::password;
use crate::cli::progress::Screen;
use crate::cli::server::Server;

/// A log-in with name and password, for the first token.
#[derive(Debug, Args)]
pub(super) struct LogInFlags {
    /// Logs in as this user at --frontend instead of using a token. The password is read from
    /// `DATAHUB_PASSWORD`, or from the terminal.
    #[arg(long, value_name = "NAME", requires = "frontend", conflicts_with = "token_file")]
    user: Option<String>,
    /// The address of DataHub's web page, for example `http://localhost:9002`.
    #[arg(long, value_name = "URL", requires = "user", conflicts_with = "server")]
    frontend: Option<String>,
}

pub(super) struct Caller {
    pub(super) client: Client,
    pub(super) me: Me,
    server: Option<Server>,
}

impl Caller {
    /// Uses the token that `get` and `put` would use.
    pub(super) async fn by_token(global: &Global) -> Result<Self, Error> {
        let server = Server::find(global).await?;
        let client = server.client()?;
        let me = client.require_me().await?;
        Ok(Self { client, me, server: Some(server) })
    }

    /// Logs in as the user in the flags, if there is one; otherwise uses the token.
    pub(super) async fn new(global: &Global, flags: &LogInFlags, screen: &Screen) -> Result<Self, Error> {
        let (Some(user), Some(frontend)) = (&flags.user, &flags.frontend) else {
            return Self::by_token(global).await;
        };
        let frontend = ServerAddress::parse(frontend)
            .map_err(|error| Error::new(ErrorKind::Input, "--frontend").with_source(error))?;
        if !frontend.is_https() && !frontend.is_loopback() {
            screen.say(&format!("warning: the password goes to {frontend} unencrypted\n"));
        }
        let password = password(user, screen)?;
        let mut settings = ClientConfig::new(frontend.clone());
        settings.mode = ClientMode::Cli;
        let client = log_in(&settings, &LogIn { frontend: &frontend, user, password: &password }).await?;
        let me = client.require_me().await?;
        Ok(Self { client, me, server: None })
    }

    /// A client of the same GMS with another token.
    pub(super) fn with(&self, token: Token) -> Result<Client, Error> {
        let mut config = ClientConfig::new(self.client.server().clone());
        config.tokens = Some(Arc::new(FixedToken::new(token)));
        config.mode = ClientMode::Cli;
        config.no_proxy = self.server.as_ref().is_some_and(Server::is_embedded);
        Client::new(&config)
    }

    pub(super) async fn stop(self) {
        if let Some(server) = self.server {
            server.stop().await;
        }
    }
}
