//! Patches, applied as DataHub applies them: RFC 6902, on a form of the aspect in which arrays can be addressed by key.
//!
//! For the time of a patch the arrays that a template names become maps: `globalTags` has its tags under `/tags/<urn>`,
//! `ownership` its owners under `/owners/<urn>/<type>`. A patch that brings `arrayPrimaryKeys`, or says
//! `forceGenericPatch`, names the arrays and keys itself. Afterwards they are arrays again.

mod keyed;
mod lineage;
mod operation;
mod pointer;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::failure::Failure;
use super::tree::{self, Node, NotText};
use operation::{Kind, Operation, Written};
use pointer::Pointer;

/// How much the operations of one patch may copy, in bytes.
const MAX_COPIED: usize = 64 * 1024 * 1024;

/// A patch, read but not applied.
#[derive(Clone, Debug)]
pub(super) struct Patch {
    operations: Vec<Operation>,
    /// The arrays and their keys, where the patch itself names them (`GenericPatchTemplate`).
    generic: Option<Vec<(String, Vec<String>)>>,
}

/// What the patch is to change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) urn: &'a str,
    pub(super) aspect: &'a str,
    /// The aspect's stored text; `None` where there is none.
    pub(super) current: Option<&'a str>,
    /// Milliseconds since 1970, for the audit stamps of a new aspect.
    pub(super) time: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Object<'a> {
    #[serde(borrow)]
    patch: Vec<Written<'a>>,
    #[serde(default)]
    array_primary_keys: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    force_generic_patch: bool,
}

impl Patch {
    /// Reads a patch: a list of operations, or an object that has it as `patch`.
    ///
    /// # Errors
    /// When it is neither. On Rest.li GMS drops it then without a word; here it is refused.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let invalid = |reason: &dyn fmt::Display| {
            let shown: String = text.chars().take(400).collect();
            Failure::bad_proposal(format!("Invalid JSON Patch: {shown}: {reason}"))
        };
        let (mut written, generic) = if text.starts_with('{') {
            let object: Object<'_> = serde_json::from_str(text).map_err(|error| invalid(&error))?;
            if object.patch.iter().any(Written::has_from) {
                // GMS reads this form into a class that has no such field, so here `move` and `copy` cannot be used.
                return Err(Failure::internal(
                    "java.lang.RuntimeException: Unrecognized field \"from\" (class GenericJsonPatch$PatchOp): move \
                     and copy need the patch as a list",
                ));
            }
            let keys = object.array_primary_keys.unwrap_or_default();
            let generic =
                (object.force_generic_patch || !keys.is_empty()).then(|| keys.into_iter().collect());
            (object.patch, generic)
        } else {
            (serde_json::from_str(text).map_err(|error| invalid(&error))?, None)
        };
        if generic.is_some() {
            written.iter_mut().for_each(Written::forget_null);
        }
        let operations = written.iter().map(Written::read).collect::<Result<_, _>>();
        Ok(Self { operations: operations.map_err(|reason| invalid(&reason))?, generic })
    }

    /// The aspect's text with the patch applied.
    ///
    /// # Errors
    /// When an operation fails, or the aspect cannot be patched: 500 on Rest.li; on OpenAPI 400 in the first case.
    pub(super) fn apply(&self, target: Target<'_>) -> Result<String, Failure> {
        let start = self.start(target)?;
        let result = if let Some(keys) = &self.generic {
            self.on(
                start,
                |object| keys.iter().try_for_each(|(field, keys)| keyed::to_map(object, field, keys)),
                |object| keys.iter().try_for_each(|(field, keys)| keyed::to_array(object, field, keys)),
            )
        } else {
            let template = template::of(target.aspect).ok_or_else(|| no_template(target))?;
            let time = target.time;
            self.on(start, |object| template.transform(object, time), |object| template.rebase(object, time))
        };
        result.map_err(|problem| {
            let message = |class: &str| {
                let on = format!("Error performing JSON PATCH on aspect {} of {}", target.aspect, target.urn);
                format!("{class}: {on}: {problem}")
            };
            match problem {
                Problem::NoObject | Problem::Shape(_) => {
                    Failure::internal(message("java.lang.ClassCastException"))
                }
                _ => Failure::json(message("java.lang.RuntimeException")),
            }
        })
    }

    fn start(&self, target: Target<'_>) -> Result<Node, Failure> {
        if let Some(text) = target.current {
            return Ok(Node::new(text));
        }
        match template::default_of(target.aspect, target.time) {
            Some(text) => Ok(Node::new(text)),
            None if self.generic.is_some() => Ok(Node::new("{}")),
            None => Err(no_template(target)),
        }
    }

    fn on(
        &self,
        mut document: Node,
        transform: impl FnOnce(&mut tree::Object) -> Result<(), Problem>,
        rebase: impl FnOnce(&mut tree::Object) -> Result<(), Problem>,
    ) -> Result<String, Problem> {
        transform(document.members()?.ok_or(Problem::NoObject)?)?;
        for operation in &self.operations {
            operation.path.populate(&mut document, matches!(operation.kind, Kind::Remove))?;
        }
        let mut room = MAX_COPIED;
        for operation in &self.operations {
            operation.apply(&mut document, &mut room)?;
        }
        rebase(document.members()?.ok_or(Problem::NoObject)?)?;
        Ok(document.to_string())
    }
}

fn no_template(target: Target<'_>) -> Failure {
    let Target { urn, aspect, .. } = target;
    Failure::internal(if target.current.is_none() {
        format!(
            "java.lang.UnsupportedOperationException: Patch not supported for aspect with name {aspect}. Default \
             aspect is required because no aspect currently exists for urn {urn}."
        )
    } else {
        format!(
            "java.lang.NullPointerException: there is no patch template for aspect {aspect}: only a patch with \
             arrayPrimaryKeys or forceGenericPatch can be applied to it"
        )
    })
}

/// Why a patch cannot be applied.
#[derive(Debug)]
enum Problem {
    /// There is nothing at the path.
    Absent,
    /// Something on the way, or the result, is no object.
    NoObject,
    /// An array does not hold what its keys need.
    Shape(String),
    /// A `test` found another value.
    Different,
    /// A `move` into what is moved.
    IntoItself,
    WholeDocument,
    TooLarge,
    Unreadable(NotText),
    At(String, Box<Self>),
}

impl Problem {
    fn at(self, path: &Pointer) -> Self {
        match self {
            located @ (Self::At(..) | Self::NoObject) => located,
            problem => Self::At(path.to_string(), Box::new(problem)),
        }
    }
}

impl From<NotText> for Problem {
    fn from(error: NotText) -> Self {
        Self::Unreadable(error)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("the JSON value has no such name or index"),
            Self::NoObject => f.write_str("a value that is no object cannot be cast to ObjectNode"),
            Self::Shape(what) => f.write_str(what),
            Self::Different => f.write_str("the `test` found another value"),
            Self::IntoItself => f.write_str("a value cannot be moved into itself"),
            Self::WholeDocument => f.write_str("the whole aspect cannot be removed by a patch"),
            Self::TooLarge => write!(f, "the patch copies more than {MAX_COPIED} bytes"),
            Self::Unreadable(error) => write!(f, "{error}"),
            Self::At(path, problem) => write!(f, "{path}: {problem}"),
        }
    }
}
