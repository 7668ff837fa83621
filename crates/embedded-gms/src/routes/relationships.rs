//! Relationships over Rest.li (`/relationships`) and OpenAPI (`/openapi/relationships/v1/`,
//! `/openapi/v3/relationship/scroll`, `/openapi/v3/lineage/scroll`).

use std::sync::Arc;

use crate::authorization::{ApiOperation, Permissions};
use crate::failure::Failure;
use crate::graph::{self, Direction, RelatedPage, RelatedQuery, StoredEdge};
use crate::openapi::{self, OpenapiFailure};
use crate::restli;
use crate::search::Filter;
use crate::state::ServerState;
use crate::urn::Urn;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::openapi_v3::BodyFilter;

/// The default and the greatest number of entities in a response.
const DEFAULT_COUNT: usize = 200;
const MAX_COUNT: usize = 10_000;

/// The same for a scroll.
const DEFAULT_PAGE: usize = 10;

pub(super) fn router() -> Router<Arc<ServerState>> {
    Router::new()
        .route("/relationships", get(of_restli))
        .route("/relationships/", get(of_restli))
        .route("/openapi/relationships/v1", get(of_openapi))
        .route("/openapi/relationships/v1/", get(of_openapi))
        .route("/openapi/v3/relationship/scroll", post(scroll))
        .route("/openapi/v3/lineage/scroll", post(scroll_lineage))
}

/// `GET /relationships?urn=…&direction=INCOMING&types=List(a,b)&start=0&count=200`.
async fn of_restli(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
    uri: Uri,
) -> Result<Response, Failure> {
    let (query, urn) = query(&uri, &["types"])?;
    permissions
        .check(ApiOperation::Read, &urn, |_| format!("User is unauthorized to get entity lineage: {urn}"))
        .await?;
    let start = query.start;
    let RelatedPage { entities, total } =
        server.read_indexed(move |connection| query.read(connection)).await?;
    let relationships: Vec<_> =
        entities.iter().map(|one| json!({"type": one.relationship, "entity": one.urn})).collect();
    Ok(restli::success(&json!({
        "start": start, "count": relationships.len(), "total": total, "relationships": relationships,
    })))
}

/// `GET /openapi/relationships/v1/?urn=…&direction=INCOMING&relationshipTypes=a&relationshipTypes=b`
/// (`RelationshipsController`).
async fn of_openapi(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
    uri: Uri,
) -> Result<Response, OpenapiFailure> {
    let (query, urn) = query(&uri, &["relationshipTypes", "relationshipTypes[]"])?;
    permissions.check_entities(ApiOperation::Read, [urn]).await?;
    let start = query.start;
    let RelatedPage { entities, total } =
        server.read_indexed(move |connection| query.read(connection)).await?;
    let related: Vec<_> = entities
        .iter()
        .map(|one| {
            let mut related = json!({"relationshipType": one.relationship, "urn": one.urn});
            if let (Some(via), Some(members)) = (&one.via, related.as_object_mut()) {
                members.insert("via".into(), via.as_str().into());
            }
            related
        })
        .collect();
    let body = json!({"start": start, "count": related.len(), "total": total, "entities": related});
    Ok(openapi::respond(StatusCode::OK, &body))
}

fn query(uri: &Uri, types: &[&str]) -> Result<(RelatedQuery, Urn), Failure> {
    let required = |name: &str| {
        let value = restli::parameter(uri, name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Failure::bad_request(format!("Parameter '{name}' is required")))
    };
    let text = required("urn")?;
    let urn = Urn::parse(&text).map_err(|error| Failure::bad_request(format!("Invalid urn: {error}")))?;
    let direction = required("direction")?;
    let direction = Direction::parse(&direction).ok_or_else(|| {
        Failure::bad_request(format!(
            "direction: expected INCOMING, OUTGOING or UNDIRECTED, found {direction}"
        ))
    })?;
    let query = RelatedQuery {
        urn: text,
        direction,
        types: openapi::names(uri, types),
        start: number(uri, "start")?.unwrap_or(0),
        count: number(uri, "count")?.unwrap_or(DEFAULT_COUNT).min(MAX_COUNT),
        soft_deleted_too: true,
    };
    Ok((query, urn))
}

fn number(uri: &Uri, name: &str) -> Result<Option<usize>, Failure> {
    let text = restli::parameter(uri, name).filter(|text| !text.is_empty());
    let parsed = text.map(|text| text.parse()).transpose();
    parsed.map_err(|_| Failure::bad_request(format!("{name}: expected a number that is not negative")))
}

/// The body of a scroll of relationships.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ScrollBody {
    #[serde(rename = "sourceFilter")]
    source: Option<BodyFilter>,
    #[serde(rename = "destinationFilter")]
    destination: Option<BodyFilter>,
    #[serde(rename = "edgeFilter")]
    edge: Option<BodyFilter>,
}

/// `POST /openapi/v3/relationship/scroll?relationshipTypes=…&sourceTypes=…&destinationTypes=…`, with
/// `direction`, `count`, `scrollId` and `includeSoftDelete`.
async fn scroll(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
    uri: Uri,
    body: Bytes,
) -> Result<Response, OpenapiFailure> {
    let body: ScrollBody = parse(&body)?;
    let types = openapi::names(&uri, &["relationshipTypes"]);
    let [mut source, mut destination] = [
        (openapi::names(&uri, &["sourceTypes"]), body.source.map(Filter::from)),
        (openapi::names(&uri, &["destinationTypes"]), body.destination.map(Filter::from)),
    ];
    match restli::parameter(&uri, "direction").as_deref().map(Direction::parse) {
        None | Some(Some(Direction::Outgoing | Direction::Undirected)) => {}
        Some(Some(Direction::Incoming)) => std::mem::swap(&mut source, &mut destination),
        Some(None) => return Err(Failure::bad_request("direction: expected INCOMING or OUTGOING").into()),
    }
    let edge_filter = body.edge.map(Filter::from);
    let wanted = move |edge: &StoredEdge| {
        let end = |(types, filter): &(Vec<String>, Option<Filter>), urn: &str, entity_type: String| {
            (types.is_empty() || types.contains(&entity_type))
                && filter.as_ref().is_none_or(|filter| {
                    filter.takes(|field| match field {
                        "urn" => vec![urn.to_owned()],
                        "entityType" | "_entityType" => vec![crate::search::normalized(&entity_type)],
                        _ => Vec::new(),
                    })
                })
        };
        (types.is_empty() || types.contains(&edge.relationship))
            && end(&source, &edge.source, edge.source_type())
            && end(&destination, &edge.destination, edge.destination_type())
            && edge_filter.as_ref().is_none_or(|filter| {
                filter.takes(|field| match field {
                    "relationshipType" => vec![edge.relationship.clone()],
                    "source.urn" => vec![edge.source.clone()],
                    "destination.urn" => vec![edge.destination.clone()],
                    _ => Vec::new(),
                })
            })
    };
    let (edges, scroll_id) = page(&server, &permissions, &uri, wanted).await?;
    let results: Vec<_> = edges.iter().map(ends).collect();
    Ok(openapi::respond(StatusCode::OK, &json!({"scrollId": scroll_id, "results": results})))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LineageBody {
    urns: Vec<String>,
}

/// `POST /openapi/v3/lineage/scroll`: the edges of lineage at these entities.
async fn scroll_lineage(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
    uri: Uri,
    body: Bytes,
) -> Result<Response, OpenapiFailure> {
    let LineageBody { urns } = parse(&body)?;
    let types = openapi::names(&uri, &["relationshipTypes"]);
    let upstream = match restli::parameter(&uri, "direction").as_deref() {
        None => None,
        Some("UPSTREAM") => Some(true),
        Some("DOWNSTREAM") => Some(false),
        Some(_) => return Err(Failure::bad_request("direction: expected UPSTREAM or DOWNSTREAM").into()),
    };
    let wanted = move |edge: &StoredEdge| {
        let (up, down) = up_and_down(edge);
        let anchored = urns.is_empty()
            || match upstream {
                None => urns.iter().any(|urn| urn == up || urn == down),
                Some(true) => urns.iter().any(|urn| urn == down),
                Some(false) => urns.iter().any(|urn| urn == up),
            };
        edge.lineage != 0 && anchored && (types.is_empty() || types.contains(&edge.relationship))
    };
    let (edges, scroll_id) = page(&server, &permissions, &uri, wanted).await?;
    let results: Vec<_> = edges
        .iter()
        .map(|edge| {
            let mut result = ends(edge);
            let (up, down) = up_and_down(edge);
            if let Some(members) = result.as_object_mut() {
                members.insert("upstream".into(), up.into());
                members.insert("downstream".into(), down.into());
            }
            result
        })
        .collect();
    Ok(openapi::respond(StatusCode::OK, &json!({"scrollId": scroll_id, "results": results})))
}

fn up_and_down(edge: &StoredEdge) -> (&str, &str) {
    if edge.lineage < 0 { (&edge.source, &edge.destination) } else { (&edge.destination, &edge.source) }
}

fn ends(edge: &StoredEdge) -> Value {
    json!({
        "relationshipType": edge.relationship,
        "source": {"urn": edge.source, "entityType": edge.source_type()},
        "destination": {"urn": edge.destination, "entityType": edge.destination_type()},
    })
}

fn parse<T: Default + for<'a> Deserialize<'a>>(body: &Bytes) -> Result<T, Failure> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| Failure::json(error.to_string()))
}

/// A page of edges, and the id of the next one. The caller has to be allowed to read all their ends.
async fn page(
    server: &Arc<ServerState>,
    permissions: &Permissions,
    uri: &Uri,
    wanted: impl Fn(&StoredEdge) -> bool + Send + 'static,
) -> Result<(Vec<StoredEdge>, Option<String>), Failure> {
    let count = number(uri, "count")?.unwrap_or(DEFAULT_PAGE).min(MAX_COUNT);
    let soft_deleted_too = openapi::flag(uri, "includeSoftDelete", false)?;
    let after = restli::parameter(uri, "scrollId").map(|id| place(&id)).transpose()?;
    let (edges, more) = server
        .read_indexed(move |connection| {
            graph::scroll(connection, after.as_ref(), count, soft_deleted_too, wanted)
        })
        .await?;
    let mut urns = Vec::new();
    for edge in &edges {
        urns.extend(Urn::parse(&edge.source));
        urns.extend(Urn::parse(&edge.destination));
    }
    permissions.check_entities(ApiOperation::Read, urns).await?;
    let last = edges.last().filter(|_| more);
    let scroll_id = last.map(|edge| URL_SAFE_NO_PAD.encode(json!(edge.place()).to_string()));
    Ok((edges, scroll_id))
}

fn place(scroll_id: &str) -> Result<[String; 3], Failure> {
    let decoded = URL_SAFE_NO_PAD.decode(scroll_id).ok();
    let place = decoded.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    place.ok_or_else(|| Failure::bad_request(format!("Invalid scrollId: {scroll_id}")))
}
