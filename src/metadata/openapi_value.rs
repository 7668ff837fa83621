//! An aspect as a JSON object, for GMS's OpenAPI.

use super::json::{Cursor, Rewriter, push_ascii_json};
use super::model::{self, Node};
use super::{Aspect, ChangeType, Proposal};

/// Appends the proposal's aspect as OpenAPI's `value` has it: JSON in ASCII, not inside a string. `null` without one.
///
/// Behind Rest.li's text in text GMS reads an aspect as leniently as a file's; here it is read as GMS's own model, so
/// what a source passed on as it was is now brought into that form, as DataHub's client does it: null members go, old
/// union tags and Python's namespace too. In an aspect that the model knows that is done by place, in any other by
/// shape. A patch stays as it is, and so does whatever is no JSON.
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

/// What the aspect is, where it is to be rewritten.
fn root(proposal: &Proposal, aspect: &Aspect) -> Option<&'static Node> {
    if aspect.content_type != Aspect::JSON {
        return None;
    }
    let known = model::aspect(&proposal.aspect_name);
    match proposal.change_type {
        ChangeType::Patch | ChangeType::Delete => None,
        // The source has done so.
        ChangeType::Upsert if known.is_some() => None,
        _ => Some(known.map_or(&model::UNKNOWN, |model| model.root)),
    }
}

fn rewrite(out: &mut Vec<u8>, value: &[u8], root: &'static Node) -> Option<()> {
    // How deep it may be was the source's to say.
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
    fn a_known_aspect_is_in_the_models_form_whatever_is_to_be_done() {
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
    fn what_the_source_has_rewritten_and_a_patch_stay() {
        let same = r#"{"b":null,"a":{"string":"\u00e9"},"patch":[]}"#;
        assert_eq!(value(ChangeType::Upsert, "status", same), same);
        for aspect_name in ["status", "ourOwn"] {
            assert_eq!(value(ChangeType::Patch, aspect_name, same), same);
        }
    }

    #[test]
    fn an_unknown_aspect_is_changed_by_its_shape() {
        // What DataHub's client makes of the same aspect.
        let aspect = r#"{"a":null,"list":[null,1,{"b":null}],"com.linkedin.pegasus2avro.x":1,
            "u":{"com.linkedin.pegasus2avro.foo.Bar":{"z":null}},"é":"ü","fl":1.0,"big":12345678901234567890,"html":"<&>"}"#;
        let expected = r#"{"list":[null,1,{}],"com.linkedin.pegasus2avro.x":1,"u":{"com.linkedin.foo.Bar":{}},"\u00e9":"\u00fc","fl":1.0,"big":12345678901234567890,"html":"<&>"}"#;
        for change_type in [ChangeType::Upsert, ChangeType::Create, ChangeType::Restate] {
            assert_eq!(value(change_type, "ourOwn", aspect), expected);
        }
    }

    #[test]
    fn what_is_missing_or_no_json_is_no_panic() {
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
