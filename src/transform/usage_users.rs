//! `pattern_cleanup_dataset_usage_user`: removes parts of the names of users in usage statistics.

use super::cleanup_ownership::clean_name;
use super::extract_tags::read_patterns;
use super::object::{Object, json};
use super::pattern::Pattern;
use super::{AspectChange, AspectTransformer, EntityTypes, Found, PerAspect, TransformError, Transformer};
use crate::metadata::{Aspect, Urn};
use crate::recipe::{Fields, Reported};

const MEMBER: &str = "userCounts";

/// Cleans the users of `userCounts`.
struct CleanUsers {
    patterns: Vec<Pattern>,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    let patterns = read_patterns(fields, "pattern_for_cleanup").ok_or_else(|| fields.reported())?;
    Ok(PerAspect::boxed(CleanUsers { patterns }))
}

impl AspectTransformer for CleanUsers {
    fn aspect_name(&self) -> &'static str {
        "datasetUsageStatistics"
    }

    fn entity_types(&self) -> EntityTypes {
        EntityTypes::of(["dataset"])
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
        let mut statistics = Object::of(current)?;
        let mut counts = statistics.items(MEMBER)?;
        let mut is_changed = false;
        for item in &mut counts {
            let mut count = Object::parse(item.get())
                .map_err(|_| TransformError::new("a user count: expected an object"))?;
            if let Some(user) = count.text("user")
                && let Some(clean) = clean_name(&user, &["urn:li:corpuser:"], &self.patterns)?
                && clean != user
            {
                count.set("user", json(&clean));
                *item = count.to_json();
                is_changed = true;
            }
        }
        if !is_changed {
            return Ok(AspectChange::Keep);
        }
        statistics.set_items(MEMBER, &counts);
        Ok(AspectChange::Write(statistics.to_aspect()))
    }
}
