//! The operations of a JSON patch (RFC 6902).

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::error::PatchError;
use super::pointer::{self, Pointer};
use crate::json_text;
use crate::tree::Node;

/// One operation.
#[derive(Clone, Debug)]
pub(super) struct PatchOperation {
    pub(super) path: Pointer,
    pub(super) kind: PatchOperationKind,
}

#[derive(Clone, Debug)]
pub(super) enum PatchOperationKind {
    Add(Node),
    Remove,
    Replace(Node),
    Move { from: Pointer },
    Copy { from: Pointer },
    Test(Node),
}

#[derive(Deserialize)]
pub(super) struct RawOperation<'a> {
    op: String,
    path: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
}

/// A plain `Option` would read `null` as `None`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl RawOperation<'_> {
    /// Whether the operation has a `from`.
    pub(super) fn has_from(&self) -> bool {
        self.from.is_some()
    }

    /// Treats a value of `null` as absent.
    pub(super) fn forget_null(&mut self) {
        self.value = self.value.filter(|value| value.get() != "null");
    }

    /// # Errors
    /// The reason, if it is not a valid operation.
    pub(super) fn read(&self) -> Result<PatchOperation, String> {
        let value = || {
            let value = self.value.ok_or_else(|| format!("the operation {} has no `value`", self.op))?;
            Ok::<_, String>(Node::new(json_text::compact(value.get())))
        };
        let from = || {
            let from = self.from.as_deref().ok_or_else(|| format!("a {} has no `from`", self.op))?;
            Pointer::parse(from)
        };
        let kind = match self.op.as_str() {
            "add" => PatchOperationKind::Add(value()?),
            "remove" => PatchOperationKind::Remove,
            "replace" => PatchOperationKind::Replace(value()?),
            "move" => PatchOperationKind::Move { from: from()? },
            "copy" => PatchOperationKind::Copy { from: from()? },
            "test" => PatchOperationKind::Test(value()?),
            other => return Err(format!("Unsupported PATCH operation: `{other}`")),
        };
        Ok(PatchOperation { path: Pointer::parse(&self.path)?, kind })
    }
}

impl PatchOperation {
    /// Applies the operation. Copied bytes are deducted from `room`: repeated copies of copies would fill the
    /// memory.
    ///
    /// # Errors
    /// If the document does not fit the operation.
    pub(super) fn apply(&self, document: &mut Node, room: &mut usize) -> Result<(), PatchError> {
        let path = &self.path;
        match &self.kind {
            PatchOperationKind::Add(value) => add(document, path, value.clone()),
            PatchOperationKind::Remove => remove(document, path).map(drop),
            PatchOperationKind::Replace(value) => {
                *path.find(document)? = value.clone();
                Ok(())
            }
            PatchOperationKind::Move { from } if from.contains(path) => Err(PatchError::IntoItself.at(path)),
            PatchOperationKind::Move { from } => {
                let value = remove(document, from)?;
                add(document, path, closed(&value))
            }
            PatchOperationKind::Copy { from } => {
                let value = closed(from.find(document)?);
                *room = room.checked_sub(value.to_string().len()).ok_or(PatchError::TooLarge)?;
                add(document, path, value)
            }
            PatchOperationKind::Test(expected) => {
                if path.find(document)?.equals(expected)? {
                    Ok(())
                } else {
                    Err(PatchError::Different.at(path))
                }
            }
        }
    }
}

/// A value as text, so that repeated moves do not open a document deeper than a path is long.
fn closed(value: &Node) -> Node {
    Node::new(value.to_string())
}

fn add(document: &mut Node, path: &Pointer, value: Node) -> Result<(), PatchError> {
    let Some((last, parents)) = path.split() else {
        *document = value;
        return Ok(());
    };
    let put = || {
        let parent = pointer::walk(document, parents)?;
        if parent.is_array() {
            let elements = parent.elements()?.ok_or(PatchError::Absent)?;
            let index = if last == "-" { elements.len() } else { pointer::index(last, elements.len() + 1)? };
            elements.insert(index, value);
        } else {
            parent.members()?.ok_or(PatchError::Absent)?.set(last, value);
        }
        Ok(())
    };
    put().map_err(|error: PatchError| error.at(path))
}

fn remove(document: &mut Node, path: &Pointer) -> Result<Node, PatchError> {
    let Some((last, parents)) = path.split() else { return Err(PatchError::WholeDocument) };
    let mut take = || {
        let parent = pointer::walk(document, parents)?;
        if parent.is_array() {
            let elements = parent.elements()?.ok_or(PatchError::Absent)?;
            Ok(elements.remove(pointer::index(last, elements.len())?))
        } else {
            parent.members()?.and_then(|object| object.remove(last)).ok_or(PatchError::Absent)
        }
    };
    take().map_err(|error: PatchError| error.at(path))
}
