//! `replace_external_url` and `replace_external_url_container`.

use super::extract_tags::read_pattern;
use super::object::{Object, json};
use super::pattern::{Pattern, Replacement};
use super::{AspectChange, AspectTransformer, EntityTypes, Found, PerAspect, TransformError, Transformer};
use crate::metadata::{Aspect, Urn};
use crate::recipe::{Fields, Reported};

const MEMBER: &str = "externalUrl";

/// Replaces parts of the external URLs that records have.
struct ReplaceUrl {
    aspect_name: &'static str,
    entity_type: &'static str,
    pattern: Pattern,
    replacement: Replacement,
}

pub(super) fn dataset(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    read(fields, "datasetProperties", "dataset")
}

pub(super) fn container(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    read(fields, "containerProperties", "container")
}

fn read(
    fields: &mut Fields<'_>,
    aspect_name: &'static str,
    entity_type: &'static str,
) -> Result<Box<dyn Transformer>, Reported> {
    let pattern = read_pattern(fields, "input_pattern", "a regular expression");
    fields.missing("replacement", "the text that replaces each match");
    let template = fields.string("replacement");
    let (pattern, template) = pattern.zip(template).ok_or_else(|| fields.reported())?;
    match Replacement::new(&template, &pattern) {
        Ok(replacement) => {
            Ok(PerAspect::boxed(ReplaceUrl { aspect_name, entity_type, pattern, replacement }))
        }
        Err(why) => {
            fields.mistake("replacement", why);
            Err(fields.reported())
        }
    }
}

impl AspectTransformer for ReplaceUrl {
    fn aspect_name(&self) -> &'static str {
        self.aspect_name
    }

    fn entity_types(&self) -> EntityTypes {
        EntityTypes::of([self.entity_type])
    }

    fn adds(&self) -> bool {
        false
    }

    fn change(
        &mut self,
        _entity: &Urn,
        current: Option<&Aspect>,
        _found: &Found,
    ) -> Result<AspectChange, TransformError> {
        let Some(current) = current else { return Ok(AspectChange::Keep) };
        let mut properties = Object::of(current)?;
        let Some(before) = properties.text(MEMBER) else { return Ok(AspectChange::Keep) };
        let after = self.pattern.replace_all(&before, &self.replacement)?;
        if after == before {
            return Ok(AspectChange::Keep);
        }
        properties.set(MEMBER, json(&after));
        Ok(AspectChange::Write(properties.to_aspect()))
    }
}
