//! Recipes: the text of a recipe as a tree of values with their places.
//!
//! This module reads a recipe ([`Recipe::load`]), expands `${…}` in it, and provides the tree
//! ([`Recipe::root`]). Each component reads its own part with [`Fields`]. All mistakes are collected in
//! [`Mistakes`] and become one [`RecipeError`], which names each place, shows its line, and masks every
//! secret.
//!
//! ```
//! use datahub_emitter::Environment;
//! use datahub_emitter::recipe::{Fields, Format, Recipe};
//!
//! let text = "sink:\n  type: datahub-rest\n  config: {tokn: '${GMS_TOKEN}'}\n";
//! let environment = Environment::from_pairs([("GMS_TOKEN", "swordfish")]);
//! let recipe = Recipe::parse("recipe.yml", Format::Yaml, text, &environment).expect("valid YAML");
//! let mistakes = recipe.mistakes();
//! let mut fields = Fields::new(Some(recipe.root()), "", &mistakes);
//! let mut sink = fields.block("sink");
//! assert_eq!(sink.string("type").as_deref(), Some("datahub-rest"));
//! let mut config = sink.block("config");
//! assert_eq!(config.secret("token"), None);
//! config.finish();
//! let error = mistakes.into_error().unwrap_err().to_string();
//! assert!(error.starts_with("error: recipe.yml:3:12: unknown key `tokn` in `sink.config`;"));
//! assert!(error.contains("did you mean `token`?"));
//! assert!(!error.contains("swordfish"));
//! ```

mod annotated_text;
mod expand;
mod fields;
mod json;
mod key_recorder;
mod load;
mod masked;
mod mistake;
mod named_text;
mod parsed;
mod problem;
pub(crate) mod registry;
mod render;
mod scalar;
mod secrets;
mod toml;
mod tree;
mod yaml;

use std::fmt;
use std::sync::Arc;

pub use fields::{Fields, Reported};
pub(crate) use key_recorder::{KeyForm, KeyRecorder, RecordedKey};
pub use load::Format;
pub use mistake::{Mistake, Mistakes, RecipeError};
pub use secrets::Secrets;
pub use tree::{Entry, Node, Span, Value};

use annotated_text::AnnotatedText;
use problem::Problem;

use crate::environment::Environment;

/// A recipe, parsed and expanded.
pub struct Recipe {
    root: Node,
    source: Arc<AnnotatedText>,
    problems: Vec<Problem>,
    environment: Environment,
}

impl Recipe {
    /// The name in messages: the path as it was given, or `standard input`.
    pub fn name(&self) -> &str {
        &self.source.text.name
    }

    /// The root mapping.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The environment, including the variables that the recipe set by `${NAME:=value}`. It is empty for a
    /// recipe made from values.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The secrets that are known so far. [`Fields::secret`] adds to the same list.
    pub fn secrets(&self) -> &Secrets {
        &self.source.secrets
    }

    /// A collection for the mistakes that components find. It already has those of the recipe itself. Its
    /// [error](Mistakes::into_error) must be checked before the recipe is used.
    pub fn mistakes(&self) -> Mistakes {
        Mistakes::new(Arc::clone(&self.source), self.problems.clone())
    }
}

/// Shows no values.
impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipe")
            .field("name", &self.name())
            .field("mistakes", &self.problems.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
