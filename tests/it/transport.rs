//! How do failed connections differ, and does the identity provider get the same TLS settings as GMS?

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
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

    // A real SSH server speaks before it is asked.
    let speaks_first = serve(|mut stream| {
        stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").ok();
        std::io::copy(&mut stream, &mut std::io::sink()).ok();
    });
    assert_eq!(failure(direct(), &format!("http://{speaks_first}/")), TransportErrorKind::NotHttp);
}

#[test]
fn each_failure_of_tls_has_its_kind() {
    let server = TlsServer::start("{}");
    assert_eq!(send(trusting(false), &server.url("/")).unwrap().body.as_ref(), b"{}");
    let untrusting = HttpConfig::default().no_proxy();
    assert_eq!(failure(untrusting, &server.url("/")), TransportErrorKind::Certificate);
    let plain = HttpConfig::default().no_proxy();
    let plain_url = format!("http://localhost:{}/", server.port());
    assert_eq!(failure(plain, &plain_url), TransportErrorKind::ExpectsTls);

    let strict = TlsServer::with_client_certificates("{}");
    assert_eq!(send(trusting(true), &strict.url("/")).unwrap().status, 200);
    assert_eq!(failure(trusting(false), &strict.url("/")), TransportErrorKind::ClientCertificate);
}

/// OpenSSL's servers close the connection at the first byte of plain HTTP, without a TLS alert.
#[test]
fn a_tls_port_that_closes_the_connection_is_still_known_as_one() {
    let url = serve(|mut stream| {
        let mut first = [0];
        if received(stream.read(&mut first)) == Some(1) && first[0] == 0x16 {
            stream.write_all(&[0x16, 3, 3, 0, 0]).ok();
        }
    });
    let direct = HttpConfig::default().no_proxy();
    assert_eq!(failure(direct, &format!("http://{url}/")), TransportErrorKind::ExpectsTls);
}

#[test]
fn a_server_certificate_that_is_itself_in_the_trust_file_is_trusted() {
    let server = TlsServer::self_signed("{}");
    let with = |path: PathBuf| {
        HttpConfig::default().no_proxy().tls(TlsSettings::default().with_ca_certificate(path))
    };
    let own = || with(tls_file("self-signed.pem"));
    assert_eq!(send(own(), &server.url("/")).unwrap().body.as_ref(), b"{}");
    // The name is checked, and no other certificate is accepted.
    let by_address = format!("https://127.0.0.1:{}/", server.port());
    assert_eq!(failure(own(), &by_address), TransportErrorKind::Certificate);
    assert_eq!(failure(trusting(false), &server.url("/")), TransportErrorKind::Certificate);
    assert_eq!(failure(own(), &TlsServer::start("{}").url("/")), TransportErrorKind::Certificate);

    // A directory counts by its hashed names, as for OpenSSL.
    let directory = tempfile::tempdir().unwrap();
    let copy_to =
        |name: &str| std::fs::copy(tls_file("self-signed.pem"), directory.path().join(name)).unwrap();
    copy_to("own.pem");
    let error = HttpClient::new(with(directory.path().to_owned())).unwrap_err();
    assert!(error.to_string().contains("openssl rehash"), "{error}");
    copy_to("0123abcd.0");
    assert!(send(with(directory.path().to_owned()), &server.url("/")).is_ok());
}

/// A proxy that answers CONNECT and all other requests with `status`.
fn proxy(status: &'static str) -> String {
    serve(move |mut stream| {
        let mut request = Vec::new();
        let mut buffer = [0; 1024];
        while !request.ends_with(b"\r\n\r\n") {
            match received(stream.read(&mut buffer)) {
                Some(length) if length > 0 => request.extend_from_slice(&buffer[..length]),
                _ => return,
            }
        }
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).ok();
    })
}

#[test]
fn a_proxy_that_lets_nothing_pass_is_named_at_once_with_its_variable() {
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (variable, proxy, server, code) in [
        (
            "HTTPS_PROXY",
            format!("http://u:s3cr3t@{}", proxy("407 Authentication Required")),
            "https://gms.invalid",
            "endpoint.proxy-authentication",
        ),
        ("HTTPS_PROXY", proxy("403 Forbidden"), "https://gms.invalid", "endpoint.proxy-unreachable"),
        ("all_proxy", proxy("503 Unavailable"), "https://gms.invalid", "endpoint.proxy-unreachable"),
        (
            "HTTP_PROXY",
            proxy("407 Authentication Required"),
            "http://gms.invalid",
            "endpoint.proxy-authentication",
        ),
        ("HTTP_PROXY", proxy("403 Forbidden"), "http://gms.invalid", "endpoint.proxy-unreachable"),
        ("HTTP_PROXY", dead.clone(), "http://gms.invalid", "endpoint.proxy-unreachable"),
        ("ALL_PROXY", format!("socks5h://{dead}"), "https://gms.invalid", "endpoint.proxy-unreachable"),
        ("HTTP_PROXY", format!("ftp://{dead}"), "http://gms.invalid", "endpoint.proxy-unreachable"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("tags.jsonl", &tags(["a"]));
        sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{server: '{server}'}}}}"));
        let mut command = sandbox.command();
        let ran = Ran::of(command.env(variable, &proxy).args(["ingest", "-c", "recipe.yml", "--json"]))
            .ends_with(4);
        assert_eq!(ran.json()["diagnosis"]["code"], code, "{variable}={proxy} {ran:#?}");
        assert!(ran.stderr.contains(variable) && ran.stderr.contains("NO_PROXY=gms.invalid"), "{ran:#?}");
        assert!(!ran.stderr.contains("s3cr3t") && !ran.stderr.contains("trying again"), "{ran:#?}");
    }
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
