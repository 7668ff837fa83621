//! Where the state checkpoint is kept: in DataHub, as an aspect of a data job that stands for the pipeline,
//! or in a local file.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::config::StateConfig;
use super::entities::OldState;
use super::payload;
use crate::atomic_write::{AtomicWrite, Durability};
use crate::metadata::{Aspect, ChangeType, Proposal, Urn};
use crate::pipeline::graph::ClientGraph;
use crate::pipeline::run_writer::RunWriter;
use crate::platform::Platform;
use crate::{Error, ErrorKind};

/// The aspect.
const CHECKPOINT: &str = "datahubIngestionCheckpoint";

/// The job of every native source, as of the Python client's `file` source
/// (`StaleEntityRemovalHandler.compute_job_id`).
const JOB_ID: &str = "default_stale_entity_removal";

/// The actor that hides the data job that stands for the pipeline (`SYSTEM_ACTOR`).
const SYSTEM_ACTOR: &str = "urn:li:corpuser:__datahub_system";

/// The read limit of a checkpoint: its state may be that of a run with a larger `max_checkpoint_state_size`.
const MAX_CHECKPOINT_BYTES: u64 = 512 << 20;

/// Where the state checkpoint is kept.
pub(in crate::pipeline) enum StateStore {
    Datahub(Box<DatahubStore>),
    File { path: PathBuf, platform: Platform },
}

/// The connection to DataHub.
pub(in crate::pipeline) struct DatahubStore {
    graph: ClientGraph,
    writer: RunWriter,
}

/// Whose state it is.
pub(in crate::pipeline) struct StateKey {
    pipeline_name: String,
    job: Urn,
}

/// The parts of a checkpoint that are read.
#[derive(Deserialize)]
struct Checkpoint {
    state: CheckpointState,
}

#[derive(Deserialize)]
struct CheckpointState {
    serde: String,
    payload: String,
}

/// An item of the file, which is a metadata file.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct FileItem<A> {
    entity_type: String,
    entity_urn: String,
    change_type: String,
    aspect_name: String,
    aspect: FileAspect<A>,
}

#[derive(Deserialize, Serialize)]
struct FileAspect<A> {
    json: A,
}

/// Why there is no earlier state.
#[derive(Debug)]
pub(super) enum LoadError {
    /// The checkpoint is not one that can be read.
    Unreadable(io::Error),
    /// The server or the file could not be asked.
    Failed(Error),
}

impl StateKey {
    /// `None` if the name cannot be part of a URN.
    pub(in crate::pipeline) fn of(pipeline_name: &str) -> Option<Self> {
        let flow = Urn::data_flow("datahub", pipeline_name, "prod").ok()?;
        let job = Urn::data_job(&flow, JOB_ID).ok()?;
        Some(Self { pipeline_name: pipeline_name.to_owned(), job })
    }

    /// The proposals that replace the checkpoint.
    fn proposals(&self, payload: &str, run_id: &str, now_ms: i64) -> [Proposal; 2] {
        let status =
            json!({"removed": true, "lifecycleLastUpdated": {"time": now_ms, "actor": SYSTEM_ACTOR}});
        let checkpoint = self.checkpoint(payload, run_id, now_ms);
        [("status", status), (CHECKPOINT, checkpoint)].map(|(name, aspect)| {
            Proposal::new(ChangeType::Upsert, self.job.clone(), name, Some(Aspect::from(aspect)))
        })
    }

    fn checkpoint(&self, payload: &str, run_id: &str, now_ms: i64) -> serde_json::Value {
        json!({
            "timestampMillis": now_ms,
            "partitionSpec": {"partition": "FULL_TABLE_SNAPSHOT", "type": "FULL_TABLE"},
            "pipelineName": self.pipeline_name,
            "platformInstanceId": "",
            "config": "",
            "state": {"formatVersion": "1.0", "serde": payload::SERDE, "payload": payload},
            "runId": run_id,
        })
    }
}

impl StateStore {
    /// The store that the recipe asks for. `graph` is the server of `datahub_api`, else of the sink.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Input`] when the server keeps no state.
    pub(in crate::pipeline) fn open(
        config: &StateConfig,
        graph: Option<ClientGraph>,
        platform: &Platform,
    ) -> Result<Self, Error> {
        if let Some(path) = &config.file {
            return Ok(Self::File { path: path.clone(), platform: platform.clone() });
        }
        let Some(graph) = graph else {
            return Err(Error::new(
                ErrorKind::Input,
                "stateful ingestion keeps its state in DataHub, and this run has no server",
            ));
        };
        let config = graph.client().known_config();
        if config.is_some_and(|config| config.stateful_ingestion_capable == Some(false)) {
            return Err(Error::new(
                ErrorKind::Input,
                format!(
                    "the GMS at {} keeps no state of ingestion runs (statefulIngestionCapable is false): set \
                     source.config.stateful_ingestion.enabled to false, or keep the state in a file (state_provider)",
                    graph.client().server()
                ),
            ));
        }
        let writer = RunWriter::new(&graph)?;
        Ok(Self::Datahub(Box::new(DatahubStore { graph, writer })))
    }

    /// The entities of the state that is kept; `None` if there is none.
    pub(super) async fn load(&self, key: &StateKey) -> Result<Option<OldState>, LoadError> {
        let checkpoint = match self {
            Self::Datahub(store) => {
                let graph = &store.graph;
                let filter = ("pipelineName", key.pipeline_name.as_str());
                let limit = usize::try_from(MAX_CHECKPOINT_BYTES).unwrap_or(usize::MAX);
                let found = graph
                    .client()
                    .latest_timeseries_value(&key.job, CHECKPOINT, filter, limit, graph.retry())
                    .await
                    .map_err(LoadError::Failed)?;
                let parse = |text: String| {
                    serde_json::from_str::<Checkpoint>(&text)
                        .map_err(|_| LoadError::Unreadable(io::Error::other("it is not a checkpoint")))
                };
                found.map(parse).transpose()?
            }
            Self::File { path, platform } => read_file(path, platform, key)?,
        };
        let Some(Checkpoint { state }) = checkpoint else { return Ok(None) };
        let mut old = OldState::default();
        payload::read(&state.payload, &state.serde, |urn| old.push(urn)).map_err(LoadError::Unreadable)?;
        Ok(Some(old))
    }

    /// Replaces the state by an empty one.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub(in crate::pipeline) async fn reset(
        &self,
        key: &StateKey,
        run_id: &str,
        now_ms: i64,
    ) -> Result<(), Error> {
        let payload = payload::empty()
            .map_err(|error| Error::new(ErrorKind::Internal, "no state can be encoded").with_source(error))?;
        self.commit(key, &payload, run_id, now_ms).await
    }

    /// Where the state is kept, for messages.
    pub(in crate::pipeline) fn place(&self) -> String {
        match self {
            Self::Datahub(store) => store.graph.client().server().to_string(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }

    /// Replaces the state.
    ///
    /// # Errors
    /// When the server rejects it, cannot be reached or refuses the caller; of kind [`ErrorKind::Disk`] when
    /// the file cannot be written.
    pub(super) async fn commit(
        &self,
        key: &StateKey,
        payload: &str,
        run_id: &str,
        now_ms: i64,
    ) -> Result<(), Error> {
        match self {
            Self::Datahub(store) => store.writer.write(key.proposals(payload, run_id, now_ms).into()).await,
            Self::File { path, platform } => {
                let item = FileItem {
                    entity_type: key.job.entity_type().to_owned(),
                    entity_urn: key.job.to_string(),
                    change_type: "UPSERT".to_owned(),
                    aspect_name: CHECKPOINT.to_owned(),
                    aspect: FileAspect { json: key.checkpoint(payload, run_id, now_ms) },
                };
                let write = || {
                    let mut text = serde_json::to_vec(&[item])?;
                    text.push(b'\n');
                    AtomicWrite::new(&platform.files, &*platform.clock, path).write(&text, Durability::Power)
                };
                write().map_err(|error| {
                    let message = format!("cannot write the state checkpoint {}", path.display());
                    Error::new(ErrorKind::Disk, message).with_source(error)
                })
            }
        }
    }
}

fn read_file(path: &Path, platform: &Platform, key: &StateKey) -> Result<Option<Checkpoint>, LoadError> {
    let size = match platform.files.metadata(path) {
        Ok(metadata) => metadata.length,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LoadError::Failed(unreadable_file(path, error))),
    };
    if size > MAX_CHECKPOINT_BYTES {
        return Err(LoadError::Unreadable(io::Error::other("it is larger than 512 MiB")));
    }
    let text = platform
        .files
        .read(path, MAX_CHECKPOINT_BYTES)
        .map_err(|error| LoadError::Failed(unreadable_file(path, error)))?;
    let items: Vec<FileItem<serde_json::Value>> = serde_json::from_slice(&text)
        .map_err(|_| LoadError::Unreadable(io::Error::other("it is not a list of checkpoints")))?;
    let item = items
        .into_iter()
        .rev()
        .find(|item| item.aspect_name == CHECKPOINT && item.entity_urn == key.job.as_str());
    let Some(item) = item else { return Ok(None) };
    serde_json::from_value(item.aspect.json)
        .map(Some)
        .map_err(|_| LoadError::Unreadable(io::Error::other("it is not a checkpoint")))
}

fn unreadable_file(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Disk, format!("cannot read the state checkpoint {}", path.display()))
        .with_source(error)
}
