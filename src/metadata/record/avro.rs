//! Avro's type tags of nullable fields, in the members around an aspect.
//!
//! In Avro's JSON the value of a nullable field is wrapped in an object whose only member is named by the
//! value's type. DataHub's file source accepts records with such tags and without.

use crate::metadata::json::{Cursor, Inside, JsonError, Kind};

use super::RecordError;

/// A tag: the name of a type, and the JSON kind of its values.
#[derive(Clone, Copy, Debug)]
pub(super) struct AvroTag {
    name: &'static str,
    kind: Kind,
}

impl AvroTag {
    pub(super) const STRING: Self = Self { name: "string", kind: Kind::String };
    pub(super) const LONG: Self = Self { name: "long", kind: Kind::Integer };
    pub(super) const MAP: Self = Self { name: "map", kind: Kind::Object };
    pub(super) const GENERIC_ASPECT: Self =
        Self { name: "com.linkedin.pegasus2avro.mxe.GenericAspect", kind: Kind::Object };
    pub(super) const SYSTEM_METADATA: Self =
        Self { name: "com.linkedin.pegasus2avro.mxe.SystemMetadata", kind: Kind::Object };
}

/// Reads the next value, with or without the tag.
pub(super) fn untagged<'a, T>(
    cursor: &mut Cursor<'a>,
    tag: AvroTag,
    read: impl FnOnce(&mut Cursor<'a>) -> Result<T, RecordError>,
) -> Result<T, RecordError> {
    let Some(mut object) = enter(cursor, tag)? else {
        return read(cursor);
    };
    let value = read(cursor)?;
    match cursor.key(&mut object)? {
        None => Ok(value),
        Some(second) => {
            let reason = format!("expected no member beside `{}`, found a second member", tag.name);
            Err(RecordError::new(second.offset(), reason))
        }
    }
}

/// Enters the tagged value, if the next value has this tag.
fn enter(cursor: &mut Cursor<'_>, tag: AvroTag) -> Result<Option<Inside>, JsonError> {
    if cursor.kind()? != Kind::Object {
        return Ok(None);
    }
    let mut ahead = cursor.clone();
    let mut object = ahead.object()?;
    let Some(name) = ahead.key(&mut object)? else {
        return Ok(None);
    };
    if name.decode().is_ok_and(|name| name == tag.name) && ahead.kind()? == tag.kind {
        *cursor = ahead;
        return Ok(Some(object));
    }
    Ok(None)
}
