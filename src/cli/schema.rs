//! `datahub-emit schema`.

use clap::{Args, Subcommand};
use datahub_emitter::pipeline::recipe_schema;
use datahub_emitter::{Error, ErrorKind};

use super::exit::Exit;
use super::output;

#[derive(Debug, Args)]
pub(crate) struct Schema {
    #[command(subcommand)]
    of: SchemaOf,
}

#[derive(Debug, Subcommand)]
enum SchemaOf {
    /// Prints the JSON Schema of recipes, for editors.
    #[command(after_help = "\
An editor with the YAML language server completes and checks a recipe that
begins with this line, if the schema lies beside it:
  # yaml-language-server: $schema=recipe.schema.json

Example:
  datahub-emit schema recipe > recipe.schema.json")]
    Recipe,
}

impl Schema {
    pub(crate) fn run(&self) -> Result<Exit, Error> {
        let SchemaOf::Recipe = self.of;
        let mut text = serde_json::to_vec_pretty(&recipe_schema()).map_err(|error| {
            Error::new(ErrorKind::Internal, "the schema has no JSON form").with_source(error)
        })?;
        text.push(b'\n');
        output::write(&text)?;
        Ok(Exit::Done)
    }
}
