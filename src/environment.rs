//! A snapshot of the environment variables.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

/// A snapshot of the environment variables. A run reads variables from its snapshot, so that they do not
/// change during the run, and `${NAME:=value}` in a recipe sets a variable for that run only.
///
/// [`Debug`](fmt::Debug) shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// A value that is not UTF-8 is `None`: it is an error only if it is used.
    variables: BTreeMap<String, Option<String>>,
}

impl Environment {
    /// The environment of this process. Variables whose name is not UTF-8 are left out.
    pub fn from_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, OsString::into_string(value).ok())))
            .collect();
        Self { variables }
    }

    /// An environment that consists of these variables.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = pairs.into_iter().map(|(name, value)| (name.into(), Some(value.into()))).collect();
        Self { variables }
    }

    /// The value of a variable. It may be a secret. A value that is not UTF-8 reads as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name)?.as_deref()
    }

    /// Whether the variable exists with a value that is not UTF-8.
    pub fn is_not_utf8(&self, name: &str) -> bool {
        matches!(self.variables.get(name), Some(None))
    }

    #[cfg(feature = "pipeline")]
    pub(crate) fn set(&mut self, name: String, value: String) {
        self.variables.insert(name, Some(value));
    }

    #[cfg(all(test, feature = "pipeline"))]
    pub(super) fn set_not_utf8(&mut self, name: &str) {
        self.variables.insert(name.to_owned(), None);
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
