//! Checks a recipe's source before a run.

use serde_json::{Value, json};

use super::plan::Pipeline;
#[cfg(unix)]
use crate::source::python::{PythonDescription, PythonSource};
use crate::threads::run_blocking;
use crate::{Error, ErrorKind};

impl Pipeline {
    /// The interpreter that would run the recipe's source, if that runs in Python. The source is imported,
    /// and connects to nothing.
    ///
    /// # Errors
    /// With the diagnosis `source.python-missing`, or when the interpreter does not reply.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the interpreter to end by itself.
    #[cfg(unix)]
    pub async fn describe_source(&self) -> Result<Option<PythonDescription>, Error> {
        let Some(source) = self.python_source()? else { return Ok(None) };
        self.blocking(move || source.describe()).await.map(Some)
    }

    /// Tests whether the source can connect, and extracts nothing. The report has the form of
    /// `TestConnectionReport` of DataHub's Python client: `basic_connectivity` with `capable` and
    /// `failure_reason`, and possibly `capability_report` and `internal_failure`. A source of this crate is
    /// opened, and nothing is read.
    ///
    /// # Errors
    /// When a source that runs in Python cannot run: `source.plugin-missing` and the like. A test that fails
    /// is not an error.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the test to end by itself.
    pub async fn test_source_connection(self) -> Result<Value, Error> {
        #[cfg(unix)]
        if let Some(source) = self.python_source()? {
            return self.blocking(move || source.test_connection()).await;
        }
        let threads = std::sync::Arc::clone(&self.settings.platform.threads);
        let open = self.open_source;
        let opened = run_blocking(&*threads, "source-check", move || open().map(drop)).await;
        Ok(json!({"basic_connectivity": match opened.map_err(no_thread)? {
            Ok(()) => json!({"capable": true}),
            Err(error) => json!({"capable": false, "failure_reason": error.full_message()}),
        }}))
    }

    #[cfg(unix)]
    fn python_source(&self) -> Result<Option<PythonSource>, Error> {
        let Some((config, options)) = &self.python else { return Ok(None) };
        PythonSource::open(config.clone(), options.clone()).map(Some)
    }

    #[cfg(unix)]
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        run_blocking(&*self.settings.platform.threads, "source-check", work).await.map_err(no_thread)?
    }
}

fn no_thread(error: std::io::Error) -> Error {
    let message = "the check could not start; this is a fault of datahub-emitter";
    Error::new(ErrorKind::Internal, message).with_source(error)
}
