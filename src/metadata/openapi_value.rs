//! An aspect as a JSON object, for GMS's OpenAPI.

use super::json::{Cursor, Rewriter, push_ascii_json};
use super::model::{self, Node};
use super::{Aspect, ChangeType, Proposal};

/// Appends the proposal's aspect in the form of OpenAPI's `value`: JSON in ASCII, not inside a string; `null`
/// without an aspect.
///
/// The record reader rewrites UPSERTs of known aspects to the form of GMS's model. Rest.li accepts all others
/// as they are; OpenAPI does not, so they are rewritten here, as in DataHub's client: without null members,
/// old union tags and Python's namespace. Aspects that the model knows are rewritten by place, others by
/// shape. Patches stay as they are.
pub(crate) fn push_openapi_value(out: &mut Vec<u8>, proposal: &Proposal) {
    let Some(aspect) = &proposal.aspect else {
        out.extend_from_slice(b"null");
        return;
    };
    let start = out.len();
    if let Some(root) = root(proposal, aspect) {
        if rewrite(out, &aspect.value, root).is_some() {
            if !out.get(start..).is_some_and(<[u8]>::is_ascii) {
                let rewritten = out.split_off(start);
                push_ascii_json(out, &rewritten);
            }
            return;
        }
        out.truncate(start);
    }
    push_ascii_json(out, &aspect.value);
}

/// The node of the aspect in the model, if the aspect is to be rewritten.
fn root(proposal: &Proposal, aspect: &Aspect) -> Option<&'static Node> {
    if aspect.content_type != Aspect::JSON {
        return None;
    }
    let known = model::aspect(&proposal.aspect_name);
    match proposal.change_type {
        ChangeType::Patch | ChangeType::Delete => None,
        // The record reader has rewritten it.
        ChangeType::Upsert if known.is_some() => None,
        _ => Some(known.map_or(&model::UNKNOWN, |model| model.root)),
    }
}

fn rewrite(out: &mut Vec<u8>, value: &[u8], root: &'static Node) -> Option<()> {
    // The limit of the nesting was checked when the aspect was made.
    let mut cursor = Cursor::new(value, usize::MAX).ok()?;
    Rewriter::default().rewrite(&mut cursor, root, out).ok()?;
    cursor.end().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Urn;

    fn value(change_type: ChangeType, aspect_name: &'static str, aspect: &str) -> String {
        let urn = Urn::parse("urn:li:tag:x").unwrap();
        let mut proposal = Proposal::upsert(urn, aspect_name, aspect).unwrap();
        proposal.change_type = change_type;
        let mut out = b"before ".to_vec();
        push_openapi_value(&mut out, &proposal);
        let out = String::from_utf8(out).unwrap();
        assert!(out.is_ascii());
        out.strip_prefix("before ").unwrap().to_owned()
    }

    #[test]
    fn a_known_aspect_is_rewritten_for_every_change_type() {
        let aspect = r#"{"title":{"string":"Größe 😀"},"email":null}"#;
        for change_type in
            [ChangeType::Create, ChangeType::CreateEntity, ChangeType::Update, ChangeType::Restate]
        {
            let expected = r#"{"title":"Gr\u00f6\u00dfe \ud83d\ude00"}"#;
            assert_eq!(value(change_type, "corpUserInfo", aspect), expected, "{change_type}");
        }
        let same = r#"{"customProperties":{"string":"x","fieldDiscriminator":"string"}}"#;
        assert_eq!(value(ChangeType::Create, "datasetProperties", same), same);
    }

    #[test]
    fn upserts_and_patches_stay_as_they_are() {
        let same = r#"{"b":null,"a":{"string":"\u00e9"},"patch":[]}"#;
        assert_eq!(value(ChangeType::Upsert, "status", same), same);
        for aspect_name in ["status", "ourOwn"] {
            assert_eq!(value(ChangeType::Patch, aspect_name, same), same);
        }
    }

    #[test]
    fn an_unknown_aspect_is_rewritten_by_its_shape() {
        // The expected text is the output of DataHub's client for the same aspect.
        let aspect = r#"{"a":null,"list":[null,1,{"b":null}],"com.linkedin.pegasus2avro.x":1,
            "u":{"com.linkedin.pegasus2avro.foo.Bar":{"z":null}},"é":"ü","fl":1.0,"big":12345678901234567890,"html":"<&>"}"#;
        let expected = r#"{"list":[null,1,{}],"com.linkedin.pegasus2avro.x":1,"u":{"com.linkedin.foo.Bar":{}},"\u00e9":"\u00fc","fl":1.0,"big":12345678901234567890,"html":"<&>"}"#;
        for change_type in [ChangeType::Upsert, ChangeType::Create, ChangeType::Restate] {
            assert_eq!(value(change_type, "ourOwn", aspect), expected);
        }
    }

    #[test]
    fn a_missing_aspect_and_invalid_json_do_not_panic() {
        let mut proposal = Proposal::upsert(Urn::parse("urn:li:tag:x").unwrap(), "ourOwn", "{}").unwrap();
        let mut out = Vec::new();
        for value in [&b"{\"a\":nul"[..], b"{} {}", b"\xff"] {
            proposal.aspect =
                Some(Aspect { value: bytes::Bytes::from_static(value), content_type: Aspect::JSON });
            push_openapi_value(&mut out, &proposal);
            out.push(b'\n');
        }
        proposal.aspect = None;
        push_openapi_value(&mut out, &proposal);
        assert_eq!(String::from_utf8(out).unwrap(), "{\"a\":nul\n{} {}\n\\ufffd\nnull");
    }
}
