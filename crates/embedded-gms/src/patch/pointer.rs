//! JSON pointers (RFC 6901).

use std::fmt;

use super::error::PatchError;
use crate::tree::Node;

/// The greatest number of steps of a path. DataHub's model needs only a few.
const MAX_STEPS: usize = 128;

/// A path as its steps; no steps mean the whole document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    steps: Vec<String>,
}

impl Pointer {
    /// # Errors
    /// The reason, if `text` is not a path.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let steps: Vec<_> = match text.strip_prefix('/') {
            Some(rest) => rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
            None if text.is_empty() => Vec::new(),
            None => return Err(format!("the path {text:?} does not start with /")),
        };
        if steps.len() > MAX_STEPS {
            return Err(format!("a path has more than {MAX_STEPS} steps"));
        }
        Ok(Self { steps })
    }

    /// The steps to the container, and the last one; `None` for the whole document.
    pub(super) fn split(&self) -> Option<(&str, &[String])> {
        self.steps.split_last().map(|(last, parents)| (last.as_str(), parents))
    }

    /// Whether `other` is within the value at this path.
    pub(super) fn contains(&self, other: &Self) -> bool {
        other.steps.len() > self.steps.len() && other.steps.starts_with(&self.steps)
    }

    /// The value at this path.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn find<'a>(&self, document: &'a mut Node) -> Result<&'a mut Node, PatchError> {
        walk(document, &self.steps).map_err(|error| error.at(self))
    }

    /// Creates missing objects on the path, and with `last` also at its end. DataHub does this for all
    /// operations of a patch before it applies the first (`TemplateUtil.populateTopLevelKeys`).
    ///
    /// # Errors
    /// If a value on the path is not an object: DataHub does not step through arrays.
    pub(super) fn populate(&self, document: &mut Node, last: bool) -> Result<(), PatchError> {
        let end = match self.steps.split_last() {
            None => return Ok(()),
            // Otherwise nothing could be added below an empty last step.
            Some((step, _)) if step.is_empty() || last => self.steps.len(),
            Some((_, parents)) => parents.len(),
        };
        let mut node = document;
        for step in self.steps.iter().take(end) {
            node = node.members()?.ok_or(PatchError::NoObject)?.entry(step);
        }
        Ok(())
    }
}

/// Follows steps through objects and arrays.
pub(super) fn walk<'a>(document: &'a mut Node, steps: &[String]) -> Result<&'a mut Node, PatchError> {
    let mut node = document;
    for step in steps {
        node = if node.is_array() {
            let elements = node.elements()?.ok_or(PatchError::Absent)?;
            let index = index(step, elements.len())?;
            elements.get_mut(index).ok_or(PatchError::Absent)?
        } else {
            node.members()?.and_then(|object| object.get_mut(step)).ok_or(PatchError::Absent)?
        };
    }
    Ok(node)
}

/// An array index below `end`.
pub(super) fn index(step: &str, end: usize) -> Result<usize, PatchError> {
    let digits = step.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || step.is_empty() || (step.len() > 1 && step.starts_with('0')) {
        return Err(PatchError::Absent);
    }
    step.parse().ok().filter(|index| *index < end).ok_or(PatchError::Absent)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}
