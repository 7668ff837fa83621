//! Patches, applied like in DataHub: RFC 6902, on a form of the aspect in which the elements of arrays are
//! addressed by key. The crates for RFC 6901 and 6902 work on parsed values; they would not keep numbers and
//! names as they were written.
//!
//! During a patch, the arrays that a template names are maps: `globalTags` has its tags under `/tags/<urn>`,
//! `ownership` its owners under `/owners/<urn>/<type>`. A patch with `arrayPrimaryKeys` or
//! `forceGenericPatch` names the arrays and keys itself. Afterwards the maps become arrays again.

mod error;
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

use crate::failure::Failure;
use crate::tree::{self, Node};
use error::PatchError;
use operation::{PatchOperation, PatchOperationKind, RawOperation};

/// A parsed patch.
#[derive(Clone, Debug)]
pub(super) struct Patch {
    operations: Vec<PatchOperation>,
    /// The arrays and their keys, if the patch names them (`GenericPatchTemplate`).
    generic: Option<Vec<(String, Vec<String>)>>,
}

/// The aspect to which a patch is applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct PatchTarget<'a> {
    pub(super) urn: &'a str,
    pub(super) aspect: &'a str,
    /// The aspect's stored text; `None` if it does not exist.
    pub(super) current: Option<&'a str>,
    /// Milliseconds since 1970, for the audit stamps of a new aspect.
    pub(super) time: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PatchDocument<'a> {
    #[serde(borrow)]
    patch: Vec<RawOperation<'a>>,
    #[serde(default)]
    array_primary_keys: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    force_generic_patch: bool,
}

impl Patch {
    /// Parses a patch: a list of operations, or an object that has the list as `patch`.
    ///
    /// # Errors
    /// If it is neither. On Rest.li GMS drops such a proposal silently; here it is refused.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let invalid = |reason: &dyn fmt::Display| {
            let shown: String = text.chars().take(400).collect();
            Failure::bad_proposal(format!("Invalid JSON Patch: {shown}: {reason}"))
        };
        let (mut written, generic) = if text.starts_with('{') {
            let object: PatchDocument<'_> = serde_json::from_str(text).map_err(|error| invalid(&error))?;
            if object.patch.iter().any(RawOperation::has_from) {
                // GMS reads this form into a class without that field, so it does not support `move` and
                // `copy`.
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
            written.iter_mut().for_each(RawOperation::forget_null);
        }
        let operations = written.iter().map(RawOperation::read).collect::<Result<_, _>>();
        Ok(Self { operations: operations.map_err(|reason| invalid(&reason))?, generic })
    }

    /// The text of the patched aspect.
    ///
    /// # Errors
    /// If an operation fails or the aspect cannot be patched: 500 on Rest.li; on OpenAPI 400 in the first
    /// case.
    pub(super) fn apply(&self, target: PatchTarget<'_>) -> Result<String, Failure> {
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
        result.map_err(|error| {
            let message = |class: &str| {
                let on = format!("Error performing JSON PATCH on aspect {} of {}", target.aspect, target.urn);
                format!("{class}: {on}: {error}")
            };
            match error {
                PatchError::NoObject | PatchError::Shape(_) => {
                    Failure::internal(message("java.lang.ClassCastException"))
                }
                _ => Failure::json(message("java.lang.RuntimeException")),
            }
        })
    }

    fn start(&self, target: PatchTarget<'_>) -> Result<Node, Failure> {
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
        transform: impl FnOnce(&mut tree::Object) -> Result<(), PatchError>,
        rebase: impl FnOnce(&mut tree::Object) -> Result<(), PatchError>,
    ) -> Result<String, PatchError> {
        transform(document.members()?.ok_or(PatchError::NoObject)?)?;
        for operation in &self.operations {
            operation.path.populate(&mut document, matches!(operation.kind, PatchOperationKind::Remove))?;
        }
        let mut room = error::MAX_COPIED;
        for operation in &self.operations {
            operation.apply(&mut document, &mut room)?;
        }
        rebase(document.members()?.ok_or(PatchError::NoObject)?)?;
        Ok(document.to_string())
    }
}

fn no_template(target: PatchTarget<'_>) -> Failure {
    let PatchTarget { urn, aspect, .. } = target;
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
