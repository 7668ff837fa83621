//! The edges of the graph: the references in an aspect, and the columns that its lineage connects.

use serde_json::Value;

use super::relationships::RELATIONSHIPS;
use crate::store::row::AspectRow;
use crate::urn::Urn;

/// The aspects whose relationships are lineage (`isLineage`), with the relationships that lead downstream.
const LINEAGE: &[(&str, &[&str])] = &[
    ("aiAgentDependencies", &[]),
    ("apiProperties", &[]),
    ("apiSignature", &["Produces"]),
    ("applicationLineage", &["Produces"]),
    ("chartInfo", &[]),
    ("dashboardInfo", &[]),
    ("dataJobInputOutput", &["Produces"]),
    ("dataProcessInfo", &[]),
    ("dataProcessInstanceInput", &[]),
    ("dataProcessInstanceOutput", &["Produces", "DataProcessInstanceProduces"]),
    ("metricRelationships", &[]),
    ("metricUpstreams", &[]),
    ("mlFeatureProperties", &[]),
    ("mlModelGroupProperties", &["UsedBy"]),
    ("mlModelProperties", &["UsedBy", "MemberOf"]),
    ("mlPrimaryKeyProperties", &[]),
    ("repositoryLineage", &[]),
    ("serviceProperties", &["ServiceComposesApi"]),
    ("upstreamLineage", &[]),
    ("upstreamMetrics", &[]),
];

/// Relationships of these aspects that are not lineage.
const NOT_LINEAGE: &[&str] =
    &["AgentHasSkill", "AgentUsesModel", "IsPartOf", "RelatedTo", "TaggedWith", "TermedWith"];

/// The destination is upstream of the source, or downstream.
const UPSTREAM: i64 = 1;
const DOWNSTREAM: i64 = -1;

/// A relationship between two entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    /// The entity with the aspect, or one of its columns.
    pub(crate) source: String,
    pub(crate) relationship: &'static str,
    pub(crate) destination: String,
    /// 1 if the destination is upstream of the source, -1 if it is downstream, and 0 without lineage.
    pub(crate) lineage: i64,
    pub(crate) created: EdgeStamp,
    pub(crate) updated: EdgeStamp,
    /// The URN of the query that made it.
    pub(crate) via: Option<String>,
}

/// The author and the time of an edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EdgeStamp {
    pub(crate) time: Option<i64>,
    pub(crate) actor: Option<String>,
}

/// The edges of a stored aspect; none if it is not JSON, or too deep.
pub(crate) fn of(owner: &Urn, stored: &AspectRow) -> Vec<Edge> {
    let paths: Vec<_> = RELATIONSHIPS.iter().filter(|(aspect, ..)| *aspect == stored.aspect).collect();
    let columns = ["upstreamLineage", "dataJobInputOutput"].contains(&stored.aspect.as_str());
    if paths.is_empty() && !columns {
        return Vec::new();
    }
    let Ok(value) = serde_json::from_str::<Value>(&stored.metadata) else { return Vec::new() };
    let mut edges = Vec::new();
    for (aspect, path, relationship) in paths {
        // Columns are connected with each other below.
        if path.starts_with("fineGrainedLineages") {
            continue;
        }
        let lineage = lineage_of(aspect, relationship);
        let steps: Vec<_> = path.split('.').map(|step| step.trim_end_matches('?')).collect();
        walk(&value, &steps, &Value::Null, &mut |holder, destination| {
            edges.push(Edge {
                source: owner.to_string(),
                relationship,
                destination: destination.to_owned(),
                lineage,
                created: stamp(holder.get("created")),
                updated: stamp(holder.get("auditStamp").or_else(|| holder.get("lastModified"))),
                via: holder.get("query").and_then(Value::as_str).map(str::to_owned),
            });
        });
    }
    if columns {
        edges.extend(column_edges(&value));
    }
    edges
}

/// Calls `found` with every text at the end of the path, and the record that holds it.
fn walk<'v>(value: &'v Value, steps: &[&str], holder: &'v Value, found: &mut impl FnMut(&'v Value, &'v str)) {
    let Some((step, rest)) = steps.split_first() else {
        if let Some(text) = value.as_str() {
            found(holder, text);
        }
        return;
    };
    if *step == "*" {
        for element in value.as_array().into_iter().flatten() {
            walk(element, rest, holder, found);
        }
    } else if let Some(member) = value.get(step) {
        walk(member, rest, value, found);
    }
}

fn lineage_of(aspect: &str, relationship: &str) -> i64 {
    match LINEAGE.iter().find(|(name, _)| *name == aspect) {
        Some(_) if NOT_LINEAGE.contains(&relationship) => 0,
        Some((_, downstream)) if downstream.contains(&relationship) => DOWNSTREAM,
        Some(_) => UPSTREAM,
        None => 0,
    }
}

/// Each downstream column of a fine-grained lineage is downstream of each of its upstreams
/// (`GraphIndexUtils.extractGraphEdges`).
fn column_edges(value: &Value) -> Vec<Edge> {
    let mut edges = Vec::new();
    for lineage in value.get("fineGrainedLineages").and_then(Value::as_array).into_iter().flatten() {
        let urns = |name: &str| lineage.get(name).and_then(Value::as_array).into_iter().flatten();
        for downstream in urns("downstreams").filter_map(Value::as_str) {
            for upstream in urns("upstreams").filter_map(Value::as_str) {
                edges.push(Edge {
                    source: downstream.to_owned(),
                    relationship: "DownstreamOf",
                    destination: upstream.to_owned(),
                    lineage: UPSTREAM,
                    created: EdgeStamp::default(),
                    updated: EdgeStamp::default(),
                    via: lineage.get("query").and_then(Value::as_str).map(str::to_owned),
                });
            }
        }
    }
    edges
}

fn stamp(record: Option<&Value>) -> EdgeStamp {
    let Some(record) = record else { return EdgeStamp::default() };
    EdgeStamp {
        time: record.get("time").and_then(Value::as_i64),
        actor: record.get("actor").and_then(Value::as_str).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(urn: &str, aspect: &str, text: &str) -> Vec<(String, &'static str, String, i64)> {
        let stored = AspectRow {
            aspect: aspect.to_owned(),
            version: 0,
            metadata: text.to_owned(),
            system_metadata: "{}".to_owned(),
            created_on: 0,
            created_by: String::new(),
        };
        let found = of(&Urn::parse(urn).unwrap(), &stored).into_iter();
        found.map(|edge| (edge.source, edge.relationship, edge.destination, edge.lineage)).collect()
    }

    #[test]
    fn every_kind_of_edge_has_its_direction() {
        let job = "urn:li:dataJob:(f,j)";
        let of = |relationship, to: &str, lineage| (job.to_owned(), relationship, to.to_owned(), lineage);
        assert_eq!(
            edges(
                job,
                "dataJobInputOutput",
                r#"{"inputDatasets":["a"],"outputDatasetEdges":[{"destinationUrn":"b"}]}"#
            ),
            [of("Consumes", "a", 1), of("Produces", "b", -1)]
        );
        assert_eq!(edges(job, "globalTags", r#"{"tags":[{"tag":"t"}]}"#), [of("TaggedWith", "t", 0)]);
        assert_eq!(edges(job, "status", r#"{"removed":false}"#), []);
        assert_eq!(edges(job, "globalTags", &"[".repeat(1000)), []);
    }

    #[test]
    fn columns_are_connected_with_each_other() {
        let text = r#"{"upstreams":[{"dataset":"d"}],"fineGrainedLineages":[{"upstreams":["a","b"],"downstreams":["c"]}]}"#;
        let found = edges("urn:li:dataset:x", "upstreamLineage", text);
        let column = |to: &str| ("c".to_owned(), "DownstreamOf", to.to_owned(), 1);
        assert_eq!(
            found,
            [("urn:li:dataset:x".to_owned(), "DownstreamOf", "d".to_owned(), 1), column("a"), column("b")]
        );
    }
}
