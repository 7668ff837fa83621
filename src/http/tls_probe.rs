//! Finds out whether a port speaks TLS, after an `http` request to it failed.
//!
//! OpenSSL closes the connection at the first byte of plain HTTP, and sends nothing. So the failure alone
//! does not show that the port speaks TLS.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

/// The longest that the probe takes.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// The types of the TLS records that a server begins with: an alert, or its part of the handshake.
const RECORD_TYPES: [u8; 2] = [0x15, 0x16];

/// Whether the server at `url` responds to a TLS handshake. No secret is sent.
pub(super) async fn speaks_tls(url: &str) -> bool {
    let Some((host, port)) = Url::parse(url).ok().and_then(|url| {
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some((host, url.port_or_known_default()?))
    }) else {
        return false;
    };
    let Some(hello) = client_hello(&host) else { return false };
    let answer = async {
        let mut stream = TcpStream::connect((host.as_str(), port)).await.ok()?;
        stream.write_all(&hello).await.ok()?;
        let mut beginning = [0; 2];
        stream.read_exact(&mut beginning).await.ok()?;
        Some(beginning)
    };
    // The second byte is the major version, which is 3 in all versions of TLS.
    matches!(tokio::time::timeout(TIME_LIMIT, answer).await,
        Ok(Some([record, 3])) if RECORD_TYPES.contains(&record))
}

/// The first message of a handshake. The certificate that follows is not read, so no trust roots are needed.
fn client_hello(host: &str) -> Option<Vec<u8>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let mut connection = ClientConnection::new(Arc::new(config), name).ok()?;
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).ok()?;
    Some(hello)
}
