//! `simple_add_dataset_properties`: custom properties of data sets.

use serde_json::json;

use super::object::{self, Object, aspect};
use super::semantics::Semantics;
use super::{AspectChange, AspectTransformer, EntityTypes, Found, PerAspect, TransformError, Transformer};
use crate::metadata::{Aspect, Urn};
use crate::recipe::{Fields, Reported};

const ASPECT: &str = "datasetProperties";
const MEMBER: &str = "customProperties";

/// Sets custom properties.
struct AddProperties {
    semantics: Semantics,
    properties: Vec<(String, String)>,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    let semantics = Semantics::read(fields);
    fields.missing("properties", "a mapping of names to strings");
    let properties = fields.string_map("properties", false).ok_or_else(|| fields.reported())?;
    Ok(PerAspect::boxed(AddProperties { semantics, properties }))
}

impl AspectTransformer for AddProperties {
    fn aspect_name(&self) -> &'static str {
        ASPECT
    }

    fn entity_types(&self) -> EntityTypes {
        EntityTypes::of(["dataset"])
    }

    fn needs_graph(&self) -> Option<&'static str> {
        self.semantics.needs_graph()
    }

    fn lookups(&self, _entity: &Urn, current: Option<&Aspect>) -> Vec<&'static str> {
        let is_upsert = current.is_some() || self.semantics.is_strict;
        if self.semantics.is_patch && is_upsert { vec![ASPECT] } else { Vec::new() }
    }

    fn change(
        &mut self,
        entity: &Urn,
        current: Option<&Aspect>,
        found: &Found,
    ) -> Result<AspectChange, TransformError> {
        let mut record = match current {
            Some(current) => Object::of(current)?,
            None if self.semantics.is_strict => Object::default(),
            None => return Ok(self.patch()),
        };
        let mut properties = Object::default();
        if self.semantics.is_patch
            && let Some(server) = found.aspect(entity, ASPECT)?
        {
            properties = members(&Object::of(server)?)?;
        }
        if !self.semantics.replaces {
            for (name, value) in members(&record)?.members() {
                properties.set(name, value.to_owned());
            }
        }
        for (name, value) in &self.properties {
            properties.set(name, object::json(value));
        }
        let properties = properties.to_json();
        if record.get(MEMBER).is_some_and(|before| before.get() == properties.get()) {
            return Ok(AspectChange::Keep);
        }
        record.set(MEMBER, properties);
        Ok(AspectChange::Write(record.to_aspect()))
    }
}

impl AddProperties {
    /// The properties of a data set without the aspect in a record. An upsert would remove the name, the
    /// description and the other properties that the server has.
    fn patch(&self) -> AspectChange {
        if self.properties.is_empty() {
            return AspectChange::Keep;
        }
        let operations: Vec<_> = self
            .properties
            .iter()
            .map(|(name, value)| {
                let name = name.replace('~', "~0").replace('/', "~1");
                json!({"op": "add", "path": format!("/{MEMBER}/{name}"), "value": value})
            })
            .collect();
        AspectChange::Patch(aspect(&operations).with_content_type(Aspect::JSON_PATCH))
    }
}

/// The custom properties of an aspect.
fn members(aspect: &Object) -> Result<Object, TransformError> {
    let Some(properties) = aspect.get(MEMBER) else { return Ok(Object::default()) };
    let properties: Option<Object> = serde_json::from_str(properties.get())
        .map_err(|_| TransformError::new(format!("`{MEMBER}` of the aspect: expected a mapping")))?;
    Ok(properties.unwrap_or_default())
}
