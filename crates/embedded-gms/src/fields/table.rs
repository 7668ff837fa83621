//! The table of the model.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// The table; empty if the file in this crate cannot be read, which a test excludes.
pub(super) static TABLE: LazyLock<Table> =
    LazyLock::new(|| serde_json::from_str(include_str!("model.json")).unwrap_or_default());

#[derive(Debug, Default, Deserialize)]
pub(super) struct Table {
    /// The record of each aspect.
    pub(super) aspects: HashMap<String, String>,
    pub(super) records: HashMap<String, Record>,
    /// The symbols of each enum.
    pub(super) enums: HashMap<String, Vec<String>>,
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) fields: HashMap<String, Field>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) required: bool,
    pub(super) r#type: Type,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Type {
    /// A primitive type, a record or an enum.
    Named(String),
    Array {
        array: Box<Self>,
    },
    Map {
        map: Box<Self>,
    },
    Union {
        union: Vec<Self>,
    },
    /// A URN of one of these entity types; of any type if there are none.
    Urn {
        urn: Vec<String>,
    },
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = HashMap::<String, Type>::deserialize(deserializer).map_err(D::Error::custom)?;
        let fields = written.into_iter().map(|(name, r#type)| match name.strip_suffix('?') {
            Some(name) => (name.to_owned(), Field { required: false, r#type }),
            None => (name, Field { required: true, r#type }),
        });
        Ok(Self { fields: fields.collect() })
    }
}

impl Type {
    /// The tag of this type in a union.
    pub(super) fn tag(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Array { .. } => "array",
            Self::Map { .. } => "map",
            Self::Union { .. } => "union",
            Self::Urn { .. } => "string",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    /// All names in the table lead to something, and the registry has no aspect without fields.
    #[test]
    fn the_table_is_complete() {
        fn check(r#type: &Type, table: &Table) {
            match r#type {
                Type::Named(name) if name.contains('.') => {
                    assert!(table.records.contains_key(name) || table.enums.contains_key(name), "{name}");
                }
                Type::Named(name) => {
                    assert!(
                        ["string", "boolean", "int", "long", "float", "double", "bytes"]
                            .contains(&name.as_str()),
                        "{name}"
                    );
                }
                Type::Array { array: inner } | Type::Map { map: inner } => check(inner, table),
                Type::Union { union } => union.iter().for_each(|inner| check(inner, table)),
                Type::Urn { .. } => {}
            }
        }
        let table: Table = serde_json::from_str(include_str!("model.json")).unwrap();
        for record in table.aspects.values() {
            assert!(table.records.contains_key(record), "{record}");
        }
        for field in table.records.values().flat_map(|record| record.fields.values()) {
            check(&field.r#type, &table);
        }
        let registry = Registry::standard().unwrap();
        let missing: Vec<_> =
            registry.aspects().into_iter().filter(|name| !table.aspects.contains_key(*name)).collect();
        assert_eq!(missing, [""; 0]);
        assert_eq!(table.aspects.len(), TABLE.aspects.len());
    }
}
