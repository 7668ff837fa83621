//! Which GMS the environment means, and with which token.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::auth::{Token, TokenSource};
use crate::environment::Environment;
use crate::{Error, ErrorKind};

/// `~/.datahubenv` is a few lines.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What `DATAHUB_GMS_URL`, `DATAHUB_GMS_HOST`, `_PORT`, `_PROTOCOL`, `DATAHUB_GMS_TOKEN` and `~/.datahubenv` say.
#[derive(Clone, Debug, Default)]
pub struct GmsEnvironment {
    /// The server's address, as it was written.
    pub server: Option<String>,
    /// The token.
    pub token: Option<Token>,
}

#[derive(Deserialize)]
struct DatahubEnv {
    gms: Option<Gms>,
}

#[derive(Deserialize)]
struct Gms {
    server: Option<String>,
    token: Option<String>,
}

impl GmsEnvironment {
    /// What the variables say. A port beats the address, as in DataHub's own client (`config_utils.py`).
    pub fn from_variables(environment: &Environment) -> Self {
        let get = |name| environment.get(name).map(str::trim).filter(|value| !value.is_empty());
        let host = get("DATAHUB_GMS_HOST");
        let server = match (get("DATAHUB_GMS_URL"), host, get("DATAHUB_GMS_PORT")) {
            (url, host, Some(port)) if host.is_some() || url.is_none() => {
                let protocol = get("DATAHUB_GMS_PROTOCOL").unwrap_or("http");
                let host = host.unwrap_or("localhost");
                // An IPv6 address has its brackets in an address only.
                let bare_v6 = host.contains(':') && !host.starts_with('[');
                let host = if bare_v6 { format!("[{host}]") } else { host.to_owned() };
                Some(format!("{protocol}://{host}:{port}"))
            }
            (Some(url), _, _) => Some(url.to_owned()),
            // An address in the variable that is meant for a host is taken for what it is.
            (None, Some(host), None) if host.contains("://") => Some(host.to_owned()),
            _ => None,
        };
        let token = environment.get("DATAHUB_GMS_TOKEN");
        let token =
            token.map(|token| Token::new(token.trim(), TokenSource::Environment("DATAHUB_GMS_TOKEN".into())));
        Self { server, token }
    }

    /// What the variables say, and where they say nothing, `~/.datahubenv` (unless `DATAHUB_SKIP_CONFIG` is true).
    ///
    /// # Errors
    /// When the file is there and cannot be understood.
    pub fn read(environment: &Environment) -> Result<Self, Error> {
        let variables = Self::from_variables(environment);
        let skip =
            environment.get("DATAHUB_SKIP_CONFIG").is_some_and(|skip| skip.eq_ignore_ascii_case("true"));
        let home = environment.get("HOME").filter(|home| !home.is_empty());
        let (Some(home), false, None) = (home, skip, &variables.server) else {
            return Ok(variables);
        };
        let file = Self::from_file(&PathBuf::from(home).join(".datahubenv"))?;
        Ok(Self { server: file.server, token: variables.token.or(file.token) })
    }

    fn from_file(path: &Path) -> Result<Self, Error> {
        let problem = |what: &str| Error::new(ErrorKind::Input, format!("{} {what}", path.display()));
        let mut text = String::new();
        match File::open(path) {
            Ok(file) => file.take(MAX_FILE_BYTES).read_to_string(&mut text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => Err(error),
        }
        .map_err(|error| problem("cannot be read").with_source(error))?;
        // The parser's own words may quote the token.
        let file: Option<DatahubEnv> = serde_yaml::from_str(&text).map_err(|error| {
            let place =
                error.location().map_or_else(String::new, |place| format!(" (line {})", place.line()));
            problem(&format!("is not YAML of the form gms: {{server: …, token: …}}{place}"))
        })?;
        let gms = file.and_then(|file| file.gms);
        Ok(gms.map_or_else(Self::default, |gms| Self {
            server: gms.server,
            token: gms.token.map(|token| Token::new(token.trim(), TokenSource::DatahubEnv)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(pairs: &[(&str, &str)]) -> Option<String> {
        GmsEnvironment::from_variables(&Environment::from_pairs(pairs.iter().copied())).server
    }

    #[test]
    fn the_variables_mean_what_they_mean_to_datahub() {
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

    #[test]
    fn the_file_stands_in_for_the_variables_and_is_never_quoted() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".datahubenv");
        let environment = Environment::from_pairs([("HOME", home.path().to_str().unwrap())]);
        assert_eq!(GmsEnvironment::read(&environment).unwrap().server, None);

        std::fs::write(&path, "gms:\n  server: http://gms:8080\n  token: abcdefghijkl\n").unwrap();
        let found = GmsEnvironment::read(&environment).unwrap();
        assert_eq!(found.server.as_deref(), Some("http://gms:8080"));
        assert_eq!(found.token.unwrap().source(), &TokenSource::DatahubEnv);

        std::fs::write(&path, "gms: [abcdefghijkl\n").unwrap();
        let error = GmsEnvironment::read(&environment).unwrap_err();
        assert!(!format!("{error:?}").contains("abcdefghi"), "{error:?}");
    }
}
