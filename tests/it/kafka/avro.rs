//! Decodes Avro by its schema. It shares nothing with the client's encoder, which knows one schema by heart.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

/// A schema, and the named types in it.
pub(super) struct Schema {
    root: Value,
    named: HashMap<String, Value>,
}

impl Schema {
    pub(super) fn parse(text: &str) -> Self {
        let root: Value = serde_json::from_str(text).unwrap();
        let mut named = HashMap::new();
        collect(&root, "", &mut named);
        Self { root, named }
    }

    /// The value of a message: the schema's id, and the record.
    pub(super) fn message(&self, bytes: &[u8]) -> (u32, Value) {
        let (frame, mut record) = bytes.split_at(5);
        assert_eq!(frame[0], 0, "the magic byte");
        let id = u32::from_be_bytes(frame[1..].try_into().unwrap());
        let value = self.decode(&self.root, &mut record);
        assert!(record.is_empty(), "{} bytes are left", record.len());
        (id, value)
    }

    fn decode(&self, schema: &Value, bytes: &mut &[u8]) -> Value {
        match schema {
            Value::Array(branches) => {
                let branch = usize::try_from(long(bytes)).unwrap();
                self.decode(&branches[branch], bytes)
            }
            Value::Object(definition) => match &definition["type"] {
                Value::String(kind) => self.decode_complex(kind, definition, bytes),
                inner => self.decode(inner, bytes),
            },
            Value::String(kind) => match kind.as_str() {
                "null" => Value::Null,
                "long" | "int" => json!(long(bytes)),
                "string" | "bytes" => {
                    let length = usize::try_from(long(bytes)).unwrap();
                    let (text, rest) = bytes.split_at(length);
                    *bytes = rest;
                    json!(std::str::from_utf8(text).unwrap())
                }
                name => self.decode(&self.named[name].clone(), bytes),
            },
            other => panic!("not a schema: {other}"),
        }
    }

    fn decode_complex(&self, kind: &str, definition: &Map<String, Value>, bytes: &mut &[u8]) -> Value {
        match kind {
            "record" => {
                let fields = definition["fields"].as_array().unwrap();
                let members = fields.iter().map(|field| {
                    let name = field["name"].as_str().unwrap().to_owned();
                    (name, self.decode(&field["type"], bytes))
                });
                Value::Object(members.collect())
            }
            "enum" => definition["symbols"][usize::try_from(long(bytes)).unwrap()].clone(),
            "map" => {
                let mut members = Map::new();
                loop {
                    let count = long(bytes);
                    if count == 0 {
                        return Value::Object(members);
                    }
                    for _ in 0..count {
                        let name = self.decode(&json!("string"), bytes);
                        let value = self.decode(&definition["values"], bytes);
                        members.insert(name.as_str().unwrap().to_owned(), value);
                    }
                }
            }
            plain => self.decode(&json!(plain), bytes),
        }
    }
}

fn collect(schema: &Value, namespace: &str, named: &mut HashMap<String, Value>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| collect(item, namespace, named)),
        Value::Object(definition) => {
            let namespace = definition.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
            if let Some(name) = definition.get("name").and_then(Value::as_str)
                && definition["type"].is_string()
            {
                named.insert(format!("{namespace}.{name}"), schema.clone());
                named.insert(name.to_owned(), schema.clone());
            }
            for (key, inner) in definition {
                if matches!(key.as_str(), "fields" | "type" | "items" | "values") {
                    collect(inner, namespace, named);
                }
            }
        }
        _ => {}
    }
}

fn long(bytes: &mut &[u8]) -> i64 {
    let (mut value, mut shift) = (0_u64, 0);
    loop {
        let (first, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return (value >> 1).cast_signed() ^ -(value & 1).cast_signed();
        }
        shift += 7;
    }
}
