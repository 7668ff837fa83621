//! Whom to trust, and how to show who we are below HTTP.

use std::path::PathBuf;

use reqwest::{Certificate, ClientBuilder, Identity};

use crate::{Error, ErrorKind};

/// Certificate files are some kilobytes; a bundle of all public authorities is below 1 MiB.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The TLS keys of the sink. By default the system's authorities are trusted and no client certificate is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// `ca_certificate_path`: a PEM file of authorities, trusted in place of the system's.
    pub ca_certificate_path: Option<PathBuf>,
    /// `client_certificate_path`: a PEM file with our certificate, and the key unless that has its own file.
    pub client_certificate_path: Option<PathBuf>,
    /// `client_key_path`: a PEM file with the certificate's key.
    pub client_key_path: Option<PathBuf>,
    /// `disable_ssl_verification`: takes any certificate, so anyone on the way can read the token.
    pub disable_verification: bool,
}

impl TlsSettings {
    pub(super) fn apply(&self, mut builder: ClientBuilder) -> Result<ClientBuilder, Error> {
        if let Some(path) = &self.ca_certificate_path {
            let pem = read("ca_certificate_path", path)?;
            let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| {
                invalid("ca_certificate_path", path, "holds no PEM certificates").with_source(error)
            })?;
            if authorities.is_empty() {
                return Err(invalid("ca_certificate_path", path, "holds no PEM certificates"));
            }
            builder = builder.tls_certs_only(authorities);
        }
        if let Some(path) = &self.client_certificate_path {
            let mut pem = read("client_certificate_path", path)?;
            if let Some(key_path) = &self.client_key_path {
                pem.push(b'\n');
                pem.extend(read("client_key_path", key_path)?);
            }
            let identity = Identity::from_pem(&pem).map_err(|error| {
                invalid("client_certificate_path", path, "and its key are no PEM certificate and key")
                    .with_source(error)
            })?;
            builder = builder.identity(identity);
        }
        if self.disable_verification {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        Ok(builder)
    }
}

fn read(key: &str, path: &std::path::Path) -> Result<Vec<u8>, Error> {
    use std::io::Read;

    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| invalid(key, path, "cannot be read").with_source(error))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(invalid(key, path, "is larger than 16 MiB"));
    }
    Ok(bytes)
}

fn invalid(key: &str, path: &std::path::Path, problem: &str) -> Error {
    Error::new(ErrorKind::Input, format!("{key}: {} {problem}", path.display()))
}
