//! `fineGrainedLineages` in a patch (`FineGrainedLineageTemplateHelper`): a map by operation, downstream
//! field, query and upstream field, with confidence and types as values.

use super::error::PatchError;
use crate::tree::{Node, Object};
use crate::urn::Urn;

const FIELD: &str = "fineGrainedLineages";
const NONE: &str = "NONE";
const DEFAULT_CONFIDENCE: &str = "1.0";

pub(super) fn to_map(object: &mut Object) -> Result<(), PatchError> {
    let mut map = Node::object();
    if let Some(lineages) = object.get_mut(FIELD).map(Node::elements).transpose()?.flatten() {
        for mut lineage in std::mem::take(lineages) {
            let lineage = lineage.members()?.ok_or(PatchError::NoObject)?;
            add(&mut map, lineage)?;
        }
    }
    object.set(FIELD, map);
    Ok(())
}

fn add(map: &mut Node, lineage: &mut Object) -> Result<(), PatchError> {
    let upstreams = urns(lineage, "upstreams")?;
    let downstreams = urns(lineage, "downstreams")?;
    let Some([downstream]) = downstreams.as_deref() else {
        return Err(PatchError::Shape(
            "Patching not supported on fine grained lineages with not exactly one downstream.".into(),
        ));
    };
    let text = |field: &str| lineage.get(field).map(Node::as_text);
    let upstream_type = text("upstreamType").unwrap_or_else(|| {
        let of_dataset = upstreams
            .as_deref()
            .and_then(<[String]>::first)
            .and_then(|urn| Urn::parse(urn).ok())
            .is_some_and(|urn| urn.entity_type() == "dataset");
        if of_dataset { "DATASET" } else { "FIELD_SET" }.to_owned()
    });
    let mut value = Object::default();
    let confidence = lineage.get("confidenceScore").cloned();
    value.set("confidenceScore", confidence.unwrap_or_else(|| Node::new(DEFAULT_CONFIDENCE)));
    value.set("upstreamType", Node::string(&upstream_type));
    value.set("downstreamType", Node::string(&text("downstreamType").unwrap_or_else(|| "FIELD".to_owned())));
    let mut place = map;
    for step in [
        text("transformOperation").unwrap_or_else(|| NONE.to_owned()),
        downstream.clone(),
        text("query").unwrap_or_else(|| NONE.to_owned()),
    ] {
        place = place.members()?.ok_or(PatchError::NoObject)?.entry(&step);
    }
    let place = place.members()?.ok_or(PatchError::NoObject)?;
    for upstream in upstreams.into_iter().flatten() {
        place.set(&upstream, Node::Object(value.clone()));
    }
    Ok(())
}

fn urns(lineage: &mut Object, field: &str) -> Result<Option<Vec<String>>, PatchError> {
    let elements = lineage.get_mut(field).map(Node::elements).transpose()?.flatten();
    Ok(elements.map(|elements| elements.iter().map(Node::as_text).collect()))
}

pub(super) fn to_array(object: &mut Object) -> Result<(), PatchError> {
    let mut lineages = Vec::new();
    if let Some(node) = object.get_mut(FIELD) {
        if node.is_array() {
            return Ok(());
        }
        for (operation, mut downstreams) in members(node)?.into_iter() {
            for (downstream, mut queries) in members(&mut downstreams)?.into_iter() {
                for (query, mut upstreams) in members(&mut queries)?.into_iter() {
                    let upstreams = members(&mut upstreams)?;
                    if !upstreams.is_empty() {
                        lineages.push(lineage(&operation, &downstream, &query, upstreams)?);
                    }
                }
            }
        }
    }
    object.set(FIELD, Node::Array(lineages));
    Ok(())
}

fn members(node: &mut Node) -> Result<Object, PatchError> {
    node.members()?.map(std::mem::take).ok_or(PatchError::NoObject)
}

/// One lineage, with the lowest confidence of its upstreams and the types of the last one.
fn lineage(operation: &str, downstream: &str, query: &str, upstreams: Object) -> Result<Node, PatchError> {
    let (mut confidence, mut lowest) = (Node::new(DEFAULT_CONFIDENCE), 1.0);
    let (mut upstream_type, mut downstream_type) = (Node::string("FIELD_SET"), Node::string("FIELD"));
    let mut urns = Vec::new();
    for (urn, mut value) in upstreams.into_iter() {
        let value = members(&mut value)?;
        if let Some(found) = value.get("confidenceScore")
            && let Ok(score) = found.as_text().parse::<f32>()
            && score <= lowest
        {
            (confidence, lowest) = (found.clone(), score);
        }
        if let Some(found) = value.get("upstreamType") {
            upstream_type = found.clone();
        }
        if let Some(found) = value.get("downstreamType") {
            downstream_type = found.clone();
        }
        urns.push(Node::string(&urn));
    }
    let mut lineage = Object::default();
    lineage.set("downstreams", Node::Array(vec![Node::string(downstream)]));
    lineage.set("upstreams", Node::Array(urns));
    if !query.trim().is_empty() && query != NONE {
        lineage.set("query", Node::string(query));
    }
    lineage.set("upstreamType", upstream_type);
    lineage.set("downstreamType", downstream_type);
    lineage.set("confidenceScore", confidence);
    lineage.set("transformOperation", Node::string(operation));
    Ok(Node::Object(lineage))
}
