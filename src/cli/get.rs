//! `datahub-emit get`.

use clap::Args;
use datahub_emitter::metadata::Urn;
use datahub_emitter::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::exit::Exit;
use super::progress::Screen;
use super::server::Server;
use super::{Global, output};

#[derive(Debug, Args)]
#[command(after_help = "\
Prints a JSON object with the value of each aspect under its name. Exits with code 1 if there is nothing to print.

Examples:
  datahub-emit get urn:li:corpuser:datahub
  datahub-emit get 'urn:li:dataset:(urn:li:dataPlatform:hive,db.orders,PROD)' --aspect ownership
  datahub-emit get urn:li:tag:pii --server embedded    read from the embedded GMS")]
pub(crate) struct Get {
    /// The URN of the entity.
    urn: String,
    /// Prints only this aspect; may be given several times.
    #[arg(long = "aspect", short = 'a', value_name = "NAME")]
    aspects: Vec<String>,
}

/// The part of GMS's response (`EntityResponse.pdl`) that is printed. Values keep their text.
#[derive(Deserialize)]
struct EntityResponse<'a> {
    #[serde(borrow, default)]
    aspects: Aspects<'a>,
}

/// In the order of the response; a map would sort them.
#[derive(Default)]
struct Aspects<'a>(Vec<(String, EnvelopedAspect<'a>)>);

#[derive(Deserialize)]
struct EnvelopedAspect<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
}

impl Get {
    pub(crate) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let urn = Urn::parse(&self.urn).map_err(|error| {
            Error::new(ErrorKind::Input, "the first argument is not a URN").with_source(error)
        })?;
        let server = Server::find(global).await?;
        let name = server.name();
        let text = server.client()?.entity(&urn, &self.aspects).await?;
        server.stop().await;
        let found = text.as_deref().map(|text| self.found(text)).transpose()?.flatten();
        let Some(found) = found else {
            let what = if self.aspects.is_empty() { "the entity" } else { "these aspects of" };
            screen.say(&format!("not found: {name} does not have {what} {urn}\n"));
            return Ok(Exit::Failed);
        };
        output::write(&found)?;
        Ok(Exit::Done)
    }

    /// The requested aspects as one JSON object; `None` if there are none.
    fn found(&self, text: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let unreadable = |error| {
            Error::new(ErrorKind::Rejected, "the response of GMS is not understood").with_source(error)
        };
        let response: EntityResponse<'_> = serde_json::from_slice(text).map_err(unreadable)?;
        // GMS adds the key aspect to whatever was requested.
        let mut aspects = response.aspects.0;
        aspects.retain(|(name, _)| self.aspects.is_empty() || self.aspects.contains(name));
        // GMS derives the key aspect of an entity that was never written (`EntityServiceImpl`). That aspect
        // alone does not show that the entity exists, unless it was requested by name.
        let only_the_key = matches!(aspects.as_slice(), [(name, _)] if name.ends_with("Key"));
        if aspects.is_empty() || (only_the_key && self.aspects.is_empty()) {
            return Ok(None);
        }
        let mut object = b"{".to_vec();
        for (index, (name, aspect)) in aspects.iter().enumerate() {
            object.extend_from_slice(if index == 0 { b"\n  " } else { b",\n  " });
            serde_json::to_writer(&mut object, name).map_err(unreadable)?;
            object.extend_from_slice(b": ");
            object.extend_from_slice(aspect.value.get().as_bytes());
        }
        object.extend_from_slice(b"\n}\n");
        Ok(Some(object))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Aspects<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Aspects<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a mapping of aspects")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Aspects<'de>, A::Error> {
                let mut aspects = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    aspects.push(entry);
                }
                Ok(Aspects(aspects))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(aspects: &[&str]) -> Get {
        Get { urn: "urn:li:tag:t".into(), aspects: aspects.iter().map(ToString::to_string).collect() }
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
