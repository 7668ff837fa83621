//! The token types.

use std::time::{Duration, SystemTime};

use async_graphql::{
    ComplexObject, Context, Enum, InputObject, InputValueError, InputValueResult, Result, Scalar, ScalarType,
    SimpleObject, Value,
};

use super::context::Caller;
use super::entity_type::EntityType;
use super::error::bad_request;
use super::user::CorpUser;
use crate::duration::TokenDuration;
use crate::search::{Condition, Criterion};
use crate::token_info::TokenInfo;
use crate::tokens::TokenType;

/// A 64-bit integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Long(pub(super) i64);

#[Scalar]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => number.as_i64().map(Self),
            Value::String(text) => text.parse().ok().map(Self),
            _ => None,
        }
        .ok_or_else(|| InputValueError::expected_type(value))
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum AccessTokenType {
    Personal,
    ServiceAccount,
}

impl AccessTokenType {
    pub(super) fn token_type(self) -> TokenType {
        match self {
            Self::Personal => TokenType::Personal,
            Self::ServiceAccount => TokenType::ServiceAccount,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum AccessTokenDuration {
    OneHour,
    OneDay,
    OneWeek,
    OneMonth,
    ThreeMonths,
    SixMonths,
    OneYear,
    NoExpiry,
}

impl AccessTokenDuration {
    /// The expiry time of a token that is created now (`AccessTokenUtil`).
    pub(super) fn end(self) -> Option<SystemTime> {
        let days = match self {
            Self::OneHour => {
                return TokenDuration(Some(Duration::from_secs(60 * 60))).expires_at(SystemTime::now());
            }
            Self::OneDay => 1,
            Self::OneWeek => 7,
            Self::OneMonth => 30,
            Self::ThreeMonths => 90,
            Self::SixMonths => 180,
            Self::OneYear => 365,
            Self::NoExpiry => return None,
        };
        TokenDuration(Some(Duration::from_secs(days * 24 * 60 * 60))).expires_at(SystemTime::now())
    }
}

#[derive(Debug, InputObject)]
pub(super) struct CreateAccessTokenInput {
    pub(super) r#type: AccessTokenType,
    pub(super) actor_urn: String,
    pub(super) duration: AccessTokenDuration,
    pub(super) name: String,
    pub(super) description: Option<String>,
}

#[derive(Debug, InputObject)]
pub(super) struct GetAccessTokenInput {
    pub(super) r#type: AccessTokenType,
    pub(super) actor_urn: String,
    pub(super) duration: AccessTokenDuration,
}

#[derive(Debug, SimpleObject)]
pub(super) struct AccessToken {
    pub(super) access_token: String,
    pub(super) metadata: Option<AccessTokenMetadata>,
}

#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub(super) struct AccessTokenMetadata {
    urn: String,
    r#type: EntityType,
    id: String,
    name: String,
    description: Option<String>,
    actor_urn: String,
    owner_urn: String,
    created_at: Long,
    expires_at: Option<Long>,
}

#[ComplexObject]
impl AccessTokenMetadata {
    async fn owner(&self, context: &Context<'_>) -> Result<Option<CorpUser>> {
        let caller = context.data::<Caller>()?;
        CorpUser::load(&caller.server, &self.owner_urn).await.map(Some)
    }
}

impl From<TokenInfo> for AccessTokenMetadata {
    fn from(token: TokenInfo) -> Self {
        let urn = token.urn();
        let TokenInfo { id, info } = token;
        Self {
            urn,
            r#type: EntityType::AccessToken,
            id,
            name: info.name,
            description: info.description,
            actor_urn: info.actor_urn,
            owner_urn: info.owner_urn,
            created_at: Long(info.created_at),
            expires_at: info.expires_at.map(Long),
        }
    }
}

#[derive(Debug, InputObject)]
pub(super) struct ListAccessTokenInput {
    pub(super) start: Option<i32>,
    pub(super) count: Option<i32>,
    pub(super) filters: Option<Vec<FacetFilterInput>>,
}

#[derive(Debug, SimpleObject)]
pub(super) struct ListAccessTokenResult {
    pub(super) start: i32,
    pub(super) count: i32,
    pub(super) total: i32,
    pub(super) tokens: Vec<AccessTokenMetadata>,
}

#[derive(Debug, InputObject)]
pub(super) struct FacetFilterInput {
    field: String,
    values: Option<Vec<String>>,
    negated: Option<bool>,
    condition: Option<FilterOperator>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
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

impl FacetFilterInput {
    /// The criterion of a search.
    ///
    /// # Errors
    /// For the conditions on related entities, which need a graph.
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
                    "the embedded GMS has no graph to look for the relatives of {} in",
                    self.field
                )));
            }
        };
        Ok(Criterion {
            field: self.field,
            value: None,
            values: self.values.unwrap_or_default(),
            condition,
            negated: self.negated.unwrap_or(false),
        })
    }

    /// Whether the filter selects only this user's tokens. GMS ignores the condition, so that there a negated
    /// filter returns the tokens of others.
    pub(super) fn is_owner(&self, urn: &str) -> bool {
        let equal = matches!(self.condition, None | Some(FilterOperator::Equal | FilterOperator::In));
        self.field == "ownerUrn"
            && equal
            && !self.negated.unwrap_or(false)
            && matches!(self.values.as_deref(), Some([only]) if only == urn)
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
        self.holds(found.as_deref()) != self.negated.unwrap_or(false)
    }

    fn holds(&self, found: Option<&str>) -> bool {
        use FilterOperator::{
            AncestorsIncl, Contain, DescendantsIncl, EndWith, Equal, Exists, GreaterThan,
            GreaterThanOrEqualTo, Iequal, In, LessThan, LessThanOrEqualTo, RelatedIncl, StartWith,
        };
        let Some(found) = found else { return false };
        let any = |test: &dyn Fn(&str) -> bool| self.values.iter().flatten().any(|value| test(value));
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
