//! The entities above an entity: containers, domains and groups of terms.

use async_graphql::Result;
use serde_json::{Value, json};

use super::call::Call;
use super::error::failed;
use super::node::at;
use crate::store::read;

/// The greatest depth of a hierarchy, which may contain a circle by mistake.
const MAX_DEPTH: usize = 50;

pub(super) async fn containers(call: &Call<'_>) -> Result<Value> {
    let above = above(call, "container", "container").await?;
    Ok(json!({"count": above.len(), "containers": above}))
}

pub(super) async fn domains(call: &Call<'_>) -> Result<Value> {
    let above = above(call, "domainProperties", "parentDomain").await?;
    Ok(json!({"count": above.len(), "domains": above}))
}

pub(super) async fn nodes(call: &Call<'_>) -> Result<Value> {
    let aspects = call.entity()?.aspects(call.caller).await?;
    let info = aspects.get("glossaryTermInfo").or_else(|| aspects.get("glossaryNodeInfo"));
    let Some(first) = info.and_then(|info| info.get("parentNode")?.as_str()).map(str::to_owned) else {
        return Ok(json!({"count": 0, "nodes": []}));
    };
    let mut all = vec![first.clone()];
    all.extend(chain(call, first, "glossaryNodeInfo", "parentNode").await?);
    Ok(json!({"count": all.len(), "nodes": all}))
}

async fn above(call: &Call<'_>, aspect: &'static str, field: &'static str) -> Result<Vec<String>> {
    let entity = call.entity()?;
    entity.aspects(call.caller).await?;
    chain(call, entity.urn.to_string(), aspect, field).await
}

/// The URNs above a URN, the nearest first.
async fn chain(
    call: &Call<'_>,
    start: String,
    aspect: &'static str,
    field: &'static str,
) -> Result<Vec<String>> {
    let found = call.caller.server.store.read(move |connection| {
        let mut found: Vec<String> = Vec::new();
        let mut current = start;
        while found.len() < MAX_DEPTH {
            let Some(stored) = read::aspect(connection, &current, aspect, 0)? else { break };
            let record: Value = serde_json::from_str(&stored.metadata).unwrap_or_default();
            match at(&record, field).as_str() {
                Some(parent) if !found.iter().any(|known| known == parent) => {
                    found.push(parent.to_owned());
                    parent.clone_into(&mut current);
                }
                _ => break,
            }
        }
        Ok(found)
    });
    found.await.map_err(|failure| failed(&failure))
}
