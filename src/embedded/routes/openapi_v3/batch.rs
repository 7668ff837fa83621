//! `POST` and `PATCH` on all entities of a type: aspects of several entities at once.

use std::fmt;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Call;
use crate::embedded::change::{self, Change, Content, Operation};
use crate::embedded::failure::Failure;
use crate::embedded::openapi::{self, Entity};
use crate::embedded::patch::Patch;
use crate::embedded::{Server, compact};
use crate::metadata::Urn;

/// `POST /openapi/v3/entity/{type}?async=true&systemMetadata=false`: upserts. It answers with what was accepted.
pub(super) async fn upsert(server: &Arc<Server>, mut call: Call) -> Result<Response, Failure> {
    call.write.asynchronous = call.flag("async", true)?;
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let changes = changes(call.json()?, Operation::Upsert)?;
    let status = status(call.write.asynchronous);
    let accepted = server.ingest(changes, call.write).await?;
    Ok(openapi::answer(status, &Entity::group(accepted, with_system_metadata)?))
}

/// `PATCH /openapi/v3/entity/{type}`: as [`upsert`]; but one that does not wait is answered without a body.
pub(super) async fn patch(server: &Arc<Server>, mut call: Call) -> Result<Response, Failure> {
    call.write.asynchronous = call.flag("async", true)?;
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let changes = changes(call.json()?, Operation::Patch)?;
    let asynchronous = call.write.asynchronous;
    let accepted = server.ingest(changes, call.write).await?;
    if asynchronous {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    Ok(openapi::answer(StatusCode::OK, &Entity::group(accepted, with_system_metadata)?))
}

pub(super) fn status(asynchronous: bool) -> StatusCode {
    if asynchronous { StatusCode::ACCEPTED } else { StatusCode::OK }
}

/// Reads the body. One that is no array is an empty batch.
fn changes(body: &RawValue, operation: Operation) -> Result<Vec<Change>, Failure> {
    if !body.get().starts_with('[') {
        return Ok(Vec::new());
    }
    let entities: Vec<&RawValue> =
        serde_json::from_str(body.get()).map_err(|error| Failure::json(error.to_string()))?;
    let mut changes = Vec::new();
    for entity in entities {
        let Members(members) = serde_json::from_str(entity.get()).unwrap_or_default();
        let urn = members.iter().rfind(|(name, _)| name == "urn").map(|(_, urn)| *urn);
        let urn = urn_of(urn.ok_or_else(|| Failure::bad_request("Missing `urn` field"))?)?;
        for (aspect, value) in members {
            if aspect != "urn" {
                changes.push(change(urn.clone(), aspect, value, operation)?);
            }
        }
    }
    Ok(changes)
}

/// What is no string is taken for the text that stands there.
fn urn_of(raw: &RawValue) -> Result<Urn, Failure> {
    let text = serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
    change::checked_urn(&text)
}

/// One aspect, as it stands under its name or is the body of a request.
pub(super) fn change(
    urn: Urn,
    aspect: String,
    raw: &RawValue,
    operation: Operation,
) -> Result<Change, Failure> {
    let Members(members) = serde_json::from_str(raw.get()).unwrap_or_default();
    let member = |wanted: &str| members.iter().rfind(|(name, _)| name == wanted).map(|(_, value)| *value);
    let no_value = || {
        Failure::internal(format!("java.lang.NullPointerException: aspect {aspect} of {urn} has no `value`"))
    };
    let text = compact::compact(member("value").ok_or_else(no_value)?.get());
    let content = if operation == Operation::Patch {
        patch_of(&text)?
    } else if text.starts_with('{') {
        Content::Aspect(text)
    } else {
        return Err(Failure::json(format!("the value of aspect {aspect} of {urn} is no object")));
    };
    Change::new(urn, aspect, operation, content, (member("systemMetadata"), member("headers")))
}

/// # Errors
/// When the value is no object that has a patch.
pub(super) fn patch_of(text: &str) -> Result<Content, Failure> {
    let Members(members) = serde_json::from_str(text).unwrap_or_default();
    if !members.iter().any(|(name, _)| name == "patch") {
        return Err(Failure::bad_request("Missing `patch` field."));
    }
    Patch::read(text).map(Content::Patch)
}

/// The members of an object, in their order.
#[derive(Default)]
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
