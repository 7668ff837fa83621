//! The entities that a transformer has seen, in the order of their first sight.
//!
//! A run may see more entities than fit into memory. The log is therefore sorted outside memory: events are
//! sorted by URN first, which joins those of one entity, and then by the number of the first one.

pub(super) mod entity_value;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::external_sort::{Sorted, Sorter};
use crate::metadata::{SystemMetadata, Urn};
use crate::{Error, ErrorKind};

/// Entities whose latest event is remembered, so that the records of one entity, which usually follow each
/// other, make one event.
const MAX_RECENT: usize = 4096;

/// The entities that a transformer has seen. It needs at most about 16 MiB of memory; what exceeds that is in
/// unnamed temporary files.
#[derive(Debug, Default)]
pub struct EntityLog {
    recent: HashMap<Urn, bool>,
    next: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Logging(Sorter),
    Reading(Sorted),
    /// It could not be written.
    Failed(Option<io::Error>),
}

impl Default for State {
    fn default() -> Self {
        Self::Logging(Sorter::default())
    }
}

/// An entity in the log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoggedEntity {
    /// Its URN.
    pub urn: Urn,
    /// The system metadata of its first record.
    pub system_metadata: Option<Box<SystemMetadata>>,
}

impl EntityLog {
    /// Notes a record of `entity`. With `is_done`, the entity needs no addition any more.
    pub fn note(&mut self, entity: &Urn, system_metadata: Option<&SystemMetadata>, is_done: bool) {
        match self.recent.get_mut(entity) {
            Some(was_done) if *was_done || !is_done => return,
            Some(was_done) => *was_done = true,
            None => {
                if self.recent.len() >= MAX_RECENT {
                    self.recent.clear();
                }
                self.recent.insert(entity.clone(), is_done);
            }
        }
        let number = self.next;
        self.next += 1;
        let State::Logging(sorter) = &mut self.state else { return };
        let mut key = Vec::with_capacity(entity.as_str().len() + 9);
        key.extend_from_slice(entity.as_str().as_bytes());
        // No URN contains this byte, so that the events of one entity are adjacent.
        key.push(0);
        key.extend_from_slice(&number.to_be_bytes());
        let mut value = vec![u8::from(is_done)];
        if let Some(metadata) = system_metadata.filter(|_| !is_done) {
            value.extend(encode(metadata));
        }
        if let Err(error) = sorter.push(key, value) {
            self.state = State::Failed(Some(error));
        }
    }

    /// The next entities that are not done, at most `limit`; none at the end. After the first call, nothing
    /// more is noted.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Disk`] when the temporary files cannot be written or read.
    pub fn next_pending(&mut self, limit: usize) -> Result<Vec<LoggedEntity>, Error> {
        self.read(limit).map_err(|error| {
            let message = "cannot sort the entities that transformers add aspects to";
            Error::new(ErrorKind::Disk, message).with_source(error)
        })
    }

    fn read(&mut self, limit: usize) -> io::Result<Vec<LoggedEntity>> {
        if let State::Logging(sorter) = &mut self.state {
            self.recent = HashMap::new();
            let by_urn = std::mem::take(sorter).finish()?;
            self.state = State::Reading(by_first_sight(by_urn)?.finish()?);
        }
        match &mut self.state {
            State::Failed(error) => Err(error.take().unwrap_or_else(|| io::ErrorKind::Other.into())),
            State::Logging(_) => Ok(Vec::new()),
            State::Reading(sorted) => {
                let mut entities = Vec::new();
                while entities.len() < limit
                    && let Some((_, value)) = sorted.next_pair()?
                {
                    entities.push(decode_entity(&value)?);
                }
                Ok(entities)
            }
        }
    }
}

/// Joins the events of each entity, and sorts those that are not done by their first event.
fn by_first_sight(mut events: Sorted) -> io::Result<Sorter> {
    /// The entity that is being joined: its URN, the number of its first event, and that event.
    struct Current {
        urn: Vec<u8>,
        number: Vec<u8>,
        metadata: Vec<u8>,
        is_done: bool,
    }
    let mut pending = Sorter::default();
    let mut current: Option<Current> = None;
    let mut flush = |current: Option<Current>| -> io::Result<()> {
        let Some(entity) = current.filter(|entity| !entity.is_done) else { return Ok(()) };
        pending.push(entity.number, entity_value::join(&entity.urn, &entity.metadata)?)
    };
    while let Some((key, value)) = events.next_pair()? {
        let (urn, number) = key.split_at(key.len().saturating_sub(9));
        let (flag, metadata) = value.split_at(value.len().min(1));
        let is_done = flag == [1];
        match &mut current {
            Some(entity) if entity.urn == urn => {
                entity.is_done |= is_done;
                if entity.metadata.is_empty() {
                    entity.metadata = metadata.to_vec();
                }
            }
            _ => {
                flush(current.take())?;
                let number = number.get(1..).unwrap_or_default().to_vec();
                current = Some(Current { urn: urn.to_vec(), number, metadata: metadata.to_vec(), is_done });
            }
        }
    }
    flush(current.take())?;
    Ok(pending)
}

fn decode_entity(value: &[u8]) -> io::Result<LoggedEntity> {
    let (urn, metadata) = entity_value::split(value)?;
    let system_metadata = if metadata.is_empty() { None } else { Some(Box::new(decode(metadata)?)) };
    Ok(LoggedEntity { urn, system_metadata })
}

/// The members of [`SystemMetadata`] in the order of its declaration.
type Members<T> =
    (Option<i64>, Option<T>, Option<T>, Option<T>, Vec<(String, String)>, Vec<(String, Box<str>)>);

fn encode(metadata: &SystemMetadata) -> Vec<u8> {
    let SystemMetadata { last_observed, run_id, last_run_id, pipeline_name, properties, other } = metadata;
    let members = (
        last_observed,
        run_id.as_deref(),
        last_run_id.as_deref(),
        pipeline_name.as_deref(),
        properties,
        other,
    );
    // Numbers and strings always have a JSON form.
    serde_json::to_vec(&members).unwrap_or_default()
}

fn decode(bytes: &[u8]) -> io::Result<SystemMetadata> {
    let (last_observed, run_id, last_run_id, pipeline_name, properties, other): Members<String> =
        serde_json::from_slice(bytes)?;
    Ok(SystemMetadata {
        last_observed,
        run_id: run_id.map(Arc::from),
        last_run_id: last_run_id.map(Arc::from),
        pipeline_name: pipeline_name.map(Arc::from),
        properties,
        other,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tag(number: u16) -> Urn {
        Urn::parse(&format!("urn:li:tag:t{number}")).unwrap()
    }

    fn read_all(mut log: EntityLog, limit: usize) -> Vec<LoggedEntity> {
        let mut all = Vec::new();
        loop {
            let next = log.next_pending(limit).unwrap();
            if next.is_empty() {
                return all;
            }
            all.extend(next);
        }
    }

    #[test]
    fn the_system_metadata_of_the_first_record_is_kept() {
        let mut log = EntityLog::default();
        let metadata = SystemMetadata {
            run_id: Some("first".into()),
            other: vec![("x".into(), "{\"y\":1.0e2}".into())],
            ..SystemMetadata::default()
        };
        log.note(&tag(1), Some(&metadata), false);
        log.note(&tag(1), None, false);
        let all = read_all(log, 10);
        assert_eq!(all[0].system_metadata.as_deref(), Some(&metadata));
        assert_eq!(all.len(), 1);
    }

    proptest! {
        #[test]
        fn the_pending_entities_come_in_the_order_of_their_first_sight(
            events in proptest::collection::vec((0..60_u16, any::<bool>()), 0..400),
            memory in 1..4000_usize,
            limit in 1..20_usize,
        ) {
            let mut log = EntityLog { state: State::Logging(Sorter::with_memory(memory)), ..EntityLog::default() };
            let (mut order, mut done) = (Vec::new(), std::collections::HashSet::new());
            for (index, (number, is_done)) in events.into_iter().enumerate() {
                if index % 7 == 0 {
                    // As if there had been many other entities.
                    log.recent.clear();
                }
                log.note(&tag(number), None, is_done);
                if !order.contains(&number) {
                    order.push(number);
                }
                if is_done {
                    done.insert(number);
                }
            }
            let expected: Vec<Urn> =
                order.into_iter().filter(|number| !done.contains(number)).map(tag).collect();
            let found: Vec<Urn> = read_all(log, limit).into_iter().map(|entity| entity.urn).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
