//! Standard input: it can be read once.

use std::path::Path;

use datahub_emitter::recipe::{Node, Recipe, RecipeError};

/// What a path says for standard input.
const STANDARD_INPUT: &str = "-";

/// Makes sure that a recipe that came from standard input at `path` does not want its metadata from there as well: it
/// would find nothing, and call that a success.
///
/// # Errors
/// When it does, at the place in the recipe where it does.
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
