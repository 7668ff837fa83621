//! Observation → code, kind of failure, evidence, fix.

use super::observed::{To, at, pat, token, with_claims};
use crate::ErrorKind;
use crate::auth::token_unavailable::provider_failed;
use crate::auth::{ProviderError, Redirect, RequestKind, ResponseInfo, Token, TokenInfo, TokenSource};
use crate::diagnosis::{Diagnosis, HeaderMistake};
use crate::http::TransportErrorKind;

pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) diagnosis: Diagnosis,
    pub(super) code: &'static str,
    pub(super) kind: Option<ErrorKind>,
    /// Part of a line of evidence.
    pub(super) evidence: &'static str,
    /// Part of a fix.
    pub(super) fix: &'static str,
}

const NOTE: Option<ErrorKind> = None;
const INPUT: Option<ErrorKind> = Some(ErrorKind::Input);
const REFUSED: Option<ErrorKind> = Some(ErrorKind::Refused);
const UNREACHABLE: Option<ErrorKind> = Some(ErrorKind::Unreachable);

const GMS: &str = "http://gms:8080";
const LOCAL: &str = "http://localhost:8080";
const FRONTEND: &str = "http://datahub:9002/api/gms";

const SPRING: &str = r#"{"timestamp":1795608000000,"status":401,"error":"Unauthorized","path":"/aspects"}"#;
const SPRING_HTML: &str =
    "<html><body><h1>Whitelabel Error Page</h1><div>(type=Unauthorized, status=401).</div></body></html>";
const JETTY: &str = r#"{"servlet":"apiServlet","message":"Failed to validate DataHub token. Token has expired.","url":"/aspects","status":"401"}"#;
const JETTY_HTML: &str = "<html><head><title>Error 401 Unauthorized to perform this action.</title></head><body><table><tr><th>SERVLET:</th><td>apiServlet</td></tr></table></body></html>";
const LOGIN: &str =
    "<!DOCTYPE html><html><head><title>Sign in</title></head><body><input type=\"password\"></body></html>";
const INDEX: &str =
    "<!doctype html><html><head><title>DataHub</title></head><body><div id=\"root\"></div></body></html>";
const FORBIDDEN: &str = r#"{"message":"User urn:li:corpuser:loader is unauthorized to modify entity: HttpStatus: 403 Urn: urn:li:dataJob:(urn:li:dataFlow:(airflow,dag,PROD),task), HttpStatus: 403 Urn: urn:li:dataset:(urn:li:dataPlatform:hive,a,PROD)","status":403}"#;

const FROM_FILE: &str = "datahub-emit token create --name loader --user loader --frontend http://gms:9002 --out /run/secrets/datahub-token";

fn empty(source: TokenSource) -> TokenInfo {
    TokenInfo { empty: true, claims: None, ..token(source) }
}

fn opaque(source: TokenSource) -> TokenInfo {
    TokenInfo { claims: None, ..token(source) }
}

fn mistaken_header(mistake: HeaderMistake) -> TokenInfo {
    TokenInfo { header_mistake: Some(mistake), ..opaque(TokenSource::ExtraHeaders) }
}

fn expired(offset: i64) -> TokenInfo {
    with_claims(pat(), |claims| claims.expires_at = Some(at(offset)))
}

fn unfit(text: &str, source: TokenSource) -> Diagnosis {
    Token::new(text, source).lint().unwrap()
}

fn redirect(to: &'static str, parameters: &[&'static str]) -> ResponseInfo<'static> {
    ResponseInfo {
        status: 302,
        redirect: Some(Redirect { to, parameters: parameters.to_vec() }),
        ..ResponseInfo::default()
    }
}

macro_rules! row {
    ($name:literal, $diagnosis:expr, $code:literal, $kind:expr, $evidence:expr, $fix:expr) => {
        Row { name: $name, diagnosis: $diagnosis, code: $code, kind: $kind, evidence: $evidence, fix: $fix }
    };
}

pub(super) fn rows() -> Vec<Row> {
    [
        before_sending(),
        no_token(),
        times(),
        unknown(),
        redirects_and_proxies(),
        forbidden(),
        pages(),
        no_response(),
        unavailable(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[rustfmt::skip]
fn before_sending() -> Vec<Row> {
    let file = || TokenSource::File("/run/token".into());
    let variable = || TokenSource::Environment("DATAHUB_GMS_TOKEN".into());
    vec![
        row!("a literal ${…} in the recipe", unfit("${TOKEN}", TokenSource::Recipe),
            "auth.token-unexpanded", REFUSED, "nothing was sent", "so that the variable is expanded"),
        row!("a literal ${…} in a file", unfit("${TOKEN}", file()),
            "auth.token-unexpanded", REFUSED, "from the file /run/token", "write the token itself into /run/token"),
        row!("a literal ${…} in a variable", unfit("${OTHER}", variable()),
            "auth.token-unexpanded", REFUSED, "DATAHUB_GMS_TOKEN", "export DATAHUB_GMS_TOKEN=\"$OTHER_VARIABLE\""),
        row!("Bearer before the token", unfit("Bearer a.b.c", file()),
            "auth.token-doubled-bearer", REFUSED, "nothing was sent", "take away `Bearer `"),
        row!("a newline in the token", unfit("abc\ndef", file()),
            "auth.token-not-a-header", REFUSED, "7 characters long", "datahub-emit token inspect /run/token"),
        row!("quotes around the token", unfit("'abc'", variable()),
            "auth.token-not-a-header", REFUSED, "nothing was sent", "printenv DATAHUB_GMS_TOKEN | datahub-emit token inspect"),
        row!("a control character in the token", unfit("abc\u{7}", TokenSource::Recipe),
            "auth.token-not-a-header", REFUSED, "nothing was sent", "copy the token into the recipe's sink.config.token again"),
        row!("a non-ASCII character", unfit("café", file()),
            "auth.token-not-a-header", REFUSED, "4 characters", "/run/token"),
        row!("a token file that is not there", provider_failed(&file(), &ProviderError::permanent("cannot read /run/token: no such file")),
            "auth.provider-failed", REFUSED, "no such file", "ls -l /run/token"),
        row!("a token command that fails", provider_failed(&TokenSource::Command, &ProviderError::permanent("it ended with exit code 1")),
            "auth.provider-failed", REFUSED, "exit code 1", "run the command of sink.config.auth by hand"),
        row!("an identity provider that says no", provider_failed(&TokenSource::Oidc, &ProviderError::permanent("401: invalid_client")),
            "auth.provider-failed", REFUSED, "invalid_client", "compare token_endpoint, client_id and client_secret"),
        row!("a variable that is not set", provider_failed(&TokenSource::Environment("T".into()), &ProviderError::permanent("T is not set")),
            "auth.provider-failed", REFUSED, "not set", "printenv T"),
        row!("a token over plain http to another machine", Diagnosis::insecure_transport("http://gms.example.com:8080", "gms.example.com"),
            "auth.insecure-transport", INPUT, "not this machine", "server: https://gms.example.com:8080"),
        row!("authentication is off", Diagnosis::authentication_disabled("GET http://gms:8080/config?verbose=true".into(), true),
            "auth.disabled", NOTE, "nobody looks at it", "METADATA_SERVICE_AUTH_ENABLED=true"),
    ]
}

#[rustfmt::skip]
fn no_token() -> Vec<Row> {
    vec![
        row!("no token, Spring's 401", To::write(GMS).refused(401, SPRING),
            "auth.token-missing", REFUSED, "its body does not tell why", "export DATAHUB_GMS_TOKEN=$(datahub-emit token create --name datahub-emit --user datahub --frontend http://gms:9002)"),
        row!("no token, Jetty's page", To::write(GMS).showed(401, JETTY_HTML),
            "auth.token-missing", REFUSED, "its body does not tell why", "in the recipe, under sink.config:  token: ${DATAHUB_GMS_TOKEN}"),
        row!("no token, and GMS calls it anonymous", To::verbose_config(GMS).anonymous(),
            "auth.token-missing", REFUSED, "GMS wants a token", "http://gms:9002/settings/tokens"),
        row!("no token, at the frontend", To::config(FRONTEND).refused(401, ""),
            "auth.token-missing", REFUSED, "as that of DataHub's frontend is", "--frontend http://datahub:9002)"),
        row!("an empty token of the recipe", To::write(GMS).with(empty(TokenSource::Recipe)).refused(401, SPRING),
            "auth.token-empty", REFUSED, "is the empty text", "set the variable that sink.config.token of the recipe names"),
        row!("an empty variable", To::write(GMS).with(empty(TokenSource::Environment("DATAHUB_GMS_TOKEN".into()))).refused(401, SPRING),
            "auth.token-empty", REFUSED, "is the empty text", "export DATAHUB_GMS_TOKEN=$(datahub-emit token create"),
        row!("an empty file", To::write(GMS).with(empty(TokenSource::File("/run/t".into()))).refused(401, ""),
            "auth.token-empty", REFUSED, "no Authorization header was sent", "--out /run/t"),
        row!("a header without Bearer", To::write(GMS).with(mistaken_header(HeaderMistake::NoScheme)).refused(401, SPRING),
            "auth.token-not-a-header", REFUSED, "goes as it is", "extra_headers: {Authorization: 'Bearer ${DATAHUB_GMS_TOKEN}'}"),
        row!("a header with Bearer twice", To::write(GMS).with(mistaken_header(HeaderMistake::SchemeTwice)).refused(401, SPRING),
            "auth.token-doubled-bearer", REFUSED, "no other token counts beside it", "token: ${DATAHUB_GMS_TOKEN}"),
        row!("a header with quotes", To::write(GMS).with(mistaken_header(HeaderMistake::Wrapped)).refused(401, SPRING),
            "auth.token-not-a-header", REFUSED, "goes as it is", "token: ${DATAHUB_GMS_TOKEN}"),
        row!("a header with ${…}", To::write(GMS).with(mistaken_header(HeaderMistake::Unexpanded)).refused(401, SPRING),
            "auth.token-unexpanded", REFUSED, "goes as it is", "token: ${DATAHUB_GMS_TOKEN}"),
        row!("an opaque token", To::write(GMS).with(opaque(TokenSource::File("/run/t".into()))).refused(401, SPRING),
            "auth.token-opaque-refused", REFUSED, "and is not a JWT", "three parts with dots between them"),
        row!("the system client's wrong secret", To::write(GMS).with(opaque(TokenSource::SystemClient)).refused(401, SPRING),
            "auth.token-opaque-refused", REFUSED, "DATAHUB_SYSTEM_CLIENT_ID", "GMS's own variables of these names"),
    ]
}

#[rustfmt::skip]
fn times() -> Vec<Row> {
    let expired_from = |source| with_claims(token(source), |claims| claims.expires_at = Some(at(-86_400)));
    vec![
        row!("expired three days ago, from a file", To::write(GMS).with(expired(-3 * 86_400)).refused(401, SPRING),
            "auth.token-expired", REFUSED, "its exp claim is 2026-11-22T12:00:00Z; the server's clock reads 2026-11-25T12:00:01Z", FROM_FILE),
        row!("expired, and the old filter says so", To::write(GMS).with(expired(-60)).refused(401, JETTY),
            "auth.token-expired", REFUSED, "its body says: Failed to validate DataHub token", FROM_FILE),
        row!("expired, and GMS calls it anonymous", To::verbose_config(GMS).with(expired(-60)).anonymous(),
            "auth.token-expired", REFUSED, "GMS does not take the token", FROM_FILE),
        row!("expired, from a variable", To::write(GMS).with(expired_from(TokenSource::Environment("T".into()))).refused(401, SPRING),
            "auth.token-expired", REFUSED, "the environment variable T", "export T=$(datahub-emit token create --name loader --user loader"),
        row!("expired, from the recipe", To::write(GMS).with(expired_from(TokenSource::Recipe)).refused(401, SPRING),
            "auth.token-expired", REFUSED, "the recipe's sink.config.token", "export DATAHUB_GMS_TOKEN=$(datahub-emit token create"),
        row!("expired, from ~/.datahubenv", To::write(GMS).with(expired_from(TokenSource::DatahubEnv)).refused(401, SPRING),
            "auth.token-expired", REFUSED, "~/.datahubenv", "export DATAHUB_GMS_TOKEN=$(datahub-emit token create"),
        row!("expired, from a command", To::write(GMS).with(expired_from(TokenSource::Command)).refused(401, SPRING),
            "auth.token-expired", REFUSED, "the token command", "by hand, and see that it prints a token that is good now"),
        row!("expired, a service account's", To::write(GMS).with(with_claims(expired(-60), |claims| claims.kind = Some("SERVICE_ACCOUNT".into()))).refused(401, SPRING),
            "auth.token-expired", REFUSED, "a service account's token", "--actor urn:li:corpuser:loader --user datahub"),
        row!("expired by the server's clock alone", To::write(GMS).with(expired(600)).responded(ResponseInfo { status: 401, body: SPRING, server_time: Some(at(3_600)), ..ResponseInfo::default() }),
            "auth.clock-skew", REFUSED, "the clock here reads 2026-11-25T12:00:00Z", "date -u"),
        row!("not yet valid", To::write(GMS).with(with_claims(pat(), |claims| claims.not_before = Some(at(3_600)))).refused(401, SPRING),
            "auth.token-not-yet-valid", REFUSED, "its nbf claim is 2026-11-25T13:00:00Z", "wait until 2026-11-25T13:00:00Z"),
        row!("not yet valid by the server's clock alone", To::write(GMS).with(with_claims(pat(), |claims| claims.not_before = Some(at(-60)))).responded(ResponseInfo { status: 401, body: SPRING, server_time: Some(at(-7_200)), ..ResponseInfo::default() }),
            "auth.clock-skew", REFUSED, "its nbf claim is", "NTP"),
        row!("expired here, and the server has no clock", To::write(GMS).with(expired(-60)).responded(ResponseInfo { status: 401, body: SPRING, ..ResponseInfo::default() }),
            "auth.token-expired", REFUSED, "the clock here reads", FROM_FILE),
        row!("clocks differ, but not about the token", To::write(GMS).with(pat()).responded(ResponseInfo { status: 401, body: SPRING, server_time: Some(at(3_600)), ..ResponseInfo::default() }),
            "auth.token-unknown", REFUSED, "the server's clock is 60 minutes ahead of the one here", FROM_FILE),
    ]
}

#[rustfmt::skip]
fn unknown() -> Vec<Row> {
    vec![
        row!("revoked, foreign, or the store is away", To::write(GMS).with(pat()).refused(401, SPRING),
            "auth.token-unknown", REFUSED, "which is not over", "see whether it is listed at http://gms:9002/settings/tokens"),
        row!("the same, as Spring's page", To::write(GMS).with(pat()).showed(401, SPRING_HTML),
            "auth.token-unknown", REFUSED, "its body does not tell why", "METADATA_SERVICE_AUTHENTICATOR_EXCEPTIONS_ENABLED=true"),
        row!("the same, with an empty body", To::write(GMS).with(pat()).refused(401, ""),
            "auth.token-unknown", REFUSED, "its body does not tell why", "see that urn:li:corpuser:loader is there, and is not suspended"),
        row!("the words alone say expired", To::write(GMS).with(with_claims(pat(), |claims| claims.expires_at = None)).refused(401, JETTY),
            "auth.token-unknown", REFUSED, "it has no exp claim, so it does not expire", FROM_FILE),
        row!("a session token", To::write(GMS).with(with_claims(pat(), |claims| claims.kind = Some("SESSION".into()))).refused(401, SPRING),
            "auth.token-unknown", REFUSED, "a session token is made for a browser", FROM_FILE),
        row!("a version that GMS does not know", To::write(GMS).with(with_claims(pat(), |claims| claims.version = None)).refused(401, SPRING),
            "auth.token-unknown", REFUSED, "neither 1 nor 2", FROM_FILE),
        row!("signed in another way", To::write(GMS).with(with_claims(pat(), |claims| claims.algorithm = Some("RS256".into()))).refused(401, SPRING),
            "auth.token-unknown", REFUSED, "signed with RS256", FROM_FILE),
        row!("an identity provider's token", To::write(GMS).with(with_claims(token(TokenSource::Oidc), |claims| { claims.issuer = Some("https://idp.example.com".into()); claims.audience = Some("datahub".into()); })).refused(401, SPRING),
            "auth.token-unknown", REFUSED, "its iss claim is https://idp.example.com", "EXTERNAL_OAUTH_TRUSTED_ISSUERS=https://idp.example.com and EXTERNAL_OAUTH_ALLOWED_AUDIENCES=datahub"),
        row!("something in front asks for more", To::write(GMS).with(pat()).responded(ResponseInfo { status: 401, challenge: true, ..ResponseInfo::default() }),
            "auth.token-unknown", REFUSED, "WWW-Authenticate header, which GMS never sends", FROM_FILE),
        row!("another's page", To::write(GMS).with(pat()).responded(ResponseInfo { status: 401, content_type: "text/html", body: "<html><title>401 Authorization Required</title></html>", server: Some("nginx"), ..ResponseInfo::default() }),
            "auth.token-unknown", REFUSED, "its Server header: nginx", FROM_FILE),
        row!("a token of the embedded GMS", To::write(LOCAL).with(token(TokenSource::Embedded)).refused(401, SPRING),
            "auth.token-unknown", REFUSED, "the embedded GMS", "run again"),
    ]
}

#[rustfmt::skip]
fn redirects_and_proxies() -> Vec<Row> {
    vec![
        row!("the frontend's own switch is off", To::write(FRONTEND).with(pat()).refused(401, ""),
            "auth.proxy-session", REFUSED, "its body is empty, as that of DataHub's frontend is", "METADATA_SERVICE_AUTH_ENABLED=true for the frontend"),
        row!("through the frontend, GMS's own no", To::write(FRONTEND).with(pat()).refused(401, SPRING),
            "auth.token-unknown", REFUSED, "its body does not tell why", "http://datahub:9002/settings/tokens"),
        row!("a cookie beats the token", To::write(FRONTEND).with(pat()).cookie().refused(401, SPRING),
            "auth.token-unknown", REFUSED, "puts its session's token in place of this one", "take Cookie out of sink.config.extra_headers"),
        row!("a redirect to https", To::config("http://gms.example.com").with(pat()).responded(redirect("https://gms.example.com/config", &[])),
            "auth.redirected", REFUSED, "redirects are not followed", "server: https://gms.example.com"),
        row!("a redirect to another host", To::config("https://old.example.com/gms").responded(redirect("https://new.example.com/gms/config", &[])),
            "auth.redirected", REFUSED, "it redirects to https://new.example.com/gms/config", "server: https://new.example.com/gms"),
        row!("a redirect to another path", To::config(GMS).responded(redirect("/data/config", &[])),
            "endpoint.not-gms", UNREACHABLE, "it redirects to /data/config", "server: http://gms:8080/data"),
        row!("a redirect of a write", To::write("http://gms.example.com").with(pat()).responded(redirect("https://gms.example.com/aspects", &[])),
            "auth.redirected", REFUSED, "the token must not go elsewhere", "server: https://gms.example.com"),
        row!("a redirect to an identity provider", To::config(GMS).responded(redirect("https://login.example.org/authorize", &["client_id", "state"])),
            "endpoint.login-page", UNREACHABLE, "which is where one logs in", "let requests with a Bearer token pass to http://gms:8080"),
        row!("a redirect to an unknown place to log in", To::config(GMS).responded(redirect("https://dex.example.org/auth", &["redirect_uri"])),
            "endpoint.login-page", UNREACHABLE, "it redirects to https://dex.example.org/auth", "Proxy-Authorization"),
    ]
}

#[rustfmt::skip]
fn forbidden() -> Vec<Row> {
    vec![
        row!("no Edit Entity", To::write(GMS).with(pat()).refused(403, FORBIDDEN),
            "auth.forbidden", REFUSED, "GMS says: User urn:li:corpuser:loader is unauthorized", "give urn:li:corpuser:loader a metadata policy with the privilege Edit Entity on dataJob, dataset (Edit Tags"),
        row!("no right to create over OpenAPI", To::write_openapi(GMS).with(pat()).refused(403, r#"{"error":"urn:li:corpuser:loader is unauthorized to CREATE entities."}"#),
            "auth.forbidden", REFUSED, "OpenAPI v3 wants Create Entity or Edit Entity", "endpoint: restli"),
        row!("no right to delete", To::path(GMS, "POST", "/entities?action=delete", RequestKind::RestliWrite).with(pat()).refused(403, r#"{"message":"User is unauthorized to delete entity: urn:li:tag:a"}"#),
            "auth.forbidden", REFUSED, "unauthorized to delete", "the privilege Delete Entity on tag"),
        row!("no right to read", To::path(GMS, "GET", "/entitiesV2/urn%3Ali%3Atag%3Aa", RequestKind::Read).with(pat()).refused(403, r#"{"message":"User is unauthorized to get entity urn:li:tag:a"}"#),
            "auth.forbidden", REFUSED, "unauthorized to get", "the privilege View Entity Page on tag"),
        row!("a type with a privilege of its own", To::write(GMS).with(pat()).refused(403, r#"{"message":"User urn:li:corpuser:loader is unauthorized to modify entity: HttpStatus: 403 Urn: urn:li:dataHubIngestionSource:cli"}"#),
            "auth.forbidden", REFUSED, "dataHubIngestionSource", "the platform privilege Manage Metadata Ingestion does as well"),
        row!("a 403 of something in front", To::write(GMS).with(pat()).showed(403, "<html><title>403 Forbidden</title></html>"),
            "auth.forbidden", REFUSED, "a web page, which is not GMS's", "stands in front of http://gms:8080"),
        row!("a 403 through a session", To::write(FRONTEND).with(pat()).cookie().refused(403, FORBIDDEN),
            "auth.forbidden", REFUSED, "acts as its session's user", "Edit Entity on dataJob, dataset"),
        row!("a suspended user on an older GMS", To::write(GMS).with(pat()).refused(403, r#"{"message":"Actor is not active","status":403}"#),
            "auth.actor-inactive", REFUSED, "Actor is not active", "look urn:li:corpuser:loader up"),
        row!("a suspended user over OpenAPI", To::write_openapi(GMS).refused(403, r#"{"error":"Actor is not active"}"#),
            "auth.actor-inactive", REFUSED, "403 from", "reactivate"),
    ]
}

#[rustfmt::skip]
fn pages() -> Vec<Row> {
    vec![
        row!("a page to log in at", To::config(GMS).showed(200, LOGIN),
            "endpoint.login-page", UNREACHABLE, "it is a page to log in at", "let requests with a Bearer token pass"),
        row!("a page to log in at, with 403", To::config(GMS).with(pat()).showed(403, LOGIN),
            "endpoint.login-page", UNREACHABLE, "403 from", "Proxy-Authorization"),
        row!("a page to log in at, in the middle", To::write(GMS).with(pat()).showed(200, LOGIN),
            "endpoint.login-page", UNREACHABLE, "200 from POST", "let requests with a Bearer token pass"),
        row!("the frontend's page", To::config("http://datahub:9002").showed(200, INDEX),
            "endpoint.frontend", UNREACHABLE, "this is DataHub's frontend", "server: http://datahub:9002/api/gms"),
        row!("the frontend's page, and GMS was found", To::config("https://datahub.example.com").found("https://datahub.example.com/api/gms").showed(200, INDEX),
            "endpoint.frontend", UNREACHABLE, "GMS answers at https://datahub.example.com/api/gms", "server: https://datahub.example.com/api/gms"),
        row!("the frontend's /config", To::config("http://datahub:9002").refused(200, r#"{"status":"ok","config":{"application":"datahub-frontend"}}"#),
            "endpoint.frontend", UNREACHABLE, "its body begins", "server: http://datahub:9002/api/gms"),
        row!("another web page", To::config("http://host:80").showed(200, "<html><title>It works!</title></html>"),
            "endpoint.not-gms", UNREACHABLE, "its content type is text/html", "curl -i http://host/config"),
        row!("another API", To::config(GMS).refused(404, r#"{"status":404}"#),
            "endpoint.not-gms", UNREACHABLE, "404 from GET", "curl -i http://gms:8080/config"),
        row!("another API, and GMS was found", To::config("https://acme.example.com").found("https://acme.example.com/gms").refused(404, ""),
            "endpoint.not-gms", UNREACHABLE, "GMS answers at https://acme.example.com/gms", "server: https://acme.example.com/gms"),
    ]
}

#[rustfmt::skip]
fn no_response() -> Vec<Row> {
    let secure = "https://gms:8443";
    vec![
        row!("nobody listens here", To::config(LOCAL).failed(TransportErrorKind::Connect, "connection refused"),
            "endpoint.unreachable", UNREACHABLE, "connection refused", "datahub-emit gms serve"),
        row!("nobody listens in this container", To::config(LOCAL).in_container().failed(TransportErrorKind::Connect, "connection refused"),
            "endpoint.unreachable", UNREACHABLE, "localhost is the container itself", "server: http://host.docker.internal:8080"),
        row!("nobody listens there", To::config(GMS).tried(5).failed(TransportErrorKind::Connect, "connection refused"),
            "endpoint.unreachable", UNREACHABLE, "tried 5 times", "curl -i http://gms:8080/config"),
        row!("the connection breaks", To::write(GMS).failed(TransportErrorKind::ConnectionLost, "connection reset by the server"),
            "endpoint.unreachable", UNREACHABLE, "connection reset", "curl -i http://gms:8080/config"),
        row!("an unknown name", To::config("http://gsm:8080").failed(TransportErrorKind::NameLookup, "the name of the host is unknown"),
            "endpoint.name-unknown", UNREACHABLE, "the name of the host is unknown", "getent hosts gsm"),
        row!("no connection in time", To::config(GMS).failed(TransportErrorKind::ConnectTimeout, "no connection within the time limit (timeout_sec)"),
            "endpoint.timeout", UNREACHABLE, "no connection within", "timeout_sec: 120"),
        row!("no answer in time", To::write(GMS).failed(TransportErrorKind::ResponseTimeout, "no answer within the time limit (timeout_sec)"),
            "endpoint.timeout", UNREACHABLE, "no answer within", "timeout_sec: 120"),
        row!("an authority of one's own", To::config(secure).failed(TransportErrorKind::Certificate, "invalid peer certificate: UnknownIssuer"),
            "endpoint.tls", UNREACHABLE, "UnknownIssuer", "ca_certificate_path: /path/to/ca.pem"),
        row!("a client's certificate is wanted", To::config(secure).failed(TransportErrorKind::ClientCertificate, "received fatal alert: CertificateRequired"),
            "endpoint.tls", UNREACHABLE, "CertificateRequired", "client_certificate_path: /path/to/client.pem"),
        row!("another fault of TLS", To::config(secure).failed(TransportErrorKind::Tls, "received fatal alert: ProtocolVersion"),
            "endpoint.tls", UNREACHABLE, "ProtocolVersion", "ca_certificate_path"),
        row!("https to a plain port", To::config("https://gms:8080").failed(TransportErrorKind::NotTls, "received corrupt message of type InvalidContentType"),
            "endpoint.tls", UNREACHABLE, "what answered was not TLS", "server: http://gms:8080"),
        row!("a dead proxy", To::config(GMS).through_proxy().failed(TransportErrorKind::Proxy, "connection refused (proxy http://proxy:3128 of HTTP_PROXY)"),
            "endpoint.proxy-unreachable", UNREACHABLE, "the proxy http://proxy:3128, which the variable HTTP_PROXY names", "export NO_PROXY=gms"),
        row!("a proxy that forbids", To::config(GMS).through_proxy().showed(403, "<html>Access denied</html>"),
            "endpoint.proxy-unreachable", UNREACHABLE, "403 from GET", "export NO_PROXY=gms"),
        row!("a proxy that wants credentials for a tunnel", To::config(secure).through_proxy().failed(TransportErrorKind::ProxyAuthentication, "proxy authorization required"),
            "endpoint.proxy-authentication", UNREACHABLE, "HTTP_PROXY", "export NO_PROXY=gms"),
        row!("another protocol", To::config("http://gms:22").failed(TransportErrorKind::NotHttp, "invalid HTTP version parsed"),
            "endpoint.not-gms", UNREACHABLE, "neither HTTP nor TLS", "8080"),
        row!("GMS goes away in the middle of a run", To::config(LOCAL).in_container().known().failed(TransportErrorKind::Connect, "connection refused"),
            "endpoint.unreachable", UNREACHABLE, "connection refused", "curl -i"),
        row!("http to a port for TLS", To::config("http://gms:8443").failed(TransportErrorKind::ExpectsTls, "invalid HTTP version parsed"),
            "endpoint.tls", UNREACHABLE, "plain HTTP was sent", "server: https://gms:8443"),
        row!("http to a port for TLS, which says so", To::config("http://gms:8443").showed(400, "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>"),
            "endpoint.tls", UNREACHABLE, "400 from GET", "server: https://gms:8443"),
    ]
}

#[rustfmt::skip]
fn unavailable() -> Vec<Row> {
    vec![
        row!("GMS is starting", To::config(GMS).refused(503, ""),
            "endpoint.not-ready", UNREACHABLE, "503 from GET http://gms:8080/config", "curl -i http://gms:8080/health"),
        row!("no GMS behind the frontend", To::config(FRONTEND).with(pat()).refused(502, "Proxy connection failed: Connection refused"),
            "endpoint.not-ready", UNREACHABLE, "Proxy connection failed", "wait_for_server: 10m"),
        row!("GMS fails", To::write(GMS).tried(5).refused(500, r#"{"message":"INTERNAL SERVER ERROR","status":500}"#),
            "endpoint.server-error", UNREACHABLE, "tried 5 times", "look into GMS's log"),
        row!("503 in the middle", To::write(GMS).refused(503, ""),
            "endpoint.server-error", UNREACHABLE, "503 from POST", "curl -i http://gms:8080/config"),
        row!("an ingress finds nobody", To::config(GMS).showed(502, "<html><title>502 Bad Gateway</title></html>"),
            "endpoint.server-error", UNREACHABLE, "a web page, which is not GMS's", "curl -i http://gms:8080/config"),
        row!("half an answer", To::write(GMS).responded(ResponseInfo { status: 200, content_type: "application/json", cut_short: true, ..ResponseInfo::default() }),
            "endpoint.server-error", UNREACHABLE, "its body is cut short", "look into GMS's log"),
        row!("too many requests", To::write(GMS).refused(429, r#"{"error":"Rate limit exceeded"}"#),
            "endpoint.throttled", UNREACHABLE, "Rate limit exceeded", "max_threads: 2"),
        row!("a proxy that wants credentials", To::config(GMS).refused(407, ""),
            "endpoint.proxy-authentication", UNREACHABLE, "never from GMS", "export NO_PROXY=gms"),
        row!("a request that took too long", To::write(GMS).refused(408, ""),
            "endpoint.timeout", UNREACHABLE, "408 from", "timeout_sec: 120"),
    ]
}
