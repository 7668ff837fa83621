//! An embedded GMS in the test's process, on a port of its own.

use datahub_emitter::embedded::{Gms, GmsBuilder};

use crate::support::sandbox::Sandbox;

pub(crate) struct Server {
    runtime: tokio::runtime::Runtime,
    gms: Gms,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::of(Gms::builder())
    }

    pub(crate) fn of(builder: GmsBuilder) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let gms = runtime.block_on(builder.start()).unwrap();
        Self { runtime, gms }
    }

    pub(crate) fn url(&self) -> &str {
        self.gms.url()
    }

    pub(crate) fn token(&self) -> &str {
        self.gms.token()
    }

    /// The stored text of an aspect.
    pub(crate) fn aspect(&self, urn: &str, name: &str) -> Option<String> {
        self.runtime.block_on(self.gms.aspect(urn, name))
    }

    pub(crate) fn gms(&self) -> &Gms {
        &self.gms
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The statuses of the writes so far; `None` for a write without a response.
    pub(crate) fn writes(&self) -> Vec<Option<u16>> {
        let requests = self.gms.requests();
        let writes = requests.iter().filter(|request| request.method == "POST");
        writes.map(|request| request.status).collect()
    }

    /// The number of requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.gms.requests().len()
    }

    /// Writes a recipe that sends `source` to this server, with the token from the variable `TOKEN`.
    pub(crate) fn recipe(&self, sandbox: &Sandbox, source: &str) {
        let sink =
            format!("{{type: datahub-rest, config: {{server: '{}', token: '${{TOKEN}}'}}}}", self.url());
        sandbox.recipe(source, &sink);
    }
}
