//! Standard input, which can be read only once.

use std::path::Path;

use datahub_emitter::recipe::{Node, Recipe, RecipeError};

/// The path that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Checks that a recipe read from standard input does not read its metadata from there as well: the source
/// would find nothing, and the run would be a success.
///
/// # Errors
/// If it does, with the position in the recipe.
pub(crate) fn one_reader(path: &Path, recipe: &Recipe) -> Result<(), RecipeError> {
    if path != Path::new(STANDARD_INPUT) {
        return Ok(());
    }
    let mistakes = recipe.mistakes();
    let source = recipe.root().get("source");
    let reads_files = source.and_then(|source| source.get("type")).and_then(Node::as_str) == Some("file");
    let config = source.and_then(|source| source.get("config")).filter(|_| reads_files);
    for key in ["path", "filename"] {
        if let Some(node) = config.and_then(|config| config.get(key))
            && node.as_str() == Some(STANDARD_INPUT)
        {
            mistakes.at(
                node,
                format!(
                    "`source.config.{key}: \"-\"` and the recipe `-` cannot both be read from standard input: put one of \
                     the two into a file"
                ),
            );
        }
    }
    mistakes.into_error()
}
