//! `relationships`, and the documents about an entity.

use async_graphql::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use super::context::MAX_LISTED;
use super::error::{bad_request, unauthorized};
use crate::authorization::ApiOperation;
use crate::graph::{Direction, RelatedPage, RelatedQuery};

/// The default number of related entities.
const DEFAULT_COUNT: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RelationshipsInput {
    types: Vec<String>,
    direction: String,
    #[serde(default)]
    start: i64,
    count: Option<i64>,
    include_soft_delete: Option<bool>,
}

/// A number of a page, which GMS takes as it is, even if it is negative.
pub(super) fn bounded(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0).min(MAX_LISTED)
}

pub(super) async fn of_entity(call: &Call<'_>) -> Result<Value> {
    let RelationshipsInput { types, direction, start, count, include_soft_delete } = call.input()?;
    let direction = Direction::parse(&direction).ok_or_else(|| bad_request("direction"))?;
    let entity = call.entity()?;
    if !call.caller.may(ApiOperation::Read, &entity.urn).await? {
        return Err(unauthorized());
    }
    let query = RelatedQuery {
        urn: entity.urn.to_string(),
        direction,
        types,
        start: bounded(start),
        count: count.map_or(DEFAULT_COUNT, bounded),
        soft_deleted_too: include_soft_delete.unwrap_or(true),
    };
    let first = query.start;
    let RelatedPage { entities, total } = call.caller.read(move |connection| query.read(connection)).await?;
    let relationships: Vec<_> = entities
        .iter()
        .map(|one| {
            json!({
                "type": one.relationship,
                "direction": if one.outgoing { "OUTGOING" } else { "INCOMING" },
                "entity": one.urn,
                "created": one.created_on.map(|time| json!({"time": time, "actor": one.created_by})),
            })
        })
        .collect();
    Ok(json!({"start": first, "count": relationships.len(), "total": total, "relationships": relationships}))
}

/// The URNs of the entities with a relationship to this one, and the number of all.
pub(super) async fn incoming(
    call: &Call<'_>,
    relationship: &str,
    start: i64,
    count: i64,
    soft_deleted_too: bool,
) -> Result<(Vec<String>, usize)> {
    let entity = call.entity()?;
    entity.aspects(call.caller).await?;
    let query = RelatedQuery {
        urn: entity.urn.to_string(),
        direction: Direction::Incoming,
        types: vec![relationship.to_owned()],
        start: bounded(start),
        count: bounded(count),
        soft_deleted_too,
    };
    let page = call.caller.read(move |connection| query.read(connection)).await?;
    Ok((page.entities.into_iter().map(|one| one.urn).collect(), page.total))
}

/// `relatedDocuments`: the documents that name the entity.
pub(super) async fn documents(call: &Call<'_>) -> Result<Value> {
    #[derive(Deserialize)]
    struct Input {
        #[serde(default)]
        start: i64,
        count: Option<i64>,
    }
    let Input { start, count } = call.input()?;
    let (documents, total) = incoming(call, "RelatedAsset", start, count.unwrap_or(100), false).await?;
    Ok(json!({"start": bounded(start), "count": documents.len(), "total": total, "documents": documents}))
}
