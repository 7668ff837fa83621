//! The file `~/.datahubenv`, in which DataHub's command line keeps server and token.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_yaml::Mapping;

use super::GmsEnvironment;
use crate::atomic_write::{AtomicWrite, Durability};
use crate::auth::{Token, TokenSource};
use crate::clock::SystemClock;
use crate::environment::Environment;
use crate::file_system::{FileSystem, LocalFileSystem};
use crate::gms::ServerAddress;
use crate::{Error, ErrorKind};

/// Its name in the home directory.
const FILE_NAME: &str = ".datahubenv";

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

/// The file `~/.datahubenv`, to be written.
#[derive(Clone, Debug)]
pub struct DatahubEnvFile {
    path: PathBuf,
}

impl DatahubEnvFile {
    /// The file in the home directory, which need not exist.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if the variable `HOME` is not set.
    pub fn in_home(environment: &Environment) -> Result<Self, Error> {
        match environment.get("HOME").filter(|home| !home.is_empty()) {
            Some(home) => Ok(Self { path: PathBuf::from(home).join(FILE_NAME) }),
            None => Err(Error::new(
                ErrorKind::Input,
                "the variable HOME is not set, so that there is no place for ~/.datahubenv",
            )),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes server and token; without a token the old one is removed. Other keys stay, comments do not.
    /// Only the owner can read the file.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if an existing file cannot be understood, [`ErrorKind::Disk`] if it cannot be
    /// written.
    pub fn write(&self, server: &ServerAddress, token: Option<&Token>) -> Result<(), Error> {
        let mut file: Mapping = match read_text(&self.path)? {
            Some(text) => parse::<Option<Mapping>>(&self.path, &text)?.unwrap_or_default(),
            None => Mapping::new(),
        };
        let gms = file.entry("gms".into()).or_insert_with(|| Mapping::new().into());
        if !gms.is_mapping() {
            *gms = Mapping::new().into();
        }
        if let Some(gms) = gms.as_mapping_mut() {
            gms.insert("server".into(), server.to_string().into());
            gms.remove("token");
            if let Some(token) = token {
                gms.insert("token".into(), token.expose().into());
            }
        }
        let cannot_write = |error| {
            Error::new(ErrorKind::Disk, format!("cannot write {}", self.path.display())).with_source(error)
        };
        let text = serde_yaml::to_string(&file).map_err(|error| cannot_write(io::Error::other(error)))?;
        let files: Arc<dyn FileSystem> = Arc::new(LocalFileSystem);
        AtomicWrite::new(&files, &SystemClock, &self.path)
            .private()
            .write(text.as_bytes(), Durability::Power)
            .map_err(cannot_write)
    }
}

/// Reads the file in the home directory. Nothing is found without one, and if `DATAHUB_SKIP_CONFIG` is true.
pub(super) fn read(environment: &Environment) -> Result<GmsEnvironment, Error> {
    let skip = environment.get("DATAHUB_SKIP_CONFIG").is_some_and(|skip| skip.eq_ignore_ascii_case("true"));
    match environment.get("HOME").filter(|home| !home.is_empty()) {
        Some(home) if !skip => read_file(&PathBuf::from(home).join(FILE_NAME)),
        _ => Ok(GmsEnvironment::default()),
    }
}

fn read_file(path: &Path) -> Result<GmsEnvironment, Error> {
    let Some(text) = read_text(path)? else { return Ok(GmsEnvironment::default()) };
    let file: Option<DatahubEnv> = parse(path, &text)?;
    let gms = file.and_then(|file| file.gms);
    Ok(gms.map_or_else(GmsEnvironment::default, |gms| GmsEnvironment {
        server: gms.server,
        token: gms.token.map(|token| Token::new(token.trim(), TokenSource::DatahubEnv)),
    }))
}

/// The text of the file; `None` if there is none.
fn read_text(path: &Path) -> Result<Option<String>, Error> {
    let mut text = String::new();
    let read = match File::open(path) {
        Ok(file) => file.take(MAX_FILE_BYTES).read_to_string(&mut text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
    };
    read.map_err(|error| problem(path, "cannot be read").with_source(error))?;
    Ok(Some(text))
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, Error> {
    // The parser's own message may quote the token.
    serde_yaml::from_str(text).map_err(|error| {
        let place = error.location().map_or_else(String::new, |place| format!(" (line {})", place.line()));
        problem(path, &format!("is not YAML of the form gms: {{server: …, token: …}}{place}"))
    })
}

fn problem(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Input, format!("{} {what}", path.display()))
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

    #[test]
    fn writing_keeps_other_keys_and_is_private() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::from_pairs([("HOME", home.path().to_str().unwrap())]);
        let file = DatahubEnvFile::in_home(&environment).unwrap();
        std::fs::write(file.path(), "gms:\n  server: http://old\n  token: old\n  timeout_sec: 7\nx: [1]\n")
            .unwrap();
        let server = ServerAddress::parse("http://gms:8080").unwrap();
        // YAML would read these as a number and as a mapping.
        for token in ["1e9", "a: {b"] {
            file.write(&server, Some(&Token::new(token, TokenSource::Issued))).unwrap();
            let found = GmsEnvironment::read(&environment).unwrap();
            assert_eq!(found.server.as_deref(), Some("http://gms:8080"));
            assert_eq!(found.token.unwrap().expose(), token);
        }
        file.write(&server, None).unwrap();
        assert!(GmsEnvironment::read(&environment).unwrap().token.is_none());
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(text.contains("timeout_sec: 7") && text.contains("x:"), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
