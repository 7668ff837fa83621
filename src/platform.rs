//! The services of the operating system that a run needs. Each has one production implementation, and a
//! simulation provides others.

use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::file_system::{FileSystem, LocalFileSystem};
use crate::http::HttpService;
use crate::threads::{OsThreads, Threads};

/// Clock, file system, threads and network. The default is this machine's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Platform {
    /// The wall clock and randomness.
    pub clock: Arc<dyn Clock>,
    /// Files of a run: resume checkpoint, dead letters, lock, report, metrics, and the output of the `file`
    /// sink.
    pub files: Arc<dyn FileSystem>,
    /// The threads that read the source and write files.
    pub threads: Arc<dyn Threads>,
    /// Sends all requests to servers: to GMS, and to identity providers that issue tokens for it. `None`,
    /// the default, is an [`HttpClient`](crate::http::HttpClient) with the TLS settings, proxies and time
    /// limits of the sink that connects. With a service, those settings have no effect.
    pub http: Option<Arc<dyn HttpService>>,
}

impl Default for Platform {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            files: Arc::new(LocalFileSystem),
            threads: Arc::new(OsThreads),
            http: None,
        }
    }
}
