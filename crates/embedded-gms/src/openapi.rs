//! OpenAPI: failures, entities, and common parameters.

use crate::failure::{Cause, Failure};
use crate::ingest::Accepted;
use crate::store::row::{AspectRow, AuditStamp};
use crate::store::write::Effect;
use crate::{restli, snapshot, system_metadata};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::json;
use serde_json::value::RawValue;

const NOT_FOUND_REASON: HeaderName = HeaderName::from_static("not-found-reason");

/// A failure in OpenAPI's form (`GlobalControllerExceptionHandler`).
#[derive(Debug)]
pub(super) struct OpenapiFailure(Failure);

impl From<Failure> for OpenapiFailure {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl IntoResponse for OpenapiFailure {
    fn into_response(self) -> Response {
        let message = self.0.message();
        let said = without_class(message);
        let both = |error: &str| json!({"error": error, "message": said});
        match self.0.cause() {
            Cause::Request | Cause::Proposal => respond(StatusCode::BAD_REQUEST, &json!({"error": said})),
            Cause::Validation => respond(StatusCode::BAD_REQUEST, &both("Validation Error")),
            Cause::Precondition => respond(StatusCode::PRECONDITION_FAILED, &both("Precondition Error")),
            Cause::Json => respond(StatusCode::BAD_REQUEST, &both("Invalid JSON format")),
            Cause::Absent => absent(),
            Cause::Internal => {
                tracing::debug!(message, "the embedded GMS answers 500, which says no more");
                respond(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &json!({"error": "Internal server error occurred"}),
                )
            }
            Cause::Other(status) => respond(status, &json!({"error": said})),
        }
    }
}

/// Removes the class of the exception from the message, as OpenAPI does.
fn without_class(message: &str) -> &str {
    match message.split_once(": ") {
        Some((class, rest)) if class.contains('.') && !class.contains(' ') => rest,
        _ => message,
    }
}

/// A response with a JSON body.
pub(super) fn respond(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(text) => {
            let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            (status, [json], Body::from(text)).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The response for an entity or aspect that does not exist.
pub(super) fn absent() -> Response {
    (StatusCode::NOT_FOUND, [(NOT_FOUND_REASON, HeaderValue::from_static("ENTITY"))]).into_response()
}

/// The response to a request without a handler.
pub(super) fn no_endpoint(method: &axum::http::Method, uri: &Uri) -> Response {
    let error = format!("No endpoint {method} {}.", uri.path());
    respond(StatusCode::NOT_FOUND, &json!({"error": error}))
}

/// A boolean parameter, in Spring's spellings.
///
/// # Errors
/// 400 for any other value.
pub(super) fn flag(uri: &Uri, name: &str, default: bool) -> Result<bool, Failure> {
    let Some(value) = restli::parameter(uri, name).filter(|value| !value.is_empty()) else {
        return Ok(default);
    };
    match value.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Ok(true),
        "false" | "off" | "no" | "0" => Ok(false),
        _ => Err(Failure::bad_request(format!("Invalid boolean value [{value}] of parameter {name}"))),
    }
}

/// The values of a set parameter: repeated, or separated by commas.
pub(super) fn names(uri: &Uri, parameters: &[&str]) -> Vec<String> {
    parameters.iter().filter_map(|name| restli::list(uri, name)).flatten().collect()
}

/// An entity with some of its aspects (`GenericEntityV3`).
#[derive(Debug)]
pub(super) struct EntityV3 {
    pub(super) urn: String,
    pub(super) aspects: Vec<(String, AspectV3)>,
}

/// An aspect (`GenericAspectV3`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AspectV3 {
    value: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_metadata: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_stamp: Option<AuditStamp>,
}

impl AspectV3 {
    /// A stored aspect. `number` is its version number, given if the caller asked for system metadata.
    ///
    /// # Errors
    /// If the stored text is not JSON, which only a damaged file can cause.
    pub(super) fn stored(stored: AspectRow, number: Option<i64>) -> Result<Self, Failure> {
        let system_metadata = number
            .map(|number| snapshot::raw(system_metadata::with_version(&stored.system_metadata, number)))
            .transpose()?;
        Ok(Self {
            value: snapshot::raw(stored.metadata)?,
            audit_stamp: system_metadata
                .is_some()
                .then_some(AuditStamp { actor: stored.created_by, time: stored.created_on }),
            system_metadata,
        })
    }

    /// An aspect that a request wrote.
    ///
    /// # Errors
    /// As [`stored`](Self::stored).
    fn accepted(accepted: Accepted, with_system_metadata: bool) -> Result<Option<Self>, Failure> {
        let applied = accepted.applied;
        let Some(text) = applied.text else { return Ok(None) };
        let mut system_metadata = None;
        if with_system_metadata {
            system_metadata = Some(match applied.effect {
                Effect::Written(number) => {
                    snapshot::raw(system_metadata::with_version(&applied.system_metadata, number))?
                }
                _ => snapshot::raw(applied.system_metadata)?,
            });
        }
        Ok(Some(Self { value: snapshot::raw(text)?, system_metadata, audit_stamp: None }))
    }
}

impl EntityV3 {
    /// The accepted changes as one entity for each URN, with the last change to each aspect.
    ///
    /// # Errors
    /// As [`AspectV3::stored`].
    pub(super) fn group(accepted: Vec<Accepted>, with_system_metadata: bool) -> Result<Vec<Self>, Failure> {
        let mut entities: Vec<Self> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for accepted in accepted {
            let (urn, name) = (accepted.change.urn.to_string(), accepted.change.aspect.clone());
            let Some(aspect) = AspectV3::accepted(accepted, with_system_metadata)? else { continue };
            let index = *places.entry(urn.clone()).or_insert(entities.len());
            if index == entities.len() {
                entities.push(Self { urn, aspects: Vec::new() });
            }
            let Some(entity) = entities.get_mut(index) else { continue };
            match entity.aspects.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = aspect,
                None => entity.aspects.push((name, aspect)),
            }
        }
        Ok(entities)
    }
}

impl Serialize for EntityV3 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.aspects.len() + 1))?;
        map.serialize_entry("urn", &self.urn)?;
        for (name, aspect) in &self.aspects {
            map.serialize_entry(name, aspect)?;
        }
        map.end()
    }
}
