//! `simple_remove_dataset_ownership`: removes the owners that the source names.

use super::object::Object;
use super::{AspectChange, AspectTransformer, EntityTypes, Found, PerAspect, TransformError, Transformer};
use crate::metadata::{Aspect, Urn};

/// Empties the ownership of records; entities without ownership get none.
struct RemoveOwnership;

pub(super) fn read() -> Box<dyn Transformer> {
    PerAspect::boxed(RemoveOwnership)
}

impl AspectTransformer for RemoveOwnership {
    fn aspect_name(&self) -> &'static str {
        "ownership"
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
        _found: &Found,
    ) -> Result<AspectChange, TransformError> {
        let Some(current) = current else { return Ok(AspectChange::Keep) };
        let mut ownership = Object::of(current)?;
        ownership.set_items("owners", &[]);
        Ok(AspectChange::Write(ownership.to_aspect()))
    }
}
