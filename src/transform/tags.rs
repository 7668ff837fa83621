//! `simple_add_dataset_tags` and `pattern_add_dataset_tags`.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::list::{List, no_members};
use super::list_item::ListItem;
use super::object::{aspect, json};
use super::rules::{Rules, Values};
use super::semantics::Semantics;
use super::{
    Addition, AspectChange, AspectTransformer, EntityTypes, Found, PerAspect, TransformError, Transformer,
};
use crate::Error;
use crate::metadata::{Aspect, Proposal, Urn};
use crate::recipe::{Fields, Reported};

/// The tags of `globalTags`.
pub(super) const TAGS: List =
    List { aspect_name: "globalTags", member: "tags", key: tag_key, new: no_members };

/// The addition of the key of a tag.
const TAG_KEY: u8 = 1;

/// Adds tags to data sets.
struct AddTags {
    semantics: Semantics,
    tags: Values,
    /// The tags that were added, in the order of their first use.
    used: Vec<String>,
    known: HashSet<String>,
}

pub(super) fn simple(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    let semantics = Semantics::read(fields);
    let tags = Values::read_list(fields, "tag_urns", "a list of URNs of tags", tag_item);
    boxed(fields, semantics, tags)
}

pub(super) fn pattern(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    let semantics = Semantics::read(fields);
    let tags = Rules::read(fields, "tag_pattern", tag_item).map(Values::Rules);
    boxed(fields, semantics, tags)
}

fn boxed(
    fields: &Fields<'_>,
    semantics: Semantics,
    tags: Option<Values>,
) -> Result<Box<dyn Transformer>, Reported> {
    let tags = tags.ok_or_else(|| fields.reported())?;
    Ok(PerAspect::boxed(AddTags { semantics, tags, used: Vec::new(), known: HashSet::new() }))
}

impl AddTags {
    fn note_used(&mut self, tags: Vec<ListItem>) {
        for tag in tags {
            if self.known.insert(tag.key.clone()) {
                self.used.push(tag.key);
            }
        }
    }
}

impl AspectTransformer for AddTags {
    fn aspect_name(&self) -> &'static str {
        TAGS.aspect_name
    }

    fn entity_types(&self) -> EntityTypes {
        EntityTypes::of(["dataset"])
    }

    fn needs_graph(&self) -> Option<&'static str> {
        self.semantics.needs_graph()
    }

    fn lookups(&self, _entity: &Urn, _current: Option<&Aspect>) -> Vec<&'static str> {
        self.semantics.lookups(TAGS.aspect_name)
    }

    fn change(
        &mut self,
        entity: &Urn,
        current: Option<&Aspect>,
        found: &Found,
    ) -> Result<AspectChange, TransformError> {
        let configured = self.tags.of(entity.as_str())?;
        let server = found.aspect(entity, TAGS.aspect_name)?;
        let change = TAGS.change(self.semantics, current, configured.clone(), server, found)?;
        self.note_used(configured);
        Ok(change)
    }

    fn observe(&mut self, delivered: &Proposal) {
        // A proposal whose rules fail was rejected in the earlier run, and has no tags.
        if let Ok(configured) = self.tags.of(delivered.urn().as_str()) {
            self.note_used(configured);
        }
    }

    fn next_extra(&mut self, limit: usize) -> Result<Vec<Addition>, Error> {
        let count = limit.min(self.used.len());
        // The URNs were checked when the recipe was read.
        let tags = self.used.drain(..count).filter_map(|tag| Urn::parse(&tag).ok());
        Ok(tags.map(|tag| Addition::new(tag, TAG_KEY)).collect())
    }

    fn add_extra(
        &mut self,
        addition: &Addition,
        _found: &Found,
        output: &mut Vec<Proposal>,
    ) -> Result<(), TransformError> {
        let key = aspect(&serde_json::json!({"name": addition.entity.key()}));
        output.push(addition.proposal("tagKey", key));
        Ok(())
    }
}

/// An item of `globalTags`.
pub(super) fn tag_item(urn: &str) -> Result<ListItem, String> {
    let tag = urn_of_type(urn, "tag")?;
    Ok(ListItem { key: tag.as_str().to_owned(), json: json(&serde_json::json!({"tag": tag})) })
}

/// A URN of this type that GMS stores.
pub(super) fn urn_of_type(text: &str, entity_type: &str) -> Result<Urn, String> {
    let urn = Urn::parse(text).map_err(|error| error.to_string())?;
    if urn.entity_type() != entity_type {
        return Err(format!(
            "{text:?} is not the URN of a {entity_type}: expected urn:li:{entity_type}:<name>"
        ));
    }
    match urn.storage_problem() {
        Some(problem) => Err(problem),
        None => Ok(urn),
    }
}

fn tag_key(item: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Tag {
        tag: String,
    }
    serde_json::from_str(item.get()).map_or_else(|_| item.get().to_owned(), |item: Tag| item.tag)
}
