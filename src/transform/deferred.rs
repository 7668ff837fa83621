//! Patches that are written after the last record, in the order in which they were made.

use std::io;

use super::entity_log::sorter::{Sorted, Sorter};
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
        let mut value = u32::try_from(entity.as_str().len()).unwrap_or_default().to_be_bytes().to_vec();
        value.extend_from_slice(entity.as_str().as_bytes());
        value.extend_from_slice(text.as_bytes());
        let key = next.to_be_bytes().to_vec();
        *next += 1;
        if let Err(error) = sorter.push(key, value) {
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
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "a temporary file has changed");
    let (length, rest) = value.split_first_chunk::<4>().ok_or_else(broken)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(io::Error::other)?;
    let (urn, text) = rest.split_at_checked(length).ok_or_else(broken)?;
    let text = String::from_utf8(text.to_vec()).map_err(io::Error::other)?;
    let urn = std::str::from_utf8(urn).map_err(io::Error::other)?;
    Ok((Urn::parse_lenient(urn).map_err(io::Error::other)?, text))
}
