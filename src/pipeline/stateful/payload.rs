//! The payload of a state checkpoint: the URNs of a run's entities, as DataHub's Python client writes them
//! (`GenericCheckpointState`): base85 of bzip2 of `{"urns": ["…", "…"]}`.

use std::fmt;
use std::io::{self, Read, Write};

use bzip2::Compression;
use bzip2::read::BzDecoder;
use bzip2::write::BzEncoder;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::base85::{Decoder, Encoder};
use crate::metadata::json::{push_ascii_json, push_json_string};

/// How a payload is encoded, as the checkpoint names it.
pub(super) const SERDE: &str = "base85-bz2-json";

/// The longest JSON text that is decompressed: 10⁷ entities take 1 GB.
const MAX_TEXT: u64 = 16 << 30;

/// Encodes a payload URN by URN, in constant memory besides the payload.
pub(super) struct PayloadWriter<W: Write> {
    out: BzEncoder<Encoder<W>>,
    is_first: bool,
}

impl<W: Write> PayloadWriter<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        let mut out = BzEncoder::new(Encoder::new(out), Compression::best());
        out.write_all(b"{\"urns\": [")?;
        Ok(Self { out, is_first: true })
    }

    pub(super) fn push(&mut self, urn: &str) -> io::Result<()> {
        let mut compact = Vec::with_capacity(urn.len() + 2);
        push_json_string(&mut compact, urn);
        let mut text = Vec::with_capacity(compact.len() + 2);
        if !std::mem::take(&mut self.is_first) {
            text.extend_from_slice(b", ");
        }
        push_ascii_json(&mut text, &compact);
        self.out.write_all(&text)
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(b"]}")?;
        self.out.finish()?.finish()
    }
}

/// The payload of no entities.
pub(super) fn empty() -> io::Result<String> {
    let payload = PayloadWriter::new(Vec::new())?.finish()?;
    String::from_utf8(payload).map_err(io::Error::other)
}

/// Passes the URNs of a payload to `push`, in order. `serde` is the name of its encoding.
///
/// # Errors
/// When the payload is not one, or `push` fails.
pub(super) fn read(payload: &str, serde: &str, push: impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    match serde {
        SERDE => read_json(BzDecoder::new(Decoder::new(payload)).take(MAX_TEXT), push),
        // The form of checkpoints that are read by people.
        "utf-8" => read_json(payload.as_bytes(), push),
        _ => Err(invalid("its encoding is unknown")),
    }
}

fn read_json(text: impl Read, mut push: impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    let mut failure = None;
    let seed = State { push: &mut push, failure: &mut failure };
    let mut json = serde_json::Deserializer::from_reader(io::BufReader::new(text));
    let read = seed.deserialize(&mut json).and_then(|has_urns| json.end().map(|()| has_urns));
    if let Some(failure) = failure {
        return Err(failure);
    }
    // The error of serde_json could quote the text.
    match read {
        Ok(true) => Ok(()),
        Ok(false) => Err(invalid("it holds no list of entities")),
        Err(error) if error.is_io() => Err(error.into()),
        Err(_) => Err(invalid("it is not the JSON of a list of entities")),
    }
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Reads `{"urns": […]}`; whether there is such a list.
struct State<'a, F> {
    push: &'a mut F,
    failure: &'a mut Option<io::Error>,
}

impl<'de, F: FnMut(&str) -> io::Result<()>> DeserializeSeed<'de> for State<'_, F> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(&str) -> io::Result<()>> Visitor<'de> for State<'_, F> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a state")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut has_urns = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == "urns" {
                has_urns = true;
                map.next_value_seed(Urns { push: self.push, failure: self.failure })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(has_urns)
    }
}

struct Urns<'a, F> {
    push: &'a mut F,
    failure: &'a mut Option<io::Error>,
}

impl<'de, F: FnMut(&str) -> io::Result<()>> DeserializeSeed<'de> for Urns<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(&str) -> io::Result<()>> Visitor<'de> for Urns<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of URNs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(urn) = items.next_element::<String>()? {
            if let Err(error) = (self.push)(&urn) {
                *self.failure = Some(error);
                return Err(serde::de::Error::custom("the list cannot be kept"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(urns: &[String]) -> String {
        let mut writer = PayloadWriter::new(Vec::new()).unwrap();
        for urn in urns {
            writer.push(urn).unwrap();
        }
        String::from_utf8(writer.finish().unwrap()).unwrap()
    }

    fn urns_of(payload: &str, serde: &str) -> io::Result<Vec<String>> {
        let mut urns = Vec::new();
        read(payload, serde, |urn| {
            urns.push(urn.to_owned());
            Ok(())
        })?;
        Ok(urns)
    }

    #[test]
    fn the_payload_is_that_of_the_python_client() {
        let urns: Vec<String> = ["a", "b", "c", "d", "e"]
            .map(|name| format!("urn:li:dataset:(urn:li:dataPlatform:mysql,shop.{name},PROD)"))
            .into();
        // Written by acryl-datahub 1.7.0.17.
        let python = "LRx4!F+o`-Q(1jt`L6%~l^=jmWdINa0MH6QXZ|W60FW`JBM8#~00JsgG@58(JwwVg!7B?QAEDYIyi(+}Fvl+vnr58!Pl9G9Y3(SUlJufV>U9$VFG`sS38Yd9Sehq9uuW141vE_)RJ9<RDd!Z)H%cW+?2;L$9Df&bML1B9ePa2q";
        assert_eq!(written(&urns), python);
        assert_eq!(urns_of(python, SERDE).unwrap(), urns);
    }

    #[test]
    fn plain_json_is_read_and_other_texts_are_errors() {
        assert_eq!(urns_of(r#"{"a": [1], "urns": ["urn:li:tag:x"]}"#, "utf-8").unwrap(), ["urn:li:tag:x"]);
        for (payload, serde) in [
            ("LRx4!", SERDE),
            ("", SERDE),
            ("not base85 \"", SERDE),
            ("{}", "utf-8"),
            (r#"{"urns": [1]}"#, "utf-8"),
            (r#"{"urns": []} x"#, "utf-8"),
            (r#"{"urns": []}"#, "rot13"),
        ] {
            assert!(urns_of(payload, serde).is_err(), "{payload} {serde}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_was_written_is_read(urns in prop::collection::vec("urn:li:tag:\\PC{1,20}", 0..40)) {
            prop_assert_eq!(urns_of(&written(&urns), SERDE).unwrap(), urns);
        }
    }
}
