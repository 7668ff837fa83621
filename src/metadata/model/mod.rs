//! The part of DataHub's metadata model that is needed to send aspects: names, and the places of unions and
//! maps.
//!
//! The tables were taken from the models of acryl-datahub 1.7.0.17. Aspects that they do not contain (of a
//! newer model, or an organisation's own) are sent as they are.

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

/// The namespace of Python's classes. GMS has the same classes in [`SERVER_NAMESPACE`].
pub(crate) const PYTHON_NAMESPACE: &str = "com.linkedin.pegasus2avro.";
/// The namespace of GMS's classes.
const SERVER_NAMESPACE: &str = "com.linkedin.";

/// One aspect of the model.
#[derive(Debug)]
pub(crate) struct AspectModel {
    /// The aspect's name, for example `datasetProperties`.
    pub(crate) name: &'static str,
    /// Its class in GMS's namespace, for example `com.linkedin.dataset.DatasetProperties`.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tests compare the tables with each other by the class")
    )]
    pub(crate) class: &'static str,
    /// Whether it is a time series: each write adds a row and replaces none.
    pub(crate) timeseries: bool,
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

/// One kind of snapshot, which is the content of a metadata change event.
#[derive(Debug)]
pub(crate) struct SnapshotModel {
    pub(crate) class: &'static str,
    pub(crate) entity_type: &'static str,
    /// Class and name of each aspect that it may contain, in byte order of the class.
    pub(crate) aspects: &'static [(&'static str, &'static str)],
}

/// The aspect `name`, if the model has it.
pub(crate) fn aspect(name: &str) -> Option<&'static AspectModel> {
    let found = aspects::ASPECTS.binary_search_by(|model| model.name.cmp(name));
    found.ok().and_then(|index| aspects::ASPECTS.get(index))
}

/// Whether the model has the aspect `name` as a time series.
pub(crate) fn is_timeseries(name: &str) -> bool {
    aspect(name).is_some_and(|model| model.timeseries)
}

/// The aspect that holds the key of entities of this type.
pub(crate) fn key_aspect(entity_type: &str) -> Option<&'static str> {
    entity(entity_type).map(|(_, key_aspect)| *key_aspect)
}

/// Whether the aspect `name` holds the key of entities of this type. For a type that the model does not know,
/// the name decides: `recordKey` for `record`.
pub(crate) fn is_key_aspect(entity_type: &str, name: &str) -> bool {
    key_aspect(entity_type)
        .map_or_else(|| name.strip_suffix("Key") == Some(entity_type), |key_aspect| key_aspect == name)
}

/// Whether entities of this type have the aspect `status`, and can be marked as removed. No for a type that
/// the model does not know, as in the Python client.
#[cfg(feature = "pipeline")]
pub(crate) fn has_status(entity_type: &str) -> bool {
    entity(entity_type).is_some() && !entities::WITHOUT_STATUS.contains(&entity_type)
}

/// The entity type that equals `name` without regard to case, as the model spells it.
pub(crate) fn entity_type(name: &str) -> Option<&'static str> {
    entity_types().find(|known| known.eq_ignore_ascii_case(name))
}

/// The entity types of the model.
pub(crate) fn entity_types() -> impl Iterator<Item = &'static str> {
    entities::ENTITIES.iter().map(|(entity_type, _)| *entity_type)
}

/// The name of an aspect or of an entity type. It is borrowed, and costs no memory, if the model has it.
pub(crate) fn intern(name: &str) -> Name {
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

/// A class without its namespace, which may have been Python's or GMS's.
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
