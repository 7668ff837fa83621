//! Connections to other systems (`UpsertConnectionResolver`).

use async_graphql::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{random_id, run};
use crate::graphql::call::Call;
use crate::graphql::context::urn;
use crate::graphql::error::{bad_request, unauthorized};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id: Option<String>,
    name: Option<String>,
    platform_urn: String,
    json: Option<Content>,
}

#[derive(Deserialize)]
struct Content {
    blob: String,
}

/// `upsertConnection`. GMS encrypts the content with its secret service; this server has none.
pub(in crate::graphql) async fn upsert(call: &Call<'_>) -> Result<Value> {
    let Input { id, name, platform_urn, json: content } = call.input()?;
    if !call.caller.permissions.has_privilege("MANAGE_CONNECTIONS") {
        return Err(unauthorized());
    }
    let Some(Content { blob }) = content else {
        return Err(bad_request("Connections with type JSON must provide the field 'json'."));
    };
    let id = match id.filter(|id| !id.is_empty()) {
        Some(id) => id,
        None => random_id()?,
    };
    let (platform, connection) = (urn(&platform_urn)?, urn(&format!("urn:li:dataHubConnection:{id}"))?);
    let text = connection.to_string();
    run(call.caller, move |edit| {
        let mut details = json!({"type": "JSON", "json": {"encryptedBlob": blob}});
        if let (Some(name), Some(members)) = (name, details.as_object_mut()) {
            members.insert("name".to_owned(), name.into());
        }
        edit.put(&connection, "dataHubConnectionDetails", &details)?;
        edit.put(&connection, "dataPlatformInstance", &json!({"platform": platform.as_str()}))
    })
    .await?;
    Ok(text.into())
}
