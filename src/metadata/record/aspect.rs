//! An aspect of a record, in each of its forms.

use bytes::Bytes;

use super::RecordError;
use crate::metadata::json::{self, Cursor, JsonError, Kind, Rewriter, Text};
use crate::metadata::model::{self, Node};
use crate::metadata::nearest::suggestion;
use crate::metadata::{Aspect, ChangeType, ContentType};

const MEMBERS: [&str; 3] = ["json", "value", "contentType"];

/// Reads aspects; keeps its memory for the next one.
#[derive(Debug, Default)]
pub(super) struct AspectReader {
    rewriter: Rewriter,
    compact: Vec<u8>,
    text: String,
}

/// What is to be known of a proposal before its aspect can be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    /// The member that it is, for messages.
    place: &'static str,
    change_type: ChangeType,
    /// The aspect's place in the model, where it is one that is rewritten.
    root: Option<&'static Node>,
    max_depth: usize,
}

impl Meaning {
    /// Only what the model knows is rewritten, and only in an UPSERT: as DataHub's file source does.
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
    /// Reads a record's `aspect`; `None` where it is null.
    pub(super) fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        meaning: Meaning,
    ) -> Result<Option<Aspect>, RecordError> {
        let place = meaning.place;
        let kind = cursor.kind()?;
        let start = cursor.offset();
        match kind {
            Kind::Null if meaning.change_type == ChangeType::Patch => {
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
            other => return Err(RecordError::new(start, meaning.expected_form(other.name()))),
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
                    self.copy(cursor, meaning.root)?;
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
            (None, None, _) => return Err(RecordError::new(start, meaning.expected_form("neither"))),
            (None, Some(_), None) => {
                let reason = format!(
                    "{place} has `value` without `contentType`: expected `\"contentType\": \"application/json\"`"
                );
                return Err(RecordError::new(start, reason));
            }
            (Some((kind, at)), None, Some(given)) => {
                if given != Aspect::JSON && meaning.root.is_some() {
                    // The content type came behind the text, and says that it is no aspect to rewrite.
                    self.compact.clear();
                    self.copy(&mut cursor.inside_at(at), None)?;
                }
                ((kind, at), given)
            }
            // A patch is no exception: DataHub's file source says the same of it, and GMS does not look at it.
            (Some(json), None, None) => (json, Aspect::JSON),
            (None, Some(text), Some(given)) => {
                let root = meaning.root.filter(|_| given == Aspect::JSON);
                let kind = self.copy_value(text, root, meaning)?;
                ((kind, text.offset()), given)
            }
        };
        if meaning.change_type == ChangeType::Patch {
            self.check_patch(kind).map_err(|reason| RecordError::new(at, reason))?;
        }
        if kind == Kind::Null {
            if meaning.change_type == ChangeType::Delete {
                return Ok(None);
            }
            let reason = format!(
                "the {place} is null: expected an object, or `\"{place}\": null` where none is meant"
            );
            return Err(RecordError::new(start, reason));
        }
        // A DELETE needs no aspect, so it may be anything; every other one but a patch is a record of the model.
        if kind != Kind::Object && !matches!(meaning.change_type, ChangeType::Patch | ChangeType::Delete) {
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

    /// Whether the text is a patch: a list of operations (RFC 6902), or an object that has one (`GenericJsonPatch`).
    fn check_patch(&self, kind: Kind) -> Result<(), String> {
        let expected = "the patch: expected a list of operations or an object with `patch`, found";
        match kind {
            Kind::Array => return Ok(()),
            Kind::Object => {}
            other => return Err(format!("{expected} {}", other.name())),
        }
        let operations = self.member("patch");
        match operations.map_err(|error| error.to_string())? {
            Some(Kind::Array) => Ok(()),
            Some(other) => {
                Err(format!("`patch` of the patch: expected a list of operations, found {}", other.name()))
            }
            None => Err(format!("{expected} an object without it")),
        }
    }

    /// What the member of this name is, in the text that was copied last.
    fn member(&self, name: &str) -> Result<Option<Kind>, JsonError> {
        let mut cursor = Cursor::new(&self.compact, usize::MAX)?;
        let mut object = cursor.object()?;
        let mut found = None;
        while let Some(key) = cursor.key(&mut object)? {
            let kind = cursor.kind()?;
            if key.decode().is_ok_and(|key| key == name) {
                found = Some(kind);
            }
            cursor.skip()?;
        }
        Ok(found)
    }

    fn copy(&mut self, cursor: &mut Cursor<'_>, root: Option<&'static Node>) -> Result<(), RecordError> {
        match root {
            Some(root) => self.rewriter.rewrite(cursor, root, &mut self.compact)?,
            None => json::compact(cursor, &mut self.compact)?,
        }
        Ok(())
    }

    /// Copies the JSON text that is inside a string, and says what it is.
    fn copy_value(
        &mut self,
        text: Text<'_>,
        root: Option<&'static Node>,
        meaning: Meaning,
    ) -> Result<Kind, RecordError> {
        // Taken out for the time in which it is read.
        let mut decoded = std::mem::take(&mut self.text);
        decoded.clear();
        text.decode_into(&mut decoded)?;
        self.compact.clear();
        let copied = Cursor::new(decoded.as_bytes(), meaning.max_depth).map_err(RecordError::from).and_then(
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
                meaning.place, inner.reason, inner.offset
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
