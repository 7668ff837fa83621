//! Lineage: the neighbours of an entity, and searches along it (`SearchAcrossLineageResolver`).

use async_graphql::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

use super::call::Call;
use super::context::urn;
use super::error::{bad_request, unauthorized};
use super::filter::FacetFilterInput;
use super::relationships::bounded;
use super::search::{self, DEFAULT_COUNT, SearchInput};
use crate::authorization::ApiOperation;
use crate::graph::lineage::{self, LineageDirection, LineageEntity, Neighbour};
use crate::keys;
use crate::search::{FACETS, Search, normalized};
use crate::urn::Urn;

/// The filter on the number of hops.
const DEGREE: &str = "degree";

/// The number of hops that `3+` stands for.
const MAX_HOPS: usize = 20;

/// The number of hops without a filter.
const DEFAULT_HOPS: usize = MAX_HOPS;

#[derive(Debug, Deserialize)]
struct LineageInput {
    direction: String,
    #[serde(default)]
    start: i64,
    count: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Origin {
    urn: Option<String>,
    direction: String,
}

/// `lineage` of an entity: what is one hop away.
pub(super) async fn of_entity(call: &Call<'_>) -> Result<Value> {
    let LineageInput { direction, start, count } = call.input()?;
    let entity = call.entity()?;
    entity.aspects(call.caller).await?;
    let (text, direction) = (entity.urn.to_string(), direction_of(&direction)?);
    let neighbours =
        call.caller.read(move |connection| lineage::neighbours(connection, &text, direction)).await?;
    let total = neighbours.len();
    let page = neighbours.into_iter().skip(bounded(start)).take(count.map_or(DEFAULT_COUNT, bounded));
    let relationships: Vec<_> = page
        .map(|one| {
            let Neighbour { urn, relationship, created_on, created_by, updated_on, updated_by } = one;
            json!({
                "type": relationship, "entity": urn, "degree": 1, "createdOn": created_on,
                "createdActor": created_by, "updatedOn": updated_on, "updatedActor": updated_by,
                "isManual": false, "paths": [],
            })
        })
        .collect();
    Ok(json!({
        "start": bounded(start), "count": relationships.len(), "total": total, "filtered": 0,
        "relationships": relationships,
    }))
}

/// `searchAcrossLineage`
pub(super) async fn search(call: &Call<'_>) -> Result<Value> {
    let (found, facets, input) = found(call).await?;
    let (start, total) = (bounded(input.start), found.len());
    let count = input.count.map_or(DEFAULT_COUNT, bounded);
    let results: Vec<_> = found.into_iter().skip(start).take(count).map(result).collect();
    Ok(json!({
        "start": start, "count": results.len(), "total": total, "searchResults": results, "facets": facets,
        "freshness": {"cached": false},
    }))
}

/// `scrollAcrossLineage`: results are ordered by their degree and URN, and continue after both.
pub(super) async fn scroll(call: &Call<'_>) -> Result<Value> {
    let (found, facets, input) = found(call).await?;
    let after = match &input.scroll_id {
        None => None,
        Some(id) => Some(place(id).ok_or_else(|| bad_request(format!("Invalid scrollId: {id}")))?),
    };
    let total = found.len();
    let count = input.count.map_or(DEFAULT_COUNT, bounded);
    let rest = found
        .into_iter()
        .filter(|one| after.as_ref().is_none_or(|(degree, urn)| (one.degree, &one.urn) > (*degree, urn)));
    let mut page: Vec<_> = rest.take(count.saturating_add(1)).collect();
    let more = page.len() > count;
    page.truncate(count);
    let last = page.last().filter(|_| more);
    let next = last.map(|one| URL_SAFE_NO_PAD.encode(json!([one.degree, one.urn]).to_string()));
    let results: Vec<_> = page.into_iter().map(result).collect();
    Ok(json!({
        "nextScrollId": next, "count": results.len(), "total": total, "searchResults": results, "facets": facets,
    }))
}

fn place(scroll_id: &str) -> Option<(usize, String)> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(scroll_id).ok()?).ok()
}

fn result(one: LineageEntity) -> Value {
    let paths: Vec<_> = one.paths.into_iter().map(|path| json!({"path": path})).collect();
    json!({
        "entity": one.urn, "insights": [], "matchedFields": [], "extraProperties": null, "paths": paths,
        "degree": one.degree, "degrees": [one.degree], "explored": true, "ignoredAsHop": false,
        "truncatedChildren": false,
    })
}

/// The entities of the lineage that the search finds, with the facets.
async fn found(call: &Call<'_>) -> Result<(Vec<LineageEntity>, Vec<Value>, SearchInput)> {
    let Origin { urn: origin, direction } = call.input()?;
    let direction = direction_of(&direction)?;
    let mut input: SearchInput = call.input()?;
    let origin = urn(origin.as_deref().ok_or_else(|| bad_request("urn is required"))?)?;
    if !call.caller.may(ApiOperation::Read, &origin).await? {
        return Err(unauthorized());
    }
    let degrees = Degrees::take(&mut input)?;
    let columns = keeps_columns(&input);
    let (search, _) = input.search()?;
    let with_facets = call.asks_for("facets");
    let (found, facets) = call
        .caller
        .read(move |connection| {
            let all = lineage::explore(connection, origin.as_str(), direction, degrees.most())?;
            let mut found = Vec::new();
            for one in grouped(all, columns) {
                if degrees.take_in(one.degree) && is_wanted(&search, connection, &one.urn)? {
                    found.push(one);
                }
            }
            let facets = if with_facets { facets(connection, &found)? } else { Vec::new() };
            Ok((found, facets))
        })
        .await?;
    Ok((found, facets, input))
}

fn direction_of(name: &str) -> Result<LineageDirection> {
    match name {
        "UPSTREAM" => Ok(LineageDirection::Upstream),
        "DOWNSTREAM" => Ok(LineageDirection::Downstream),
        _ => Err(bad_request(format!("direction: expected UPSTREAM or DOWNSTREAM, found {name}"))),
    }
}

/// The numbers of hops that are wanted.
struct Degrees(Option<BTreeSet<String>>);

impl Degrees {
    /// Takes the criteria on the number of hops out of the filters.
    ///
    /// # Errors
    /// 400 for another value than a number or `3+`.
    fn take(input: &mut SearchInput) -> Result<Self> {
        let mut wanted: Option<BTreeSet<String>> = None;
        let mut keep = |filter: &FacetFilterInput| {
            if filter.field == DEGREE {
                wanted.get_or_insert_default().extend(filter.values.iter().cloned());
            }
            filter.field != DEGREE
        };
        input.filters.retain(&mut keep);
        for list in &mut input.or_filters {
            list.retain(&mut keep);
        }
        for value in wanted.iter().flatten() {
            if value != "3+" && value.parse::<usize>().is_err() {
                return Err(bad_request(format!("degree: expected 1, 2 or 3+, found {value}")));
            }
        }
        Ok(Self(wanted))
    }

    fn most(&self) -> usize {
        let Some(wanted) = &self.0 else { return DEFAULT_HOPS };
        let most = wanted.iter().map(|value| value.parse().unwrap_or(MAX_HOPS)).max();
        most.unwrap_or(DEFAULT_HOPS).min(MAX_HOPS)
    }

    fn take_in(&self, degree: usize) -> bool {
        self.0
            .as_ref()
            .is_none_or(|wanted| wanted.contains(&degree.to_string()) || degree >= 3 && wanted.contains("3+"))
    }
}

/// Whether columns stay columns. By default they are grouped by their data sets.
fn keeps_columns(input: &SearchInput) -> bool {
    let criteria = input.search_flags.grouping_spec.iter().flat_map(|spec| &spec.grouping_criteria);
    criteria
        .filter(|one| one.base_entity_type.as_deref() == Some("SCHEMA_FIELD"))
        .any(|one| one.grouping_entity_type == "SCHEMA_FIELD")
}

fn parent_of_column(text: &str) -> Option<String> {
    let urn = Urn::parse(text).ok().filter(|urn| urn.entity_type() == "schemaField")?;
    keys::parts(urn.key())?.first().map(|parent| (*parent).to_owned())
}

/// The entities in place of their columns, with the paths of all their columns.
fn grouped(all: Vec<LineageEntity>, columns: bool) -> Vec<LineageEntity> {
    if columns {
        return all;
    }
    let mut groups: Vec<LineageEntity> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for mut one in all {
        if let Some(parent) = parent_of_column(&one.urn) {
            one.urn = parent;
        }
        if let Some(known) = places.get(&one.urn).and_then(|place| groups.get_mut(*place)) {
            known.paths.extend(one.paths);
        } else {
            places.insert(one.urn.clone(), groups.len());
            groups.push(one);
        }
    }
    groups.sort_by(|one, other| (one.degree, &one.urn).cmp(&(other.degree, &other.urn)));
    groups
}

/// Whether a search takes an entity. A column is taken if its data set is, and the search is not for other
/// types.
fn is_wanted(search: &Search, connection: &Connection, text: &str) -> Result<bool, rusqlite::Error> {
    let Some(parent) = parent_of_column(text) else { return search.takes(connection, text) };
    let of_type =
        search.types.is_empty() || search.types.iter().any(|name| normalized(name) == "schemafield");
    if !of_type {
        return Ok(false);
    }
    let in_parent =
        Search { types: Vec::new(), text: search.text.clone(), filter: search.filter.clone(), ..*search };
    in_parent.takes(connection, &parent)
}

fn facets(connection: &Connection, found: &[LineageEntity]) -> Result<Vec<Value>, rusqlite::Error> {
    let mut counts: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    let fields: Vec<_> = std::iter::once("_entityType").chain(FACETS.iter().copied()).collect();
    let names: Vec<_> = fields.iter().map(|field| (*field).to_owned()).collect();
    for one in found {
        let degree = if one.degree < 3 { one.degree.to_string() } else { "3+".to_owned() };
        *counts.entry(DEGREE).or_default().entry(degree).or_insert(0) += 1;
        for (field, values) in fields.iter().zip(crate::search::values(connection, &one.urn, &names)?) {
            for value in values {
                *counts.entry(field).or_default().entry(value).or_insert(0) += 1;
            }
        }
    }
    Ok(counts.into_iter().map(|(field, counts)| search::facet(field, counts.into_iter().collect())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(urn: &str, degree: usize) -> LineageEntity {
        LineageEntity { urn: urn.to_owned(), degree, paths: vec![vec!["a".to_owned(), urn.to_owned()]] }
    }

    #[test]
    fn columns_are_grouped_by_their_data_sets() {
        let column = |name: &str| format!("urn:li:schemaField:(urn:li:dataset:(p,d,PROD),{name})");
        let all = vec![entity(&column("x"), 1), entity(&column("y"), 2), entity("urn:li:chart:(a,b)", 1)];
        let groups = grouped(all.clone(), false);
        let found: Vec<_> =
            groups.iter().map(|one| (one.urn.as_str(), one.degree, one.paths.len())).collect();
        assert_eq!(found, [("urn:li:chart:(a,b)", 1, 1), ("urn:li:dataset:(p,d,PROD)", 1, 2)]);
        assert_eq!(grouped(all.clone(), true), all);
    }

    #[test]
    fn degrees_are_numbers_or_three_and_more() {
        let degrees = |values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            let mut input = SearchInput {
                filters: vec![FacetFilterInput::equal(DEGREE, values)],
                ..SearchInput::default()
            };
            let degrees = Degrees::take(&mut input);
            assert!(input.filters.is_empty());
            degrees
        };
        let some = degrees(&["1", "3+"]).unwrap();
        assert_eq!(some.most(), MAX_HOPS);
        assert_eq!([1, 2, 3, 9].map(|degree| some.take_in(degree)), [true, false, true, true]);
        assert_eq!(degrees(&["1", "2"]).unwrap().most(), 2);
        assert!(degrees(&["many"]).is_err());
        assert!(Degrees::take(&mut SearchInput::default()).unwrap().take_in(7));
    }
}
