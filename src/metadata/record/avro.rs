//! Avro's marks of nullable fields, in what is around an aspect.
//!
//! In Avro's JSON a nullable field holds its value as the only member of an object named by the value's type. DataHub's
//! file source takes a record with such marks and without.

use crate::metadata::json::{Cursor, Inside, JsonError, Kind};

use super::RecordError;

/// A mark: the name of a type, and what values of the type are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    name: &'static str,
    kind: Kind,
}

impl Mark {
    pub(super) const STRING: Self = Self { name: "string", kind: Kind::String };
    pub(super) const LONG: Self = Self { name: "long", kind: Kind::Integer };
    pub(super) const MAP: Self = Self { name: "map", kind: Kind::Object };
    pub(super) const GENERIC_ASPECT: Self =
        Self { name: "com.linkedin.pegasus2avro.mxe.GenericAspect", kind: Kind::Object };
    pub(super) const SYSTEM_METADATA: Self =
        Self { name: "com.linkedin.pegasus2avro.mxe.SystemMetadata", kind: Kind::Object };
}

/// Reads the value that comes next, with or without the mark.
pub(super) fn unmarked<'a, T>(
    cursor: &mut Cursor<'a>,
    mark: Mark,
    read: impl FnOnce(&mut Cursor<'a>) -> Result<T, RecordError>,
) -> Result<T, RecordError> {
    let Some(mut object) = enter(cursor, mark)? else {
        return read(cursor);
    };
    let value = read(cursor)?;
    match cursor.key(&mut object)? {
        None => Ok(value),
        Some(second) => {
            let reason = format!("expected nothing beside `{}`, found a second member", mark.name);
            Err(RecordError::new(second.offset(), reason))
        }
    }
}

/// Steps into the marked value, if it is one.
fn enter(cursor: &mut Cursor<'_>, mark: Mark) -> Result<Option<Inside>, JsonError> {
    if cursor.kind()? != Kind::Object {
        return Ok(None);
    }
    let mut ahead = cursor.clone();
    let mut object = ahead.object()?;
    let Some(name) = ahead.key(&mut object)? else {
        return Ok(None);
    };
    if name.decode().is_ok_and(|name| name == mark.name) && ahead.kind()? == mark.kind {
        *cursor = ahead;
        return Ok(Some(object));
    }
    Ok(None)
}
