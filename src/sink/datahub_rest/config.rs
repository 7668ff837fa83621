//! The keys of `sink.config`.

mod auth;
mod delivery;
mod destination;
mod variables;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::TokenProvider;
use crate::emitter::{Emitter, EmitterBuilder, MAX_PER_BATCH, MAX_REQUESTS, defaults};
use crate::environment::Environment;
use crate::gms::{ClientMode, EmitMode, Endpoint, RetryPolicy, WaitForServer};
use crate::http::{HttpConfig, TlsSettings};
use crate::recipe::{Fields, Reported};

pub use self::delivery::SinkMode;
pub use self::destination::{Overrides, Server};

use self::delivery::DeliverySettings;
use self::variables::{boolean, from_variable, number_from_variable, parsed};

/// A week, so that a cron job warns several times before it fails.
const WARN_BEFORE_EXPIRY: Duration = Duration::from_secs(7 * 86_400);

/// About as long as DataHub's own client retries a server that is away.
const WAIT_FOR_SERVER: Duration = Duration::from_secs(30);

/// A year: a longer timeout is a mistake.
const LONGEST_TIMEOUT: f64 = 366.0 * 86_400.0;

/// The keys of the `datahub-rest` sink, with the defaults of DataHub's own (`datahub_rest.py`,
/// `graph/config.py`).
#[derive(Clone, Debug)]
pub struct DatahubRestConfig {
    /// `server`, or what the environment says.
    pub server: Server,
    /// `token` or `auth`, or what the environment says for the environment's server.
    pub tokens: Option<Arc<dyn TokenProvider>>,
    delivery: DeliverySettings,
    limits: EmitterLimits,
    timeout: Duration,
    response_timeout: Option<Duration>,
    retry: RetryPolicy,
    extra_headers: Vec<(String, String)>,
    tls: TlsSettings,
    tcp_keepalive: bool,
    component: Option<String>,
    /// `warn_before_expiry`. Default 7 days.
    pub(super) warn_before_expiry: Duration,
    /// `wait_for_server`. Default 30 seconds; none where `retry_max_times` is 0.
    pub(super) wait_for_server: WaitForServer,
}

/// Limits of batches, requests in flight and pending proposals.
#[derive(Clone, Debug)]
struct EmitterLimits {
    max_threads: usize,
    max_per_batch: usize,
    max_batch_bytes: Option<usize>,
    max_pending_requests: usize,
    max_pending_bytes: usize,
    min_process_interval: Duration,
}

impl DatahubRestConfig {
    /// Reads the keys. `overrides` replace the recipe's keys; the environment and then the defaults apply to
    /// keys that are not set.
    ///
    /// # Errors
    /// After a mistake in them, which was reported to `fields`.
    pub fn read(
        fields: &mut Fields<'_>,
        overrides: &Overrides,
        environment: &Environment,
    ) -> Result<Self, Reported> {
        let server = destination::read_server(fields, overrides, environment);
        let tokens = destination::read_tokens(fields, overrides, server.as_ref(), environment);
        accept_keys_without_effect(fields);
        let tcp_keepalive = fields.boolean("tcp_keepalive").or_else(|| {
            let variable = "DATAHUB_REST_SINK_DEFAULT_TCP_KEEPALIVE";
            from_variable(fields, environment, "tcp_keepalive", variable, boolean)
        });
        let component = fields.string("datahub_component");
        let warn_before_expiry = fields.duration("warn_before_expiry").unwrap_or(WARN_BEFORE_EXPIRY);
        let retry = read_retry(fields, environment);
        let wait_for_server = match fields.duration("wait_for_server") {
            Some(asked) => WaitForServer::Explicit(asked),
            // No retries means no waiting either.
            None if retry.max_times == 0 => WaitForServer::Default(Duration::ZERO),
            None => WaitForServer::Default(WAIT_FOR_SERVER),
        };
        destination::guard_transport(fields, server.as_ref(), tokens.is_some());
        let config = Self {
            delivery: DeliverySettings::read(fields, environment),
            limits: EmitterLimits::read(fields, environment),
            retry,
            timeout: read_timeout(fields),
            response_timeout: positive_seconds(fields, "response_timeout_sec"),
            extra_headers: fields.string_map("extra_headers", true).unwrap_or_default(),
            tls: read_tls(fields, environment),
            tcp_keepalive: tcp_keepalive.unwrap_or(false),
            component: component.or_else(|| environment.get("DATAHUB_COMPONENT").map(str::to_owned)),
            warn_before_expiry,
            wait_for_server,
            // Last, so that mistakes in the other keys are reported together with this one.
            server: server.ok_or_else(|| fields.reported())?,
            tokens,
        };
        Ok(config)
    }

    /// The same configuration, with which GMS responds after it has written a proposal.
    #[cfg(feature = "kafka")]
    pub(in crate::sink) fn answered_after_the_write(mut self) -> Self {
        self.delivery.emit_mode = EmitMode::SyncPrimary;
        self
    }

    /// `mode`. Default `ASYNC_BATCH`.
    pub fn mode(&self) -> SinkMode {
        self.delivery.mode
    }

    /// `endpoint`. Default `RESTLI`.
    pub fn endpoint(&self) -> Endpoint {
        self.delivery.endpoint
    }

    /// `emit_mode`. The default depends on the mode.
    pub fn emit_mode(&self) -> EmitMode {
        self.delivery.emit_mode
    }

    /// `retry_status_codes` and `retry_max_times`.
    pub(super) fn retry(&self) -> &RetryPolicy {
        &self.retry
    }

    /// The retries of the writes of a run. A server that the recipe waits for is waited for during the run as
    /// well.
    fn retry_in_a_run(&self) -> RetryPolicy {
        match self.wait_for_server {
            WaitForServer::Explicit(time) => self.retry.clone().with_wait_for_server(time),
            WaitForServer::Default(_) => self.retry.clone(),
        }
    }

    /// An emitter with these settings.
    pub(super) fn emitter(&self, server: &str, tokens: Option<Arc<dyn TokenProvider>>) -> EmitterBuilder {
        let mut builder = Emitter::builder(server)
            .client_mode(ClientMode::Ingestion)
            .batching(self.delivery.mode.batching())
            .endpoint(self.delivery.endpoint)
            .emit_mode(self.delivery.emit_mode)
            .respect_sync_marker(self.delivery.respect_sync_marker)
            .max_in_flight_requests(self.limits.max_threads)
            .max_per_batch(self.limits.max_per_batch)
            .max_pending_proposals(self.limits.max_pending_requests)
            .max_pending_bytes(self.limits.max_pending_bytes)
            .max_linger(self.limits.min_process_interval)
            .timeout(self.timeout)
            .retry(self.retry_in_a_run())
            .tls(self.tls.clone())
            .tcp_keepalive(self.tcp_keepalive);
        if let Some(bytes) = self.limits.max_batch_bytes {
            builder = builder.max_batch_bytes(bytes);
        }
        if let Some(timeout) = self.response_timeout {
            builder = builder.response_timeout(timeout);
        }
        if let Some(timeout) = self.delivery.trace_timeout {
            builder = builder.trace_timeout(timeout);
        }
        if let Some(tokens) = tokens {
            builder = builder.shared_token_provider(tokens);
        }
        if let Some(component) = &self.component {
            builder = builder.component(component);
        }
        for (name, value) in &self.extra_headers {
            builder = builder.extra_header(name, value);
        }
        builder
    }
}

impl EmitterLimits {
    fn read(fields: &mut Fields<'_>, environment: &Environment) -> Self {
        const MAX_THREADS: &str = "max_threads";
        const MAX_BATCH_BYTES: &str = "max_batch_bytes";
        let expected = "a number of requests from 1 to 10000";
        let max_threads = fields.number(MAX_THREADS, 1..=MAX_REQUESTS, expected).or_else(|| {
            let names = (MAX_THREADS, "DATAHUB_REST_SINK_DEFAULT_MAX_THREADS");
            number_from_variable(fields, environment, names, 1..=MAX_REQUESTS, expected)
        });
        let max_batch_bytes = fields
            .number(MAX_BATCH_BYTES, 1..=256 * 1024 * 1024, "a number of bytes up to 268435456")
            .or_else(|| {
                let names = (MAX_BATCH_BYTES, "DATAHUB_REST_EMITTER_BATCH_MAX_PAYLOAD_BYTES");
                number_from_variable(
                    fields,
                    environment,
                    names,
                    1..=usize::MAX,
                    "a number of bytes, at least 1",
                )
            });
        Self {
            max_threads: max_threads.unwrap_or(defaults::MAX_IN_FLIGHT_REQUESTS),
            max_per_batch: read_max_per_batch(fields, environment),
            max_batch_bytes,
            max_pending_requests: fields
                .number("max_pending_requests", 1..=10_000_000, "a number of proposals, at least 1")
                .unwrap_or(defaults::MAX_PENDING_PROPOSALS),
            max_pending_bytes: fields
                .number("max_pending_bytes", 1..=u32::MAX, "a number of bytes up to 4294967295")
                .and_then(|bytes| usize::try_from(bytes).ok())
                .unwrap_or(defaults::MAX_PENDING_BYTES),
            min_process_interval: fields
                .seconds("min_process_interval_seconds")
                .unwrap_or(defaults::MAX_LINGER),
        }
    }
}

/// The environment variable is an upper limit of the key, as in the Python client. Beyond GMS's own limit it
/// has no effect.
fn read_max_per_batch(fields: &mut Fields<'_>, environment: &Environment) -> usize {
    const KEY: &str = "max_per_batch";
    const VARIABLE: &str = "DATAHUB_REST_EMITTER_BATCH_MAX_PAYLOAD_LENGTH";
    let expected = "a number of proposals, at least 1";
    let upper_limit = number_from_variable(fields, environment, (KEY, VARIABLE), 1..=usize::MAX, expected);
    let asked = fields.number(KEY, 1..=MAX_PER_BATCH, "a number from 1 to 200");
    let max_per_batch = asked.unwrap_or(defaults::MAX_PER_BATCH);
    match upper_limit {
        Some(limit) if limit < max_per_batch => {
            if asked.is_some() {
                fields.warn(format!(
                    "`{}.{KEY}` is {max_per_batch}, and the environment variable {VARIABLE} allows no more than {limit}: a \
                     batch has at most {limit} proposals",
                    fields.path()
                ));
            }
            limit
        }
        _ => max_per_batch,
    }
}

/// DataHub's client warns below one second, too. A timeout of 0 would always fail.
fn read_timeout(fields: &mut Fields<'_>) -> Duration {
    const KEY: &str = "timeout_sec";
    let seconds = positive_seconds(fields, KEY);
    if seconds.is_some_and(|seconds| seconds < Duration::from_secs(1)) {
        fields.warn(format!(
            "`{}.{KEY}` is below 1 second: a GMS that is only slow will be taken for one that does not answer",
            fields.path()
        ));
    }
    seconds.unwrap_or(HttpConfig::TIMEOUT)
}

/// A time limit in seconds, which must not be 0.
fn positive_seconds(fields: &mut Fields<'_>, key: &'static str) -> Option<Duration> {
    fields
        .number(key, 1e-9..=LONGEST_TIMEOUT, "a number of seconds above 0, at most a year")
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

fn read_retry(fields: &mut Fields<'_>, environment: &Environment) -> RetryPolicy {
    const KEY: &str = "retry_max_times";
    let defaults = RetryPolicy::default();
    let max_times = fields.number(KEY, 0..=1_000, "a number of tries from 0 to 1000").or_else(|| {
        from_variable(fields, environment, KEY, "DATAHUB_REST_EMITTER_DEFAULT_RETRY_MAX_TIMES", parsed)
    });
    let statuses = fields.numbers("retry_status_codes", "a list of HTTP statuses");
    RetryPolicy {
        statuses: statuses.unwrap_or(defaults.statuses),
        max_times: max_times.unwrap_or(defaults.max_times),
        budget: fields.seconds("retry_budget_sec").unwrap_or(defaults.budget),
        ..defaults
    }
}

fn read_tls(fields: &mut Fields<'_>, environment: &Environment) -> TlsSettings {
    let variable = |name| environment.get(name).filter(|path| !path.is_empty()).map(str::to_owned);
    let mut path = |key, name| fields.string(key).or_else(|| variable(name)).map(PathBuf::from);
    let ca_certificate_path = path("ca_certificate_path", "REQUESTS_CA_BUNDLE");
    let client_certificate_path = path("client_certificate_path", "DATAHUB_CLIENT_CERT_PATH");
    let client_key_path = path("client_key_path", "DATAHUB_CLIENT_KEY_PATH");
    if client_key_path.is_some() && client_certificate_path.is_none() {
        fields.mistake(
            "client_key_path",
            "a key goes with its certificate: set client_certificate_path as well",
        );
    }
    let disable_verification = fields.boolean("disable_ssl_verification").unwrap_or(false);
    if disable_verification {
        fields.warn(format!(
            "`{}.disable_ssl_verification` is true: any server on the way can pass for GMS and read the token; \
             `ca_certificate_path` names the authority to trust instead",
            fields.path()
        ));
    }
    TlsSettings { ca_certificate_path, client_certificate_path, client_key_path, disable_verification }
}

fn accept_keys_without_effect(fields: &mut Fields<'_>) {
    const POOL: &str = "connections are reused automatically";
    fields.ignored("pool_connections", POOL);
    fields.ignored("pool_maxsize", POOL);
    fields.ignored("server_config_refresh_interval", "the server is asked once a run");
    fields.ignored("client_mode", "a recipe's run is always an ingestion");
    fields.ignored("openapi_ingestion", "DataHub's REST sink does not use it either; see `endpoint`");
    fields.ignored("default_emit_mode", "DataHub's REST sink does not use it either; see `emit_mode`");
}

#[cfg(test)]
mod tests;
