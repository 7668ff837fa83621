//! Finds a plugin by the recipe's `type`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{Fields, Reported};
use crate::suggest::nearest;

/// Reads the keys of a plugin's `config`, and returns the function that opens the plugin.
type Configure<O> = dyn Fn(&mut Fields<'_>) -> Result<O, Reported> + Send + Sync;

/// Finds plugins of one kind, sources or sinks, by the recipe's `type`. `O` opens one.
///
/// Reading a plugin's keys and opening it are separate, so that a recipe can be checked without opening
/// anything, and all mistakes in it are reported at once.
pub struct Registry<O> {
    /// How messages name the plugin: `source` or `sink`.
    kind: &'static str,
    /// The advice for a type of DataHub's Python client that is not registered.
    advice: fn(&str) -> Option<String>,
    constructors: BTreeMap<String, Arc<Configure<O>>>,
}

impl<O> Registry<O> {
    pub(crate) fn new(kind: &'static str, advice: fn(&str) -> Option<String>) -> Self {
        Self { kind, advice, constructors: BTreeMap::new() }
    }

    /// Adds a plugin, or replaces the one of the same `name`.
    ///
    /// `configure` reads the keys of `config` and does nothing else. It may [warn](Fields::warn) the user.
    /// After a mistake it returns [`Fields::reported`]. The caller reports unknown keys.
    pub fn register(
        &mut self,
        name: impl Into<String>,
        configure: impl Fn(&mut Fields<'_>) -> Result<O, Reported> + Send + Sync + 'static,
    ) {
        self.constructors.insert(name.into(), Arc::new(configure));
    }

    /// The registered types, in the order of their names.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.constructors.keys().map(String::as_str)
    }

    /// Reads the keys of a plugin's `config`. The inner result is an error after a mistake in them.
    ///
    /// # Errors
    /// When no plugin has this type. The message says what to do, and belongs to the value of `type`.
    pub fn configure(&self, name: &str, config: &mut Fields<'_>) -> Result<Result<O, Reported>, UnknownType> {
        match self.constructors.get(name) {
            Some(configure) => Ok(configure(config)),
            None => Err(UnknownType { message: self.unknown(name) }),
        }
    }

    /// Whether `name` is neither registered nor a misspelling of a registered name.
    pub(crate) fn is_foreign(&self, name: &str) -> bool {
        !self.constructors.contains_key(name)
            && ((self.advice)(name).is_some() || nearest(name, self.types()).is_none())
    }

    fn unknown(&self, name: &str) -> String {
        if let Some(advice) = (self.advice)(name) {
            return advice;
        }
        let (kind, shown) = (self.kind, name.chars().take(80).collect::<String>());
        if let Some(near) = nearest(name, self.types()) {
            return format!("unknown {kind} `{shown}`: did you mean `{near}`?");
        }
        let known: Vec<String> = self.types().map(|known| format!("`{known}`")).collect();
        format!("unknown {kind} `{shown}`: expected one of {}", known.join(", "))
    }
}

impl<O> Clone for Registry<O> {
    fn clone(&self) -> Self {
        Self { kind: self.kind, advice: self.advice, constructors: self.constructors.clone() }
    }
}

impl<O> fmt::Debug for Registry<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.types()).finish()
    }
}

/// No plugin has the type that a recipe names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnknownType {
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry<()> {
        let mut registry = Registry::new("sink", |name| (name == "kafka").then(|| "use HTTP".to_owned()));
        for name in ["console", "file"] {
            registry.register(name, |_| Ok(()));
        }
        registry
    }

    #[test]
    fn an_unknown_type_is_reported_with_what_to_do() {
        let registry = registry();
        assert_eq!(registry.unknown("consle"), "unknown sink `consle`: did you mean `console`?");
        assert_eq!(
            registry.unknown("postgres"),
            "unknown sink `postgres`: expected one of `console`, `file`"
        );
        assert_eq!(registry.unknown("kafka"), "use HTTP");
    }
}
