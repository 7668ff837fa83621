//! `tags_to_term`: replaces tags of an entity by glossary terms.

use std::collections::HashSet;

use serde_json::json;

use super::deferred::Deferred;
use super::json_pointer::pointer;
use super::list_item::ListItem;
use super::object::{self, Json, Object, aspect};
use super::semantics::Semantics;
use super::tags::TAGS;
use super::terms::TERMS;
use super::{
    Addition, AspectChange, AspectTransformer, EntityTypes, Found, PerAspect, TransformError, Transformer,
};
use crate::Error;
use crate::metadata::{Aspect, ChangeType, Proposal, Urn};
use crate::recipe::{Fields, Reported};

const SCHEMA: &str = "schemaMetadata";

/// Makes terms of the tags that an entity and its columns have on the server, and removes these tags from the
/// entity.
struct TagsToTerms {
    semantics: Semantics,
    names: HashSet<String>,
    /// The tags to remove. They are removed after the terms, so that a run that stops loses neither.
    removals: Deferred,
    next_removals: Vec<(Urn, String)>,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    let semantics = Semantics::read(fields);
    fields.missing("tags", "a list of names of tags");
    let names = fields.strings("tags").ok_or_else(|| fields.reported())?;
    Ok(PerAspect::boxed(TagsToTerms {
        semantics,
        names: names.into_iter().collect(),
        removals: Deferred::default(),
        next_removals: Vec::new(),
    }))
}

impl TagsToTerms {
    /// The name of the term for a tag; `None` if it is not configured.
    fn term_for<'a>(&self, tag: &'a str) -> Option<&'a str> {
        let name = tag.strip_prefix("urn:li:tag:").unwrap_or(tag);
        let name = name.rsplit('.').next().unwrap_or(name);
        let name = name.split(':').next().unwrap_or(name);
        self.names.contains(name).then_some(name)
    }

    /// The tags of the columns.
    fn column_tags(schema: &Aspect) -> Result<Vec<ListItem>, TransformError> {
        let mut tags = Vec::new();
        for field in Object::of(schema)?.items("fields")? {
            let holder = Object::parse(field.get())
                .ok()
                .and_then(|field| Object::parse(field.get(TAGS.aspect_name)?.get()).ok());
            if let Some(holder) = holder {
                tags.extend(TAGS.items(&holder)?);
            }
        }
        Ok(tags)
    }
}

impl AspectTransformer for TagsToTerms {
    fn aspect_name(&self) -> &'static str {
        TERMS.aspect_name
    }

    fn entity_types(&self) -> EntityTypes {
        EntityTypes::of(["dataset", "container"])
    }

    fn needs_graph(&self) -> Option<&'static str> {
        Some("the tags of the server are read")
    }

    fn lookups(&self, _entity: &Urn, _current: Option<&Aspect>) -> Vec<&'static str> {
        let mut names = vec![TAGS.aspect_name, SCHEMA];
        if self.semantics.is_patch {
            names.push(TERMS.aspect_name);
        }
        names
    }

    fn change(
        &mut self,
        entity: &Urn,
        current: Option<&Aspect>,
        found: &Found,
    ) -> Result<AspectChange, TransformError> {
        let entity_tags = match found.aspect(entity, TAGS.aspect_name)? {
            Some(tags) => TAGS.items(&Object::of(tags)?)?,
            None => Vec::new(),
        };
        let column_tags = match found.aspect(entity, SCHEMA)? {
            Some(schema) => Self::column_tags(schema)?,
            None => Vec::new(),
        };
        let mut seen = HashSet::new();
        let terms: Vec<ListItem> = entity_tags
            .iter()
            .chain(&column_tags)
            .filter_map(|tag| self.term_for(&tag.key))
            .map(|name| format!("urn:li:glossaryTerm:{name}"))
            .filter(|urn| seen.insert(urn.clone()))
            .map(|urn| ListItem { json: object::json(&json!({"urn": urn})), key: urn })
            .collect();
        if terms.is_empty() {
            return Ok(AspectChange::Keep);
        }
        let removals: Vec<Json> = entity_tags
            .iter()
            .filter(|tag| self.term_for(&tag.key).is_some())
            .map(|tag| object::json(&json!({"op": "remove", "path": format!("/tags/{}", pointer(&tag.key))})))
            .collect();
        if !removals.is_empty() {
            self.removals.push(entity, object::array(&removals).get());
        }
        let server = found.aspect(entity, TERMS.aspect_name)?;
        TERMS.change(self.semantics, current, terms, server, found)
    }

    fn next_extra(&mut self, limit: usize) -> Result<Vec<Addition>, Error> {
        self.next_removals = self.removals.next(limit)?;
        let entities = self.next_removals.iter();
        Ok(entities.map(|(entity, _)| Addition::new(entity.clone(), 1)).collect())
    }

    fn add_extra(
        &mut self,
        addition: &Addition,
        _found: &Found,
        output: &mut Vec<Proposal>,
    ) -> Result<(), TransformError> {
        let place = self.next_removals.iter().position(|(entity, _)| *entity == addition.entity);
        let Some(place) = place else { return Ok(()) };
        let (entity, operations) = self.next_removals.remove(place);
        let operations: Vec<Json> = serde_json::from_str(&operations)
            .map_err(|error| TransformError::new(format!("the removal of tags: {error}")))?;
        let patch = aspect(&operations).with_content_type(Aspect::JSON_PATCH);
        output.push(Proposal::new(ChangeType::Patch, entity, TAGS.aspect_name, Some(patch)));
        Ok(())
    }
}
