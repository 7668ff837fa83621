//! An aspect of a record, in each of its forms.

use bytes::Bytes;

use super::RecordError;
use super::avro::{AvroTag, untagged};
use crate::metadata::aspect::check_patch;
use crate::metadata::json::{self, Cursor, Kind, Rewriter, Text};
use crate::metadata::model::{self, Node};
use crate::metadata::{Aspect, ChangeType, ContentType};
use crate::suggest::suggestion;

const MEMBERS: [&str; 3] = ["json", "value", "contentType"];

/// Reads aspects, and reuses its memory.
#[derive(Debug, Default)]
pub(super) struct AspectReader {
    rewriter: Rewriter,
    compact: Vec<u8>,
    text: String,
}

/// The properties of a proposal that are needed to read its aspect.
#[derive(Clone, Copy, Debug)]
pub(super) struct AspectContext {
    /// The name of the member, for messages.
    place: &'static str,
    change_type: ChangeType,
    /// The aspect's node in the model, if the aspect is to be rewritten.
    root: Option<&'static Node>,
    max_depth: usize,
}

impl AspectContext {
    /// Only aspects that the model knows are rewritten, and only in an UPSERT: as DataHub's file source does.
    pub(super) fn new(aspect_name: &str, change_type: ChangeType, max_depth: usize) -> Self {
        let known = model::aspect(aspect_name).filter(|_| change_type == ChangeType::Upsert);
        Self { place: "aspect", change_type, root: known.map(|model| model.root), max_depth }
    }

    /// The key aspect of an entity, by its name.
    pub(super) fn of_key(aspect_name: &str, max_depth: usize) -> Self {
        Self { place: "entityKeyAspect", ..Self::new(aspect_name, ChangeType::Upsert, max_depth) }
    }

    fn expected_form(&self, found: &str) -> String {
        format!(
            "{}: expected an object with `json`, or with `value` and `contentType`, found {found}",
            self.place
        )
    }
}

impl AspectReader {
    /// Reads the `aspect` of a record; `None` if it is null.
    pub(super) fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        context: AspectContext,
    ) -> Result<Option<Aspect>, RecordError> {
        untagged(cursor, AvroTag::GENERIC_ASPECT, |cursor| self.read_untagged(cursor, context))
    }

    fn read_untagged(
        &mut self,
        cursor: &mut Cursor<'_>,
        context: AspectContext,
    ) -> Result<Option<Aspect>, RecordError> {
        let place = context.place;
        let kind = cursor.kind()?;
        let start = cursor.offset();
        match kind {
            Kind::Null if context.change_type == ChangeType::Patch => {
                return Err(RecordError::new(
                    start,
                    "aspect is null: expected a patch, or another changeType",
                ));
            }
            Kind::Null => {
                cursor.skip()?;
                return Ok(None);
            }
            Kind::Object => {}
            other => return Err(RecordError::new(start, context.expected_form(other.name()))),
        }

        let mut json = None;
        let mut value: Option<Text<'_>> = None;
        let mut content_type: Option<ContentType> = None;
        let mut object = cursor.object()?;
        while let Some(key) = cursor.key(&mut object)? {
            let name = key.decode()?;
            let twice = match &*name {
                "json" => {
                    let kind = cursor.kind()?;
                    let at = cursor.offset();
                    self.compact.clear();
                    self.copy(cursor, context.root)?;
                    json.replace((kind, at)).is_some()
                }
                "value" => value.replace(cursor.string()?).is_some(),
                "contentType" if cursor.kind()? == Kind::Null => {
                    cursor.skip()?;
                    false
                }
                "contentType" => {
                    content_type.replace(intern_content_type(&cursor.string()?.decode()?)).is_some()
                }
                other => {
                    if cursor.kind()? != Kind::Null {
                        let hint = suggestion(other, MEMBERS);
                        let reason = format!("unknown member `{other}` in {place}{hint}");
                        return Err(RecordError::new(key.offset(), reason));
                    }
                    cursor.skip()?;
                    false
                }
            };
            if twice {
                let reason = format!("{place} has the member `{name}` twice");
                return Err(RecordError::new(key.offset(), reason));
            }
        }

        let ((kind, at), content_type) = match (json, value, content_type) {
            (Some(_), Some(_), _) => {
                let reason = format!("{place} has both `json` and `value`: expected one of them");
                return Err(RecordError::new(start, reason));
            }
            (None, None, _) => return Err(RecordError::new(start, context.expected_form("neither"))),
            (None, Some(_), None) => {
                let reason = format!(
                    "{place} has `value` without `contentType`: expected `\"contentType\": \"application/json\"`"
                );
                return Err(RecordError::new(start, reason));
            }
            (Some((kind, at)), None, Some(given)) => {
                if given != Aspect::JSON && context.root.is_some() {
                    // The content type came after the text, and says that the text must not be rewritten.
                    self.compact.clear();
                    self.copy(&mut cursor.inside_at(at), None)?;
                }
                ((kind, at), given)
            }
            // Patches too: DataHub's file source gives them the same content type, and GMS ignores it.
            (Some(json), None, None) => (json, Aspect::JSON),
            (None, Some(text), Some(given)) => {
                let root = context.root.filter(|_| given == Aspect::JSON);
                let kind = self.copy_value(text, root, context)?;
                ((kind, text.offset()), given)
            }
        };
        if context.change_type == ChangeType::Patch {
            check_patch(&self.compact).map_err(|reason| RecordError::new(at, reason))?;
        }
        if kind == Kind::Null {
            if context.change_type == ChangeType::Delete {
                return Ok(None);
            }
            let reason =
                format!("the {place} is null: expected an object, or `\"{place}\": null` for no {place}");
            return Err(RecordError::new(start, reason));
        }
        // A DELETE ignores its aspect, which may be anything. All others but patches are records of the
        // model.
        if kind != Kind::Object && !matches!(context.change_type, ChangeType::Patch | ChangeType::Delete) {
            let reason = format!("the {place}: expected an object, found {}", kind.name());
            return Err(RecordError::new(at, reason));
        }
        Ok(Some(Aspect { value: Bytes::copy_from_slice(&self.compact), content_type }))
    }

    /// Reads the aspect `name` of a snapshot.
    pub(super) fn read_bare(&mut self, cursor: &mut Cursor<'_>, name: &str) -> Result<Aspect, RecordError> {
        let kind = cursor.kind()?;
        if kind != Kind::Object {
            let reason = format!("aspect {name}: expected an object, found {}", kind.name());
            return Err(RecordError::new(cursor.offset(), reason));
        }
        self.compact.clear();
        self.copy(cursor, model::aspect(name).map(|model| model.root))?;
        Ok(Aspect { value: Bytes::copy_from_slice(&self.compact), content_type: Aspect::JSON })
    }

    fn copy(&mut self, cursor: &mut Cursor<'_>, root: Option<&'static Node>) -> Result<(), RecordError> {
        match root {
            Some(root) => self.rewriter.rewrite(cursor, root, &mut self.compact)?,
            None => json::compact(cursor, &mut self.compact)?,
        }
        Ok(())
    }

    /// Copies the JSON text that is inside a string, and returns its kind.
    fn copy_value(
        &mut self,
        text: Text<'_>,
        root: Option<&'static Node>,
        context: AspectContext,
    ) -> Result<Kind, RecordError> {
        // Taken out of `self`, which `copy` borrows.
        let mut decoded = std::mem::take(&mut self.text);
        decoded.clear();
        text.decode_into(&mut decoded)?;
        self.compact.clear();
        let copied = Cursor::new(decoded.as_bytes(), context.max_depth).map_err(RecordError::from).and_then(
            |mut inner| {
                let kind = inner.kind()?;
                self.copy(&mut inner, root)?;
                inner.end()?;
                Ok(kind)
            },
        );
        self.text = decoded;
        copied.map_err(|inner| {
            let reason = format!(
                "the text in {}.value is not JSON: {} (at byte {} of that text)",
                context.place, inner.reason, inner.offset
            );
            RecordError::new(text.offset(), reason)
        })
    }
}

fn intern_content_type(text: &str) -> ContentType {
    [Aspect::JSON, Aspect::JSON_PATCH]
        .into_iter()
        .find(|known| known == text)
        .unwrap_or_else(|| ContentType::Owned(text.to_owned()))
}
