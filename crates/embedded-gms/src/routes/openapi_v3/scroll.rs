//! Scrolling: search results in pages (`GenericEntitiesController.getEntities`,
//! `EntityController.scrollEntities`).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::{self, Call};
use super::entity::{self, RequestedEntity};
use crate::authorization::{ApiOperation, Permissions};
use crate::failure::Failure;
use crate::openapi::{self, EntityV3};
use crate::restli;
use crate::search::{Condition, Conjunction, Criterion, Filter, Position, Search, Slice, SortField};
use crate::state::ServerState;
use crate::urn::Urn;

/// The default and the greatest page size.
const DEFAULT_PAGE_SIZE: usize = 10;
const MAX_PAGE_SIZE: usize = 10_000;

/// `GenericEntityAspectsBodyV3`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    entities: Option<Vec<String>>,
    /// `None` returns URNs only, and an empty list all aspects.
    aspects: Option<Vec<String>>,
    filter: Option<BodyFilter>,
    sort_criteria: Option<Vec<BodySortCriterion>>,
}

/// One of the lists must match, although the name says otherwise.
#[derive(Debug, Deserialize)]
pub(in crate::routes) struct BodyFilter {
    #[serde(default)]
    and: Vec<BodyConjunction>,
}

#[derive(Debug, Deserialize)]
struct BodyConjunction {
    #[serde(default)]
    criteria: Vec<BodyCriterion>,
}

#[derive(Debug, Deserialize)]
struct BodyCriterion {
    field: String,
    #[serde(default)]
    values: Vec<String>,
    condition: Option<BodyCondition>,
    negated: Option<bool>,
}

/// OpenAPI has fewer conditions than Rest.li, some with other names.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum BodyCondition {
    Equal,
    StartsWith,
    EndsWith,
    Exists,
    In,
    Contain,
    GreaterThan,
    LessThan,
}

#[derive(Debug, Deserialize)]
struct BodySortCriterion {
    field: String,
    order: Option<BodySortOrder>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum BodySortOrder {
    Ascending,
    Descending,
}

/// `GenericEntityScrollResultV3`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScrollPage {
    /// `None` on the last page.
    scroll_id: Option<String>,
    entities: Vec<EntityV3>,
    total_count: usize,
}

/// `GET /openapi/v3/entity/{type}?query=*&count=10&scrollId=…&sort=urn&aspects=a,b`: the entities of a type,
/// with all aspects or the selected ones.
pub(super) async fn of_type(
    server: &Arc<ServerState>,
    permissions: &Permissions,
    call: &Call,
    entity_type: &str,
) -> Result<Response, Failure> {
    let aspects = Some(openapi::names(&call.uri, &["aspects", "aspectNames"]));
    let body = Body { entities: Some(vec![entity_type.to_owned()]), aspects, ..Body::default() };
    scroll(server, permissions, call, body).await
}

/// `POST /openapi/v3/entity/scroll`, with the same parameters; the body has types, aspects and a filter.
/// `POST /openapi/v3/entity/{type}/scroll` searches one type.
pub(super) async fn across_types(
    server: &Arc<ServerState>,
    permissions: &Permissions,
    call: &Call,
    entity_type: Option<String>,
) -> Result<Response, Failure> {
    let mut body: Body = serde_json::from_str(call.json()?.get()).map_err(|_| call::malformed())?;
    if let Some(entity_type) = entity_type {
        body.entities = Some(vec![entity_type]);
    }
    scroll(server, permissions, call, body).await
}

/// `GET /openapi/v2/entity/{type}?aspectNames=a&aspectNames=b`: the same in the older form, in which the
/// aspects have an object of their own.
pub(super) async fn of_type_v2(
    server: &Arc<ServerState>,
    permissions: &Permissions,
    call: &Call,
    entity_type: &str,
) -> Result<Response, Failure> {
    let aspects = Some(openapi::names(&call.uri, &["aspects", "aspectNames"]));
    let body = Body { entities: Some(vec![entity_type.to_owned()]), aspects, ..Body::default() };
    let ScrollPage { scroll_id, entities, .. } = page(server, permissions, call, body).await?;
    let results: Vec<_> = entities
        .into_iter()
        .map(|EntityV3 { urn, aspects }| {
            let aspects: BTreeMap<_, _> = aspects.into_iter().collect();
            json!({"urn": urn, "aspects": aspects})
        })
        .collect();
    let mut response = json!({"results": results});
    // The last page has no id at all, which is how clients recognize it.
    if let (Some(id), Some(members)) = (scroll_id, response.as_object_mut()) {
        members.insert("scrollId".to_owned(), id.into());
    }
    Ok(openapi::respond(StatusCode::OK, &response))
}

async fn scroll(
    server: &Arc<ServerState>,
    permissions: &Permissions,
    call: &Call,
    body: Body,
) -> Result<Response, Failure> {
    Ok(openapi::respond(StatusCode::OK, &page(server, permissions, call, body).await?))
}

async fn page(
    server: &Arc<ServerState>,
    permissions: &Permissions,
    call: &Call,
    body: Body,
) -> Result<ScrollPage, Failure> {
    let Body { entities, aspects, filter, sort_criteria } = body;
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let types = types(server, entities)?;
    for entity_type in &types {
        permissions.check_type(ApiOperation::Read, entity_type)?;
    }
    let order = order(&call.uri, sort_criteria)?;
    let after = restli::parameter(&call.uri, "scrollId").map(|id| place(&id, &order)).transpose()?;
    let count = number(&call.uri, "count")?.unwrap_or(DEFAULT_PAGE_SIZE).min(MAX_PAGE_SIZE);
    let search = Search {
        types,
        text: restli::parameter(&call.uri, "query").unwrap_or_default(),
        filter: filter.map(Filter::from).unwrap_or_default(),
        soft_deleted_too: call.flag("includeSoftDelete", false)?,
        slice: slice(&call.uri)?,
    };
    let page = server
        .read_indexed(move |connection| search.ordered(connection, &order, after.as_ref(), count))
        .await?;
    let urns: Vec<_> = page.urns.iter().flat_map(|urn| Urn::parse(urn)).collect();
    permissions.check_entities(ApiOperation::Read, urns.clone()).await?;
    let entities = match aspects {
        None => page.urns.into_iter().map(|urn| EntityV3 { urn, aspects: Vec::new() }).collect(),
        Some(names) => {
            let aspects: BTreeMap<_, _> = names.into_iter().map(|name| (name, 0)).collect();
            let wanted =
                urns.into_iter().map(|urn| RequestedEntity { urn, aspects: aspects.clone() }).collect();
            entity::load(server, wanted, with_system_metadata).await?
        }
    };
    let scroll_id = page.next.map(|place| place.to_text());
    Ok(ScrollPage { scroll_id, entities, total_count: page.total })
}

/// The types in the model's spelling; all types if none are named.
fn types(server: &ServerState, named: Option<Vec<String>>) -> Result<Vec<String>, Failure> {
    let Some(named) = named else {
        return Ok(server.registry.types().map(|known| known.name().to_owned()).collect());
    };
    let known = named.iter().map(|name| server.registry.of_type(name).map(|known| known.name().to_owned()));
    known.collect::<Result<_, _>>().map_err(|unregistered| Failure::bad_request(unregistered.to_string()))
}

/// The parameters take precedence over the body, and `sortCriteria` over `sort`.
fn order(uri: &Uri, body: Option<Vec<BodySortCriterion>>) -> Result<Vec<SortField>, Failure> {
    let descending = match restli::parameter(uri, "sortOrder").as_deref() {
        None | Some("ASCENDING") => false,
        Some("DESCENDING") => true,
        Some(other) => {
            let message = format!("No enum constant com.linkedin.metadata.query.filter.SortOrder.{other}");
            return Err(Failure::bad_request(message));
        }
    };
    let mut fields = openapi::names(uri, &["sortCriteria"]);
    fields.retain(|field| !field.trim().is_empty());
    if fields.is_empty()
        && let Some(criteria) = body.filter(|criteria| !criteria.is_empty())
    {
        let order = criteria.into_iter().map(|BodySortCriterion { field, order }| SortField {
            field,
            descending: order == Some(BodySortOrder::Descending),
        });
        return Ok(order.collect());
    }
    if fields.is_empty() {
        let sort = restli::parameter(uri, "sort").filter(|field| !field.trim().is_empty());
        fields.push(sort.unwrap_or_else(|| "urn".to_owned()));
    }
    Ok(fields.into_iter().map(|field| SortField { field, descending }).collect())
}

fn place(id: &str, order: &[SortField]) -> Result<Position, Failure> {
    Position::parse(id, order.len()).ok_or_else(|| Failure::bad_request(format!("Invalid scrollId: {id}")))
}

fn slice(uri: &Uri) -> Result<Option<Slice>, Failure> {
    let (Some(number), Some(of)) = (number(uri, "sliceId")?, number(uri, "sliceMax")?) else {
        return Ok(None);
    };
    if number >= of {
        return Err(Failure::bad_request(format!("sliceId {number} is not below sliceMax {of}")));
    }
    Ok(Some(Slice { number, of }))
}

fn number(uri: &Uri, name: &str) -> Result<Option<usize>, Failure> {
    let text = restli::parameter(uri, name).filter(|text| !text.is_empty());
    let parsed = text.map(|text| text.parse()).transpose();
    parsed.map_err(|_| Failure::bad_request(format!("{name}: expected a number that is not negative")))
}

impl From<BodyFilter> for Filter {
    fn from(filter: BodyFilter) -> Self {
        let lists = filter.and.into_iter().map(|BodyConjunction { criteria }| Conjunction {
            and: criteria.into_iter().map(Criterion::from).collect(),
        });
        Self { or: lists.collect(), criteria: Vec::new() }
    }
}

impl From<BodyCriterion> for Criterion {
    fn from(criterion: BodyCriterion) -> Self {
        let BodyCriterion { field, values, condition, negated } = criterion;
        let condition = match condition.unwrap_or(BodyCondition::Equal) {
            BodyCondition::Equal => Condition::Equal,
            BodyCondition::StartsWith => Condition::StartWith,
            BodyCondition::EndsWith => Condition::EndWith,
            BodyCondition::Exists => Condition::Exists,
            BodyCondition::In => Condition::In,
            BodyCondition::Contain => Condition::Contain,
            BodyCondition::GreaterThan => Condition::GreaterThan,
            BodyCondition::LessThan => Condition::LessThan,
        };
        Self { field, value: None, values, condition, negated: negated.unwrap_or(false) }
    }
}
