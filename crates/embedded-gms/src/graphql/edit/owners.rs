//! Owners (`OwnerUtils`).

use async_graphql::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{EDIT_ENTITY, Resources, is_user, list, run, targets};
use crate::actor;
use crate::graphql::call::Call;
use crate::graphql::context::urn;
use crate::graphql::error::bad_request;

const PRIVILEGES: [&str; 2] = ["EDIT_ENTITY_OWNERS", EDIT_ENTITY];

/// The start of the URNs of DataHub's own kinds of ownership.
const SYSTEM: &str = "urn:li:ownershipType:__system__";

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnerInput {
    owner_urn: String,
    r#type: Option<String>,
    ownership_type_urn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddInput {
    owner_urn: Option<String>,
    r#type: Option<String>,
    ownership_type_urn: Option<String>,
    #[serde(default)]
    owners: Vec<OwnerInput>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RemoveInput {
    owner_urn: Option<String>,
    #[serde(default)]
    owner_urns: Vec<String>,
    ownership_type_urn: Option<String>,
}

impl OwnerInput {
    /// The stored kind of ownership: its symbol and its URN.
    fn kind(&self) -> (String, String) {
        match (&self.ownership_type_urn, &self.r#type) {
            (Some(urn), _) => {
                let system = urn.strip_prefix(SYSTEM).map(str::to_uppercase);
                (system.unwrap_or_else(|| "CUSTOM".to_owned()), urn.clone())
            }
            (None, kind) => {
                let kind = kind.clone().unwrap_or_else(|| "NONE".to_owned());
                let urn = format!("{SYSTEM}{}", kind.to_lowercase());
                (kind, urn)
            }
        }
    }
}

/// `addOwner` and its kin.
pub(in crate::graphql) async fn add(call: &Call<'_>) -> Result<Value> {
    let AddInput { owner_urn, r#type, ownership_type_urn, mut owners } = call.input()?;
    owners.extend(owner_urn.map(|owner_urn| OwnerInput { owner_urn, r#type, ownership_type_urn }));
    for owner in &owners {
        let urn = urn(&owner.owner_urn)?;
        if !is_user(urn.as_str()) && !urn.as_str().starts_with(actor::GROUP_PREFIX) {
            return Err(bad_request(format!("Failed to add owner {urn}. It is not a user or a group.")));
        }
    }
    let resources: Resources = call.input()?;
    let targets = targets(call.caller, resources.all(), &PRIVILEGES, &PRIVILEGES).await?;
    run(call.caller, move |edit| {
        for target in &targets {
            edit.check_exists(&target.urn)?;
            edit.aspect(&target.urn, "ownership", json!({"owners": []}), |record| {
                let known = list(record, "owners")?;
                for owner in &owners {
                    let (kind, type_urn) = owner.kind();
                    // An owner may have several kinds of ownership, but each only once.
                    known.retain(|one| {
                        one.get("owner").is_none_or(|urn| urn != owner.owner_urn.as_str())
                            || type_of(one) != type_urn
                    });
                    known.push(json!({"owner": owner.owner_urn, "type": kind, "typeUrn": type_urn}));
                }
                modified(record, edit.stamp);
                Ok(())
            })?;
        }
        Ok(())
    })
    .await?;
    Ok(true.into())
}

/// `removeOwner` and its kin; with a kind of ownership, only of this kind.
pub(in crate::graphql) async fn remove(call: &Call<'_>) -> Result<Value> {
    let RemoveInput { owner_urn, mut owner_urns, ownership_type_urn } = call.input()?;
    owner_urns.extend(owner_urn);
    let resources: Resources = call.input()?;
    let targets = targets(call.caller, resources.all(), &PRIVILEGES, &PRIVILEGES).await?;
    run(call.caller, move |edit| {
        for target in &targets {
            edit.check_exists(&target.urn)?;
            edit.aspect(&target.urn, "ownership", json!({"owners": []}), |record| {
                list(record, "owners")?.retain(|one| {
                    let named = one.get("owner").and_then(Value::as_str);
                    let of_kind = ownership_type_urn.as_ref().is_none_or(|kind| type_of(one) == *kind);
                    !(of_kind && named.is_some_and(|named| owner_urns.iter().any(|urn| urn == named)))
                });
                modified(record, edit.stamp);
                Ok(())
            })?;
        }
        Ok(())
    })
    .await?;
    Ok(true.into())
}

/// The URN of an owner's kind of ownership.
fn type_of(owner: &Value) -> String {
    let text = |name: &str| owner.get(name).and_then(Value::as_str);
    let kind = || format!("{SYSTEM}{}", text("type").unwrap_or("none").to_lowercase());
    text("typeUrn").map_or_else(kind, str::to_owned)
}

fn modified(record: &mut Value, stamp: &crate::store::row::AuditStamp) {
    if let Some(members) = record.as_object_mut() {
        members.insert("lastModified".to_owned(), json!(stamp));
    }
}
