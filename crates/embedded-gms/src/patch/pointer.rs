//! Where in a document an operation acts (RFC 6901).

use std::fmt;

use super::Problem;
use crate::tree::Node;

/// How many steps a path may have. Nothing in DataHub's model needs more than a few.
const MAX_STEPS: usize = 128;

/// A path, as its steps; none is the whole document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    steps: Vec<String>,
}

impl Pointer {
    /// # Errors
    /// With the reason, when `text` is not a path.
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

    /// Whether `other` lies within what this names.
    pub(super) fn contains(&self, other: &Self) -> bool {
        other.steps.len() > self.steps.len() && other.steps.starts_with(&self.steps)
    }

    /// The value that it names.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn find<'a>(&self, document: &'a mut Node) -> Result<&'a mut Node, Problem> {
        walk(document, &self.steps).map_err(|problem| problem.at(self))
    }

    /// The containers on the way to what it names, made where they are missing, as DataHub makes them for every operation
    /// of a patch before it applies the first (`TemplateUtil.populateTopLevelKeys`); with `last` what it names as well.
    ///
    /// # Errors
    /// When something on the way is no object: DataHub does not step through arrays.
    pub(super) fn populate(&self, document: &mut Node, last: bool) -> Result<(), Problem> {
        let end = match self.steps.split_last() {
            None => return Ok(()),
            // Without it nothing could be put below an empty step at the end.
            Some((step, _)) if step.is_empty() || last => self.steps.len(),
            Some((_, parents)) => parents.len(),
        };
        let mut node = document;
        for step in self.steps.iter().take(end) {
            node = node.members()?.ok_or(Problem::NoObject)?.entry(step);
        }
        Ok(())
    }
}

/// Follows steps through objects and arrays.
pub(super) fn walk<'a>(document: &'a mut Node, steps: &[String]) -> Result<&'a mut Node, Problem> {
    let mut node = document;
    for step in steps {
        node = if node.is_array() {
            let elements = node.elements()?.ok_or(Problem::Absent)?;
            let index = index(step, elements.len())?;
            elements.get_mut(index).ok_or(Problem::Absent)?
        } else {
            node.members()?.and_then(|object| object.get_mut(step)).ok_or(Problem::Absent)?
        };
    }
    Ok(node)
}

/// An array's index, below `end`.
pub(super) fn index(step: &str, end: usize) -> Result<usize, Problem> {
    let digits = step.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || step.is_empty() || (step.len() > 1 && step.starts_with('0')) {
        return Err(Problem::Absent);
    }
    step.parse().ok().filter(|index| *index < end).ok_or(Problem::Absent)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}
