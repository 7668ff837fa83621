//! Metadata change events (MCE): a snapshot of an entity, split into its aspects.

use super::RecordError;
use crate::metadata::json::{Cursor, Inside, Kind, Text};
use crate::metadata::model::{self, SnapshotModel};
use crate::metadata::{Aspect, Urn};
use crate::suggest::suggestion;

/// A snapshot that was read.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) urn: Urn,
    pub(super) entity_type: &'static str,
    /// The aspects with their names, in their order.
    pub(super) aspects: Vec<(&'static str, Aspect)>,
    /// The offset of its first byte in the record.
    pub(super) offset: usize,
}

/// Reads the parts of a snapshot; the record reader implements it.
pub(super) trait SnapshotParts {
    /// Reads the next value, the URN of the snapshot.
    fn urn(&mut self, cursor: &mut Cursor<'_>) -> Result<Urn, RecordError>;

    /// Reads the next value, the aspect `name`.
    fn aspect(&mut self, cursor: &mut Cursor<'_>, name: &'static str) -> Result<Aspect, RecordError>;
}

/// Reads the next value, a snapshot: `{class: {"urn": …, "aspects": [{class: {…}}, …]}}`, the two members in
/// any order. Classes may be in Python's namespace, as DataHub writes them, or in GMS's.
pub(super) fn read(cursor: &mut Cursor<'_>, parts: &mut impl SnapshotParts) -> Result<Snapshot, RecordError> {
    let (tag, mut outer) = tagged(cursor, "proposedSnapshot")?;
    let class = tag.decode()?;
    let Some(kind) = model::snapshot(&class) else {
        let hint = nearest_class(&class, model::snapshot_classes());
        let reason = format!("unknown snapshot kind `{class}`{hint}");
        return Err(RecordError::new(tag.offset(), reason));
    };
    expect_object(cursor, "the snapshot")?;
    let offset = cursor.offset();
    let mut urn = None;
    let mut aspects = None;
    let mut body = cursor.object()?;
    while let Some(key) = cursor.key(&mut body)? {
        let name = key.decode()?;
        let twice = match &*name {
            "urn" => urn.replace(parts.urn(cursor)?).is_some(),
            "aspects" => aspects.replace(read_aspects(cursor, kind, parts)?).is_some(),
            other => {
                if cursor.kind()? != Kind::Null {
                    let hint = suggestion(other, ["urn", "aspects"]);
                    let reason = format!("unknown member `{other}` in the snapshot{hint}");
                    return Err(RecordError::new(key.offset(), reason));
                }
                cursor.skip()?;
                false
            }
        };
        if twice {
            let reason = format!("the snapshot has the member `{name}` twice");
            return Err(RecordError::new(key.offset(), reason));
        }
    }
    close_tagged(cursor, &mut outer, "proposedSnapshot")?;
    let urn = urn.ok_or_else(|| RecordError::new(offset, "the snapshot has no `urn`"))?;
    let aspects = aspects.ok_or_else(|| RecordError::new(offset, "the snapshot has no `aspects`"))?;
    Ok(Snapshot { urn, entity_type: kind.entity_type, aspects, offset })
}

fn read_aspects(
    cursor: &mut Cursor<'_>,
    kind: &SnapshotModel,
    parts: &mut impl SnapshotParts,
) -> Result<Vec<(&'static str, Aspect)>, RecordError> {
    let found = cursor.kind()?;
    if found != Kind::Array {
        let reason = format!("aspects of the snapshot: expected an array, found {}", found.name());
        return Err(RecordError::new(cursor.offset(), reason));
    }
    let mut aspects = Vec::new();
    let mut items = cursor.array()?;
    while cursor.item(&mut items)? {
        let (tag, mut outer) = tagged(cursor, "an aspect of the snapshot")?;
        let class = tag.decode()?;
        let Some(name) = kind.aspect(&class) else {
            let hint = nearest_class(&class, kind.aspects.iter().map(|(class, _)| *class));
            let reason = format!("unknown aspect `{class}` in a snapshot of a {}{hint}", kind.entity_type);
            return Err(RecordError::new(tag.offset(), reason));
        };
        aspects.push((name, parts.aspect(cursor, name)?));
        close_tagged(cursor, &mut outer, "an aspect of the snapshot")?;
    }
    Ok(aspects)
}

/// Enters an object of one member, and returns the member's name.
fn tagged<'a>(cursor: &mut Cursor<'a>, place: &str) -> Result<(Text<'a>, Inside), RecordError> {
    expect_object(cursor, place)?;
    let at = cursor.offset();
    let mut object = cursor.object()?;
    let Some(tag) = cursor.key(&mut object)? else {
        let reason =
            format!("{place}: expected an object of one member named by its class, found an empty one");
        return Err(RecordError::new(at, reason));
    };
    Ok((tag, object))
}

fn close_tagged(cursor: &mut Cursor<'_>, object: &mut Inside, place: &str) -> Result<(), RecordError> {
    match cursor.key(object)? {
        None => Ok(()),
        Some(second) => {
            let reason = format!(
                "{place}: expected an object of one member named by its class, found a second member"
            );
            Err(RecordError::new(second.offset(), reason))
        }
    }
}

fn expect_object(cursor: &mut Cursor<'_>, place: &str) -> Result<(), RecordError> {
    let kind = cursor.kind()?;
    if kind == Kind::Object {
        return Ok(());
    }
    let reason = format!("{place}: expected an object, found {}", kind.name());
    Err(RecordError::new(cursor.offset(), reason))
}

/// Suggests a class by its last part, which is where misspellings are.
fn nearest_class<'a>(class: &str, known: impl Iterator<Item = &'a str>) -> String {
    let last = |class: &'a str| class.rsplit('.').next().unwrap_or(class);
    let word = class.rsplit('.').next().unwrap_or(class);
    suggestion(word, known.map(last))
}
