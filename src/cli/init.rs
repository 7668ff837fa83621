//! `datahub-emit init`.

use std::io::IsTerminal as _;
use std::sync::Arc;

use clap::Args;
use datahub_emitter::auth::{FixedToken, Token, TokenProvider, TokenSource};
use datahub_emitter::gms::{
    AccessTokenDuration, Client, ClientConfig, ClientMode, DatahubEnvFile, GmsEnvironment, LogIn,
    RetryPolicy, ServerAddress, TokenStatus, log_in,
};
use datahub_emitter::{Environment, Error, ErrorKind};

use super::exit::Exit;
use super::progress::Screen;
use super::{Global, password, question, server};

/// The address that is suggested.
const DEFAULT_SERVER: &str = "http://localhost:8080";

/// The name of a token that a log-in creates.
const TOKEN_NAME: &str = "datahub-emit init";

#[derive(Debug, Args)]
#[command(after_help = "\
Tries the address and the token at the server, and then writes them to
~/.datahubenv, where `datahub-emit` and DataHub's own command line find them.
Only its owner can read the file. On a terminal it asks for what is missing.

Examples:
  datahub-emit init
  datahub-emit init --server http://gms:8080 --token-file token.txt
  datahub-emit init --server http://gms:8080 --user ann --frontend http://gms:9002")]
pub(crate) struct Init {
    /// Logs in as this user at --frontend and creates a token. The password is
    /// read from `DATAHUB_PASSWORD`, or from the terminal.
    #[arg(long, value_name = "NAME", conflicts_with = "token_file")]
    user: Option<String>,
    /// The address of DataHub's web page; the default is guessed from the
    /// server's.
    #[arg(long, value_name = "URL", requires = "user")]
    frontend: Option<String>,
    /// The lifetime of the token that a log-in creates.
    #[arg(long, value_name = "DURATION", default_value = "ONE_MONTH", value_parser = duration)]
    duration: AccessTokenDuration,
    /// Replaces server and token of an existing ~/.datahubenv; its other keys
    /// stay.
    #[arg(long, short)]
    force: bool,
}

fn duration(text: &str) -> Result<AccessTokenDuration, String> {
    text.parse()
}

impl Init {
    pub(crate) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let environment = Environment::from_process();
        let file = DatahubEnvFile::in_home(&environment)?;
        if file.path().exists() && !self.force {
            let question = format!("{} exists. Replace its server and token?", file.path().display());
            let otherwise =
                format!("{} exists; --force replaces its server and token", file.path().display());
            if !question::confirm(&question, &otherwise, screen)? {
                screen.say("nothing was written\n");
                return Ok(Exit::Failed);
            }
        }
        let variables = GmsEnvironment::from_variables(&environment);
        let address = Self::address(global, variables.server, screen)?;
        let token = self.token(global, variables.token, &address, screen).await?;
        let version = try_out(&address, token.clone(), screen).await?;
        file.write(&address, token.as_ref())?;
        if !screen.quiet() {
            let path = file.path().display();
            screen.say(&format!("done: {address} (GMS {version}) is in {path}\n"));
        }
        Ok(Exit::Done)
    }

    fn address(global: &Global, variable: Option<String>, screen: &Screen) -> Result<ServerAddress, Error> {
        let given = global.server.clone().or(variable);
        let text = match given {
            Some(text) => text,
            None => question::ask("Address of GMS", DEFAULT_SERVER, screen)?,
        };
        ServerAddress::parse(&text)
            .map_err(|error| Error::new(ErrorKind::Input, "the address of GMS").with_source(error))
    }

    /// The token: from the file, from the variable, from a log-in, or from the user.
    async fn token(
        &self,
        global: &Global,
        variable: Option<Token>,
        address: &ServerAddress,
        screen: &Screen,
    ) -> Result<Option<Token>, Error> {
        if let Some(path) = &global.token_file {
            return server::read_token(path).map(Some);
        }
        if let Some(user) = &self.user {
            let frontend = self.frontend.clone().unwrap_or_else(|| address.frontend());
            return self.token_by_log_in(user, &frontend, screen).await.map(Some);
        }
        if variable.is_some() {
            return Ok(variable);
        }
        let hint = if std::io::stdin().is_terminal() { " (empty: none, or log in with --user)" } else { "" };
        let answer = question::ask_secret(&format!("Access token{hint}"), screen)?;
        Ok((!answer.is_empty()).then(|| Token::new(answer, TokenSource::DatahubEnv)))
    }

    async fn token_by_log_in(&self, user: &str, frontend: &str, screen: &Screen) -> Result<Token, Error> {
        let frontend = ServerAddress::parse(frontend)
            .map_err(|error| Error::new(ErrorKind::Input, "--frontend").with_source(error))?;
        if !frontend.is_https() && !frontend.is_loopback() {
            screen.say(&format!("warning: the password goes to {frontend} unencrypted\n"));
        }
        let password = password::password(user, screen)?;
        let mut settings = ClientConfig::new(frontend.clone());
        settings.mode = ClientMode::Cli;
        let client = log_in(&settings, &LogIn { frontend: &frontend, user, password: &password }).await?;
        let me = client.require_me().await?;
        let created = client.tokens().create(&me, TOKEN_NAME, &me.urn, self.duration).await?;
        Ok(created.token)
    }
}

/// Tries address and token; returns the version of GMS.
async fn try_out(address: &ServerAddress, token: Option<Token>, screen: &Screen) -> Result<String, Error> {
    let mut settings = ClientConfig::new(address.clone());
    settings.mode = ClientMode::Cli;
    settings.tokens = token.map(|token| Arc::new(FixedToken::new(token)) as Arc<dyn TokenProvider>);
    let client = Client::new(&settings)?;
    let config = client.server_config(&RetryPolicy::never()).await?;
    match client.check_token(&RetryPolicy::never()).await? {
        TokenStatus::Unknown => {
            // An older server does not tell; asking for the caller needs a valid token.
            client.require_me().await?;
        }
        TokenStatus::NoToken if !screen.quiet() => {
            screen.say("note: authentication is off at this GMS, so that no token is needed\n");
        }
        _ => {}
    }
    Ok(config.version_name().to_owned())
}
