//! `datahub-emit get`.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;
use datahub_emitter::Error;

use super::entity::EntityAspects;
use super::exit::Exit;
use super::indented::indented;
use super::lookup::Lookup;
use super::progress::Screen;
use super::urn_argument::UrnArgument;
use super::{Global, output};

#[derive(Debug, Args)]
#[command(after_help = "\
Prints a JSON object with the value of each aspect under its name, indented on a
terminal. Exits with code 1 if there is nothing to print.

Examples:
  datahub-emit get urn:li:corpuser:datahub
  datahub-emit get urn:li:tag:pii --aspect tagProperties --aspect ownership
  datahub-emit get urn:li:tag:pii -c recipe.yml          from the recipe's server
  datahub-emit get urn:li:tag:pii --server embedded      from the embedded GMS")]
pub(crate) struct Get {
    #[command(flatten)]
    urn: UrnArgument,
    /// Prints only this aspect; may be given several times.
    #[arg(long = "aspect", short = 'a', value_name = "NAME")]
    aspects: Vec<String>,
    /// Reads from the server of this recipe, with its token.
    #[arg(long, short, value_name = "RECIPE")]
    config: Option<PathBuf>,
}

impl Get {
    pub(crate) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let urn = self.urn.parse()?;
        let lookup = Lookup::open(self.config.as_deref(), global).await?;
        let name = lookup.name();
        let text = lookup.client()?.entity(&urn, &self.aspects).await?;
        lookup.close().await?;
        let found = text.as_deref().map(|text| self.found(text)).transpose()?.flatten();
        let Some(found) = found else {
            let what = if self.aspects.is_empty() { "the entity" } else { "these aspects of" };
            screen.say(&format!("not found: {name} does not have {what} {urn}\n"));
            return Ok(Exit::Failed);
        };
        let found = if std::io::stdout().is_terminal() { indented(&found) } else { found };
        output::write(&found)?;
        Ok(Exit::Done)
    }

    /// The requested aspects as one JSON object; `None` if there are none.
    fn found(&self, text: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let mut aspects = EntityAspects::read(text)?;
        if self.aspects.is_empty() {
            return Ok(aspects.was_written().then(|| aspects.to_json()));
        }
        // GMS adds the key aspect to whatever was requested.
        aspects.select(&self.aspects);
        Ok((!aspects.is_empty()).then(|| aspects.to_json()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(aspects: &[&str]) -> Get {
        Get {
            urn: UrnArgument::of("urn:li:tag:t"),
            aspects: aspects.iter().map(ToString::to_string).collect(),
            config: None,
        }
    }

    #[test]
    fn values_are_printed_as_they_came() {
        let answer = br#"{"urn":"urn:li:tag:t","aspects":{
            "tagProperties":{"name":"tagProperties","value":{"z":1.50,"a":"\u00e9"},"version":0},
            "status":{"value":{"removed":false}}}}"#;
        let found = get(&[]).found(answer).unwrap().unwrap();
        assert_eq!(
            String::from_utf8(found).unwrap(),
            "{\n  \"tagProperties\": {\"z\":1.50,\"a\":\"\\u00e9\"},\n  \"status\": {\"removed\":false}\n}\n"
        );
    }

    #[test]
    fn a_key_that_gms_made_up_is_not_an_entity() {
        let answer = br#"{"aspects":{"tagKey":{"value":{"name":"t"}}}}"#;
        assert_eq!(get(&[]).found(answer).unwrap(), None);
        assert!(get(&["tagKey"]).found(answer).unwrap().is_some());
        assert_eq!(get(&["status"]).found(answer).unwrap(), None);
        assert_eq!(get(&["status"]).found(br#"{"urn":"urn:li:tag:t","aspects":{}}"#).unwrap(), None);
    }
}
