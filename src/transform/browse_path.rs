//! `set_browse_path`: browse paths of version 2 (`browsePathsV2`).

use serde::Deserialize;
use serde_json::json;

use super::object::{self, Json, Object};
use super::semantics::Semantics;
use super::{AspectChange, AspectTransformer, EntityTypes, Found, PerAspect, TransformError, Transformer};
use crate::metadata::{Aspect, Urn};
use crate::recipe::{Fields, Reported};

const MEMBER: &str = "path";

/// Puts a path before the one that an entity has.
struct SetPath {
    semantics: Semantics,
    path: Vec<Item>,
    /// A variable without a value has been reported.
    has_warned: bool,
}

/// An item of the configured path.
enum Item {
    Literal(Json),
    /// `$<entity type>[<number>]` or `$<entity type>[*]`: URNs of the path that the entity has.
    Variable {
        entity_type: String,
        /// `None` for all.
        number: Option<usize>,
    },
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    // PATCH is accepted and has no effect in Python either.
    let semantics = Semantics::read(fields);
    fields.missing("path", "a list of names, URNs and variables such as $container[0]");
    let path = fields.strings("path").ok_or_else(|| fields.reported())?;
    let path = path.iter().map(|item| item.trim()).filter(|item| !item.is_empty()).map(Item::parse).collect();
    Ok(PerAspect::boxed(SetPath { semantics, path, has_warned: false }))
}

impl Item {
    fn parse(text: &str) -> Self {
        Self::variable(text).unwrap_or_else(|| {
            Self::Literal(if text.starts_with("urn:") {
                entry(text)
            } else {
                object::json(&json!({"id": text}))
            })
        })
    }

    fn variable(text: &str) -> Option<Self> {
        let (entity_type, number) = text.strip_prefix('$')?.strip_suffix(']')?.split_once('[')?;
        let is_name = !entity_type.is_empty() && entity_type.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let number = match number {
            "*" => None,
            // `[00]` and `[+1]` are not numbers for Python.
            _ if number.len() > 1 && number.starts_with('0') => return None,
            _ if !number.bytes().all(|byte| byte.is_ascii_digit()) => return None,
            _ => Some(number.parse().ok()?),
        };
        is_name.then(|| Self::Variable { entity_type: entity_type.to_owned(), number })
    }
}

/// An entry with a URN.
fn entry(urn: &str) -> Json {
    object::json(&json!({"id": urn, "urn": urn}))
}

impl AspectTransformer for SetPath {
    fn aspect_name(&self) -> &'static str {
        "browsePathsV2"
    }

    fn entity_types(&self) -> EntityTypes {
        EntityTypes::of(EntityTypes::WITH_CONTAINERS)
    }

    fn change(
        &mut self,
        entity: &Urn,
        current: Option<&Aspect>,
        _found: &Found,
    ) -> Result<AspectChange, TransformError> {
        #[derive(Deserialize)]
        struct Entry {
            urn: Option<String>,
        }
        let record = current.map(Object::of).transpose()?;
        let before = record.as_ref().map(|record| record.items(MEMBER)).transpose()?.unwrap_or_default();
        let urns: Vec<Urn> = before
            .iter()
            .filter_map(|item| serde_json::from_str::<Entry>(item.get()).ok()?.urn)
            .filter_map(|urn| Urn::parse(&urn).ok())
            .collect();
        let mut path = Vec::new();
        for item in &self.path {
            match item {
                Item::Literal(literal) => path.push(literal.clone()),
                Item::Variable { entity_type, number } => {
                    let of_type = urns.iter().filter(|urn| urn.entity_type() == entity_type);
                    let (skip, take) = number.map_or((0, usize::MAX), |number| (number, 1));
                    let before = path.len();
                    path.extend(of_type.skip(skip).take(take).map(|urn| entry(urn.as_str())));
                    if path.len() == before && !self.has_warned {
                        self.has_warned = true;
                        tracing::warn!(%entity, entity_type, "a variable of the path has no value, so it is left out");
                    }
                }
            }
        }
        if !self.semantics.replaces {
            path.extend(before);
        }
        if record.is_none() && path.is_empty() && !self.semantics.is_strict {
            return Ok(AspectChange::Keep);
        }
        let mut record = record.unwrap_or_default();
        record.set_items(MEMBER, &path);
        Ok(AspectChange::Write(record.to_aspect()))
    }
}
