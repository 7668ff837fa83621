//! The platform of an entity, and its instance.

use async_graphql::Result;
use serde_json::{Value, json};

use super::call::Call;
use super::node::{EntityNode, at};
use crate::keys;
use crate::urn::Urn;

/// The platform that an entity without one has.
const UNKNOWN: &str = "urn:li:dataPlatform:unknown";

pub(super) async fn of_entity(call: &Call<'_>) -> Result<Value> {
    Ok(platform(call).await.unwrap_or_else(|| UNKNOWN.to_owned()).into())
}

/// `dataPlatformInstance`. GMS adds this aspect to every entity that has a platform in its key; without an
/// instance it has the platform only.
pub(super) async fn instance(call: &Call<'_>) -> Result<Value> {
    let aspects = call.entity()?.aspects(call.caller).await?;
    let instance =
        aspects.get("dataPlatformInstance").map(|aspect| at(aspect, "instance")).unwrap_or_default();
    if !instance.is_null() {
        return Ok(instance);
    }
    let Some(platform) = platform(call).await else { return Ok(Value::Null) };
    Ok(json!({
        "urn": format!("urn:li:dataPlatformInstance:({platform},)"),
        "type": "DATA_PLATFORM_INSTANCE",
        "platform": platform,
    }))
}

/// The platform in the aspect, or else in the key. The caller may see the key, but perhaps not the aspect.
async fn platform(call: &Call<'_>) -> Option<String> {
    let entity = call.entity().ok()?;
    let aspect = entity.aspects(call.caller).await.ok();
    let stored = aspect.and_then(|aspects| aspects.get("dataPlatformInstance")?.get("platform")?.as_str());
    stored.map(str::to_owned).or_else(|| in_key(entity))
}

fn in_key(entity: &EntityNode) -> Option<String> {
    let key = entity.key();
    let first = *key.first()?;
    match entity.urn.entity_type() {
        "dataset" | "mlModel" | "mlModelGroup" | "mlFeatureTable" => Some(first.to_owned()),
        "chart" | "dashboard" | "dataFlow" | "notebook" => Some(format!("urn:li:dataPlatform:{first}")),
        "dataJob" => {
            let flow = Urn::parse(first).ok()?;
            let tool = keys::parts(flow.key())?.first().copied()?.to_owned();
            Some(format!("urn:li:dataPlatform:{tool}"))
        }
        _ => None,
    }
}
