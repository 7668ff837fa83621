//! TLS trust roots and client certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::{ClientBuilder, Identity};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::trust_file::{self, TrustFileVerifier};

use crate::{Error, ErrorKind};

/// Certificate files have some kilobytes; a bundle of all public authorities is below 1 MiB.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// TLS trust roots and client certificate. By default the operating system's trust roots are used, and no
/// client certificate. The names are those of the sink's recipe keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsSettings {
    /// `ca_certificate_path`: a PEM file of certificate authorities, or a directory of such files that
    /// `openssl rehash` has named, trusted in place of the operating system's. A server certificate that is
    /// itself in the file is trusted as well.
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
    trusted: Option<rustls::ClientConfig>,
    identity: Option<Identity>,
    disable_verification: bool,
}

impl TlsMaterial {
    pub(super) fn read(settings: &TlsSettings) -> Result<Self, Error> {
        let identity = match &settings.client_certificate_path {
            Some(certificate) => Some(read_identity(certificate, settings.client_key_path.as_deref())?),
            None => None,
        };
        let trusted = match &settings.ca_certificate_path {
            Some(path) => {
                let identity = identity.as_ref().map(|(pem, _)| pem.as_slice());
                Some(trusting(path, read_authorities(path)?, identity)?)
            }
            None => None,
        };
        Ok(Self {
            trusted,
            identity: identity.map(|(_, identity)| identity),
            disable_verification: settings.disable_verification,
        })
    }

    pub(super) fn apply(&self, mut builder: ClientBuilder) -> ClientBuilder {
        if let Some(trusted) = self.trusted.as_ref().filter(|_| !self.disable_verification) {
            return builder.tls_backend_preconfigured(trusted.clone());
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

const CA_KEY: &str = "ca_certificate_path";
const CLIENT_KEY: &str = "client_certificate_path";

fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    if !path.is_dir() {
        let pem = read(CA_KEY, path)?;
        return trust_file::certificates(&pem)
            .ok_or_else(|| invalid(CA_KEY, path, "holds no PEM certificates"));
    }
    let unreadable = |error| invalid(CA_KEY, path, "cannot be read").with_source(error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if trust_file::is_hashed_name(&file) {
            found.extend(trust_file::certificates(&read(CA_KEY, &file)?).unwrap_or_default());
        }
    }
    if found.is_empty() {
        let problem = "is a directory without certificates under hashed names: run `openssl rehash` on it, \
                       or name a file";
        return Err(invalid(CA_KEY, path, problem));
    }
    Ok(found)
}

/// The TLS configuration for trust roots from a file, which also accepts a certificate of the file itself.
fn trusting(
    path: &Path,
    authorities: Vec<CertificateDer<'static>>,
    identity: Option<&[u8]>,
) -> Result<rustls::ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = TrustFileVerifier::new(authorities, Arc::clone(&provider))
        .ok_or_else(|| invalid(CA_KEY, path, "holds no certificate that can be used"))?;
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(CA_KEY, path, "cannot be used").with_source(error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let Some(pem) = identity else { return Ok(builder.with_no_client_auth()) };
    let unusable = |error: rustls::Error| {
        Error::new(ErrorKind::Input, format!("{CLIENT_KEY}: the certificate and its key do not fit"))
            .with_source(error)
    };
    let key = PrivateKeyDer::from_pem_slice(pem)
        .map_err(|error| Error::new(ErrorKind::Input, format!("{CLIENT_KEY}: no key")).with_source(error))?;
    builder.with_client_auth_cert(trust_file::certificates(pem).unwrap_or_default(), key).map_err(unusable)
}

/// The PEM text of the client certificate and its key, and the same for reqwest.
fn read_identity(certificate: &Path, key: Option<&Path>) -> Result<(Vec<u8>, Identity), Error> {
    let mut pem = read(CLIENT_KEY, certificate)?;
    if let Some(key) = key {
        pem.push(b'\n');
        pem.extend(read("client_key_path", key)?);
    }
    let identity = Identity::from_pem(&pem).map_err(|error| {
        invalid(CLIENT_KEY, certificate, "and its key are no PEM certificate and key").with_source(error)
    })?;
    Ok((pem, identity))
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
