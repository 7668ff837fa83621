//! What a run needs of the machine that it runs on. Each part has one production implementation, and a simulation hands in
//! others.

use std::sync::Arc;

use crate::file_system::{FileSystem, LocalFileSystem};
use crate::threads::{OsThreads, Threads};

/// File system and threads. The default is this machine's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Platform {
    /// Files of a run: resume checkpoint, dead letters, lock, report, metrics, and the output of the `file` sink.
    pub files: Arc<dyn FileSystem>,
    /// The threads that read the source and write files.
    pub threads: Arc<dyn Threads>,
}

impl Default for Platform {
    fn default() -> Self {
        Self { files: Arc::new(LocalFileSystem), threads: Arc::new(OsThreads) }
    }
}
