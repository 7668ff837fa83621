//! The entity that a record is about, which the record names by its URN, by its key, or by both.

use std::borrow::Cow;

use super::RecordError;
use crate::metadata::{Aspect, Name, Urn, model};
use crate::suggest::suggestion;

/// How the record names the entity; a key by its offset in the record.
#[derive(Clone, Copy)]
pub(super) enum EntityNaming<'a> {
    Urn(&'a Urn),
    Key(usize),
    Both(&'a Urn, usize),
}

/// The entity of a record.
pub(super) struct RecordEntity {
    pub(super) entity_type: Name,
    pub(super) urn: Urn,
    /// Its key, where the record has no URN.
    pub(super) key_aspect: Option<Aspect>,
}

/// Determines the entity. `stated` is the `entityType` of the record and its offset; `key_aspect` reads the
/// key aspect with a given name at a given offset.
pub(super) fn read(
    (stated, stated_at): &(Cow<'_, str>, usize),
    naming: EntityNaming<'_>,
    key_aspect: impl FnOnce(&str, usize) -> Result<Option<Aspect>, RecordError>,
) -> Result<RecordEntity, RecordError> {
    match naming {
        EntityNaming::Key(at) => {
            let known = model::entity_type(stated).and_then(|known| Some((known, model::key_aspect(known)?)));
            let Some((entity_type, name)) = known else {
                let hint = suggestion(stated, model::entity_types());
                let reason = format!(
                    "entityKeyAspect without entityUrn: the key of entities of type `{stated}` is not known{hint}"
                );
                return Err(RecordError::new(*stated_at, reason));
            };
            let key_aspect = key_aspect(name, at)?;
            let urn = urn(entity_type, key_aspect.as_ref(), at)?;
            Ok(RecordEntity { entity_type: Cow::Borrowed(entity_type), urn, key_aspect })
        }
        EntityNaming::Urn(urn) => {
            let entity_type = entity_type(stated, urn, *stated_at)?;
            Ok(RecordEntity { entity_type, urn: urn.clone(), key_aspect: None })
        }
        EntityNaming::Both(given, at) => {
            let entity_type = entity_type(stated, given, *stated_at)?;
            // GMS uses the URN alone, so a different key was meant for another entity.
            if let Some(name) = model::key_aspect(&entity_type) {
                let meant = urn(&entity_type, key_aspect(name, at)?.as_ref(), at)?;
                if meant != *given {
                    let reason = format!("entityKeyAspect is the key of {meant}, but entityUrn is {given}");
                    return Err(RecordError::new(at, reason));
                }
            }
            Ok(RecordEntity { entity_type, urn: given.clone(), key_aspect: None })
        }
    }
}

/// The URN of the entity with the key at `at`.
fn urn(entity_type: &str, key: Option<&Aspect>, at: usize) -> Result<Urn, RecordError> {
    let found = match key {
        None => Err("expected an object, found null".to_owned()),
        Some(key) if key.content_type != Aspect::JSON => {
            Err(format!("expected the contentType application/json, found {:?}", key.content_type))
        }
        Some(key) => Urn::from_key_aspect_lenient(entity_type, &String::from_utf8_lossy(&key.value))
            .map_err(|error| error.to_string()),
    };
    found.map_err(|reason| RecordError::new(at, format_args!("entityKeyAspect: {reason}")))
}

/// The entity type as the URN spells it; `stated` may differ from it in case.
pub(super) fn entity_type(stated: &str, urn: &Urn, stated_at: usize) -> Result<Name, RecordError> {
    let named = urn.entity_type();
    if named.eq_ignore_ascii_case(stated) {
        return Ok(model::intern_entity_type(named));
    }
    let reason = format!("the entity type is {stated:?}, but the URN {urn} is one of {named:?}");
    Err(RecordError::new(stated_at, reason))
}
