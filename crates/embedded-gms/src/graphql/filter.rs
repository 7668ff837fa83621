//! Filters of searches and lists.

use async_graphql::Result;
use serde::Deserialize;

use super::error::bad_request;
use crate::search::{Condition, Conjunction, Criterion, Filter};
use crate::token_info::TokenInfo;

/// A list of filters that all have to match.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AndFilterInput {
    #[serde(default)]
    and: Vec<FacetFilterInput>,
}

/// A condition on a field.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct FacetFilterInput {
    pub(super) field: String,
    #[serde(default)]
    pub(super) values: Vec<String>,
    #[serde(default)]
    negated: bool,
    condition: Option<FilterOperator>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum FilterOperator {
    Contain,
    Equal,
    Iequal,
    In,
    Exists,
    GreaterThan,
    GreaterThanOrEqualTo,
    LessThan,
    LessThanOrEqualTo,
    StartWith,
    EndWith,
    DescendantsIncl,
    AncestorsIncl,
    RelatedIncl,
}

/// The filter of a search: lists of which one has to match, or a single list.
///
/// # Errors
/// As [`FacetFilterInput::criterion`].
pub(super) fn filter(filters: Vec<FacetFilterInput>, or_filters: Vec<AndFilterInput>) -> Result<Filter> {
    let mut filter = Filter::default();
    for AndFilterInput { and } in or_filters {
        // The single list applies to each alternative.
        let and = and.into_iter().chain(filters.iter().cloned()).map(FacetFilterInput::criterion);
        filter.or.push(Conjunction { and: and.collect::<Result<_>>()? });
    }
    if filter.or.is_empty() && !filters.is_empty() {
        let and = filters.into_iter().map(FacetFilterInput::criterion).collect::<Result<_>>()?;
        filter.or.push(Conjunction { and });
    }
    Ok(filter)
}

impl FacetFilterInput {
    pub(super) fn equal(field: &str, values: Vec<String>) -> Self {
        Self { field: field.to_owned(), values, negated: false, condition: None }
    }

    /// The criterion of a search.
    ///
    /// # Errors
    /// For the conditions on related entities, which search does not follow.
    pub(super) fn criterion(self) -> Result<Criterion> {
        let condition = match self.condition.unwrap_or(FilterOperator::Equal) {
            FilterOperator::Contain => Condition::Contain,
            FilterOperator::Equal => Condition::Equal,
            FilterOperator::Iequal => Condition::Iequal,
            FilterOperator::In => Condition::In,
            FilterOperator::Exists => Condition::Exists,
            FilterOperator::GreaterThan => Condition::GreaterThan,
            FilterOperator::GreaterThanOrEqualTo => Condition::GreaterThanOrEqualTo,
            FilterOperator::LessThan => Condition::LessThan,
            FilterOperator::LessThanOrEqualTo => Condition::LessThanOrEqualTo,
            FilterOperator::StartWith => Condition::StartWith,
            FilterOperator::EndWith => Condition::EndWith,
            FilterOperator::DescendantsIncl | FilterOperator::AncestorsIncl | FilterOperator::RelatedIncl => {
                return Err(bad_request(format!(
                    "the embedded GMS does not look for the relatives of {}",
                    self.field
                )));
            }
        };
        Ok(Criterion {
            field: self.field,
            value: None,
            values: self.values,
            condition,
            negated: self.negated,
        })
    }

    /// Whether the filter selects only this user's tokens. GMS ignores the condition, so that there a negated
    /// filter returns the tokens of others.
    pub(super) fn is_owner(&self, urn: &str) -> bool {
        let equal = matches!(self.condition, None | Some(FilterOperator::Equal | FilterOperator::In));
        self.field == "ownerUrn"
            && equal
            && !self.negated
            && matches!(self.values.as_slice(), [only] if only == urn)
    }

    /// Whether a token matches. Only fields in GMS's index match: the description does not.
    pub(super) fn takes(&self, token: &TokenInfo) -> bool {
        let info = &token.info;
        let found = match self.field.as_str() {
            "urn" => Some(token.urn()),
            "name" => Some(info.name.clone()),
            "actorUrn" => Some(info.actor_urn.clone()),
            "ownerUrn" => Some(info.owner_urn.clone()),
            "createdAt" => Some(info.created_at.to_string()),
            "expiresAt" => info.expires_at.map(|time| time.to_string()),
            _ => None,
        };
        self.holds(found.as_deref()) != self.negated
    }

    fn holds(&self, found: Option<&str>) -> bool {
        use FilterOperator::{
            AncestorsIncl, Contain, DescendantsIncl, EndWith, Equal, Exists, GreaterThan,
            GreaterThanOrEqualTo, Iequal, In, LessThan, LessThanOrEqualTo, RelatedIncl, StartWith,
        };
        let Some(found) = found else { return false };
        let any = |test: &dyn Fn(&str) -> bool| self.values.iter().any(|value| test(value));
        let compared = |test: fn(i64, i64) -> bool| {
            any(
                &|value| matches!((found.parse(), value.parse()), (Ok(found), Ok(value)) if test(found, value)),
            )
        };
        match self.condition.unwrap_or(Equal) {
            Equal | In | DescendantsIncl | AncestorsIncl | RelatedIncl => any(&|value| found == value),
            Iequal => any(&|value| found.eq_ignore_ascii_case(value)),
            Contain => any(&|value| found.contains(value)),
            StartWith => any(&|value| found.starts_with(value)),
            EndWith => any(&|value| found.ends_with(value)),
            Exists => true,
            GreaterThan => compared(|found, value| found > value),
            GreaterThanOrEqualTo => compared(|found, value| found >= value),
            LessThan => compared(|found, value| found < value),
            LessThanOrEqualTo => compared(|found, value| found <= value),
        }
    }
}

impl AndFilterInput {
    pub(super) fn retain(&mut self, keep: impl FnMut(&FacetFilterInput) -> bool) {
        self.and.retain(keep);
    }
}
