//! Searches (`search.graphql`): results in pages, scrolls and facets.

use async_graphql::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use super::context::MAX_LISTED;
use super::entity_name;
use super::error::bad_request;
use super::filter::{AndFilterInput, FacetFilterInput, filter};
use super::relationships::bounded;
use crate::graph::{Direction, RelatedQuery};
use crate::search::{FACETS, Page, Position, Search, SortField};
use crate::urn::Urn;

/// The default length of a page.
pub(super) const DEFAULT_COUNT: usize = 10;

/// The default number of values of a facet.
const DEFAULT_VALUES: usize = 20;

/// The field of the types of entities.
const ENTITY_TYPE: &str = "_entityType";

/// Fields that have no facet of their own, although the index has their values.
const NO_FACET: &[&str] = &["browsePathV2", "container", "platformInstance"];

/// The input of all searches.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SearchInput {
    pub(super) r#type: Option<String>,
    pub(super) types: Vec<String>,
    pub(super) query: Option<String>,
    pub(super) start: i64,
    pub(super) count: Option<i64>,
    pub(super) scroll_id: Option<String>,
    pub(super) filters: Vec<FacetFilterInput>,
    pub(super) or_filters: Vec<AndFilterInput>,
    pub(super) search_flags: SearchFlags,
    pub(super) sort_input: Option<SearchSortInput>,
    pub(super) facets: Option<Vec<Option<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SearchFlags {
    include_soft_deleted: bool,
    skip_aggregates: bool,
    max_agg_values: Option<i64>,
    pub(super) grouping_spec: Option<GroupingSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct GroupingSpec {
    pub(super) grouping_criteria: Vec<GroupingCriterion>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupingCriterion {
    pub(super) base_entity_type: Option<String>,
    pub(super) grouping_entity_type: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SearchSortInput {
    sort_criterion: Option<SortCriterion>,
    sort_criteria: Vec<SortCriterion>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SortCriterion {
    field: String,
    sort_order: String,
}

impl SearchInput {
    /// The search, and the order of its results; none means the best first.
    ///
    /// # Errors
    /// 400 for conditions on related entities.
    pub(super) fn search(&mut self) -> Result<(Search, Vec<SortField>)> {
        let mut types = std::mem::take(&mut self.types);
        types.extend(self.r#type.take());
        let search = Search {
            types,
            text: self.query.take().unwrap_or_default(),
            filter: filter(std::mem::take(&mut self.filters), std::mem::take(&mut self.or_filters))?,
            soft_deleted_too: self.search_flags.include_soft_deleted,
            slice: None,
        };
        let SearchSortInput { sort_criterion, sort_criteria } = self.sort_input.take().unwrap_or_default();
        let criteria =
            if sort_criteria.is_empty() { sort_criterion.into_iter().collect() } else { sort_criteria };
        let order = criteria
            .into_iter()
            .map(|one| SortField { field: one.field, descending: one.sort_order == "DESCENDING" });
        Ok((search, order.collect()))
    }

    fn count(&self) -> usize {
        self.count.map_or(DEFAULT_COUNT, bounded)
    }

    /// The fields whose facets are wanted, and the number of their values.
    fn facets(&self, call: &Call<'_>) -> (Vec<String>, usize) {
        let most = self.search_flags.max_agg_values.map_or(DEFAULT_VALUES, bounded);
        if self.search_flags.skip_aggregates || !call.asks_for("facets") {
            return (Vec::new(), most);
        }
        let named = self.facets.iter().flatten().flatten().cloned().collect::<Vec<_>>();
        if !named.is_empty() {
            return (named, most);
        }
        let fields = FACETS.iter().filter(|field| !NO_FACET.contains(field));
        (std::iter::once(&ENTITY_TYPE).chain(fields).map(|field| (*field).to_owned()).collect(), most)
    }
}

/// `search`
pub(super) async fn of_type(call: &Call<'_>) -> Result<Value> {
    page(call, call.input()?).await
}

/// `searchAcrossEntities`
pub(super) async fn across_types(call: &Call<'_>) -> Result<Value> {
    page(call, call.input()?).await
}

/// `entities` of a container, a domain or a product: a search within it.
pub(super) async fn within(call: &Call<'_>) -> Result<Value> {
    let entity = call.entity()?;
    let mut input: SearchInput = call.input()?;
    let (field, values) = match entity.urn.entity_type() {
        "container" => ("container", vec![entity.urn.to_string()]),
        "domain" => ("domains", vec![entity.urn.to_string()]),
        _ => {
            let assets = RelatedQuery {
                urn: entity.urn.to_string(),
                direction: Direction::Outgoing,
                types: vec!["DataProductContains".to_owned()],
                start: 0,
                count: MAX_LISTED,
                soft_deleted_too: true,
            };
            let page = call.caller.read(move |connection| assets.read(connection)).await?;
            ("urn", page.entities.into_iter().map(|one| one.urn).collect())
        }
    };
    input.filters.push(FacetFilterInput::equal(field, values));
    page(call, input).await
}

async fn page(call: &Call<'_>, mut input: SearchInput) -> Result<Value> {
    let (search, order) = input.search()?;
    let (start, count) = (bounded(input.start), input.count());
    let (fields, most) = input.facets(call);
    let (page, facets) = call
        .caller
        .read(move |connection| {
            let page = if order.is_empty() {
                search.ranked(connection, start, count)?
            } else {
                search.ordered_part(connection, &order, start, count)?
            };
            let facets = facets(&search, connection, &fields, most)?;
            Ok((page, facets))
        })
        .await?;
    let Page { urns, total, .. } = page;
    Ok(json!({
        "start": start, "count": urns.len(), "total": total, "searchResults": results(urns),
        "suggestions": [], "facets": facets,
    }))
}

/// `scrollAcrossEntities`. Pages without an order continue after a URN, so that deletions do not shift them.
/// Like GMS, it returns URNs without a check of whether the caller may read the entities; their fields are
/// checked.
pub(super) async fn scroll(call: &Call<'_>) -> Result<Value> {
    let mut input: SearchInput = call.input()?;
    let (search, order) = input.search()?;
    let count = input.count();
    let scroll_id = input.scroll_id.take();
    let (fields, most) = input.facets(call);
    let invalid = |id: &str| bad_request(format!("Invalid scrollId: {id}"));
    let by_urn = order.iter().all(|one| one.field == "urn" && !one.descending);
    let (after, position) = match &scroll_id {
        None => (None, None),
        Some(id) if by_urn => (Some(place(id).ok_or_else(|| invalid(id))?), None),
        Some(id) => (None, Some(Position::parse(id, order.len()).ok_or_else(|| invalid(id))?)),
    };
    let (urns, total, next, facets) = call
        .caller
        .read(move |connection| {
            let (urns, total, next) = if by_urn {
                let page = search.after(connection, after.as_deref(), count)?;
                let last = page.urns.last().filter(|_| page.more);
                let next = last.map(|urn| URL_SAFE_NO_PAD.encode(urn));
                (page.urns, page.total, next)
            } else {
                let page = search.ordered(connection, &order, position.as_ref(), count)?;
                (page.urns, page.total, page.next.map(|next| next.to_text()))
            };
            let facets = facets(&search, connection, &fields, most)?;
            Ok((urns, total, next, facets))
        })
        .await?;
    Ok(json!({
        "nextScrollId": next, "count": urns.len(), "total": total, "searchResults": results(urns),
        "facets": facets,
    }))
}

/// `aggregateAcrossEntities`
pub(super) async fn aggregate(call: &Call<'_>) -> Result<Value> {
    let mut input: SearchInput = call.input()?;
    let (search, _) = input.search()?;
    let (fields, most) = input.facets(call);
    let facets = call.caller.read(move |connection| facets(&search, connection, &fields, most)).await?;
    Ok(json!({"facets": facets}))
}

fn place(scroll_id: &str) -> Option<String> {
    URL_SAFE_NO_PAD.decode(scroll_id).ok().and_then(|bytes| String::from_utf8(bytes).ok())
}

fn results(urns: Vec<String>) -> Vec<Value> {
    let result = |urn| json!({"entity": urn, "insights": [], "matchedFields": [], "extraProperties": null});
    urns.into_iter().map(result).collect()
}

/// The facets of fields, without those that have no values.
pub(super) fn facets(
    search: &Search,
    connection: &rusqlite::Connection,
    fields: &[String],
    most: usize,
) -> Result<Vec<Value>, rusqlite::Error> {
    let mut facets = Vec::new();
    for field in fields {
        let counts = search.facet(connection, field, most)?;
        if !counts.is_empty() {
            facets.push(facet(field, counts));
        }
    }
    Ok(facets)
}

/// A facet (`MapperUtils.mapFacet`).
pub(super) fn facet(field: &str, counts: Vec<(String, usize)>) -> Value {
    let aggregations: Vec<_> = counts
        .into_iter()
        .map(|(value, count)| {
            let value = if field == ENTITY_TYPE { entity_name::symbol_of(&value).to_owned() } else { value };
            let entity = Urn::parse(&value).is_ok().then(|| value.clone());
            json!({"value": value, "count": count, "entity": entity})
        })
        .collect();
    json!({"field": field, "displayName": display_name(field), "aggregations": aggregations})
}

fn display_name(field: &str) -> &str {
    match field {
        ENTITY_TYPE => "Type",
        "platform" => "Platform",
        "typeNames" => "Sub Type",
        "origin" => "Environment",
        "tags" => "Tag",
        "owners" => "Owned By",
        "glossaryTerms" => "Glossary Term",
        "domains" => "Domain",
        "container" => "Container",
        "degree" => "Degree of Dependencies",
        other => other,
    }
}
