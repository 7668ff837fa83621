//! `datahub-emit gms serve` as a process.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Child;

use serde_json::Value;

use crate::support::sandbox::Sandbox;

/// The process; it is killed when a test ends.
pub(crate) struct GmsProcess {
    pub(crate) process: Child,
    /// The line that it prints when it is ready.
    pub(crate) ready: Value,
}

impl GmsProcess {
    pub(crate) fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut all = vec!["gms", "serve", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let mut process = sandbox.start(&all);
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_default();
        Self { process, ready }
    }

    pub(crate) fn gms(&self) -> &str {
        self.ready["gms"].as_str().unwrap()
    }

    pub(crate) fn frontend(&self) -> &str {
        self.ready["frontend"].as_str().unwrap()
    }

    /// Ends it as a supervisor does; returns its exit code and its standard error.
    #[cfg(unix)]
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        crate::support::sandbox::signal(&self.process, "TERM");
        let code = self.process.wait().unwrap().code();
        let mut said = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (code, said)
    }
}

impl Drop for GmsProcess {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
