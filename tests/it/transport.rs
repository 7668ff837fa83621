//! How do failed connections differ, and does the identity provider get the same TLS settings as GMS?

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use datahub_emitter::auth::{OidcClientCredentials, TokenProvider as _};
use datahub_emitter::clock::{Clock, SystemClock};
use datahub_emitter::http::{
    HttpClient, HttpConfig, HttpService, Request, Response, TlsSettings, TransportError, TransportErrorKind,
};
use reqwest::Method;
use reqwest::header::HeaderMap;

use crate::support::sandbox::{Ran, Sandbox, tags};
use crate::support::scripted_gms::{self, CONFIG, ScriptedGms};
use crate::support::tls_server::{TlsServer, tls_file};

const TOKEN: &str = r#"{"access_token": "token-of-the-provider", "expires_in": 3600}"#;

fn trusting(client_certificate: bool) -> HttpConfig {
    let mut tls = TlsSettings::default().with_ca_certificate(tls_file("ca.pem"));
    if client_certificate {
        tls = tls.with_client_certificate(tls_file("client.pem")).with_client_key(tls_file("client.key"));
    }
    HttpConfig::default().no_proxy().tls(tls)
}

/// Sends a POST, which no server can have answered before it was read.
fn send(config: HttpConfig, url: &str) -> Result<Response, TransportError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let request = Request {
            method: Method::POST,
            url: url.to_owned(),
            headers: HeaderMap::new(),
            body: Some(bytes::Bytes::from_static(b"{}").into()),
            max_response_bytes: 1_000,
        };
        HttpClient::new(config).unwrap().send(request).await
    })
}

fn failure(config: HttpConfig, url: &str) -> TransportErrorKind {
    let error = send(config, url).unwrap_err();
    assert!(!error.message.contains(url), "{error}");
    error.kind
}

/// A server that does this with each connection.
fn serve(act: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().for_each(|stream| act(stream.unwrap())));
    format!("127.0.0.1:{port}")
}

/// Ignores the result of a read. Closing a connection with unread data would reset it.
fn received(read: std::io::Result<usize>) -> Option<usize> {
    read.ok()
}

#[test]
fn each_failure_of_a_connection_has_its_kind() {
    let direct = || HttpConfig::default().no_proxy();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(failure(direct(), &format!("http://{closed}/")), TransportErrorKind::Connect);
    assert_eq!(failure(direct(), "http://no-such-host.invalid/"), TransportErrorKind::NameLookup);
    assert_eq!(failure(direct(), "http:// /"), TransportErrorKind::InvalidRequest);

    let hangs_up = serve(|mut stream| {
        let mut buffer = [0; 1024];
        received(stream.read(&mut buffer));
    });
    assert_eq!(failure(direct(), &format!("http://{hangs_up}/")), TransportErrorKind::ConnectionLost);

    let silent = serve(std::mem::forget);
    let patient = direct().timeout(Duration::from_millis(200));
    assert_eq!(failure(patient, &format!("http://{silent}/")), TransportErrorKind::ResponseTimeout);

    let other_protocol = serve(|mut stream| {
        let mut buffer = [0; 1024];
        received(stream.read(&mut buffer));
        stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").ok();
        // A socket that is closed with unread data resets the connection, and the client may lose the line.
        std::io::copy(&mut stream, &mut std::io::sink()).ok();
    });
    assert_eq!(failure(direct(), &format!("http://{other_protocol}/")), TransportErrorKind::NotHttp);
    assert_eq!(failure(trusting(false), &format!("https://{other_protocol}/")), TransportErrorKind::NotTls);
}

#[test]
fn each_failure_of_tls_has_its_kind() {
    let server = TlsServer::start("{}");
    assert_eq!(send(trusting(false), &server.url("/")).unwrap().body.as_ref(), b"{}");
    let untrusting = HttpConfig::default().no_proxy();
    assert_eq!(failure(untrusting, &server.url("/")), TransportErrorKind::Certificate);
    let plain = HttpConfig::default().no_proxy();
    let plain_url = format!("http://localhost:{}/", server.port());
    assert_eq!(failure(plain, &plain_url), TransportErrorKind::NotHttp);

    let strict = TlsServer::with_client_certificates("{}");
    assert_eq!(send(trusting(true), &strict.url("/")).unwrap().status, 200);
    assert_eq!(failure(trusting(false), &strict.url("/")), TransportErrorKind::ClientCertificate);
}

#[test]
fn a_provider_uses_the_service_that_it_is_connected_to() {
    let provider = TlsServer::with_client_certificates(TOKEN);
    let fetch = |config: HttpConfig| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let oidc = OidcClientCredentials::new(&provider.url("/token"), "loader", "s3cr3t").unwrap();
        let http: Arc<dyn HttpService> = Arc::new(HttpClient::new(config).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        oidc.connect(&http, &clock);
        runtime.block_on(oidc.fetch()).map(|issued| issued.token.fingerprint())
    };
    assert!(fetch(trusting(true)).is_ok());
    assert!(provider.requests()[0].ends_with("client_secret=s3cr3t"), "{:?}", provider.requests());
    let error = fetch(trusting(false)).unwrap_err();
    assert!(!error.transient && error.message.contains("cannot be asked"), "{error}");
}

#[test]
fn a_recipe_s_tls_settings_apply_to_the_identity_provider() {
    let provider = TlsServer::start(TOKEN);
    let gms = ScriptedGms::start_for_all(|request| {
        let is_known =
            request.headers().get("authorization").is_some_and(|value| value.ends_with("provider"));
        match (request.is_write(), is_known) {
            (true, true) => scripted_gms::Response::ok(),
            (true, false) => scripted_gms::Response::Status(401, "{}".into()),
            _ => scripted_gms::Response::Status(200, CONFIG.into()),
        }
    });
    let run = |keys: &str| {
        let sandbox = Sandbox::new();
        sandbox.write("tags.jsonl", &tags(["a", "b"]));
        let url = provider.url("/token");
        let auth = format!(
            "auth: {{type: oidc_client_credentials, config: {{token_endpoint: '{url}', client_id: a, client_secret: b}}}}"
        );
        let sink = format!("{{type: datahub-rest, config: {{server: '{}', {auth}{keys}}}}}", gms.url());
        sandbox.recipe("tags.jsonl", &sink);
        Ran::of(sandbox.command().args(["ingest", "-c", "recipe.yml", "--json"]))
    };
    let authority = tls_file("ca.pem");
    let report = run(&format!(", ca_certificate_path: '{}'", authority.display())).ends_with(0).json();
    assert_eq!(report["proposals"]["delivered"], 2, "{report}");
    let report = run("").ends_with(3).json();
    assert_eq!(report["diagnosis"]["code"], "auth.provider-failed", "{report}");
}
