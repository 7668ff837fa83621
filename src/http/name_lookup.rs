//! Looks up host names, with a failure that has a type of its own.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A host name that could not be looked up. The standard library has no error kind for it.
#[derive(Debug)]
pub(super) struct NameLookupError(io::Error);

impl fmt::Display for NameLookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of the host is unknown")
    }
}

impl Error for NameLookupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug)]
pub(super) struct SystemResolver;

impl SystemResolver {
    pub(super) fn shared() -> Arc<Self> {
        Arc::new(Self)
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The client replaces port 0 by that of the URL.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(NameLookupError)?;
            let addresses: Addrs = Box::new(found.collect::<Vec<_>>().into_iter());
            Ok(addresses)
        })
    }
}
