//! The responses of GMS.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::scripted_gms::{Request, Response};

/// The response to a request; `config` is the response to `GET /config`.
pub(super) fn respond(request: &Request, config: &str) -> Response {
    let (path, query) = request.path().split_once('?').unwrap_or((request.path(), ""));
    let openapi = path.split_once("/openapi/v3/entity/").map(|(_, entity)| entity);
    let asynchronous = query.split('&').any(|parameter| parameter == "async=true");
    let written = if asynchronous { 202 } else { 200 };
    match (request.method(), openapi) {
        ("GET", _) if path.ends_with("/config") => Response::Status(200, config.to_owned()),
        ("POST", None) if path.ends_with("/aspects") || path.ends_with("/entities") => Response::ok(),
        ("POST", None) if path.contains("/openapi/v1/trace/write/") => settled(request),
        ("PATCH", Some(_)) if asynchronous => traced(202, String::new(), request),
        ("POST" | "PATCH", Some(entity)) if !entity.contains('/') => {
            traced(written, grouped(request).to_string(), request)
        }
        ("POST", Some(_)) => traced(written, created(request, path).to_string(), request),
        ("DELETE", Some(_)) => traced(200, String::new(), request),
        _ => Response::Status(404, r#"{"error":"No endpoint."}"#.into()),
    }
}

/// The trace id of a write whose first URN, in alphabetical order, is `urn`. (A GMS generates one.)
pub(super) fn trace_id(urn: &str) -> String {
    let hash = |seed: u64| {
        urn.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    };
    format!("{:016x}{:016x}", hash(0xcbf2_9ce4_8422_2325), hash(1))
}

fn traced(status: u16, body: String, request: &Request) -> Response {
    let first = urns(request).into_iter().min().unwrap_or_default();
    let header = format!("traceparent: 00-{}-00f067aa0ba902b7-01\r\n", trace_id(&first));
    Response::WithHeaders(status, body, header.leak())
}

fn urns(request: &Request) -> Vec<String> {
    if let Value::Array(items) = body(request) {
        return items.iter().filter_map(|item| item["urn"].as_str().map(str::to_owned)).collect();
    }
    let entity = request.path().split_once("/openapi/v3/entity/").map(|(_, entity)| entity);
    entity.and_then(|entity| entity.split('/').nth(1)).map(decoded).into_iter().collect()
}

fn body(request: &Request) -> Value {
    // Only names matter here, so numbers may lose precision.
    let text = String::from_utf8_lossy(&request.body);
    super::exact::exact(&text).unwrap_or_default()
}

/// One element per URN, in another order, and with the last of two items for one aspect.
fn grouped(request: &Request) -> Value {
    let mut entities: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for item in body(request).as_array().into_iter().flatten() {
        let urn = item["urn"].as_str().unwrap_or_default();
        let entity = entities.entry(urn.to_owned()).or_default();
        entity.insert("urn".into(), urn.into());
        for (name, aspect) in item.as_object().into_iter().flatten().filter(|(name, _)| *name != "urn") {
            entity.insert(name.clone(), json!({"value": aspect["value"]}));
        }
    }
    entities.into_values().rev().map(Value::Object).collect()
}

/// The response to a write to the path of an aspect.
fn created(request: &Request, path: &str) -> Value {
    let mut parts = path.rsplit('/');
    let aspect = parts.next().map(decoded).unwrap_or_default();
    let urn = parts.next().map(decoded).unwrap_or_default();
    json!({"urn": urn, aspect: {"value": body(request)["value"]}})
}

fn settled(request: &Request) -> Response {
    let done = json!({
        "success": true,
        "primaryStorage": {"writeStatus": "ACTIVE_STATE"},
        "searchStorage": {"writeStatus": "ACTIVE_STATE"},
    });
    let asked = body(request);
    let asked = asked.as_object().into_iter().flatten();
    let answer: Map<String, Value> = asked
        .map(|(urn, names)| {
            let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
            (urn.clone(), names.map(|name| (name.to_owned(), done.clone())).collect::<Map<_, _>>().into())
        })
        .collect();
    Response::Status(200, Value::Object(answer).to_string())
}

fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8().unwrap().into_owned()
}
