//! How proposals are delivered: `endpoint`, `mode`, `emit_mode` and related keys.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::variables::{from_variable, named};
use crate::emitter::Batching;
use crate::environment::Environment;
use crate::gms::{EmitMode, Endpoint};
use crate::recipe::Fields;

const ENDPOINTS: [(&str, Endpoint); 2] = [("RESTLI", Endpoint::Restli), ("OPENAPI", Endpoint::Openapi)];

const ASYNC_WAIT_OVER_RESTLI: &str = "ASYNC_WAIT follows each write by the trace ID in GMS's response, and Rest.li's responses have none: write \
     `endpoint: openapi` (DataHub 1.0.1 or later), or `emit_mode: SYNC_PRIMARY`, so that GMS responds after the write";

/// The sink's `mode` (`RestSinkMode` of DataHub's Python client).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SinkMode {
    /// `SYNC`: one proposal per request, one request at a time.
    Sync,
    /// `ASYNC`: one proposal per request.
    Async,
    /// `ASYNC_BATCH`: many proposals per request. The default.
    #[default]
    AsyncBatch,
}

impl SinkMode {
    /// The name in recipes and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "SYNC",
            Self::Async => "ASYNC",
            Self::AsyncBatch => "ASYNC_BATCH",
        }
    }

    /// The emitter's setting for this mode.
    pub fn batching(self) -> Batching {
        match self {
            Self::Sync => Batching::Sequential,
            Self::Async => Batching::Single,
            Self::AsyncBatch => Batching::Batched,
        }
    }
}

/// Serialised, it is its [name](SinkMode::as_str).
impl Serialize for SinkMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

const MODES: [(&str, SinkMode); 3] =
    [("ASYNC_BATCH", SinkMode::AsyncBatch), ("ASYNC", SinkMode::Async), ("SYNC", SinkMode::Sync)];

const EMIT_MODES: [(&str, EmitMode); 4] = [
    ("SYNC_PRIMARY", EmitMode::SyncPrimary),
    ("SYNC_WAIT", EmitMode::SyncWait),
    ("ASYNC", EmitMode::Async),
    ("ASYNC_WAIT", EmitMode::AsyncWait),
];

/// How proposals are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeliverySettings {
    pub(super) mode: SinkMode,
    pub(super) endpoint: Endpoint,
    pub(super) emit_mode: EmitMode,
    pub(super) trace_timeout: Option<Duration>,
    pub(super) respect_sync_marker: bool,
}

impl DeliverySettings {
    pub(super) fn read(fields: &mut Fields<'_>, environment: &Environment) -> Self {
        let mode = fields.choice("mode", &MODES).or_else(|| {
            let variable = "DATAHUB_REST_SINK_DEFAULT_MODE";
            from_variable(fields, environment, "mode", variable, |text| named(&MODES, text))
        });
        let endpoint = fields.choice("endpoint", &ENDPOINTS).or_else(|| {
            let variable = "DATAHUB_REST_EMITTER_DEFAULT_ENDPOINT";
            from_variable(fields, environment, "endpoint", variable, |text| named(&ENDPOINTS, text))
        });
        let (mode, endpoint) = (mode.unwrap_or_default(), endpoint.unwrap_or_default());
        let written = fields.choice("emit_mode", &EMIT_MODES);
        let emit_mode = written
            .or_else(|| from_environment(fields, environment, mode))
            .unwrap_or_else(|| mode.batching().default_emit_mode());
        if written.is_some() && mode == SinkMode::Sync && emit_mode.is_asynchronous() {
            fields.mistake(
                "emit_mode",
                format!(
                    "{} contradicts `mode: SYNC`: write `mode: ASYNC`, or leave one of them out",
                    emit_mode.as_str()
                ),
            );
        }
        match (emit_mode, endpoint) {
            (EmitMode::AsyncWait, Endpoint::Restli) => fields.mistake("emit_mode", ASYNC_WAIT_OVER_RESTLI),
            (EmitMode::SyncWait, Endpoint::Restli) => fields.warn(
                "SYNC_WAIT is no more than SYNC_PRIMARY over Rest.li: write `endpoint: openapi` to wait for the search index \
                 as well",
            ),
            _ => {}
        }
        Self {
            mode,
            endpoint,
            emit_mode,
            trace_timeout: fields.seconds("trace_timeout_sec"),
            respect_sync_marker: fields.boolean("respect_mcp_sync_marker").unwrap_or(false),
        }
    }
}

/// `DATAHUB_EMIT_MODE` chooses a variant of the mode; a value that contradicts the mode is ignored with a
/// warning, as in the Python client.
fn from_environment(fields: &mut Fields<'_>, environment: &Environment, mode: SinkMode) -> Option<EmitMode> {
    const VARIABLE: &str = "DATAHUB_EMIT_MODE";
    let found = from_variable(fields, environment, "emit_mode", VARIABLE, |text| named(&EMIT_MODES, text))?;
    if found.is_asynchronous() == mode.batching().default_emit_mode().is_asynchronous() {
        return Some(found);
    }
    fields.warn(format!(
        "the environment variable {VARIABLE} says {}, which contradicts the mode {} and is ignored: `emit_mode` under \
         sink.config would count",
        found.as_str(),
        mode.as_str()
    ));
    None
}
