//! Registers the schema with a schema registry.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::config::RegistryConfig;
use super::envelope;
use crate::Error;
use crate::diagnosis::{Code, Diagnosis, Evidence, Fix, RegistryProblem, Summary};
use crate::http::{HttpClient, HttpConfig, HttpService, Request, Response};
use crate::redact::Redactor;

/// The media type of registry requests and responses.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.schemaregistry.v1+json");

/// A response of a registry has some bytes, an error message at most some kilobytes.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// Attempts at each address, as Confluent's client makes them (`max.retries`: 3).
const ATTEMPTS: u32 = 4;

/// The first delay between attempts; it doubles.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// The longest delay that a registry may ask for.
const MAX_DELAY: Duration = Duration::from_secs(2);

/// How much of a message is shown.
const MAX_MESSAGE: usize = 300;

/// A registered schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RegisteredSchema {
    pub(super) id: u32,
    /// The address of the registry that answered.
    pub(super) url: String,
}

/// The response to a registration.
#[derive(Deserialize)]
struct Registered {
    id: u32,
}

/// The response to a request that failed.
#[derive(Deserialize)]
struct Failed {
    message: String,
}

/// Registers the schema for the values of `topic`, and returns its id. Each address is tried in turn.
///
/// # Errors
/// `kafka.registry`, about the last address; a certificate file that cannot be read is of kind
/// [`Input`](crate::ErrorKind::Input).
pub(super) async fn register(
    config: &RegistryConfig,
    topic: &str,
    http: Option<Arc<dyn HttpService>>,
) -> Result<RegisteredSchema, Error> {
    let http = if let Some(http) = http {
        http
    } else {
        let settings = HttpConfig::default().tls(config.tls.clone()).timeout(config.timeout);
        Arc::new(HttpClient::new(settings.response_timeout(config.timeout))?)
    };
    let mut failure = None;
    for address in &config.addresses {
        match register_at(config, address, topic, &*http).await {
            Ok(id) => return Ok(RegisteredSchema { id, url: address.clone() }),
            Err(diagnosis) => {
                let may_pass = matches!(
                    &diagnosis.summary,
                    Summary::SchemaRegistry {
                        problem: RegistryProblem::Unreachable | RegistryProblem::ServerError,
                        ..
                    }
                );
                failure = Some(diagnosis);
                if !may_pass {
                    break;
                }
            }
        }
    }
    let failure = failure.map(|diagnosis| Error::from(*diagnosis));
    Err(failure.unwrap_or_else(|| Error::new(crate::ErrorKind::Internal, "there is no registry to ask")))
}

async fn register_at(
    config: &RegistryConfig,
    address: &str,
    topic: &str,
    http: &dyn HttpService,
) -> Result<u32, Box<Diagnosis>> {
    let subject = format!("{topic}-value");
    let url = format!(
        "{}/subjects/{}/versions?normalize=False",
        address.trim_end_matches('/'),
        utf8_percent_encode(&subject, SUBJECT)
    );
    let line = format!("POST {url}");
    let redactor = Redactor::new(config.secrets());
    let diagnosed = |problem, evidence: Vec<Evidence>| {
        let summary = Summary::SchemaRegistry { url: address.to_owned(), problem };
        Box::new(
            Diagnosis::new(Code::KafkaRegistry, summary)
                .with_evidence(evidence)
                .with_fixes(fixes(problem, &subject)),
        )
    };
    let mut delay = FIRST_DELAY;
    for attempt in 1..=ATTEMPTS {
        let request = Request {
            method: Method::POST,
            url: url.clone(),
            headers: headers(config),
            body: Some(Bytes::from(envelope::registration_body()).into()),
            max_response_bytes: MAX_RESPONSE_BYTES,
        };
        let wait = match http.send(request).await {
            Err(error) if attempt == ATTEMPTS => {
                let problem = redactor.redact(&error.message);
                let evidence = Evidence::NoResponse { request: line, problem };
                return Err(diagnosed(RegistryProblem::Unreachable, vec![evidence]));
            }
            Err(_) => delay,
            Ok(response) => {
                let problem = match judge(&response) {
                    Ok(id) => return Ok(id),
                    Err(problem) => problem,
                };
                if problem != RegistryProblem::ServerError || attempt == ATTEMPTS {
                    let mut evidence =
                        vec![Evidence::Status { status: response.status.as_u16(), request: line }];
                    evidence.extend(message(&response, &redactor));
                    evidence.extend((attempt > 1).then_some(Evidence::Attempts(attempt)));
                    return Err(diagnosed(problem, evidence));
                }
                retry_after(&response).map_or(delay, |asked| asked.min(MAX_DELAY))
            }
        };
        tokio::time::sleep(wait).await;
        delay *= 2;
    }
    Err(diagnosed(RegistryProblem::Unreachable, Vec::new()))
}

/// Characters of a subject that are escaped in a path.
const SUBJECT: &percent_encoding::AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn headers(config: &RegistryConfig) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, MEDIA_TYPE);
    headers.insert(ACCEPT, MEDIA_TYPE);
    if let Some(authorization) = &config.authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    for (name, value) in &config.headers {
        headers.insert(HeaderName::from_static(name), value.clone());
    }
    headers
}

/// The id in a response, or why there is none.
fn judge(response: &Response) -> Result<u32, RegistryProblem> {
    match response.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(RegistryProblem::Credentials),
        StatusCode::NOT_FOUND => Err(RegistryProblem::NotFound),
        StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => Err(RegistryProblem::Schema),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Err(RegistryProblem::ServerError),
        status if status.is_server_error() => Err(RegistryProblem::ServerError),
        status if status.is_success() && !response.truncated => {
            // Ids are signed in Confluent's registry, and never negative.
            let registered = serde_json::from_slice::<Registered>(&response.body).ok();
            let id = registered.map(|registered| registered.id).filter(|id| i32::try_from(*id).is_ok());
            id.ok_or(RegistryProblem::NotARegistry)
        }
        _ => Err(RegistryProblem::NotARegistry),
    }
}

/// The registry's message, or the start of the body.
fn message(response: &Response, redactor: &Redactor) -> Option<Evidence> {
    let cut = |text: &str| redactor.redact(&text.chars().take(MAX_MESSAGE).collect::<String>());
    if let Ok(failed) = serde_json::from_slice::<Failed>(&response.body) {
        return Some(Evidence::BodyMessage(one_line(&cut(&failed.message))));
    }
    let text = String::from_utf8_lossy(&response.body);
    let text = one_line(&cut(text.trim()));
    (!text.is_empty()).then_some(Evidence::BodyStart(text))
}

fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn fixes(problem: RegistryProblem, subject: &str) -> Vec<Fix> {
    match problem {
        RegistryProblem::Unreachable | RegistryProblem::NotARegistry => vec![Fix::CorrectRegistry],
        RegistryProblem::Credentials => vec![Fix::SetRegistryCredentials],
        RegistryProblem::NotFound => vec![Fix::RouteToKnownTopic, Fix::CorrectRegistry],
        RegistryProblem::Schema => vec![Fix::ReplaceSchema { subject: subject.to_owned() }],
        RegistryProblem::ServerError => vec![Fix::SeeRegistryLog],
    }
}
