//! JSON, indented for a person to read.

/// `json` with each member and item on a line of its own. Numbers, escapes and the order of members stay as
/// they are, so that nothing is shown differently from what GMS has.
pub(crate) fn indented(json: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    // A bracket whose first item has not come yet.
    let mut just_opened = false;
    for &byte in json {
        if in_string {
            text.push(byte);
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        if byte.is_ascii_whitespace() {
            continue;
        }
        if just_opened && !matches!(byte, b'}' | b']') {
            new_line(&mut text, depth);
        }
        match byte {
            b'{' | b'[' => {
                text.push(byte);
                depth += 1;
                just_opened = true;
                continue;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if !just_opened {
                    new_line(&mut text, depth);
                }
                text.push(byte);
            }
            b',' => {
                text.push(byte);
                new_line(&mut text, depth);
            }
            b':' => text.extend_from_slice(b": "),
            other => {
                in_string = other == b'"';
                text.push(other);
            }
        }
        just_opened = false;
    }
    text.push(b'\n');
    text
}

fn new_line(text: &mut Vec<u8>, depth: usize) {
    text.push(b'\n');
    text.resize(text.len() + 2 * depth, b' ');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_member_has_its_line_and_values_keep_their_text() {
        let json = br#"{"a": {"z":1.50,"e":"\u00e9 \"{[,:]}\\"},"b":[], "c":[1,{}]}"#;
        let expected = "{\n  \"a\": {\n    \"z\": 1.50,\n    \"e\": \"\\u00e9 \\\"{[,:]}\\\\\"\n  },\n  \"b\": [],\n  \"c\": [\n    1,\n    {}\n  ]\n}\n";
        assert_eq!(String::from_utf8(indented(json)).unwrap(), expected);
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into)
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect()))
            ]
        })
    }

    proptest! {
        #[test]
        fn the_value_stays_the_same(value in any_json()) {
            let text = indented(value.to_string().as_bytes());
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&text).unwrap(), value);
        }
    }
}
