//! The results of lookups.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Lookup, TransformError};
use crate::metadata::{Aspect, Urn};

/// A lookup's result: the aspect, that there is none, or why it failed.
type LookupResult = Result<Option<Aspect>, Arc<str>>;

/// The aspects that were looked up for the proposals in hand.
#[derive(Debug, Default)]
pub struct Found {
    aspects: HashMap<Lookup, LookupResult>,
    /// The size of all aspects.
    bytes: usize,
    now_ms: i64,
}

impl Found {
    /// Adds the result of a lookup; an error is why it failed.
    pub fn insert(&mut self, lookup: Lookup, result: Result<Option<Aspect>, Arc<str>>) {
        let bytes = size(&result);
        let replaced = self.aspects.insert(lookup, result);
        self.bytes = self.bytes + bytes - replaced.as_ref().map(size).unwrap_or_default();
    }

    /// The aspect of `entity`; `None` if the server does not have it, or if it was not looked up because
    /// there is no server.
    ///
    /// # Errors
    /// When the lookup failed.
    pub fn aspect(&self, entity: &Urn, aspect_name: &'static str) -> Result<Option<&Aspect>, TransformError> {
        match self.aspects.get(&Lookup::new(entity, aspect_name)) {
            None => Ok(None),
            Some(Ok(aspect)) => Ok(aspect.as_ref()),
            Some(Err(message)) => Err(TransformError::new(format!(
                "the lookup of `{aspect_name}` of {entity} failed: {message}"
            ))),
        }
    }

    /// The time at which these proposals are transformed, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Sets the time at which the next proposals are transformed.
    pub fn set_now_ms(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
    }

    pub(super) fn contains(&self, lookup: &Lookup) -> bool {
        self.aspects.contains_key(lookup)
    }

    pub(super) fn len(&self) -> usize {
        self.aspects.len()
    }

    /// The size of all aspects in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.aspects.clear();
        self.bytes = 0;
    }
}

fn size(result: &LookupResult) -> usize {
    result.as_ref().map_or(0, |aspect| aspect.as_ref().map_or(0, |aspect| aspect.value().len()))
}
