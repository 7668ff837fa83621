//! The kinds of failure.

/// The kind of failure that an [`Error`](crate::Error) is: enough to decide what to do next.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The configuration or the input is wrong; nothing was sent.
    Input,
    /// GMS refused the caller: 401, or a 403 that concerns everything that is sent.
    Refused,
    /// GMS cannot be reached, or the server that responds is not a GMS.
    Unreachable,
    /// Another run of the same pipeline holds the lock.
    Locked,
    /// A local file (report, dead letters, checkpoint, sink file) cannot be written.
    Disk,
    /// A limit set for the run was reached: its deadline, or the number of failures that it tolerates.
    Limit,
    /// The source failed, or reported failures. Everything before is delivered.
    Source,
    /// Stateful ingestion could not do its part: nothing was removed, or the state checkpoint was not
    /// written.
    State,
    /// The process that reads standard output has closed it, as `head` does.
    OutputClosed,
    /// The requested object does not exist.
    NotFound,
    /// GMS responded, and rejected the content of the request.
    Rejected,
    /// A bug in this crate.
    Internal,
}
