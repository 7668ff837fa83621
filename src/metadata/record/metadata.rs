//! The system metadata and the headers of a record.

use std::borrow::Cow;
use std::sync::Arc;

use super::RecordError;
use super::avro::{AvroTag, untagged};
use crate::metadata::json::{Cursor, Inside, Kind, Rewriter, Text};
use crate::metadata::{SystemMetadata, model};

/// Texts that many records repeat, such as the run id, so that their proposals share the memory.
#[derive(Debug, Default)]
pub(super) struct SharedText {
    recent: [Option<Arc<str>>; 4],
    oldest: usize,
}

impl SharedText {
    fn share(&mut self, text: &str) -> Arc<str> {
        let known = self.recent.iter().flatten().find(|known| &***known == text);
        if let Some(known) = known {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        if let Some(slot) = self.recent.get_mut(self.oldest) {
            *slot = Some(Arc::clone(&new));
        }
        self.oldest = (self.oldest + 1) % self.recent.len();
        new
    }

    fn take(&mut self, cursor: &mut Cursor<'_>, place: &str) -> Result<Arc<str>, RecordError> {
        let text = untagged(cursor, AvroTag::STRING, |cursor| string(cursor, place))?;
        Ok(self.share(&text.decode()?))
    }
}

/// Reads the next value, a string.
pub(super) fn string<'a>(cursor: &mut Cursor<'a>, place: &str) -> Result<Text<'a>, RecordError> {
    match cursor.kind()? {
        Kind::String => Ok(cursor.string()?),
        other => {
            let reason = format!("{place}: expected a string, found {}", other.name());
            Err(RecordError::new(cursor.offset(), reason))
        }
    }
}

/// Reads `systemMetadata`. Null means absent, for the object and for its members.
pub(super) fn system_metadata(
    cursor: &mut Cursor<'_>,
    shared: &mut SharedText,
) -> Result<Option<Box<SystemMetadata>>, RecordError> {
    untagged(cursor, AvroTag::SYSTEM_METADATA, |cursor| untagged_system_metadata(cursor, shared))
}

fn untagged_system_metadata(
    cursor: &mut Cursor<'_>,
    shared: &mut SharedText,
) -> Result<Option<Box<SystemMetadata>>, RecordError> {
    let Some(mut object) = object_or_null(cursor, "systemMetadata", "an object")? else {
        return Ok(None);
    };
    let mut found = SystemMetadata::default();
    let mut properties = None;
    let mut members = Members::of("systemMetadata");
    while let Some(key) = cursor.key(&mut object)? {
        if cursor.kind()? == Kind::Null {
            cursor.skip()?;
            continue;
        }
        let name = key.decode()?;
        let twice = match &*name {
            "lastObserved" => {
                found.last_observed.replace(untagged(cursor, AvroTag::LONG, milliseconds)?).is_some()
            }
            "runId" => found.run_id.replace(shared.take(cursor, "systemMetadata.runId")?).is_some(),
            "lastRunId" => {
                found.last_run_id.replace(shared.take(cursor, "systemMetadata.lastRunId")?).is_some()
            }
            "pipelineName" => {
                found.pipeline_name.replace(shared.take(cursor, "systemMetadata.pipelineName")?).is_some()
            }
            "properties" => properties.replace(string_map(cursor, "systemMetadata.properties")?).is_some(),
            _ => {
                found.other.push((name.clone().into_owned(), other(cursor)?));
                members.note(name.clone(), key.offset());
                false
            }
        };
        if twice {
            return Err(twice_in("systemMetadata", &name, key.offset()));
        }
    }
    found.properties = properties.unwrap_or_default();
    members.check()?;
    Ok(Some(Box::new(found)))
}

/// Reads a member that this crate does not interpret.
fn other(cursor: &mut Cursor<'_>) -> Result<Box<str>, RecordError> {
    let mut value = Vec::new();
    untagged(cursor, AvroTag::STRING, |cursor| {
        untagged(cursor, AvroTag::LONG, |cursor| {
            // GMS rejects nulls in it, and with them the whole batch.
            Ok(Rewriter::default().rewrite(cursor, &model::UNKNOWN, &mut value)?)
        })
    })?;
    Ok(String::from_utf8_lossy(&value).into())
}

/// The names of the members of an object. GMS rejects an object that has a name twice.
struct Members<'a> {
    place: &'static str,
    names: Vec<(Cow<'a, str>, usize)>,
}

impl<'a> Members<'a> {
    fn of(place: &'static str) -> Self {
        Self { place, names: Vec::new() }
    }

    fn note(&mut self, name: Cow<'a, str>, offset: usize) {
        self.names.push((name, offset));
    }

    fn check(mut self) -> Result<(), RecordError> {
        self.names.sort_unstable();
        for pair in self.names.windows(2) {
            if let [(one, _), (other, offset)] = pair
                && one == other
            {
                return Err(twice_in(self.place, other, *offset));
            }
        }
        Ok(())
    }
}

fn twice_in(place: &str, name: &str, offset: usize) -> RecordError {
    RecordError::new(offset, format_args!("{place} has the member `{name}` twice"))
}

/// Enters an object; `None` for null. Anything else is an error that names the place.
fn object_or_null(
    cursor: &mut Cursor<'_>,
    place: &str,
    expected: &str,
) -> Result<Option<Inside>, RecordError> {
    match cursor.kind()? {
        Kind::Object => Ok(Some(cursor.object()?)),
        Kind::Null => {
            cursor.skip()?;
            Ok(None)
        }
        other => Err(RecordError::new(
            cursor.offset(),
            format!("{place}: expected {expected}, found {}", other.name()),
        )),
    }
}

fn milliseconds(cursor: &mut Cursor<'_>) -> Result<i64, RecordError> {
    let kind = cursor.kind()?;
    let offset = cursor.offset();
    let text = cursor.skip()?;
    if kind == Kind::Integer
        && let Ok(number) = text.parse()
    {
        return Ok(number);
    }
    let reason =
        "systemMetadata.lastObserved: expected a whole number of milliseconds since 1970, of 64 bits";
    Err(RecordError::new(offset, reason))
}

/// Reads an object of strings. Null means absent, for the object and for its members.
pub(super) fn string_map(
    cursor: &mut Cursor<'_>,
    place: &'static str,
) -> Result<Vec<(String, String)>, RecordError> {
    untagged(cursor, AvroTag::MAP, |cursor| untagged_string_map(cursor, place))
}

fn untagged_string_map(
    cursor: &mut Cursor<'_>,
    place: &'static str,
) -> Result<Vec<(String, String)>, RecordError> {
    let Some(mut object) = object_or_null(cursor, place, "an object of strings")? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    let mut members = Members::of(place);
    while let Some(key) = cursor.key(&mut object)? {
        if cursor.kind()? == Kind::Null {
            cursor.skip()?;
            continue;
        }
        let name = key.decode()?;
        let value = string(cursor, place)?.decode()?;
        found.push((name.clone().into_owned(), value.into_owned()));
        members.note(name, key.offset());
    }
    members.check()?;
    Ok(found)
}
