//! Tests of the library and of the built binary: one test binary, with a module for each question of a user.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that panics has failed, and says where"
)]

mod check;
mod command_line;
mod cron;
mod dead_letters;
mod delivery;
mod diagnoses;
mod documents;
mod endpoints;
mod entity_commands;
mod failures;
mod faults;
mod first_run;
mod gms_commands;
mod habits;
mod hostile;
mod ingest_mcps;
#[cfg(feature = "kafka")]
mod kafka;
mod killed;
#[cfg(target_os = "linux")]
mod matrix;
#[cfg(target_os = "linux")]
mod memory;
mod python_client;
#[cfg(target_os = "linux")]
mod python_sources;
mod reads;
mod recipe_mistakes;
mod recipes;
mod refusals;
mod replay;
mod report;
mod resume;
mod round_trip;
mod run_reports;
mod schedules;
mod secrets;
mod shards;
mod signals;
mod stateful;
mod stateful_model;
mod store_is_whole;
mod support;
mod token_commands;
mod tokens;
mod transformer_cases;
mod transformer_laws;
mod transformer_runs;
mod transport;
mod wire;
