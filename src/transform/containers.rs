//! Collects for each container what the entities inside it get (`is_container`).

use std::collections::HashMap;

use serde::Deserialize;

use super::list_item::{ListItem, deduplicated};
use super::object::Object;
use super::{Addition, EntityLog, Found, Lookup, TransformError};
use crate::Error;
use crate::metadata::{Proposal, Urn};
use crate::recipe::Fields;

const BROWSE_PATH: &str = "browsePathsV2";

/// Looks up the containers of an entity.
const ENTITY: u8 = 1;

/// Writes what a container gets.
const CONTAINER: u8 = 2;

/// The containers of the entities that were seen, in the order of their first sight. An entity's containers
/// are those of its browse path on the server.
#[derive(Debug, Default)]
pub(super) struct Containers {
    /// `is_container`: without it nothing is noted, so nothing is added.
    are_collected: bool,
    entities: EntityLog,
    order: Vec<Urn>,
    items: HashMap<Urn, Vec<ListItem>>,
    written: usize,
}

impl Containers {
    /// Reads `is_container`.
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self { are_collected: fields.boolean("is_container").unwrap_or_default(), ..Self::default() }
    }

    /// As [`Transformer::needs_graph`](super::Transformer::needs_graph).
    pub(super) fn needs_graph(&self) -> Option<&'static str> {
        self.are_collected.then_some("`is_container` asks for the containers of each entity")
    }

    pub(super) fn see(&mut self, proposal: &Proposal) {
        if self.are_collected {
            self.entities.note(proposal.urn(), None, false);
        }
    }

    /// First the entities whose containers are looked up, then the containers.
    pub(super) fn next_additions(&mut self, limit: usize) -> Result<Vec<Addition>, Error> {
        let entities = self.entities.next_pending(limit)?;
        if !entities.is_empty() {
            return Ok(entities.into_iter().map(|entity| Addition::new(entity.urn, ENTITY)).collect());
        }
        let next: Vec<Urn> = self.order.iter().skip(self.written).take(limit).cloned().collect();
        self.written += next.len();
        Ok(next.into_iter().map(|container| Addition::new(container, CONTAINER)).collect())
    }

    pub(super) fn lookups(addition: &Addition) -> Vec<Lookup> {
        if addition.step == ENTITY { vec![Lookup::new(&addition.entity, BROWSE_PATH)] } else { Vec::new() }
    }

    /// Collects what the containers of an entity get. For a container, what it gets.
    pub(super) fn collect(
        &mut self,
        addition: &Addition,
        found: &Found,
        configured: impl FnOnce(&Urn) -> Result<Vec<ListItem>, TransformError>,
    ) -> Result<Option<Vec<ListItem>>, TransformError> {
        if addition.step == CONTAINER {
            return Ok(self.items.remove(&addition.entity).map(deduplicated));
        }
        let configured = configured(&addition.entity)?;
        if configured.is_empty() {
            return Ok(None);
        }
        let Some(path) = found.aspect(&addition.entity, BROWSE_PATH)? else { return Ok(None) };
        for entry in Object::of(path)?.items("path")? {
            #[derive(Deserialize)]
            struct Entry {
                urn: Option<String>,
            }
            let entry: Result<Entry, _> = serde_json::from_str(entry.get());
            let container = entry.ok().and_then(|entry| entry.urn).and_then(|urn| Urn::parse(&urn).ok());
            if let Some(container) = container.filter(|urn| urn.entity_type() == "container") {
                let items = self.items.entry(container.clone()).or_insert_with(|| {
                    self.order.push(container);
                    Vec::new()
                });
                items.extend(configured.iter().cloned());
                if items.len() > 64 {
                    *items = deduplicated(std::mem::take(items));
                }
            }
        }
        Ok(None)
    }
}
