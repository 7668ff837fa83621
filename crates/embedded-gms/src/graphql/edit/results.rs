//! Results of assertions (`ReportAssertionResultResolver`).

use async_graphql::Result;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{EDIT_ENTITY, Resource, run, targets};
use crate::graphql::call::Call;
use crate::graphql::context::urn;
use crate::graphql::entity_fields::assertee;
use crate::graphql::error::{bad_request, failed};
use crate::store::read;

#[derive(Deserialize)]
struct Arguments {
    urn: String,
    result: ResultInput,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResultInput {
    timestamp_millis: Option<i64>,
    r#type: String,
    external_url: Option<String>,
    error: Option<ErrorInput>,
    #[serde(default)]
    properties: Vec<Property>,
}

#[derive(Deserialize)]
struct ErrorInput {
    r#type: String,
    message: String,
}

#[derive(Deserialize)]
struct Property {
    key: String,
    value: Option<String>,
}

/// `reportAssertionResult`: needs the privilege on the entity that the assertion is about.
pub(in crate::graphql) async fn report(call: &Call<'_>) -> Result<Value> {
    let Arguments { urn: text, result } = call.arguments()?;
    let assertion = urn(&text)?;
    let info = call
        .caller
        .server
        .store
        .read({
            let text = text.clone();
            move |connection| read::aspect(connection, &text, "assertionInfo", 0)
        })
        .await
        .map_err(|failure| failed(&failure))?;
    let info: Option<Value> = info.and_then(|info| serde_json::from_str(&info.metadata).ok());
    let Some(assertee) = info.as_ref().and_then(assertee) else {
        return Err(bad_request(format!(
            "Failed to report Assertion Run Event. Assertion with urn {text} does not exist."
        )));
    };
    let resource = Resource { urn: assertee.clone(), sub_resource: None };
    let privileges = ["EDIT_ENTITY_ASSERTIONS", EDIT_ENTITY];
    targets(call.caller, vec![resource], &privileges, &privileges).await?;
    run(call.caller, move |edit| {
        let time = result.timestamp_millis.unwrap_or(edit.stamp.time);
        let mut outcome = json!({"type": result.r#type});
        if let Some(members) = outcome.as_object_mut() {
            if let Some(url) = result.external_url {
                members.insert("externalUrl".to_owned(), url.into());
            }
            if !result.properties.is_empty() {
                let values =
                    result.properties.into_iter().map(|one| (one.key, one.value.unwrap_or_default().into()));
                members.insert("nativeResults".to_owned(), Value::Object(values.collect::<Map<_, _>>()));
            }
            if let Some(ErrorInput { r#type, message }) = result.error {
                members
                    .insert("error".to_owned(), json!({"type": r#type, "properties": {"message": message}}));
            }
        }
        let event = json!({
            "timestampMillis": time, "assertionUrn": text, "asserteeUrn": assertee, "runId": time.to_string(),
            "status": "COMPLETE", "result": outcome,
        });
        edit.put(&assertion, "assertionRunEvent", &event)
    })
    .await?;
    Ok(true.into())
}
