//! Observation → code, evidence, fix, exit code.

use datahub_emitter::auth::{
    Answer, Fault, HeaderSlip, ProviderError, Redirect, Token, TokenFacts, TokenSource, inspect,
    provider_failed,
};
use datahub_emitter::diagnosis::Diagnosis;

use super::observed::{To, at, but, pat, token};

pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) diagnosis: Diagnosis,
    pub(super) code: &'static str,
    pub(super) exit: u8,
    /// Part of a line of evidence.
    pub(super) evidence: &'static str,
    /// Part of a fix.
    pub(super) fix: &'static str,
}

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

fn empty(source: &str, place: &str) -> TokenFacts {
    TokenFacts { empty: true, claims: None, ..token(source, place) }
}

fn opaque(source: &str, place: &str) -> TokenFacts {
    TokenFacts { claims: None, ..token(source, place) }
}

fn slipped(slip: HeaderSlip) -> TokenFacts {
    TokenFacts {
        header_slip: Some(slip),
        ..opaque("extra-headers", "the recipe's sink.config.extra_headers.Authorization")
    }
}

fn expired(offset: i64) -> TokenFacts {
    but(pat(), |claims| claims.expires_at = Some(at(offset)))
}

fn unfit(text: &str, source: TokenSource) -> Diagnosis {
    inspect(&Token::new(text, source)).unwrap()
}

fn redirect(to: &'static str, parameters: &[&'static str]) -> Answer<'static> {
    Answer {
        status: 302,
        redirect: Some(Redirect { to, parameters: parameters.to_vec() }),
        ..Answer::default()
    }
}

macro_rules! row {
    ($name:literal, $diagnosis:expr, $code:literal, $exit:literal, $evidence:expr, $fix:expr) => {
        Row { name: $name, diagnosis: $diagnosis, code: $code, exit: $exit, evidence: $evidence, fix: $fix }
    };
}

pub(super) fn rows() -> Vec<Row> {
    [at_the_door(), no_token(), times(), unknown(), ways(), forbidden(), pages(), silence(), trouble()]
        .into_iter()
        .flatten()
        .collect()
}

#[rustfmt::skip]
fn at_the_door() -> Vec<Row> {
    let file = || TokenSource::File("/run/token".into());
    let variable = || TokenSource::Environment("DATAHUB_GMS_TOKEN".into());
    vec![
        row!("a literal ${…} in the recipe", unfit("${TOKEN}", TokenSource::Recipe),
            "auth.token-unexpanded", 3, "nothing was sent", "so that the variable is expanded"),
        row!("a literal ${…} in a file", unfit("${TOKEN}", file()),
            "auth.token-unexpanded", 3, "from the file /run/token", "write the token itself into /run/token"),
        row!("a literal ${…} in a variable", unfit("${OTHER}", variable()),
            "auth.token-unexpanded", 3, "DATAHUB_GMS_TOKEN", "export DATAHUB_GMS_TOKEN=\"$OTHER_VARIABLE\""),
        row!("Bearer before the token", unfit("Bearer a.b.c", file()),
            "auth.token-doubled-bearer", 3, "nothing was sent", "take away `Bearer `"),
        row!("a newline in the token", unfit("abc\ndef", file()),
            "auth.token-not-a-header", 3, "7 characters long", "datahub-emit token inspect /run/token"),
        row!("quotes around the token", unfit("'abc'", variable()),
            "auth.token-not-a-header", 3, "nothing was sent", "printenv DATAHUB_GMS_TOKEN | datahub-emit token inspect"),
        row!("a control character in the token", unfit("abc\u{7}", TokenSource::Recipe),
            "auth.token-not-a-header", 3, "nothing was sent", "copy the token into the recipe's sink.config.token again"),
        row!("a letter beyond ASCII", unfit("café", file()),
            "auth.token-not-a-header", 3, "4 characters", "/run/token"),
        row!("a token file that is not there", provider_failed(&file(), &ProviderError::lasting("cannot read /run/token: no such file")),
            "auth.provider-failed", 3, "no such file", "ls -l /run/token"),
        row!("a token command that fails", provider_failed(&TokenSource::Command, &ProviderError::lasting("it ended with exit code 1")),
            "auth.provider-failed", 3, "exit code 1", "run the command of sink.config.auth by hand"),
        row!("an identity provider that says no", provider_failed(&TokenSource::Oidc, &ProviderError::lasting("401: invalid_client")),
            "auth.provider-failed", 3, "invalid_client", "compare token_endpoint, client_id and client_secret"),
        row!("a variable that is not set", provider_failed(&TokenSource::Environment("T".into()), &ProviderError::lasting("T is not set")),
            "auth.provider-failed", 3, "not set", "printenv T"),
        row!("a token over plain http to another machine", Diagnosis::insecure_transport("http://gms.example.com:8080", "gms.example.com"),
            "auth.insecure-transport", 2, "not this machine", "server: https://gms.example.com:8080"),
        row!("authentication is off", Diagnosis::disabled("GET http://gms:8080/config?verbose=true", true),
            "auth.disabled", 0, "nobody looks at it", "METADATA_SERVICE_AUTH_ENABLED=true"),
    ]
}

#[rustfmt::skip]
fn no_token() -> Vec<Row> {
    vec![
        row!("no token, Spring's 401", To::write(GMS).refused(401, SPRING),
            "auth.token-missing", 3, "its body does not tell why", "export DATAHUB_GMS_TOKEN=$(datahub-emit token create --name datahub-emit --user datahub --frontend http://gms:9002)"),
        row!("no token, Jetty's page", To::write(GMS).showed(401, JETTY_HTML),
            "auth.token-missing", 3, "its body does not tell why", "in the recipe, under sink.config:  token: ${DATAHUB_GMS_TOKEN}"),
        row!("no token, and GMS calls it anonymous", To::path(GMS, "GET", "/config?verbose=true").anonymous(),
            "auth.token-missing", 3, "GMS wants a token", "http://gms:9002/settings/tokens"),
        row!("no token, at the frontend", To::config(FRONTEND).refused(401, ""),
            "auth.token-missing", 3, "as that of DataHub's frontend is", "--frontend http://datahub:9002)"),
        row!("an empty token of the recipe", To::write(GMS).with(empty("recipe", "the recipe's sink.config.token")).refused(401, SPRING),
            "auth.token-empty", 3, "is the empty text", "set the variable that sink.config.token of the recipe names"),
        row!("an empty variable", To::write(GMS).with(empty("env:DATAHUB_GMS_TOKEN", "the environment variable DATAHUB_GMS_TOKEN")).refused(401, SPRING),
            "auth.token-empty", 3, "is the empty text", "export DATAHUB_GMS_TOKEN=$(datahub-emit token create"),
        row!("an empty file", To::write(GMS).with(empty("file:/run/t", "the file /run/t")).refused(401, ""),
            "auth.token-empty", 3, "no Authorization header was sent", "--out /run/t"),
        row!("a header without Bearer", To::write(GMS).with(slipped(HeaderSlip::NoScheme)).refused(401, SPRING),
            "auth.token-not-a-header", 3, "goes as it is", "extra_headers: {Authorization: 'Bearer ${DATAHUB_GMS_TOKEN}'}"),
        row!("a header with Bearer twice", To::write(GMS).with(slipped(HeaderSlip::Doubled)).refused(401, SPRING),
            "auth.token-doubled-bearer", 3, "no other token counts beside it", "token: ${DATAHUB_GMS_TOKEN}"),
        row!("a header with quotes", To::write(GMS).with(slipped(HeaderSlip::Wrapped)).refused(401, SPRING),
            "auth.token-not-a-header", 3, "goes as it is", "token: ${DATAHUB_GMS_TOKEN}"),
        row!("a header with ${…}", To::write(GMS).with(slipped(HeaderSlip::Unexpanded)).refused(401, SPRING),
            "auth.token-unexpanded", 3, "goes as it is", "token: ${DATAHUB_GMS_TOKEN}"),
        row!("what is no JWT", To::write(GMS).with(opaque("file:/run/t", "the file /run/t")).refused(401, SPRING),
            "auth.token-opaque-refused", 3, "and is not a JWT", "three parts with dots between them"),
        row!("the system client's wrong secret", To::write(GMS).with(opaque("system-client", "DATAHUB_SYSTEM_CLIENT_ID and DATAHUB_SYSTEM_CLIENT_SECRET")).refused(401, SPRING),
            "auth.token-opaque-refused", 3, "DATAHUB_SYSTEM_CLIENT_ID", "GMS's own variables of these names"),
    ]
}

#[rustfmt::skip]
fn times() -> Vec<Row> {
    let expired_from = |source: &str, place: &str| but(token(source, place), |claims| claims.expires_at = Some(at(-86_400)));
    vec![
        row!("expired three days ago, from a file", To::write(GMS).with(expired(-3 * 86_400)).refused(401, SPRING),
            "auth.token-expired", 3, "its exp claim is 2026-11-22T12:00:00Z; the server's clock reads 2026-11-25T12:00:01Z", FROM_FILE),
        row!("expired, and the old filter says so", To::write(GMS).with(expired(-60)).refused(401, JETTY),
            "auth.token-expired", 3, "its body says: Failed to validate DataHub token", FROM_FILE),
        row!("expired, and GMS calls it anonymous", To::path(GMS, "GET", "/config?verbose=true").with(expired(-60)).anonymous(),
            "auth.token-expired", 3, "GMS does not take the token", FROM_FILE),
        row!("expired, from a variable", To::write(GMS).with(expired_from("env:T", "the environment variable T")).refused(401, SPRING),
            "auth.token-expired", 3, "the environment variable T", "export T=$(datahub-emit token create --name loader --user loader"),
        row!("expired, from the recipe", To::write(GMS).with(expired_from("recipe", "the recipe's sink.config.token")).refused(401, SPRING),
            "auth.token-expired", 3, "the recipe's sink.config.token", "export DATAHUB_GMS_TOKEN=$(datahub-emit token create"),
        row!("expired, from ~/.datahubenv", To::write(GMS).with(expired_from("datahubenv", "gms.token of ~/.datahubenv")).refused(401, SPRING),
            "auth.token-expired", 3, "~/.datahubenv", "export DATAHUB_GMS_TOKEN=$(datahub-emit token create"),
        row!("expired, from a command", To::write(GMS).with(expired_from("command", "the token command")).refused(401, SPRING),
            "auth.token-expired", 3, "the token command", "by hand, and see that it prints a token that is good now"),
        row!("expired, a service account's", To::write(GMS).with(but(expired(-60), |claims| claims.kind = Some("SERVICE_ACCOUNT".into()))).refused(401, SPRING),
            "auth.token-expired", 3, "a service account's token", "--actor urn:li:corpuser:loader --user datahub"),
        row!("expired by the server's clock alone", To::write(GMS).with(expired(600)).answered(Answer { status: 401, body: SPRING, server_time: Some(at(3_600)), ..Answer::default() }),
            "auth.clock-skew", 3, "the clock here reads 2026-11-25T12:00:00Z", "date -u"),
        row!("not yet valid", To::write(GMS).with(but(pat(), |claims| claims.not_before = Some(at(3_600)))).refused(401, SPRING),
            "auth.token-not-yet-valid", 3, "its nbf claim is 2026-11-25T13:00:00Z", "wait until 2026-11-25T13:00:00Z"),
        row!("not yet valid by the server's clock alone", To::write(GMS).with(but(pat(), |claims| claims.not_before = Some(at(-60)))).answered(Answer { status: 401, body: SPRING, server_time: Some(at(-7_200)), ..Answer::default() }),
            "auth.clock-skew", 3, "its nbf claim is", "NTP"),
        row!("expired here, and the server has no clock", To::write(GMS).with(expired(-60)).answered(Answer { status: 401, body: SPRING, ..Answer::default() }),
            "auth.token-expired", 3, "the clock here reads", FROM_FILE),
        row!("clocks differ, but not about the token", To::write(GMS).with(pat()).answered(Answer { status: 401, body: SPRING, server_time: Some(at(3_600)), ..Answer::default() }),
            "auth.token-unknown", 3, "the server's clock is 60 minutes ahead of the one here", FROM_FILE),
    ]
}

#[rustfmt::skip]
fn unknown() -> Vec<Row> {
    vec![
        row!("revoked, foreign, or the store is away", To::write(GMS).with(pat()).refused(401, SPRING),
            "auth.token-unknown", 3, "which is not over", "see whether it is listed at http://gms:9002/settings/tokens"),
        row!("the same, as Spring's page", To::write(GMS).with(pat()).showed(401, SPRING_HTML),
            "auth.token-unknown", 3, "its body does not tell why", "METADATA_SERVICE_AUTHENTICATOR_EXCEPTIONS_ENABLED=true"),
        row!("the same, without a word", To::write(GMS).with(pat()).refused(401, ""),
            "auth.token-unknown", 3, "its body does not tell why", "see that urn:li:corpuser:loader is there, and is not suspended"),
        row!("the words alone say expired", To::write(GMS).with(but(pat(), |claims| claims.expires_at = None)).refused(401, JETTY),
            "auth.token-unknown", 3, "it has no exp claim, so it does not expire", FROM_FILE),
        row!("a session token", To::write(GMS).with(but(pat(), |claims| claims.kind = Some("SESSION".into()))).refused(401, SPRING),
            "auth.token-unknown", 3, "a session token is made for a browser", FROM_FILE),
        row!("a version that GMS does not know", To::write(GMS).with(but(pat(), |claims| claims.version = None)).refused(401, SPRING),
            "auth.token-unknown", 3, "neither 1 nor 2", FROM_FILE),
        row!("signed in another way", To::write(GMS).with(but(pat(), |claims| claims.algorithm = Some("RS256".into()))).refused(401, SPRING),
            "auth.token-unknown", 3, "signed with RS256", FROM_FILE),
        row!("an identity provider's token", To::write(GMS).with(but(token("oidc", "the identity provider"), |claims| { claims.issuer = Some("https://idp.example.com".into()); claims.audience = Some("datahub".into()); })).refused(401, SPRING),
            "auth.token-unknown", 3, "its iss claim is https://idp.example.com", "EXTERNAL_OAUTH_TRUSTED_ISSUERS=https://idp.example.com and EXTERNAL_OAUTH_ALLOWED_AUDIENCES=datahub"),
        row!("something in front asks for more", To::write(GMS).with(pat()).answered(Answer { status: 401, challenge: true, ..Answer::default() }),
            "auth.token-unknown", 3, "WWW-Authenticate header, which GMS never sends", FROM_FILE),
        row!("another's page", To::write(GMS).with(pat()).answered(Answer { status: 401, content_type: "text/html", body: "<html><title>401 Authorization Required</title></html>", server: Some("nginx"), ..Answer::default() }),
            "auth.token-unknown", 3, "its Server header: nginx", FROM_FILE),
        row!("a token of the embedded GMS", To::write(LOCAL).with(token("embedded", "the embedded GMS")).refused(401, SPRING),
            "auth.token-unknown", 3, "the embedded GMS", "run again"),
    ]
}

#[rustfmt::skip]
fn ways() -> Vec<Row> {
    vec![
        row!("the frontend's own switch is off", To::write(FRONTEND).with(pat()).refused(401, ""),
            "auth.proxy-session", 3, "its body is empty, as that of DataHub's frontend is", "METADATA_SERVICE_AUTH_ENABLED=true for the frontend"),
        row!("through the frontend, GMS's own no", To::write(FRONTEND).with(pat()).refused(401, SPRING),
            "auth.token-unknown", 3, "its body does not tell why", "http://datahub:9002/settings/tokens"),
        row!("a cookie beats the token", To::write(FRONTEND).with(pat()).cookie().refused(401, SPRING),
            "auth.token-unknown", 3, "puts its session's token in place of this one", "take Cookie out of sink.config.extra_headers"),
        row!("a redirect to https", To::config("http://gms.example.com").with(pat()).answered(redirect("https://gms.example.com/config", &[])),
            "auth.redirected", 3, "redirects are not followed", "server: https://gms.example.com"),
        row!("a redirect to another host", To::config("https://old.example.com/gms").answered(redirect("https://new.example.com/gms/config", &[])),
            "auth.redirected", 3, "it redirects to https://new.example.com/gms/config", "server: https://new.example.com/gms"),
        row!("a redirect to another path", To::config(GMS).answered(redirect("/data/config", &[])),
            "endpoint.not-gms", 4, "it redirects to /data/config", "server: http://gms:8080/data"),
        row!("a redirect of a write", To::write("http://gms.example.com").with(pat()).answered(redirect("https://gms.example.com/aspects", &[])),
            "auth.redirected", 3, "the token must not go elsewhere", "server: https://gms.example.com"),
        row!("a redirect to an identity provider", To::config(GMS).answered(redirect("https://login.example.org/authorize", &["client_id", "state"])),
            "endpoint.login-page", 4, "which is where one logs in", "let requests with a Bearer token pass to http://gms:8080"),
        row!("a redirect to an unknown place to log in", To::config(GMS).answered(redirect("https://dex.example.org/auth", &["redirect_uri"])),
            "endpoint.login-page", 4, "it redirects to https://dex.example.org/auth", "Proxy-Authorization"),
    ]
}

#[rustfmt::skip]
fn forbidden() -> Vec<Row> {
    let openapi = "/openapi/v3/entity/dataset?async=true";
    vec![
        row!("no Edit Entity", To::write(GMS).with(pat()).refused(403, FORBIDDEN),
            "auth.forbidden", 3, "GMS says: User urn:li:corpuser:loader is unauthorized", "give urn:li:corpuser:loader a metadata policy with the privilege Edit Entity on dataJob, dataset (Edit Tags"),
        row!("no right to create over OpenAPI", To::path(GMS, "POST", openapi).with(pat()).refused(403, r#"{"error":"urn:li:corpuser:loader is unauthorized to CREATE entities."}"#),
            "auth.forbidden", 3, "OpenAPI v3 wants Create Entity or Edit Entity", "endpoint: restli"),
        row!("no right to delete", To::path(GMS, "POST", "/entities?action=delete").with(pat()).refused(403, r#"{"message":"User is unauthorized to delete entity: urn:li:tag:a"}"#),
            "auth.forbidden", 3, "unauthorized to delete", "the privilege Delete Entity on tag"),
        row!("no right to read", To::path(GMS, "GET", "/entitiesV2/urn%3Ali%3Atag%3Aa").with(pat()).refused(403, r#"{"message":"User is unauthorized to get entity urn:li:tag:a"}"#),
            "auth.forbidden", 3, "unauthorized to get", "the privilege View Entity Page on tag"),
        row!("a type with a privilege of its own", To::write(GMS).with(pat()).refused(403, r#"{"message":"User urn:li:corpuser:loader is unauthorized to modify entity: HttpStatus: 403 Urn: urn:li:dataHubIngestionSource:cli"}"#),
            "auth.forbidden", 3, "dataHubIngestionSource", "the platform privilege Manage Metadata Ingestion does as well"),
        row!("a 403 of something in front", To::write(GMS).with(pat()).showed(403, "<html><title>403 Forbidden</title></html>"),
            "auth.forbidden", 3, "a web page, which is not GMS's", "stands in front of http://gms:8080"),
        row!("a 403 through a session", To::write(FRONTEND).with(pat()).cookie().refused(403, FORBIDDEN),
            "auth.forbidden", 3, "acts as its session's user", "Edit Entity on dataJob, dataset"),
        row!("a suspended user on an older GMS", To::write(GMS).with(pat()).refused(403, r#"{"message":"Actor is not active","status":403}"#),
            "auth.actor-inactive", 3, "Actor is not active", "look urn:li:corpuser:loader up"),
        row!("a suspended user over OpenAPI", To::path(GMS, "POST", openapi).refused(403, r#"{"error":"Actor is not active"}"#),
            "auth.actor-inactive", 3, "403 from", "reactivate"),
    ]
}

#[rustfmt::skip]
fn pages() -> Vec<Row> {
    vec![
        row!("a page to log in at", To::config(GMS).showed(200, LOGIN),
            "endpoint.login-page", 4, "it is a page to log in at", "let requests with a Bearer token pass"),
        row!("a page to log in at, with 403", To::config(GMS).with(pat()).showed(403, LOGIN),
            "endpoint.login-page", 4, "403 from", "Proxy-Authorization"),
        row!("a page to log in at, in the middle", To::write(GMS).with(pat()).showed(200, LOGIN),
            "endpoint.login-page", 4, "200 from POST", "let requests with a Bearer token pass"),
        row!("the frontend's page", To::config("http://datahub:9002").showed(200, INDEX),
            "endpoint.frontend", 4, "this is DataHub's frontend", "server: http://datahub:9002/api/gms"),
        row!("the frontend's page, and GMS was found", To::config("https://datahub.example.com").found("https://datahub.example.com/api/gms").showed(200, INDEX),
            "endpoint.frontend", 4, "GMS answers at https://datahub.example.com/api/gms", "server: https://datahub.example.com/api/gms"),
        row!("the frontend's /config", To::config("http://datahub:9002").refused(200, r#"{"status":"ok","config":{"application":"datahub-frontend"}}"#),
            "endpoint.frontend", 4, "its body begins", "server: http://datahub:9002/api/gms"),
        row!("another web page", To::config("http://host:80").showed(200, "<html><title>It works!</title></html>"),
            "endpoint.not-gms", 4, "its content type is text/html", "curl -i http://host/config"),
        row!("another API", To::config(GMS).refused(404, r#"{"status":404}"#),
            "endpoint.not-gms", 4, "404 from GET", "curl -i http://gms:8080/config"),
        row!("another API, and GMS was found", To::config("https://acme.example.com").found("https://acme.example.com/gms").refused(404, ""),
            "endpoint.not-gms", 4, "GMS answers at https://acme.example.com/gms", "server: https://acme.example.com/gms"),
    ]
}

#[rustfmt::skip]
fn silence() -> Vec<Row> {
    let secure = "https://gms:8443";
    vec![
        row!("nobody listens here", To::config(LOCAL).failed(Fault::Connect, "connection refused"),
            "endpoint.unreachable", 4, "connection refused", "datahub-emit gms serve"),
        row!("nobody listens in this container", To::config(LOCAL).in_container().failed(Fault::Connect, "connection refused"),
            "endpoint.unreachable", 4, "localhost is the container itself", "server: http://host.docker.internal:8080"),
        row!("nobody listens there", To::config(GMS).tried(5).failed(Fault::Connect, "connection refused"),
            "endpoint.unreachable", 4, "tried 5 times", "curl -i http://gms:8080/config"),
        row!("the connection breaks", To::write(GMS).failed(Fault::Broken, "connection reset by the server"),
            "endpoint.unreachable", 4, "connection reset", "curl -i http://gms:8080/config"),
        row!("an unknown name", To::config("http://gsm:8080").failed(Fault::Name, "the name of the host is unknown"),
            "endpoint.name-unknown", 4, "the name of the host is unknown", "getent hosts gsm"),
        row!("no connection in time", To::config(GMS).failed(Fault::ConnectTimeout, "no connection within the time limit (timeout_sec)"),
            "endpoint.timeout", 4, "no connection within", "timeout_sec: 120"),
        row!("no answer in time", To::write(GMS).failed(Fault::Timeout, "no answer within the time limit (timeout_sec)"),
            "endpoint.timeout", 4, "no answer within", "timeout_sec: 120"),
        row!("an authority of one's own", To::config(secure).failed(Fault::Certificate, "invalid peer certificate: UnknownIssuer"),
            "endpoint.tls", 4, "UnknownIssuer", "ca_certificate_path: /path/to/ca.pem"),
        row!("a client's certificate is wanted", To::config(secure).failed(Fault::ClientCertificate, "received fatal alert: CertificateRequired"),
            "endpoint.tls", 4, "CertificateRequired", "client_certificate_path: /path/to/client.pem"),
        row!("another fault of TLS", To::config(secure).failed(Fault::Tls, "received fatal alert: ProtocolVersion"),
            "endpoint.tls", 4, "ProtocolVersion", "ca_certificate_path"),
        row!("https to a plain port", To::config("https://gms:8080").failed(Fault::PlainPort, "received corrupt message of type InvalidContentType"),
            "endpoint.tls", 4, "what answered was not TLS", "server: http://gms:8080"),
        row!("http to a port for TLS", To::config("http://gms:8443").failed(Fault::NotHttp, "invalid HTTP version parsed"),
            "endpoint.tls", 4, "plain HTTP was sent", "server: https://gms:8443"),
        row!("http to a port for TLS, which says so", To::config("http://gms:8443").showed(400, "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>"),
            "endpoint.tls", 4, "400 from GET", "server: https://gms:8443"),
    ]
}

#[rustfmt::skip]
fn trouble() -> Vec<Row> {
    vec![
        row!("GMS is starting", To::config(GMS).refused(503, ""),
            "endpoint.not-ready", 4, "503 from GET http://gms:8080/config", "curl -i http://gms:8080/health"),
        row!("no GMS behind the frontend", To::config(FRONTEND).with(pat()).refused(502, "Proxy connection failed: Connection refused"),
            "endpoint.not-ready", 4, "Proxy connection failed", "wait_for_server: 10m"),
        row!("GMS fails", To::write(GMS).tried(5).refused(500, r#"{"message":"INTERNAL SERVER ERROR","status":500}"#),
            "endpoint.server-error", 4, "tried 5 times", "look into GMS's log"),
        row!("503 in the middle", To::write(GMS).refused(503, ""),
            "endpoint.server-error", 4, "503 from POST", "curl -i http://gms:8080/config"),
        row!("an ingress finds nobody", To::config(GMS).showed(502, "<html><title>502 Bad Gateway</title></html>"),
            "endpoint.server-error", 4, "a web page, which is not GMS's", "curl -i http://gms:8080/config"),
        row!("half an answer", To::write(GMS).answered(Answer { status: 200, content_type: "application/json", cut_short: true, ..Answer::default() }),
            "endpoint.server-error", 4, "its body is cut short", "look into GMS's log"),
        row!("too many requests", To::write(GMS).refused(429, r#"{"error":"Rate limit exceeded"}"#),
            "endpoint.throttled", 4, "Rate limit exceeded", "max_threads: 2"),
        row!("a proxy that wants credentials", To::config(GMS).refused(407, ""),
            "endpoint.proxy-authentication", 4, "never from GMS", "export NO_PROXY=gms"),
        row!("a request that took too long", To::write(GMS).refused(408, ""),
            "endpoint.timeout", 4, "408 from", "timeout_sec: 120"),
    ]
}
