//! `pattern_cleanup_ownership`: removes parts of the names of owners.

use super::extract_tags::read_patterns;
use super::list_item::{ListItem, deduplicated};
use super::object::{Object, json};
use super::ownership::OWNERS;
use super::pattern::{Pattern, Replacement};
use super::{AspectChange, AspectTransformer, EntityTypes, Found, PerAspect, TransformError, Transformer};
use crate::metadata::{Aspect, Urn};
use crate::recipe::{Fields, Reported};

/// Cleans the owners that records name. Python takes those of the server instead, and so removes the owners
/// of every entity that the server does not know.
struct CleanOwners {
    patterns: Vec<Pattern>,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    let patterns = read_patterns(fields, "pattern_for_cleanup").ok_or_else(|| fields.reported())?;
    Ok(PerAspect::boxed(CleanOwners { patterns }))
}

/// Removes every match of the patterns from the name in a URN of a user or a group. A name of which nothing
/// would be left stays as it is. `None` for other URNs.
pub(super) fn clean_name(
    urn: &str,
    prefixes: &[&str],
    patterns: &[Pattern],
) -> Result<Option<String>, TransformError> {
    let Some((prefix, name)) =
        prefixes.iter().find_map(|prefix| urn.strip_prefix(prefix).map(|name| (prefix, name)))
    else {
        return Ok(None);
    };
    let mut cleaned = name.to_owned();
    for pattern in patterns {
        cleaned = pattern.replace_all(&cleaned, &Replacement::empty())?;
    }
    if cleaned.is_empty() {
        tracing::warn!(urn, "the patterns would remove the whole name, so it stays as it is");
        return Ok(None);
    }
    Ok(Some(format!("{prefix}{cleaned}")))
}

impl AspectTransformer for CleanOwners {
    fn aspect_name(&self) -> &'static str {
        OWNERS.aspect_name
    }

    fn entity_types(&self) -> EntityTypes {
        EntityTypes::of(EntityTypes::WITHOUT_CONTAINERS)
    }

    fn adds(&self) -> bool {
        false
    }

    fn change(
        &mut self,
        _entity: &Urn,
        current: Option<&Aspect>,
        found: &Found,
    ) -> Result<AspectChange, TransformError> {
        let Some(current) = current else { return Ok(AspectChange::Keep) };
        let ownership = Object::of(current)?;
        let mut cleaned = Vec::new();
        for item in ownership.items(OWNERS.member)? {
            let mut owner =
                Object::parse(item.get()).map_err(|_| TransformError::new("an owner: expected an object"))?;
            if let Some(urn) = owner.text("owner")
                && let Some(clean) =
                    clean_name(&urn, &["urn:li:corpuser:", "urn:li:corpGroup:"], &self.patterns)?
            {
                owner.set("owner", json(&clean));
            }
            let json = owner.to_json();
            cleaned.push(ListItem { key: (OWNERS.key)(&json), json });
        }
        Ok(OWNERS.write(Some(ownership), &deduplicated(cleaned), found))
    }
}
