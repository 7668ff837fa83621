//! What the tests share: the binary in a sandbox, an embedded GMS, a scripted server, and checks of a report.

pub(crate) mod report;
pub(crate) mod sandbox;
pub(crate) mod scripted_gms;
pub(crate) mod server;
pub(crate) mod serving;
