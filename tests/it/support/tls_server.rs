//! A server of one response over TLS, with the certificate of `fixtures/tls`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// The path of a file in `fixtures/tls`.
pub(crate) fn tls_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls").join(name)
}

/// Answers every request with the same JSON, on a thread that ends with the test process.
pub(crate) struct TlsServer {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl TlsServer {
    /// Serves `json`.
    pub(crate) fn start(json: &'static str) -> Self {
        Self::with_config(json, "server", false)
    }

    /// Serves `json` to clients with a certificate of the private authority.
    pub(crate) fn with_client_certificates(json: &'static str) -> Self {
        Self::with_config(json, "server", true)
    }

    /// Serves `json` with a certificate that has signed itself.
    pub(crate) fn self_signed(json: &'static str) -> Self {
        Self::with_config(json, "self-signed", false)
    }

    fn with_config(json: &'static str, name: &str, client_certificates: bool) -> Self {
        let authority = CertificateDer::from_pem_file(tls_file("ca.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(authority).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if client_certificates {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let certificate = CertificateDer::from_pem_file(tls_file(&format!("{name}.pem"))).unwrap();
        let key = PrivateKeyDer::from_pem_file(tls_file(&format!("{name}.key"))).unwrap();
        let config = Arc::new(builder.with_single_cert(vec![certificate], key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let received = Arc::clone(&received);
                std::thread::spawn(move || serve(connection, stream.unwrap(), json, &received));
            }
        });
        Self { port, requests }
    }

    /// The URL of a path, with a host name that the certificate covers.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The requests that arrived, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Serves one request. A client that does not get that far has its own error, so errors are ignored here.
fn serve(connection: ServerConnection, stream: TcpStream, json: &str, received: &Mutex<Vec<String>>) {
    let mut stream = StreamOwned::new(connection, stream);
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_complete(&request) {
        match stream.read(&mut buffer) {
            Ok(length) if length > 0 => request.extend_from_slice(&buffer[..length]),
            _ => return,
        }
    }
    received.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
    let length = json.len();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    if stream.write_all(format!("{head}{json}").as_bytes()).and_then(|()| stream.flush()).is_ok() {
        stream.conn.send_close_notify();
        stream.flush().ok();
    }
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}
