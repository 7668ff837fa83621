//! The keys of `source.config.stateful_ingestion` (`StatefulStaleMetadataRemovalConfig` of DataHub's Python
//! client).

use std::path::PathBuf;

use crate::recipe::Fields;

/// The default of `max_checkpoint_state_size`: 16 MiB.
const MAX_STATE_BYTES: u64 = 1 << 24;

/// The default of `fail_safe_threshold`, in percent.
const FAIL_SAFE_THRESHOLD: f64 = 75.0;

/// The section `stateful_ingestion` of a recipe.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::pipeline) struct StatefulConfig {
    /// Entities whose records have no `status` get one. So it is with any section `stateful_ingestion`, even
    /// an empty one.
    pub(in crate::pipeline) adds_status: bool,
    /// `None` if no state is kept.
    pub(in crate::pipeline) state: Option<StateConfig>,
}

/// How the state is kept, and what is removed.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::pipeline) struct StateConfig {
    /// The share of the earlier entities, in percent, that may vanish at once.
    pub(super) fail_safe_threshold: f64,
    /// Nothing is removed, and the state of the earlier run is forgotten.
    pub(super) ignore_old_state: bool,
    /// The state of the earlier run stays.
    pub(super) ignore_new_state: bool,
    /// The maximum length of the encoded state.
    pub(super) max_state_bytes: u64,
    /// A local file in place of DataHub.
    pub(super) file: Option<PathBuf>,
}

impl StateConfig {
    /// Whether the state is kept in DataHub.
    pub(in crate::pipeline) fn needs_server(&self) -> bool {
        self.file.is_none()
    }
}

impl StatefulConfig {
    /// Reads the section from the keys of `source.config`.
    pub(in crate::pipeline) fn read(source_config: &mut Fields<'_>) -> Self {
        if !source_config.has("stateful_ingestion") {
            return Self::default();
        }
        let mut fields = source_config.block("stateful_ingestion");
        let is_enabled = fields.boolean("enabled").unwrap_or_default();
        let removes = fields.boolean("remove_stale_metadata").unwrap_or(true);
        let threshold = fields.number("fail_safe_threshold", 0.0..=100.0, "a percentage from 0 to 100");
        let ignore_old_state = fields.boolean("ignore_old_state").unwrap_or_default();
        let ignore_new_state = fields.boolean("ignore_new_state").unwrap_or_default();
        let max_state_bytes =
            fields.number("max_checkpoint_state_size", 1..=u64::MAX, "a number of bytes, 1 or more");
        let file = read_provider(&mut fields);
        fields.finish();
        let state = (is_enabled && removes).then(|| StateConfig {
            fail_safe_threshold: threshold.unwrap_or(FAIL_SAFE_THRESHOLD),
            ignore_old_state,
            ignore_new_state,
            max_state_bytes: max_state_bytes.unwrap_or(MAX_STATE_BYTES),
            file,
        });
        Self { adds_status: true, state }
    }
}

/// `state_provider`; the file of a provider of that type.
fn read_provider(fields: &mut Fields<'_>) -> Option<PathBuf> {
    let mut provider = fields.block("state_provider");
    let kind = provider.string("type");
    let mut config = provider.block("config");
    let file = match kind.as_deref() {
        Some("file") => {
            config.missing("filename", "the file that keeps the state");
            config.string("filename").filter(|name| !name.is_empty()).map(PathBuf::from)
        }
        Some("datahub") | None => {
            if config.has("datahub_api") {
                config.ignored(
                    "datahub_api",
                    "the state is kept in the server of `datahub_api`, else of the sink",
                );
            }
            None
        }
        Some(_) => {
            provider.mistake("type", "unknown provider: expected `datahub` or `file`");
            for key in ["filename", "datahub_api"] {
                config.node(key);
            }
            None
        }
    };
    config.finish();
    provider.finish();
    file
}
