//! Patches that are written after the last record, in the order in which they were made.

use std::io;

use super::entity_log::entity_value;
use crate::external_sort::{Sorted, Sorter};
use crate::metadata::Urn;
use crate::{Error, ErrorKind};

/// A queue that may be larger than memory.
#[derive(Debug)]
pub(super) enum Deferred {
    Writing { sorter: Sorter, next: u64 },
    Reading(Sorted),
    Failed(Option<io::Error>),
}

impl Default for Deferred {
    fn default() -> Self {
        Self::Writing { sorter: Sorter::default(), next: 0 }
    }
}

impl Deferred {
    pub(super) fn push(&mut self, entity: &Urn, text: &str) {
        let Self::Writing { sorter, next } = self else { return };
        let key = next.to_be_bytes().to_vec();
        *next += 1;
        let value = entity_value::join(entity.as_str().as_bytes(), text.as_bytes());
        if let Err(error) = value.and_then(|value| sorter.push(key, value)) {
            *self = Self::Failed(Some(error));
        }
    }

    /// The next entities and texts, at most `limit`; none at the end.
    pub(super) fn next(&mut self, limit: usize) -> Result<Vec<(Urn, String)>, Error> {
        self.read(limit).map_err(|error| {
            Error::new(ErrorKind::Disk, "cannot read back what a transformer adds").with_source(error)
        })
    }

    fn read(&mut self, limit: usize) -> io::Result<Vec<(Urn, String)>> {
        if let Self::Writing { sorter, .. } = self {
            *self = Self::Reading(std::mem::take(sorter).finish()?);
        }
        match self {
            Self::Failed(error) => Err(error.take().unwrap_or_else(|| io::ErrorKind::Other.into())),
            Self::Writing { .. } => Ok(Vec::new()),
            Self::Reading(sorted) => {
                let mut items = Vec::new();
                while items.len() < limit
                    && let Some((_, value)) = sorted.next_pair()?
                {
                    items.push(decode(&value)?);
                }
                Ok(items)
            }
        }
    }
}

fn decode(value: &[u8]) -> io::Result<(Urn, String)> {
    let (urn, text) = entity_value::split(value)?;
    Ok((urn, String::from_utf8(text.to_vec()).map_err(io::Error::other)?))
}
