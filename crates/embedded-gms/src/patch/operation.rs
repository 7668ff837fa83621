//! The operations of a JSON patch (RFC 6902).

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Problem;
use super::pointer::{self, Pointer};
use crate::compact;
use crate::tree::Node;

/// One operation.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) path: Pointer,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Add(Node),
    Remove,
    Replace(Node),
    Move { from: Pointer },
    Copy { from: Pointer },
    Test(Node),
}

#[derive(Deserialize)]
pub(super) struct Written<'a> {
    op: String,
    path: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
}

/// An `Option` by itself would take `null` for nothing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Written<'_> {
    /// Whether it has a `from`.
    pub(super) fn has_from(&self) -> bool {
        self.from.is_some()
    }

    /// Takes a value that is `null` for none.
    pub(super) fn forget_null(&mut self) {
        self.value = self.value.filter(|value| value.get() != "null");
    }

    /// # Errors
    /// With the reason, when it is not an operation.
    pub(super) fn read(&self) -> Result<Operation, String> {
        let value = || {
            let value = self.value.ok_or_else(|| format!("the operation {} has no `value`", self.op))?;
            Ok::<_, String>(Node::new(compact::compact(value.get())))
        };
        let from = || {
            let from = self.from.as_deref().ok_or_else(|| format!("a {} has no `from`", self.op))?;
            Pointer::parse(from)
        };
        let kind = match self.op.as_str() {
            "add" => Kind::Add(value()?),
            "remove" => Kind::Remove,
            "replace" => Kind::Replace(value()?),
            "move" => Kind::Move { from: from()? },
            "copy" => Kind::Copy { from: from()? },
            "test" => Kind::Test(value()?),
            other => return Err(format!("Unsupported PATCH operation: `{other}`")),
        };
        Ok(Operation { path: Pointer::parse(&self.path)?, kind })
    }
}

impl Operation {
    /// Applies it. What it copies is taken from `room`, in bytes: a few copies of copies fill any memory.
    ///
    /// # Errors
    /// When the document is not as the operation needs it.
    pub(super) fn apply(&self, document: &mut Node, room: &mut usize) -> Result<(), Problem> {
        let path = &self.path;
        match &self.kind {
            Kind::Add(value) => add(document, path, value.clone()),
            Kind::Remove => remove(document, path).map(drop),
            Kind::Replace(value) => {
                *path.find(document)? = value.clone();
                Ok(())
            }
            Kind::Move { from } if from.contains(path) => Err(Problem::IntoItself.at(path)),
            Kind::Move { from } => {
                let value = remove(document, from)?;
                add(document, path, closed(&value))
            }
            Kind::Copy { from } => {
                let value = closed(from.find(document)?);
                *room = room.checked_sub(value.to_string().len()).ok_or(Problem::TooLarge)?;
                add(document, path, value)
            }
            Kind::Test(expected) => {
                if path.find(document)?.equals(expected)? {
                    Ok(())
                } else {
                    Err(Problem::Different.at(path))
                }
            }
        }
    }
}

/// A value as text, so that however often it is moved, a document is opened no deeper than a path is long.
fn closed(value: &Node) -> Node {
    Node::new(value.to_string())
}

fn add(document: &mut Node, path: &Pointer, value: Node) -> Result<(), Problem> {
    let Some((last, parents)) = path.split() else {
        *document = value;
        return Ok(());
    };
    let put = || {
        let parent = pointer::walk(document, parents)?;
        if parent.is_array() {
            let elements = parent.elements()?.ok_or(Problem::Absent)?;
            let index = if last == "-" { elements.len() } else { pointer::index(last, elements.len() + 1)? };
            elements.insert(index, value);
        } else {
            parent.members()?.ok_or(Problem::Absent)?.set(last, value);
        }
        Ok(())
    };
    put().map_err(|problem: Problem| problem.at(path))
}

fn remove(document: &mut Node, path: &Pointer) -> Result<Node, Problem> {
    let Some((last, parents)) = path.split() else { return Err(Problem::WholeDocument) };
    let mut take = || {
        let parent = pointer::walk(document, parents)?;
        if parent.is_array() {
            let elements = parent.elements()?.ok_or(Problem::Absent)?;
            Ok(elements.remove(pointer::index(last, elements.len())?))
        } else {
            parent.members()?.and_then(|object| object.remove(last)).ok_or(Problem::Absent)
        }
    };
    take().map_err(|problem: Problem| problem.at(path))
}
