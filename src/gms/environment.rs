//! The server and the token that the environment names.

#[cfg(feature = "pipeline")]
mod datahubenv;

use crate::Error;
use crate::auth::{Token, TokenSource};
use crate::environment::Environment;

#[cfg(feature = "pipeline")]
pub use datahubenv::DatahubEnvFile;

/// The server and the token that the variables `DATAHUB_GMS_URL`, `DATAHUB_GMS_HOST`, `_PORT`, `_PROTOCOL`
/// and `DATAHUB_GMS_TOKEN` name, and with the feature `pipeline` the file `~/.datahubenv`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GmsEnvironment {
    /// The server's address, as it was written.
    pub server: Option<String>,
    /// The token.
    pub token: Option<Token>,
}

impl GmsEnvironment {
    /// Reads the variables alone. A port takes precedence over the URL, as in DataHub's own client
    /// (`config_utils.py`).
    pub fn from_variables(environment: &Environment) -> Self {
        let get = |name| environment.get(name).map(str::trim).filter(|value| !value.is_empty());
        let host = get("DATAHUB_GMS_HOST");
        let server = match (get("DATAHUB_GMS_URL"), host, get("DATAHUB_GMS_PORT")) {
            (url, host, Some(port)) if host.is_some() || url.is_none() => {
                let protocol = get("DATAHUB_GMS_PROTOCOL").unwrap_or("http");
                let host = host.unwrap_or("localhost");
                // An IPv6 address has brackets only within a URL.
                let bare_v6 = host.contains(':') && !host.starts_with('[');
                let host = if bare_v6 { format!("[{host}]") } else { host.to_owned() };
                Some(format!("{protocol}://{host}:{port}"))
            }
            (Some(url), _, _) => Some(url.to_owned()),
            // Some put a URL into the variable that is meant for a host.
            (None, Some(host), None) if host.contains("://") => Some(host.to_owned()),
            _ => None,
        };
        let token = environment.get("DATAHUB_GMS_TOKEN");
        let token =
            token.map(|token| Token::new(token.trim(), TokenSource::Environment("DATAHUB_GMS_TOKEN".into())));
        Self { server, token }
    }

    /// Reads the variables. If they name no server, and the feature `pipeline` is on, the file
    /// `~/.datahubenv` is read as well, unless `DATAHUB_SKIP_CONFIG` is true.
    ///
    /// # Errors
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if the file exists and cannot be read or understood.
    pub fn read(environment: &Environment) -> Result<Self, Error> {
        let variables = Self::from_variables(environment);
        #[cfg(feature = "pipeline")]
        if variables.server.is_none() {
            let file = datahubenv::read(environment)?;
            return Ok(Self { server: file.server, token: variables.token.or(file.token) });
        }
        Ok(variables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(pairs: &[(&str, &str)]) -> Option<String> {
        GmsEnvironment::from_variables(&Environment::from_pairs(pairs.iter().copied())).server
    }

    #[test]
    fn the_variables_mean_the_same_as_in_datahub_s_client() {
        assert_eq!(server(&[]), None);
        assert_eq!(server(&[("DATAHUB_GMS_URL", "http://a:1")]).as_deref(), Some("http://a:1"));
        assert_eq!(
            server(&[("DATAHUB_GMS_HOST", "h"), ("DATAHUB_GMS_PORT", "2")]).as_deref(),
            Some("http://h:2")
        );
        assert_eq!(
            server(&[("DATAHUB_GMS_HOST", "::1"), ("DATAHUB_GMS_PORT", "2")]).as_deref(),
            Some("http://[::1]:2")
        );
        assert_eq!(
            server(&[
                ("DATAHUB_GMS_URL", "http://a:1"),
                ("DATAHUB_GMS_HOST", "h"),
                ("DATAHUB_GMS_PORT", "2"),
                ("DATAHUB_GMS_PROTOCOL", "https")
            ])
            .as_deref(),
            Some("https://h:2")
        );
    }
}
