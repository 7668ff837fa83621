//! `mark_dataset_status`: marks data sets as present or removed.

use super::object::{Object, json};
use super::{AspectChange, AspectTransformer, EntityTypes, Found, PerAspect, TransformError, Transformer};
use crate::metadata::{Aspect, Urn};
use crate::recipe::{Fields, Reported};

/// Sets `removed` of the status.
struct MarkStatus {
    removed: bool,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    fields.missing("removed", "true or false");
    let removed = fields.boolean("removed").ok_or_else(|| fields.reported())?;
    Ok(PerAspect::boxed(MarkStatus { removed }))
}

impl AspectTransformer for MarkStatus {
    fn aspect_name(&self) -> &'static str {
        "status"
    }

    fn entity_types(&self) -> EntityTypes {
        EntityTypes::of(["dataset"])
    }

    fn change(
        &mut self,
        _entity: &Urn,
        current: Option<&Aspect>,
        _found: &Found,
    ) -> Result<AspectChange, TransformError> {
        let mut status = current.map(Object::of).transpose()?.unwrap_or_default();
        let removed = json(&self.removed);
        if status.get("removed").is_some_and(|before| before.get() == removed.get()) {
            return Ok(AspectChange::Keep);
        }
        status.set("removed", removed);
        Ok(AspectChange::Write(status.to_aspect()))
    }
}
