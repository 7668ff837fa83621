//! Writes a proposal as a record.

use crate::metadata::json;
use crate::metadata::{Aspect, Proposal};

/// Appends the proposal as one line (without its end) with the aspect as `{"json": …}`, in ASCII.
///
/// An aspect whose content type is not `application/json`, as of most patches, is written with `value` and
/// `contentType` instead, since `{"json": …}` has no content type: DataHub's own file sink loses it. A
/// proposal without an aspect has `"aspect":null`, without which DataHub's file source would not recognise a
/// proposal. A proposal with a key aspect has `entityKeyAspect` instead of `entityUrn`.
pub fn write_json_form(proposal: &Proposal, out: &mut Vec<u8>) {
    write(proposal, out, AspectForm::Json, None);
}

/// Appends the proposal as one line (without its end) with the aspect as `{"value": "…", "contentType": …}`,
/// in ASCII.
///
/// `extra` is an additional member: its name and its value, which must be compact JSON in ASCII.
pub fn write_value_form(proposal: &Proposal, out: &mut Vec<u8>, extra: Option<(&str, &[u8])>) {
    write(proposal, out, AspectForm::Value, extra);
}

/// Appends the proposal in the form of [`write_json_form`], indented by four spaces a level, as DataHub's
/// file sink writes each record. That sink writes `[` and a line end before the first record, `,` and a line
/// end between two records, and a line end and `]` after the last.
pub fn write_indented(proposal: &Proposal, out: &mut Vec<u8>) {
    let mut compact = Vec::new();
    write_json_form(proposal, &mut compact);
    json::indent(out, &compact);
}

/// As [`write_indented`], with the aspect in the form of [`write_value_form`].
pub fn write_value_form_indented(proposal: &Proposal, out: &mut Vec<u8>) {
    let mut compact = Vec::new();
    write_value_form(proposal, &mut compact, None);
    json::indent(out, &compact);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AspectForm {
    Json,
    Value,
}

fn write(proposal: &Proposal, out: &mut Vec<u8>, form: AspectForm, extra: Option<(&str, &[u8])>) {
    let aspect_length = proposal.aspect.as_ref().map_or(0, |aspect| aspect.value.len());
    out.reserve(aspect_length + aspect_length / 4 + 512);
    out.extend_from_slice(b"{\"entityType\":");
    json::push_json_string(out, &proposal.entity_type);
    match &proposal.key_aspect {
        None => {
            out.extend_from_slice(b",\"entityUrn\":");
            json::push_json_string(out, proposal.urn.as_str());
        }
        // DataHub's file source knows no `{"json": …}` here.
        Some(key_aspect) => {
            out.extend_from_slice(b",\"entityKeyAspect\":");
            push_value_form(out, key_aspect);
        }
    }
    out.extend_from_slice(b",\"changeType\":");
    json::push_json_string(out, proposal.change_type.as_str());
    out.extend_from_slice(b",\"aspectName\":");
    json::push_json_string(out, &proposal.aspect_name);
    out.extend_from_slice(b",\"aspect\":");
    match &proposal.aspect {
        None => out.extend_from_slice(b"null"),
        Some(aspect) if form == AspectForm::Json && aspect.content_type == Aspect::JSON => {
            out.extend_from_slice(b"{\"json\":");
            json::push_ascii_json(out, &aspect.value);
            out.push(b'}');
        }
        Some(aspect) => push_value_form(out, aspect),
    }
    if let Some(system_metadata) = &proposal.system_metadata {
        out.extend_from_slice(b",\"systemMetadata\":");
        system_metadata.push_record_json(out);
    }
    if !proposal.headers.is_empty() {
        out.extend_from_slice(b",\"headers\":");
        json::push_string_map(out, &proposal.headers);
    }
    if let Some((name, value)) = extra {
        out.push(b',');
        json::push_json_string(out, name);
        out.push(b':');
        out.extend_from_slice(value);
    }
    out.push(b'}');
}

fn push_value_form(out: &mut Vec<u8>, aspect: &Aspect) {
    out.extend_from_slice(b"{\"value\":\"");
    json::push_embedded_json(out, &aspect.value);
    out.extend_from_slice(b"\",\"contentType\":");
    json::push_json_string(out, &aspect.content_type);
    out.push(b'}');
}
