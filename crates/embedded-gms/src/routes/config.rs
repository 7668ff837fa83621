//! `GET /config`: the configuration of the server. It needs no token.

use std::sync::Arc;

use crate::actor::Actor;
use crate::restli;
use crate::state::ServerState;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// The keys that clients use, in GMS's form: `noCode` is a string.
///
/// With `?verbose=true` the response says whether the caller was authenticated, which is the cheapest way to
/// check a token.
pub(super) async fn show(
    State(server): State<Arc<ServerState>>,
    uri: Uri,
    caller: Option<Extension<Actor>>,
) -> Response {
    let mut config = json!({
        "noCode": "true",
        "retention": "true",
        "statefulIngestionCapable": true,
        "supportsImpactAnalysis": false,
        "patchCapable": true,
        "timeZone": "GMT",
        "datasetUrnNameCasing": false,
        "models": {},
        "versions": {"acryldata/datahub": {"version": server.version, "commit": env!("CARGO_PKG_VERSION")}},
        "telemetry": {"enabledCli": false, "enabledIngestion": false},
        "managedIngestion": {"enabled": false},
        "datahub": {"serverType": "embedded", "serverEnv": "core"},
    });
    if restli::parameter(&uri, "verbose").as_deref() == Some("true")
        && let Some(config) = config.as_object_mut()
    {
        let user_type = if caller.is_some() { "user" } else { "anonymous" };
        config.insert("userType".into(), user_type.into());
    }
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], format!("{config:#}\n"))
        .into_response()
}
