//! The GMS of `get`, `put` and `check`, and its token.

use std::path::Path;
use std::sync::Arc;

use datahub_emitter::Environment;
use datahub_emitter::auth::{FileProvider, FixedToken, Token, TokenProvider};
use datahub_emitter::gms::{Client, ClientConfig, ClientMode, GmsEnvironment, RetryPolicy, ServerAddress};
use datahub_emitter::{Error, ErrorKind};

use super::Global;

/// The value of `--server` for the embedded GMS.
const EMBEDDED: &str = "embedded";

/// A GMS and the token for it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: ServerAddress,
    pub(crate) token: Option<Token>,
    #[cfg(feature = "embedded")]
    embedded: Option<datahub_emitter::embedded::Gms>,
}

impl Server {
    /// Takes `--server` and `--token-file`, then the environment's variables, then `~/.datahubenv`. A token
    /// that belongs to another server is not sent.
    pub(crate) async fn find(global: &Global) -> Result<Self, Error> {
        let file = global.token_file.as_deref().map(read_token).transpose()?;
        if global.server.as_deref() == Some(EMBEDDED) {
            return Self::embedded(file).await;
        }
        let found = GmsEnvironment::read(&Environment::from_process())?;
        let known = found.server.as_deref().and_then(|server| ServerAddress::parse(server).ok());
        let (address, named) = match (&global.server, &found.server) {
            (Some(server), _) => (ServerAddress::parse(server), "--server"),
            (None, Some(server)) => (ServerAddress::parse(server), "the server of the environment"),
            (None, None) => {
                return Err(Error::new(
                    ErrorKind::Input,
                    "no server is known: give --server URL, or set DATAHUB_GMS_URL, or write ~/.datahubenv; \
                     --server embedded is the GMS on this machine's disk",
                ));
            }
        };
        let address = address.map_err(|error| Error::new(ErrorKind::Input, named).with_source(error))?;
        // A token without an address may go to any server; one that came with an address only goes there.
        let token = found.token.filter(|_| known.is_none_or(|known| known.origin() == address.origin()));
        Ok(Self {
            address,
            token: file.or(token),
            #[cfg(feature = "embedded")]
            embedded: None,
        })
    }

    /// Starts the embedded GMS for this command, on the file of runs with `server: embedded`.
    #[cfg(feature = "embedded")]
    async fn embedded(token: Option<Token>) -> Result<Self, Error> {
        use datahub_emitter::pipeline::embedded_data_path;

        let data = embedded_data_path(&Environment::from_process())?;
        if !data.exists() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "there is no embedded GMS yet: {} is made by a run with `server: embedded`",
                    data.display()
                ),
            ));
        }
        let gms = datahub_emitter::embedded::Gms::builder().data(data).start().await?;
        let address = ServerAddress::parse(gms.url()).map_err(|error| {
            Error::new(ErrorKind::Internal, "the embedded GMS has no address").with_source(error)
        })?;
        let token =
            token.unwrap_or_else(|| Token::new(gms.token(), datahub_emitter::auth::TokenSource::Embedded));
        Ok(Self { address, token: Some(token), embedded: Some(gms) })
    }

    #[cfg(not(feature = "embedded"))]
    #[expect(clippy::unused_async, reason = "has the form that it has with the feature")]
    async fn embedded(_: Option<Token>) -> Result<Self, Error> {
        Err(Error::new(ErrorKind::Input, "--server embedded is not built into this program"))
    }

    pub(crate) fn client(&self) -> Result<Client, Error> {
        let mut config = ClientConfig::new(self.address.clone());
        // A mistyped address is an error at once.
        config.retry = RetryPolicy::never();
        let token = self.token.clone();
        config.tokens = token.map(|token| Arc::new(FixedToken::new(token)) as Arc<dyn TokenProvider>);
        config.mode = ClientMode::Cli;
        config.no_proxy = self.is_embedded();
        Client::new(&config)
    }

    /// The name in messages.
    pub(crate) fn name(&self) -> String {
        if self.is_embedded() { "the embedded GMS".to_owned() } else { self.address.to_string() }
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    #[cfg(not(feature = "embedded"))]
    #[expect(clippy::unused_self, reason = "has the form that it has with the feature")]
    pub(crate) fn is_embedded(&self) -> bool {
        false
    }

    /// Stops an embedded GMS in good order.
    #[cfg_attr(
        not(feature = "embedded"),
        expect(clippy::unused_async, reason = "has the form that it has with the feature")
    )]
    pub(crate) async fn stop(self) {
        #[cfg(feature = "embedded")]
        if let Some(gms) = self.embedded {
            gms.stop().await;
        }
    }
}

/// Reads a token from a file.
pub(crate) fn read_token(path: &Path) -> Result<Token, Error> {
    FileProvider::read(path).map_err(|error| Error::new(ErrorKind::Input, error.message))
}
