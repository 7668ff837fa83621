//! What is known of DataHub's metadata model: names, and where an aspect holds unions and maps.
//!
//! The tables were taken from the models of acryl-datahub 1.7.0.17. Aspects that they do not know (a newer model's, or
//! an organisation's own) travel as they are.

mod aspects;
mod entities;
mod node;
mod paths;
mod snapshots;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::Name;
pub(crate) use node::{Node, Role, UNKNOWN};

/// Where Python's classes live; GMS knows the same classes without the second part.
pub(crate) const PYTHON_NAMESPACE: &str = "com.linkedin.pegasus2avro.";
/// Where GMS's classes live.
const SERVER_NAMESPACE: &str = "com.linkedin.";

/// What the model says of one aspect.
#[derive(Debug)]
pub struct AspectModel {
    /// The aspect's name, for example `datasetProperties`.
    pub name: &'static str,
    /// Its class in GMS's namespace, for example `com.linkedin.dataset.DatasetProperties`.
    pub class: &'static str,
    /// Whether it is a time series: each write adds a row, and none replaces another.
    pub timeseries: bool,
    pub(crate) root: &'static Node,
}

impl AspectModel {
    const fn versioned(name: &'static str, class: &'static str, root: &'static Node) -> Self {
        Self { name, class, timeseries: false, root }
    }

    const fn timeseries(name: &'static str, class: &'static str, root: &'static Node) -> Self {
        Self { name, class, timeseries: true, root }
    }
}

/// One kind of snapshot, as a metadata change event holds it.
#[derive(Debug)]
pub(crate) struct SnapshotModel {
    pub(crate) class: &'static str,
    pub(crate) entity_type: &'static str,
    /// Class and name of each aspect that it may hold, in byte order of the class.
    pub(crate) aspects: &'static [(&'static str, &'static str)],
}

/// What is known of the aspect `name`.
pub fn aspect(name: &str) -> Option<&'static AspectModel> {
    let found = aspects::ASPECTS.binary_search_by(|model| model.name.cmp(name));
    found.ok().and_then(|index| aspects::ASPECTS.get(index))
}

/// Whether the aspect `name` is known to be a time series.
pub fn is_timeseries(name: &str) -> bool {
    aspect(name).is_some_and(|model| model.timeseries)
}

/// The aspect that holds the key of entities of this type.
pub fn key_aspect(entity_type: &str) -> Option<&'static str> {
    entity(entity_type).map(|(_, key_aspect)| *key_aspect)
}

/// Whether the aspect `name` holds the key of entities of this type. Of a type that the model does not know it is taken from
/// the name: `recordKey` for `record`.
pub fn is_key_aspect(entity_type: &str, name: &str) -> bool {
    key_aspect(entity_type)
        .map_or_else(|| name.strip_suffix("Key") == Some(entity_type), |key_aspect| key_aspect == name)
}

/// The entity type that `name` is but for case, as the model writes it.
pub(crate) fn entity_type(name: &str) -> Option<&'static str> {
    entity_types().find(|known| known.eq_ignore_ascii_case(name))
}

/// The entity types that the model knows.
pub(crate) fn entity_types() -> impl Iterator<Item = &'static str> {
    entities::ENTITIES.iter().map(|(entity_type, _)| *entity_type)
}

/// `name` without a copy of its own where it is an aspect or an entity type that the model knows.
pub fn intern(name: &str) -> Name {
    let known =
        aspect(name).map(|model| model.name).or_else(|| entity(name).map(|(entity_type, _)| *entity_type));
    known.map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed)
}

/// As [`intern`], for the name of an entity type.
pub(crate) fn intern_entity_type(name: &str) -> Name {
    entity(name).map_or_else(|| Cow::Owned(name.to_owned()), |(known, _)| Cow::Borrowed(*known))
}

fn entity(name: &str) -> Option<&'static (&'static str, &'static str)> {
    let found = entities::ENTITIES.binary_search_by(|(entity_type, _)| (*entity_type).cmp(name));
    found.ok().and_then(|index| entities::ENTITIES.get(index))
}

/// The snapshot kind of this class, in Python's namespace or in GMS's.
pub(crate) fn snapshot(class: &str) -> Option<&'static SnapshotModel> {
    let class = ServerClass::of(class)?;
    snapshots::SNAPSHOTS.iter().find(|model| class.is(model.class))
}

/// The classes of all snapshot kinds, in GMS's namespace.
pub(crate) fn snapshot_classes() -> impl Iterator<Item = &'static str> {
    snapshots::SNAPSHOTS.iter().map(|model| model.class)
}

impl SnapshotModel {
    /// The name of the aspect of this class, in Python's namespace or in GMS's.
    pub(crate) fn aspect(&self, class: &str) -> Option<&'static str> {
        let class = ServerClass::of(class)?;
        self.aspects.iter().find_map(|(known, name)| class.is(known).then_some(*name))
    }
}

/// A class, whichever of the two namespaces it was written in.
struct ServerClass<'a> {
    rest: &'a str,
}

impl<'a> ServerClass<'a> {
    fn of(class: &'a str) -> Option<Self> {
        let rest = class.strip_prefix(PYTHON_NAMESPACE).or_else(|| class.strip_prefix(SERVER_NAMESPACE))?;
        Some(Self { rest })
    }

    fn is(&self, known: &str) -> bool {
        known.strip_prefix(SERVER_NAMESPACE) == Some(self.rest)
    }
}
