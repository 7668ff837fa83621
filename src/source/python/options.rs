//! How Python sources run, besides what the recipe says.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// How Python sources run, besides what the recipe says.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PythonOptions {
    /// The interpreter. The default is that of the variable `DATAHUB_EMIT_PYTHON`, of the active virtual
    /// environment, or `python3` on the path.
    pub interpreter: Option<PathBuf>,
    /// The records are not spooled: an extraction ends when delivery stops.
    pub no_spool: bool,
    /// Ends the source after this number of work units, as `datahub ingest --preview` does.
    pub preview_workunits: Option<u64>,
    /// Receives what the source prints, line by line and with the recipe's secrets masked. The default writes
    /// to the log.
    pub output: ChildOutput,
}

/// Receives what a child process prints.
#[derive(Clone)]
pub struct ChildOutput(Arc<dyn Fn(&str) + Send + Sync>);

impl ChildOutput {
    /// Calls `receive` with each line, without its end.
    pub fn new(receive: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(receive))
    }

    pub(super) fn call(&self, line: &str) {
        (self.0)(line);
    }
}

impl Default for ChildOutput {
    fn default() -> Self {
        Self::new(|line| tracing::info!("{line}"))
    }
}

impl fmt::Debug for ChildOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChildOutput")
    }
}
