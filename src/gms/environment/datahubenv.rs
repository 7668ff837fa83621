//! The file `~/.datahubenv`, in which DataHub's command line keeps server and token.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::GmsEnvironment;
use crate::auth::{Token, TokenSource};
use crate::environment::Environment;
use crate::{Error, ErrorKind};

/// The file has a few lines.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

#[derive(Deserialize)]
struct DatahubEnv {
    gms: Option<Gms>,
}

#[derive(Deserialize)]
struct Gms {
    server: Option<String>,
    token: Option<String>,
}

/// Reads the file in the home directory. Nothing is found without one, and if `DATAHUB_SKIP_CONFIG` is true.
pub(super) fn read(environment: &Environment) -> Result<GmsEnvironment, Error> {
    let skip = environment.get("DATAHUB_SKIP_CONFIG").is_some_and(|skip| skip.eq_ignore_ascii_case("true"));
    match environment.get("HOME").filter(|home| !home.is_empty()) {
        Some(home) if !skip => read_file(&PathBuf::from(home).join(".datahubenv")),
        _ => Ok(GmsEnvironment::default()),
    }
}

fn read_file(path: &Path) -> Result<GmsEnvironment, Error> {
    let problem = |what: &str| Error::new(ErrorKind::Input, format!("{} {what}", path.display()));
    let mut text = String::new();
    match File::open(path) {
        Ok(file) => file.take(MAX_FILE_BYTES).read_to_string(&mut text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(GmsEnvironment::default()),
        Err(error) => Err(error),
    }
    .map_err(|error| problem("cannot be read").with_source(error))?;
    // The parser's own message may quote the token.
    let file: Option<DatahubEnv> = serde_yaml::from_str(&text).map_err(|error| {
        let place = error.location().map_or_else(String::new, |place| format!(" (line {})", place.line()));
        problem(&format!("is not YAML of the form gms: {{server: …, token: …}}{place}"))
    })?;
    let gms = file.and_then(|file| file.gms);
    Ok(gms.map_or_else(GmsEnvironment::default, |gms| GmsEnvironment {
        server: gms.server,
        token: gms.token.map(|token| Token::new(token.trim(), TokenSource::DatahubEnv)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_if_the_variables_name_no_server_and_is_never_quoted() {
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
