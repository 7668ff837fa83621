//! The system metadata and the headers of a record.

use std::sync::Arc;

use super::RecordError;
use crate::metadata::SystemMetadata;
use crate::metadata::json::{self, Cursor, Inside, Kind, Text};

/// Names that record after record repeats, such as the run id.
#[derive(Debug, Default)]
pub(super) struct Repeated {
    recent: [Option<Arc<str>>; 4],
    oldest: usize,
}

impl Repeated {
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
        Ok(self.share(&string(cursor, place)?.decode()?))
    }
}

/// Takes the string that comes next.
pub(super) fn string<'a>(cursor: &mut Cursor<'a>, place: &str) -> Result<Text<'a>, RecordError> {
    match cursor.kind()? {
        Kind::String => Ok(cursor.string()?),
        other => {
            let reason = format!("{place}: expected a string, found {}", other.name());
            Err(RecordError::new(cursor.offset(), reason))
        }
    }
}

/// Reads `systemMetadata`; null, and members that are null, are as if they were absent.
pub(super) fn system_metadata(
    cursor: &mut Cursor<'_>,
    repeated: &mut Repeated,
) -> Result<Option<Box<SystemMetadata>>, RecordError> {
    let Some(mut object) = object_or_null(cursor, "systemMetadata", "an object")? else {
        return Ok(None);
    };
    let mut found = SystemMetadata::default();
    while let Some(key) = cursor.key(&mut object)? {
        if cursor.kind()? == Kind::Null {
            cursor.skip()?;
            continue;
        }
        let name = key.decode()?;
        let twice = match &*name {
            "lastObserved" => found.last_observed.replace(milliseconds(cursor)?).is_some(),
            "runId" => found.run_id.replace(repeated.take(cursor, "systemMetadata.runId")?).is_some(),
            "lastRunId" => {
                found.last_run_id.replace(repeated.take(cursor, "systemMetadata.lastRunId")?).is_some()
            }
            "pipelineName" => {
                found.pipeline_name.replace(repeated.take(cursor, "systemMetadata.pipelineName")?).is_some()
            }
            "properties" => {
                let before = std::mem::replace(
                    &mut found.properties,
                    string_map(cursor, "systemMetadata.properties")?,
                );
                !before.is_empty()
            }
            _ => {
                let mut value = Vec::new();
                json::compact(cursor, &mut value)?;
                let value = String::from_utf8_lossy(&value).into();
                found.other.push((name.clone().into_owned(), value));
                false
            }
        };
        if twice {
            let reason = format!("systemMetadata has the member `{name}` twice");
            return Err(RecordError::new(key.offset(), reason));
        }
    }
    Ok(Some(Box::new(found)))
}

/// Steps into an object; `None` for null. Anything else is an error that names the place.
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

/// Reads an object of strings; null, and members that are null, are as if they were absent.
pub(super) fn string_map(cursor: &mut Cursor<'_>, place: &str) -> Result<Vec<(String, String)>, RecordError> {
    let Some(mut object) = object_or_null(cursor, place, "an object of strings")? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    while let Some(key) = cursor.key(&mut object)? {
        if cursor.kind()? == Kind::Null {
            cursor.skip()?;
            continue;
        }
        let name = key.decode()?;
        let value = string(cursor, place)?.decode()?;
        found.push((name.into_owned(), value.into_owned()));
    }
    Ok(found)
}
