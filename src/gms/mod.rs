//! The client of GMS: its address, its requests, the meaning of its responses, and retries.

mod accepted_aspects;
mod address;
mod classify;
mod client;
mod client_config;
mod deletion;
mod emit_mode;
mod entity;
mod environment;
mod frontend;
mod graphql;
#[cfg(feature = "pipeline")]
mod lookup;
mod openapi;
mod outgoing_proposal;
mod rejection_hint;
mod request_body;
mod request_encoder;
mod request_headers;
mod request_line;
mod response;
mod restli;
mod retry;
mod runs;
mod send_error;
mod server_config;
mod system_metadata;
#[cfg(feature = "pipeline")]
mod timeseries;
pub(crate) mod trace;
mod user;
#[cfg(feature = "pipeline")]
mod write_times;

pub(crate) use accepted_aspects::AcceptedAspects;
pub use address::{AddressError, ServerAddress};
pub(crate) use classify::{RetryReason, Verdict, classify};
pub use client::{Client, TokenStatus, WaitForServer};
pub use client_config::{ClientConfig, ClientMode};
pub use deletion::DeletedRows;
pub use emit_mode::{EmitMode, Endpoint};
#[cfg(feature = "pipeline")]
pub use environment::DatahubEnvFile;
pub use environment::GmsEnvironment;
pub use frontend::{LogIn, log_in};
pub use graphql::{
    AccessTokenDuration, AccessTokenInfo, AccessTokens, GraphqlAnswer, GraphqlError, Me, NewAccessToken,
};
pub(crate) use outgoing_proposal::OutgoingProposal;
pub(crate) use rejection_hint::{RejectedRequest, rejection_hint};
pub(crate) use request_body::RequestBody;
pub(crate) use request_encoder::{RequestEncoder, Route, WriteRequest};
pub(crate) use request_line::RequestLine;
pub(crate) use response::GmsResponse;
pub use retry::RetryPolicy;
pub(crate) use retry::{Attempts, Next, RetryState};
pub use runs::{IngestionRun, RunAspect, RunRollback, UnsafeEntity};
pub(crate) use send_error::SendError;
pub use server_config::{Feature, ServerConfig};
pub(crate) use trace::{Trace, TraceStatus};
pub use user::UserStatus;
#[cfg(feature = "pipeline")]
pub(crate) use write_times::{DEAD_LETTER_TIME_PROPERTY, WriteTime, WriteTimes};
