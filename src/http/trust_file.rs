//! The trust roots of a file or a directory, and the verification of server certificates against them.
//!
//! OpenSSL accepts a server certificate that is itself in the trust file, for example a self-signed one that
//! `openssl req -x509` marks as an authority. `webpki` refuses an authority as a server's certificate, so
//! that case is decided here; name and validity are still checked.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// In DER, the object identifiers of the extension `extendedKeyUsage` and of two of its values.
const EXTENDED_KEY_USAGE: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x25];
const ANY_USAGE: [u8; 6] = [0x06, 0x04, 0x55, 0x1d, 0x25, 0x00];
const SERVER_AUTHENTICATION: [u8; 10] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

/// The certificates in PEM text. Text between the blocks and blocks of other kinds are skipped.
pub(super) fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().ok().filter(|found| !found.is_empty())
}

/// Whether OpenSSL looks at a file of this name in a directory of authorities: `c_rehash` names it
/// `HHHHHHHH.N`.
pub(super) fn is_hashed_name(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.split_once('.').is_some_and(|(hash, number)| {
        hash.len() == 8
            && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Verifies server certificates by a list of trusted ones.
#[derive(Debug)]
pub(super) struct TrustFileVerifier {
    trusted: Vec<CertificateDer<'static>>,
    chains: Arc<WebPkiServerVerifier>,
}

impl TrustFileVerifier {
    /// `None` if no certificate can be used.
    pub(super) fn new(trusted: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted.iter().cloned());
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()?;
        Some(Self { trusted, chains })
    }
}

impl ServerCertVerifier for TrustFileVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified =
            self.chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        // `webpki` has checked the validity before it finds these two.
        match &verified {
            Err(error) if is_about_the_issuer(error) && self.trusted.iter().any(|it| it == end_entity) => {
                if !may_be_a_servers(end_entity) {
                    return Err(CertificateError::InvalidPurpose.into());
                }
                rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            _ => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// The issuer is unknown, or the certificate is an authority's.
fn is_about_the_issuer(error: &rustls::Error) -> bool {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.downcast_ref::<webpki::Error>() == Some(&webpki::Error::CaUsedAsEndEntity)
        }
        _ => false,
    }
}

/// Whether the certificate's extended key usage, if it has one, allows a server.
fn may_be_a_servers(certificate: &[u8]) -> bool {
    let has = |part: &[u8]| certificate.windows(part.len()).any(|window| window == part);
    !has(&EXTENDED_KEY_USAGE) || has(&ANY_USAGE) || has(&SERVER_AUTHENTICATION)
}
