//! A run: what a recipe asks for, carried out.
//!
//! ```text
//! recipe ─▶ Pipeline ─ run ─▶ source ─ records ─▶ run metadata ─▶ sink ─ outcomes ─▶ counter
//!                                                                                   └▶ report, dead letters
//! ```
//!
//! A run has three states: planned ([`Pipeline`], the recipe was read), prepared (the lock is held and the
//! source is open) and finished ([`FinishedRun`], the report is written).
//!
//! The source is read on a thread of its own; the sink runs on the caller's tokio runtime. Each proposal that
//! was read ends as exactly one of delivered, rejected, undelivered and filtered; the four add up to what was
//! read.

mod checkpoint;
mod child_services;
mod config;
mod control;
mod datahub_report;
mod dead_letter;
mod destination;
#[cfg(feature = "embedded")]
mod embedded;
mod finish;
mod forward;
mod graph;
#[cfg(unix)]
mod graph_proxy;
mod limits;
mod local_state;
mod lock;
mod metrics;
mod options;
mod outcome_counter;
mod output_file;
mod plan;
mod planned_chain;
mod preflight;
mod prepare;
mod recipe_schema;
mod record_channel;
mod replay;
mod report;
mod run;
mod run_id;
mod run_metadata;
mod run_writer;
mod settings;
mod shard;
mod source_check;
mod state_directory;
mod stateful;
mod transformers;

pub use control::{RunControl, RunProgress};
#[cfg(feature = "embedded")]
pub use embedded::embedded_data_path;
pub use finish::{FinishedRun, InspectHint};
pub use local_state::{LeftCheckpoint, LocalState, default_state_root, local_states};
pub use lock::IfRunning;
pub use metrics::write_metrics;
pub use options::{Options, Preview, Start};
pub use plan::Pipeline;
pub use preflight::Preflight;
pub use recipe_schema::recipe_schema;
pub use report::{
    DeadLetterReport, Failure, FailureKind, ProposalCounts, Report, ReportedSink, Resume, RunOutcome, RunsIn,
    SCHEMA, SourceReport, StateCheckpoint, StateReport, TransformerReport,
};
pub use shard::{InvalidShard, Shard};
