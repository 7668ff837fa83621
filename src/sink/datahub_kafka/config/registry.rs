//! `connection.schema_registry_url` and `connection.schema_registry_config`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::header::HeaderValue;
use url::Url;

use crate::environment::Environment;
use crate::http::TlsSettings;
use crate::recipe::{Entry, Fields, Value};

/// The time limit of a request, unless the recipe sets `timeout`.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Properties of Confluent's Python client that have no effect: the registry is asked once a run.
const WITHOUT_EFFECT: [&str; 5] =
    ["cache.capacity", "cache.latest.ttl.sec", "max.retries", "retries.wait.ms", "retries.max.wait.ms"];

/// The configuration of the registry's client.
#[derive(Clone)]
pub(in crate::sink::datahub_kafka) struct RegistryConfig {
    /// The addresses, without credentials, to be tried in this order; there is at least one.
    pub(in crate::sink::datahub_kafka) addresses: Vec<String>,
    pub(in crate::sink::datahub_kafka) authorization: Option<HeaderValue>,
    /// Further headers.
    pub(in crate::sink::datahub_kafka) headers: Vec<(&'static str, HeaderValue)>,
    pub(in crate::sink::datahub_kafka) tls: TlsSettings,
    pub(in crate::sink::datahub_kafka) timeout: Duration,
    secrets: Vec<String>,
}

/// The properties of `schema_registry_config`, as they are written.
#[derive(Default)]
struct Properties {
    basic_source: Option<String>,
    basic: Option<String>,
    bearer_source: Option<String>,
    bearer: Option<String>,
    logical_cluster: Option<String>,
    identity_pool: Option<String>,
    url: Option<String>,
    timeout: Option<Duration>,
    tls: TlsSettings,
}

impl RegistryConfig {
    /// Reads the keys; `None` after a mistake. `sasl` is the user and the password for the brokers.
    pub(super) fn read(
        connection: &mut Fields<'_>,
        environment: &Environment,
        sasl: Option<(&str, &str)>,
    ) -> Option<Self> {
        let written = connection.secret_url("schema_registry_url");
        if written.is_none() && connection.has("schema_registry_url") {
            return None;
        }
        let entries = connection
            .entries("schema_registry_config", "a mapping of the properties of a registry client")?;
        let mut properties = Properties::default();
        let read = entries.iter().map(|entry| properties.read(connection, entry));
        if !read.collect::<Vec<_>>().into_iter().all(|valid| valid) {
            return None;
        }
        // In Python, the property replaces the key.
        let url = properties.url.take().or(written).unwrap_or_else(|| default_url(environment));
        let mut user_info = None;
        let addresses: Option<Vec<String>> = url
            .split(',')
            .map(|address| {
                let (address, credentials) = split_credentials(address.trim())?;
                user_info = user_info.take().or(credentials);
                Some(address)
            })
            .collect();
        let Some(addresses) = addresses else {
            connection
                .mistake("schema_registry_url", "expected an address that starts with http:// or https://");
            return None;
        };
        let basic = match properties.basic_source.as_deref() {
            Some("SASL_INHERIT") => sasl.map(|(user, password)| format!("{user}:{password}")),
            _ => properties.basic.take().or(user_info),
        };
        let (authorization, secrets) = match (properties.bearer.take(), basic) {
            (Some(token), _) => (Some(format!("Bearer {token}")), vec![token]),
            (None, Some(basic)) => {
                let encoded = BASE64_STANDARD.encode(&basic);
                let password =
                    basic.split_once(':').map_or(basic.as_str(), |(_, password)| password).to_owned();
                (Some(format!("Basic {encoded}")), vec![password, encoded])
            }
            (None, None) => (None, Vec::new()),
        };
        let authorization = match authorization.map(|text| HeaderValue::from_str(&text)) {
            None => None,
            Some(Ok(mut value)) => {
                value.set_sensitive(true);
                Some(value)
            }
            Some(Err(_)) => {
                let message = "the credentials contain characters that a header cannot have";
                connection.mistake("schema_registry_config", message);
                return None;
            }
        };
        let headers = [
            ("target-sr-cluster", properties.logical_cluster),
            ("confluent-identity-pool-id", properties.identity_pool),
        ];
        let headers = headers
            .into_iter()
            .filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value?).ok()?)))
            .collect();
        Some(Self {
            addresses,
            authorization,
            headers,
            tls: properties.tls,
            timeout: properties.timeout.unwrap_or(TIMEOUT),
            secrets,
        })
    }

    /// The credentials.
    pub(in crate::sink::datahub_kafka) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(String::as_str)
    }
}

impl Properties {
    /// Reads one property. Returns whether it is valid.
    fn read(&mut self, connection: &Fields<'_>, entry: &Entry) -> bool {
        const KEY: &str = "schema_registry_config";
        let key = entry.key.as_str();
        if matches!(key, "basic.auth.user.info" | "bearer.auth.token" | "ssl.key.password" | "url") {
            connection.hide(&entry.node);
        }
        let text = match &entry.node.value {
            Value::Null => return true,
            Value::String(text) | Value::Number(text) => text.clone(),
            Value::Bool(value) => value.to_string(),
            _ => {
                connection.mistake_at_value(KEY, entry, "expected a string or a number");
                return false;
            }
        };
        match key {
            "url" => self.url = Some(text),
            "basic.auth.user.info" if text.contains(':') => self.basic = Some(text),
            "basic.auth.user.info" => {
                connection.mistake_at_value(KEY, entry, "expected a user and a password, `user:password`");
                return false;
            }
            "basic.auth.credentials.source" => self.basic_source = Some(text),
            "bearer.auth.credentials.source" if text == "STATIC_TOKEN" => self.bearer_source = Some(text),
            "bearer.auth.credentials.source" => {
                let message = "expected `STATIC_TOKEN` with `bearer.auth.token`: this client does not ask an \
                               identity provider for the token of a registry";
                connection.mistake_at_value(KEY, entry, message);
                return false;
            }
            "bearer.auth.token" => self.bearer = Some(text),
            "bearer.auth.logical.cluster" => self.logical_cluster = Some(text),
            "bearer.auth.identity.pool.id" => self.identity_pool = Some(text),
            "ssl.ca.location" => self.tls.ca_certificate_path = Some(PathBuf::from(text)),
            "ssl.certificate.location" => self.tls.client_certificate_path = Some(PathBuf::from(text)),
            "ssl.key.location" => self.tls.client_key_path = Some(PathBuf::from(text)),
            "timeout" => {
                let timeout = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                let Some(timeout) = timeout.filter(|timeout| !timeout.is_zero()) else {
                    connection.mistake_at_value(KEY, entry, "expected a number of seconds above 0");
                    return false;
                };
                self.timeout = Some(timeout);
            }
            key if WITHOUT_EFFECT.contains(&key) => connection.warn(format!(
                "`{}.{KEY}.{key}` has no effect here: the registry is asked once a run",
                connection.path()
            )),
            _ => {
                connection.mistake_at_key(KEY, entry, "a registry client has no such property");
                return false;
            }
        }
        true
    }
}

/// GMS's own registry.
fn default_url(environment: &Environment) -> String {
    if let Some(url) = environment.get("KAFKA_SCHEMAREGISTRY_URL").filter(|url| !url.is_empty()) {
        return url.to_owned();
    }
    let base_path = environment.get("DATAHUB_GMS_BASE_PATH").filter(|path| *path != "/").unwrap_or_default();
    format!("http://localhost:8080{base_path}/schema-registry/api/")
}

/// The address without user and password, and these two.
fn split_credentials(address: &str) -> Option<(String, Option<String>)> {
    let mut url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    url.host_str()?;
    if url.username().is_empty() && url.password().is_none() {
        return Some((address.to_owned(), None));
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let credentials = format!("{}:{}", decoded(url.username()), decoded(url.password().unwrap_or_default()));
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some((url.to_string(), Some(credentials)))
}

/// Credentials are left out.
impl fmt::Debug for RegistryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryConfig").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
