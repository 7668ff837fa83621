//! `extract_dataset_tags`: tags from the names of data sets.

use super::dataset_name::DatasetName;
use super::list_item::ListItem;
use super::object::json;
use super::pattern::Pattern;
use super::semantics::Semantics;
use super::tags::TAGS;
use super::{AspectChange, AspectTransformer, EntityTypes, Found, PerAspect, TransformError, Transformer};
use crate::metadata::{Aspect, Urn};
use crate::recipe::{Fields, Reported};

/// Adds the text of the pattern's first group as a tag.
struct ExtractTags {
    semantics: Semantics,
    pattern: Pattern,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    let semantics = Semantics::read(fields);
    fields.choice("extract_tags_from", &[("urn", ())]);
    let pattern = read_pattern(fields, "extract_tags_regex", "a regular expression with a group");
    let pattern = pattern.ok_or_else(|| fields.reported())?;
    if pattern.groups() == 0 {
        fields.mistake("extract_tags_regex", "expected a group, whose text becomes the tag: tag_(.*)");
        return Err(fields.reported());
    }
    Ok(PerAspect::boxed(ExtractTags { semantics, pattern }))
}

/// Reads a required regular expression.
pub(super) fn read_pattern(fields: &mut Fields<'_>, key: &'static str, expected: &str) -> Option<Pattern> {
    fields.missing(key, expected);
    let text = fields.string(key)?;
    Pattern::new(&text).map_err(|why| fields.mistake(key, why)).ok()
}

/// Reads a required list of regular expressions.
pub(super) fn read_patterns(fields: &mut Fields<'_>, key: &'static str) -> Option<Vec<Pattern>> {
    fields.missing(key, "a list of regular expressions");
    let texts = fields.strings(key)?;
    let mut patterns = Vec::with_capacity(texts.len());
    for text in &texts {
        match Pattern::new(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(why) => fields.mistake(key, format!("{text:?}: {why}")),
        }
    }
    (patterns.len() == texts.len()).then_some(patterns)
}

impl AspectTransformer for ExtractTags {
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
        let name = DatasetName::of(entity)?.name;
        let group = self.pattern.search(name)?.and_then(|captures| captures.get(1));
        // A group that did not take part, or matched nothing, names no tag.
        let tag = group.map(|group| group.as_str()).filter(|tag| !tag.is_empty());
        let configured = tag.map(|tag| {
            let urn = format!("urn:li:tag:{tag}");
            ListItem { json: json(&serde_json::json!({"tag": urn})), key: urn }
        });
        let server = found.aspect(entity, TAGS.aspect_name)?;
        TAGS.change(self.semantics, current, configured.into_iter().collect(), server, found)
    }
}
