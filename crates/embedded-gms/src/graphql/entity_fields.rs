//! Entities by their URNs, and the small computed fields of entities and records.

use async_graphql::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use super::context::{MAX_LISTED, urn};
use super::convert;
use super::error::{bad_request, failed, unauthorized};
use crate::authorization::ApiOperation;
use crate::keys;
use crate::store::read;
use crate::urn::Urn;

#[derive(Deserialize)]
struct UrnArgument {
    urn: String,
}

/// `entity` and its kin: the URN if the entity exists and is of the type of the field, which the schema
/// checks.
pub(super) async fn by_urn(call: &Call<'_>) -> Result<Value> {
    let UrnArgument { urn: text } = call.arguments()?;
    let urn = urn(&text)?;
    if !call.caller.may(ApiOperation::Read, &urn).await? {
        return Err(unauthorized());
    }
    Ok(if stored(call, urn).await? { text.into() } else { Value::Null })
}

/// `entities`
pub(super) fn entities(call: &Call<'_>) -> Result<Value> {
    #[derive(Deserialize)]
    struct Arguments {
        urns: Vec<String>,
    }
    let Arguments { urns } = call.arguments()?;
    if urns.len() > MAX_LISTED {
        return Err(bad_request(format!("urns: at most {MAX_LISTED} at a time")));
    }
    for text in &urns {
        urn(text)?;
    }
    Ok(urns.into())
}

/// `entityExists`: a soft-deleted entity exists.
pub(super) async fn exists_by_urn(call: &Call<'_>) -> Result<Value> {
    let UrnArgument { urn: text } = call.arguments()?;
    Ok(stored(call, urn(&text)?).await?.into())
}

pub(super) async fn exists(call: &Call<'_>) -> Result<Value> {
    Ok(stored(call, call.entity()?.urn.clone()).await?.into())
}

/// An entity exists if its key is stored, or any aspect of it.
async fn stored(call: &Call<'_>, urn: Urn) -> Result<bool> {
    let found = call.caller.server.store.read(move |connection| {
        let key = keys::aspect_name(urn.entity_type());
        Ok(read::has(connection, urn.as_str(), &key)? || !read::entity(connection, urn.as_str())?.is_empty())
    });
    found.await.map_err(|failure| failed(&failure))
}

pub(super) async fn last_ingested(call: &Call<'_>) -> Result<Value> {
    Ok(call.entity()?.aspects(call.caller).await?.last_observed.into())
}

/// `DataHubConnection.details`, without its contents.
pub(super) async fn connection_details(call: &Call<'_>) -> Result<Value> {
    let aspects = call.entity()?.aspects(call.caller).await?;
    let name = aspects.get("dataHubConnectionDetails").and_then(|details| details.get("name"));
    Ok(json!({"type": "JSON", "name": name}))
}

/// The description of a type of values or entities. GMS stores one for each; here it may be missing.
pub(super) async fn type_info(call: &Call<'_>) -> Result<Value> {
    let entity = call.entity()?;
    let aspects = entity.aspects(call.caller).await?;
    let stored = aspects.get("dataTypeInfo").or_else(|| aspects.get("entityTypeInfo"));
    let key = entity.urn.key();
    let simple = key.rsplit('.').next().unwrap_or(key);
    let field = |name: &str| stored.and_then(|info| info.get(name)).cloned();
    Ok(json!({
        "type": super::entity_name::symbol_of(simple),
        "qualifiedName": field("qualifiedName").unwrap_or_else(|| key.into()),
        "displayName": field("displayName").unwrap_or_else(|| simple.into()),
        "description": field("description"),
    }))
}

/// Fields that need nothing but their record and its owner; `None` if there is no such field.
pub(super) fn of_record(of: &str, field: &str, call: &Call<'_>) -> Option<Value> {
    let record = call.node.record();
    let owner = call.node.owner();
    Some(match (of, field) {
        ("SchemaField" | "BusinessAttributeInfo", "type") => {
            record.get("type").map(convert::column_type).unwrap_or_default()
        }
        ("SchemaField", "schemaFieldEntity") => {
            let path = record.get("fieldPath").and_then(Value::as_str)?;
            owner.map(|owner| column(&owner.urn, path)).unwrap_or_default()
        }
        ("FineGrainedLineage", "upstreams" | "downstreams") | ("DatasetAssertionInfo", "fields") => {
            let urns = record.get(field).and_then(Value::as_array);
            urns.map(|urns| urns.iter().filter_map(column_reference).collect()).unwrap_or_default()
        }
        ("AssertionInfo", "entityUrn") => assertee(record).into(),
        ("GlossaryTerm", "name") => {
            let name = owner?.urn.key();
            name.rsplit('.').next().unwrap_or(name).into()
        }
        ("OtherEntity", "name") => owner?.name().into(),
        ("QuerySubject", "dataset") => subject(record, "dataset"),
        ("QuerySubject", "schemaField") => subject(record, "schemaField"),
        ("StructuredPropertiesEntry", "valueEntities") => {
            let values = record.get("values").and_then(Value::as_array)?;
            let texts = values.iter().filter_map(|value| value.get("string")?.as_str());
            texts.filter(|text| Urn::parse(text).is_ok()).collect()
        }
        _ => return None,
    })
}

/// The URN of a column.
fn column(of: &Urn, path: &str) -> Value {
    format!("urn:li:schemaField:({of},{path})").into()
}

fn column_reference(value: &Value) -> Option<Value> {
    let text = value.as_str()?;
    let urn = Urn::parse(text).ok()?;
    let path = keys::parts(urn.key())?.get(1).copied()?.to_owned();
    Some(json!({"urn": text, "path": path}))
}

/// The entity that an assertion is about, from its `assertionInfo`.
pub(super) fn assertee(info: &Value) -> Option<String> {
    let kinds = info.as_object()?.iter().filter(|(name, _)| name.ends_with("Assertion"));
    let mut found =
        kinds.filter_map(|(_, kind)| kind.get("entity").or_else(|| kind.get("dataset"))?.as_str());
    found.next().map(str::to_owned)
}

fn subject(record: &Value, entity_type: &str) -> Value {
    let text = record.get("entity").and_then(Value::as_str).unwrap_or_default();
    match Urn::parse(text) {
        Ok(urn) if urn.entity_type() == entity_type => text.into(),
        // The data set of a column.
        Ok(urn) if urn.entity_type() == "schemaField" && entity_type == "dataset" => keys::parts(urn.key())
            .and_then(|parts| parts.first().copied().map(Value::from))
            .unwrap_or_default(),
        _ => Value::Null,
    }
}
