//! The search types (`search.graphql`), as far as clients that collect URNs use them.

use async_graphql::resolver_utils::EnumType as _;
use async_graphql::{Context, Enum, InputObject, InputType as _, Result, SimpleObject, Value};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::context::{Caller, MAX_LISTED};
use super::entity_type::EntityType;
use super::error::{bad_request, failed};
use super::token::FacetFilterInput;
use crate::search::{self, Conjunction, Filter, Search};
use crate::urn::Urn;

/// The default length of a page.
const DEFAULT_LISTED: i32 = 10;

#[derive(Debug, InputObject)]
pub(super) struct ScrollAcrossEntitiesInput {
    types: Option<Vec<EntityType>>,
    query: String,
    scroll_id: Option<String>,
    count: Option<i32>,
    /// How long an index keeps the scroll open. Ignored: here a scroll id stays valid.
    keep_alive: Option<String>,
    or_filters: Option<Vec<AndFilterInput>>,
    search_flags: Option<SearchFlags>,
    sort_input: Option<SearchSortInput>,
}

#[derive(Debug, InputObject)]
struct AndFilterInput {
    and: Option<Vec<FacetFilterInput>>,
}

/// Only `includeSoftDeleted` has an effect; the others concern an index.
#[derive(Debug, InputObject)]
struct SearchFlags {
    skip_cache: Option<bool>,
    skip_highlighting: Option<bool>,
    skip_aggregates: Option<bool>,
    include_soft_deleted: Option<bool>,
}

#[derive(Debug, InputObject)]
struct SearchSortInput {
    sort_criterion: Option<SortCriterion>,
    sort_criteria: Option<Vec<SortCriterion>>,
}

#[derive(Debug, InputObject)]
struct SortCriterion {
    field: String,
    sort_order: SortOrder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
enum SortOrder {
    Ascending,
    Descending,
}

#[derive(Debug, SimpleObject)]
pub(super) struct ScrollResults {
    next_scroll_id: Option<String>,
    count: i32,
    total: i32,
    search_results: Vec<SearchResult>,
}

#[derive(Debug, SimpleObject)]
struct SearchResult {
    entity: Entity,
    extra_properties: Option<Vec<ExtraProperty>>,
}

/// In DataHub's schema this is an interface of many types; here it has their common fields.
#[derive(Debug, SimpleObject)]
struct Entity {
    urn: String,
    r#type: EntityType,
}

#[derive(Debug, SimpleObject)]
struct ExtraProperty {
    name: String,
    value: String,
}

/// `ScrollAcrossEntitiesResolver`. Like GMS, it does not check whether the caller may read the entities.
pub(super) async fn scroll(context: &Context<'_>, input: ScrollAcrossEntitiesInput) -> Result<ScrollResults> {
    let caller = context.data::<Caller>()?;
    check_order(input.sort_input.as_ref())?;
    let after = input.scroll_id.as_deref().map(place).transpose()?;
    let mut filter = Filter::default();
    for conjunction in input.or_filters.unwrap_or_default() {
        let and = conjunction.and.unwrap_or_default().into_iter().map(FacetFilterInput::criterion);
        filter.or.push(Conjunction { and: and.collect::<Result<_>>()? });
    }
    let search = Search {
        types: input.types.unwrap_or_default().iter().map(|one| name_of(*one)).collect(),
        text: input.query,
        filter,
        soft_deleted_too: input.search_flags.and_then(|flags| flags.include_soft_deleted).unwrap_or(false),
        slice: None,
    };
    let count = usize::try_from(input.count.unwrap_or(DEFAULT_LISTED).clamp(0, MAX_LISTED)).unwrap_or(0);
    let page = caller
        .server
        .read_indexed(move |connection| search.after(connection, after.as_deref(), count))
        .await
        .map_err(|failure| failed(&failure))?;
    let last = page.urns.last().filter(|_| page.more);
    Ok(ScrollResults {
        next_scroll_id: last.map(|urn| URL_SAFE_NO_PAD.encode(urn)),
        count: i32::try_from(page.urns.len()).unwrap_or(i32::MAX),
        total: i32::try_from(page.total).unwrap_or(i32::MAX),
        search_results: page.urns.into_iter().map(SearchResult::of).collect(),
    })
}

/// Pages continue after a URN, so no other order is supported.
fn check_order(sort: Option<&SearchSortInput>) -> Result<()> {
    let Some(sort) = sort else { return Ok(()) };
    let mut criteria = sort.sort_criterion.iter().chain(sort.sort_criteria.iter().flatten());
    match criteria.find(|one| one.field != "urn" || one.sort_order != SortOrder::Ascending) {
        None => Ok(()),
        Some(other) => {
            Err(bad_request(format!("the embedded GMS sorts by urn alone, and not by {}", other.field)))
        }
    }
}

fn place(scroll_id: &str) -> Result<String> {
    let decoded = URL_SAFE_NO_PAD.decode(scroll_id).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or_else(|| bad_request(format!("Invalid scrollId: {scroll_id}")))
}

fn name_of(entity_type: EntityType) -> String {
    match entity_type.to_value() {
        Value::Enum(name) => name.to_string(),
        _ => String::new(),
    }
}

impl SearchResult {
    fn of(urn: String) -> Self {
        let plain = Urn::parse(&urn).map(|urn| search::normalized(urn.entity_type())).unwrap_or_default();
        let known = EntityType::items().iter().find(|item| search::normalized(item.name) == plain);
        let r#type = known.map_or(EntityType::Other, |item| item.value);
        Self { entity: Entity { urn, r#type }, extra_properties: None }
    }
}
