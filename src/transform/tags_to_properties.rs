//! `tags_to_structured_properties`: makes structured properties of tags.

use serde_json::json;

use super::json_pointer::pointer;
use super::object::{Object, aspect};
use super::semantics::Semantics;
use super::tags::TAGS;
use super::{EntityTypes, Found, TransformError, Transformer};
use crate::metadata::{Aspect, ChangeType, Proposal};
use crate::recipe::{Fields, Reported};

/// The types of entities whose tags are read.
const TYPES: [&str; 6] = ["dataset", "chart", "dashboard", "dataJob", "dataFlow", "schemaField"];

/// Reads the tags of records, and adds a patch of the structured properties behind each of them.
struct TagsToProperties {
    types: EntityTypes,
    /// Splits tags into a key and a value.
    key_value: Option<KeyValue>,
    /// The ids of properties, and the names of the tags that are their values.
    map: Vec<(String, Vec<String>)>,
    /// The tags that became properties are removed from the record.
    removes: bool,
    /// Writes an upsert in place of the patch, as Python does.
    is_strict: bool,
}

struct KeyValue {
    separator: String,
    prefix: String,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    // `semantics` and `replace_existing` are without effect in Python, too.
    let is_strict = Semantics::read(fields).is_strict;
    let splits = fields.boolean("process_key_value_tags").unwrap_or_default();
    let separator = fields.string("key_value_separator").unwrap_or_else(|| ":".into());
    let prefix = fields.string("key_value_property_prefix").unwrap_or_default();
    let removes = fields.boolean("remove_original_tags").unwrap_or_default();
    if separator.is_empty() {
        fields.mistake("key_value_separator", "expected at least one character");
        return Err(fields.reported());
    }
    let map = read_map(fields).ok_or_else(|| fields.reported())?;
    let key_value = splits.then_some(KeyValue { separator, prefix });
    Ok(Box::new(TagsToProperties { types: EntityTypes::of(TYPES), key_value, map, removes, is_strict }))
}

/// Reads `{property: {values: [tag, …]}}`.
fn read_map(fields: &mut Fields<'_>) -> Option<Vec<(String, Vec<String>)>> {
    const KEY: &str = "tag_structured_property_map";
    let mut map = Vec::new();
    for (property, mut block) in fields.blocks_by_name(KEY)? {
        block.missing("values", "a list of names of tags");
        let values = block.strings("values");
        block.finish();
        map.push((property, values?));
    }
    Some(map)
}

impl TagsToProperties {
    /// The property and the value that a tag stands for.
    fn property_for<'a>(&self, tag: &'a str) -> Option<(String, &'a str)> {
        let name = tag.strip_prefix("urn:li:tag:").unwrap_or(tag);
        if let Some(KeyValue { separator, prefix }) = &self.key_value
            && let Some((key, value)) = name.split_once(separator.as_str())
            && !key.is_empty()
        {
            return Some((format!("{prefix}{key}"), value));
        }
        let property = self.map.iter().find(|(_, values)| values.iter().any(|value| value == name));
        property.map(|(property, _)| (property.clone(), name))
    }
}

impl Transformer for TagsToProperties {
    fn transform(
        &mut self,
        proposal: Proposal,
        found: &Found,
        output: &mut Vec<Proposal>,
    ) -> Result<(), TransformError> {
        let is_read = proposal.change_type() == ChangeType::Upsert
            && proposal.aspect_name() == TAGS.aspect_name
            && self.types.contains(proposal.entity_type());
        let Some(current) = proposal.aspect().filter(|_| is_read) else {
            output.push(proposal);
            return Ok(());
        };
        let record = Object::of(current)?;
        let mut tags = TAGS.items(&record)?;
        let mut properties: Vec<(String, Vec<String>)> = Vec::new();
        tags.retain(|tag| {
            let Some((property, value)) = self.property_for(&tag.key) else {
                tracing::warn!(tag = tag.key, "no structured property has this tag");
                return true;
            };
            match properties.iter_mut().find(|(known, _)| *known == property) {
                Some((_, values)) => values.push(value.to_owned()),
                None => properties.push((property, vec![value.to_owned()])),
            }
            !self.removes
        });
        if properties.is_empty() {
            output.push(proposal);
            return Ok(());
        }
        let (change_type, change) = if self.is_strict {
            (ChangeType::Upsert, aspect_of(&properties))
        } else {
            (ChangeType::Patch, patch_of(&properties))
        };
        let (urn, metadata) = (proposal.urn().clone(), proposal.system_metadata().cloned());
        let origin = proposal.origin().cloned();
        if !tags.is_empty() {
            output.push(match TAGS.write(Some(record), &tags, found) {
                super::AspectChange::Write(aspect) => proposal.with_aspect(Some(aspect)),
                _ => proposal,
            });
        }
        let mut added = Proposal::new(change_type, urn, "structuredProperties", Some(change));
        if let Some(metadata) = metadata {
            added = added.with_system_metadata(metadata);
        }
        if let Some(origin) = origin {
            added = added.with_origin(origin);
        }
        output.push(added);
        Ok(())
    }
}

/// A patch that sets these properties and leaves the others.
fn patch_of(properties: &[(String, Vec<String>)]) -> Aspect {
    let operations = properties.iter().map(|(property, values)| {
        let path = format!("/properties/{}", pointer(&urn_of(property)));
        json!({"op": "add", "path": path, "value": assignment(property, values)})
    });
    aspect(&operations.collect::<Vec<_>>()).with_content_type(Aspect::JSON_PATCH)
}

/// An aspect with only these properties.
fn aspect_of(properties: &[(String, Vec<String>)]) -> Aspect {
    let assignments: Vec<_> =
        properties.iter().map(|(property, values)| assignment(property, values)).collect();
    aspect(&json!({"properties": assignments}))
}

fn assignment(property: &str, values: &[String]) -> serde_json::Value {
    let values: Vec<_> = values.iter().map(|value| json!({"string": value})).collect();
    json!({"propertyUrn": urn_of(property), "values": values})
}

fn urn_of(property: &str) -> String {
    format!("urn:li:structuredProperty:{property}")
}
