//! Lists of queries and of kinds of ownership.

use async_graphql::Result;
use serde_json::{Value, json};

use super::call::Call;
use super::filter::FacetFilterInput;
use super::relationships::bounded;
use super::search::SearchInput;

/// `listQueries`: all queries, or those on a data set.
pub(super) async fn queries(call: &Call<'_>) -> Result<Value> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Of {
        dataset_urn: Option<String>,
        source: Option<String>,
    }
    let Of { dataset_urn, source } = call.input()?;
    let mut input: SearchInput = call.input()?;
    if let Some(urn) = dataset_urn {
        input.filters.push(FacetFilterInput::equal("entities", vec![urn]));
    }
    if let Some(source) = source {
        input.filters.push(FacetFilterInput::equal("source", vec![source]));
    }
    list(call, input, "QUERY", "queries").await
}

/// `listOwnershipTypes`
pub(super) async fn ownership_types(call: &Call<'_>) -> Result<Value> {
    list(call, call.input()?, "CUSTOM_OWNERSHIP_TYPE", "ownershipTypes").await
}

async fn list(call: &Call<'_>, mut input: SearchInput, entity_type: &str, name: &str) -> Result<Value> {
    input.types = vec![entity_type.to_owned()];
    let (search, order) = input.search()?;
    let (start, count) = (bounded(input.start), input.count.map_or(20, bounded));
    let page = call
        .caller
        .read(move |connection| {
            if order.is_empty() {
                search.ranked(connection, start, count)
            } else {
                search.ordered_part(connection, &order, start, count)
            }
        })
        .await?;
    Ok(json!({"start": start, "count": page.urns.len(), "total": page.total, name: page.urns}))
}
