//! Helpers of the tests: the binary in a sandbox, servers to run it against, and checks of its report.

pub(crate) mod emitting;
pub(crate) mod gms_process;
pub(crate) mod raw_client;
pub(crate) mod raw_server;
pub(crate) mod report;
pub(crate) mod sandbox;
pub(crate) mod scripted_gms;
pub(crate) mod server;
pub(crate) mod tls_server;
pub(crate) mod wait;

/// The address of a server that is down. The system does not assign this port when a program asks for a free
/// one.
pub(crate) const CLOSED_PORT_URL: &str = "http://127.0.0.1:9";
