//! `/entitiesV2`: an entity as a map of its aspects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::Urn;
use crate::authorization::{Operation, Rights};
use crate::failure::Failure;
use crate::restli;
use crate::store::read::{self, Stored};
use crate::{SYSTEM_ACTOR, Server, keys, model, snapshot, system_metadata, tokens, user};

/// `EntityResponse.pdl`
#[derive(Serialize)]
struct Entity<'a> {
    #[serde(rename = "entityName")]
    r#type: &'a str,
    urn: &'a str,
    aspects: BTreeMap<String, Enveloped>,
}

/// `EnvelopedAspect.pdl`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Enveloped {
    name: String,
    r#type: &'static str,
    version: i64,
    value: Box<RawValue>,
    created: AuditStamp,
    system_metadata: Box<RawValue>,
}

#[derive(Serialize)]
struct AuditStamp {
    actor: String,
    time: i64,
}

/// `GET /entitiesV2/{urn}`, with `aspects=List(a,b)` those and the key. An entity that was never written has its key.
pub(super) async fn show(
    State(server): State<Arc<Server>>,
    Extension(rights): Extension<Rights>,
    uri: Uri,
) -> Result<Response, Failure> {
    let urn = super::path_urn(&uri, "/entitiesV2/")?;
    rights.check(Operation::Read, &urn, |_| format!("User is unauthorized to get entity {urn}")).await?;
    let stored = server.entity(&urn, restli::list(&uri, "aspects")).await?;
    let mut aspects = BTreeMap::new();
    for stored in stored {
        aspects.insert(stored.aspect.clone(), envelope(stored)?);
    }
    Ok(restli::success(&Entity { r#type: urn.entity_type(), urn: urn.as_str(), aspects }))
}

fn envelope(stored: Stored) -> Result<Enveloped, Failure> {
    Ok(Enveloped {
        r#type: if model::is_timeseries(&stored.aspect) { "TIMESERIES" } else { "VERSIONED" },
        name: stored.aspect,
        version: stored.version,
        value: snapshot::raw(stored.metadata)?,
        created: AuditStamp { actor: stored.created_by, time: stored.created_on },
        system_metadata: snapshot::raw(stored.system_metadata)?,
    })
}

impl Server {
    /// The latest aspects of an entity, its key always among them, whether it is stored or not.
    pub(super) async fn entity(&self, urn: &Urn, only: Option<Vec<String>>) -> Result<Vec<Stored>, Failure> {
        let key_name = keys::aspect_name(urn.entity_type());
        let key = super::key_of(urn)?;
        let text = urn.to_string();
        let mut aspects = self.store.read(move |connection| read::entity(connection, &text)).await?;
        if !aspects.iter().any(|stored| stored.aspect == key_name) {
            let now = tokens::milliseconds(SystemTime::now());
            aspects.push(Stored {
                aspect: key_name.clone().into_owned(),
                version: 0,
                metadata: key,
                system_metadata: system_metadata::default(now),
                created_on: now,
                created_by: user::urn(SYSTEM_ACTOR),
            });
        }
        if let Some(only) = only {
            aspects.retain(|stored| stored.aspect == key_name || only.contains(&stored.aspect));
        }
        Ok(aspects)
    }
}
