//! TLS trust roots and client certificates.

use std::path::{Path, PathBuf};

use reqwest::{Certificate, ClientBuilder, Identity};

use crate::{Error, ErrorKind};

/// Certificate files have some kilobytes; a bundle of all public authorities is below 1 MiB.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// TLS trust roots and client certificate. By default the operating system's trust roots are used, and no
/// client certificate. The names are those of the sink's recipe keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsSettings {
    /// `ca_certificate_path`: a PEM file of certificate authorities, trusted in place of the operating
    /// system's.
    pub ca_certificate_path: Option<PathBuf>,
    /// `client_certificate_path`: a PEM file with the client certificate, and its key unless that is in a
    /// file of its own.
    pub client_certificate_path: Option<PathBuf>,
    /// `client_key_path`: a PEM file with the client certificate's key.
    pub client_key_path: Option<PathBuf>,
    /// `disable_ssl_verification`: accepts any server certificate, so anyone on the network path can read the
    /// token.
    pub disable_verification: bool,
}

impl TlsSettings {
    /// Trusts the certificate authorities in a PEM file, in place of the operating system's.
    #[must_use]
    pub fn with_ca_certificate(self, path: impl Into<PathBuf>) -> Self {
        Self { ca_certificate_path: Some(path.into()), ..self }
    }

    /// Presents the client certificate in a PEM file, which also holds the key unless
    /// [`with_client_key`](Self::with_client_key) names another file.
    #[must_use]
    pub fn with_client_certificate(self, path: impl Into<PathBuf>) -> Self {
        Self { client_certificate_path: Some(path.into()), ..self }
    }

    /// Reads the client certificate's key from a PEM file of its own.
    #[must_use]
    pub fn with_client_key(self, path: impl Into<PathBuf>) -> Self {
        Self { client_key_path: Some(path.into()), ..self }
    }

    /// Accepts any server certificate, so anyone on the network path can read the token.
    #[must_use]
    pub fn without_verification(self) -> Self {
        Self { disable_verification: true, ..self }
    }
}

/// The contents of the files of [`TlsSettings`].
#[derive(Debug)]
pub(super) struct TlsMaterial {
    trust_roots: Option<Vec<Certificate>>,
    identity: Option<Identity>,
    disable_verification: bool,
}

impl TlsMaterial {
    pub(super) fn read(settings: &TlsSettings) -> Result<Self, Error> {
        let trust_roots = settings.ca_certificate_path.as_deref().map(read_authorities).transpose()?;
        let identity = settings
            .client_certificate_path
            .as_deref()
            .map(|certificate| read_identity(certificate, settings.client_key_path.as_deref()));
        let identity = identity.transpose()?;
        Ok(Self { trust_roots, identity, disable_verification: settings.disable_verification })
    }

    pub(super) fn apply(&self, mut builder: ClientBuilder) -> ClientBuilder {
        if let Some(trust_roots) = &self.trust_roots {
            builder = builder.tls_certs_only(trust_roots.clone());
        }
        if let Some(identity) = &self.identity {
            builder = builder.identity(identity.clone());
        }
        if self.disable_verification {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        builder
    }
}

fn read_authorities(path: &Path) -> Result<Vec<Certificate>, Error> {
    const KEY: &str = "ca_certificate_path";
    let pem = read(KEY, path)?;
    let authorities = Certificate::from_pem_bundle(&pem)
        .map_err(|error| invalid(KEY, path, "holds no PEM certificates").with_source(error))?;
    if authorities.is_empty() {
        return Err(invalid(KEY, path, "holds no PEM certificates"));
    }
    Ok(authorities)
}

fn read_identity(certificate: &Path, key: Option<&Path>) -> Result<Identity, Error> {
    const KEY: &str = "client_certificate_path";
    let mut pem = read(KEY, certificate)?;
    if let Some(key) = key {
        pem.push(b'\n');
        pem.extend(read("client_key_path", key)?);
    }
    Identity::from_pem(&pem).map_err(|error| {
        invalid(KEY, certificate, "and its key are no PEM certificate and key").with_source(error)
    })
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, Error> {
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

fn invalid(key: &str, path: &Path, problem: &str) -> Error {
    Error::new(ErrorKind::Input, format!("{key}: {} {problem}", path.display()))
}
