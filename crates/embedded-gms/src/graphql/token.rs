//! Access tokens (`auth.graphql`).

use std::time::{Duration, SystemTime};

use async_graphql::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use super::error::{bad_request, failed, not_found, server_error, unauthorized};
use super::filter::FacetFilterInput;
use super::relationships::bounded;
use crate::authentication::issuing::TokenRequest;
use crate::authorization::{GENERATE_PERSONAL_ACCESS_TOKENS, MANAGE_ACCESS_TOKENS, Permissions};
use crate::duration::TokenDuration;
use crate::token_info::{self, TokenInfo};
use crate::tokens::TokenType;
use crate::urn::Urn;

/// The default length of a list of tokens.
const DEFAULT_LISTED: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum AccessTokenType {
    Personal,
    ServiceAccount,
}

impl AccessTokenType {
    fn token_type(self) -> TokenType {
        match self {
            Self::Personal => TokenType::Personal,
            Self::ServiceAccount => TokenType::ServiceAccount,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum AccessTokenDuration {
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
    fn end(self) -> Option<SystemTime> {
        let hours = match self {
            Self::OneHour => 1,
            Self::OneDay => 24,
            Self::OneWeek => 7 * 24,
            Self::OneMonth => 30 * 24,
            Self::ThreeMonths => 90 * 24,
            Self::SixMonths => 180 * 24,
            Self::OneYear => 365 * 24,
            Self::NoExpiry => return None,
        };
        TokenDuration(Some(Duration::from_secs(hours * 60 * 60))).expires_at(SystemTime::now())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccessTokenInput {
    r#type: AccessTokenType,
    actor_urn: String,
    duration: AccessTokenDuration,
    #[serde(default)]
    name: String,
    description: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListInput {
    start: i64,
    count: Option<i64>,
    filters: Vec<FacetFilterInput>,
}

/// `ListAccessTokensResolver`: all tokens for callers that may manage them; otherwise the caller's own.
pub(super) async fn list(call: &Call<'_>) -> Result<Value> {
    let ListInput { start, count, filters } = call.input()?;
    let permissions = &call.caller.permissions;
    let own = filters.iter().any(|filter| filter.is_owner(permissions.user()));
    let allowed = permissions.has_privilege(MANAGE_ACCESS_TOKENS)
        || own && permissions.has_privilege(GENERATE_PERSONAL_ACCESS_TOKENS);
    if !allowed {
        return Err(unauthorized());
    }
    let mut tokens =
        call.caller.server.store.read(token_info::all).await.map_err(|failure| failed(&failure))?;
    tokens.retain(|token| filters.iter().all(|filter| filter.takes(token)));
    // Descending by expiry time; tokens without one come last.
    tokens.sort_by_key(|token| std::cmp::Reverse(token.info.expires_at));
    let total = tokens.len();
    let page = tokens.into_iter().skip(bounded(start)).take(count.map_or(DEFAULT_LISTED, bounded));
    let page: Vec<_> = page.map(record).collect();
    Ok(json!({"start": bounded(start), "count": page.len(), "total": total, "tokens": page}))
}

/// `GetAccessTokenMetadataResolver`
pub(super) async fn metadata(call: &Call<'_>) -> Result<Value> {
    #[derive(Deserialize)]
    struct Arguments {
        token: String,
    }
    if !call.caller.permissions.has_privilege(MANAGE_ACCESS_TOKENS) {
        return Err(unauthorized());
    }
    let Arguments { token } = call.arguments()?;
    let id = call.caller.server.authentication.id(&token);
    let found = call.caller.server.store.read(move |connection| token_info::get(connection, &id)).await;
    let found = found.map_err(|failure| failed(&failure))?;
    found.map(record).ok_or_else(|| not_found("Access token no longer exists"))
}

/// `GetAccessTokenResolver`: a token that is not stored and cannot be revoked.
pub(super) fn stateless(call: &Call<'_>) -> Result<Value> {
    let input: AccessTokenInput = call.input()?;
    check_actor(&input, &call.caller.permissions)?;
    let authentication = &call.caller.server.authentication;
    let token =
        authentication.issue_stateless(&input.actor_urn, input.r#type.token_type(), input.duration.end());
    let access_token = token.map_err(|error| server_error(error.to_string()))?;
    Ok(json!({"accessToken": access_token, "metadata": null}))
}

/// `CreateAccessTokenResolver`. It does not check whether the user exists; the token of an unknown user is
/// refused.
pub(super) async fn create(call: &Call<'_>) -> Result<Value> {
    let input: AccessTokenInput = call.input()?;
    let caller = call.caller;
    check_actor(&input, &caller.permissions)?;
    let draft = TokenRequest {
        name: input.name,
        description: input.description,
        actor: input.actor_urn,
        owner: caller.permissions.user().to_owned(),
        r#type: input.r#type.token_type(),
        expires: input.duration.end(),
    };
    let issued = caller.server.authentication.issue(draft).await;
    let (access_token, info) = issued.map_err(|error| {
        server_error(format!("java.lang.RuntimeException: Failed to create new access token: {error}"))
    })?;
    Ok(json!({"accessToken": access_token, "metadata": record(info)}))
}

/// `RevokeAccessTokenResolver`: the owner of a token may revoke it.
pub(super) async fn revoke(call: &Call<'_>) -> Result<Value> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Arguments {
        token_id: String,
    }
    let Arguments { token_id } = call.arguments()?;
    let caller = call.caller;
    let id = token_id.clone();
    let found = caller.server.store.read(move |connection| token_info::get(connection, &id)).await;
    let found = found.map_err(|failure| failed(&failure))?;
    let own = found.as_ref().is_some_and(|token| token.info.owner_urn == caller.permissions.user());
    // A caller without the privilege does not learn which tokens exist.
    if !own && !caller.permissions.has_privilege(MANAGE_ACCESS_TOKENS) {
        return Err(unauthorized());
    }
    let revoked = caller.server.authentication.revoke_id(&token_id).await;
    if revoked.map_err(|failure| failed(&failure))? {
        Ok(true.into())
    } else {
        Err(server_error(
            "java.lang.RuntimeException: Failed to revoke access token. Root cause: Access token no longer exists",
        ))
    }
}

/// Refuses a token for another user if the caller lacks the privilege, and one for a URN that is not a user.
///
/// # Errors
/// The errors of GMS.
fn check_actor(input: &AccessTokenInput, permissions: &Permissions) -> Result<()> {
    let urn = &input.actor_urn;
    if input.r#type == AccessTokenType::ServiceAccount {
        // This server has no service accounts.
        return Err(bad_request(format!("The specified URN is not a service account: {urn}")));
    }
    let own = urn == permissions.user() && permissions.has_privilege(GENERATE_PERSONAL_ACCESS_TOKENS);
    if !own && !permissions.has_privilege(MANAGE_ACCESS_TOKENS) {
        return Err(unauthorized());
    }
    Urn::parse(urn).map(drop).map_err(|error| {
        server_error(format!("java.lang.RuntimeException: Failed to retrieve entity with urn {urn}: {error}"))
    })
}

fn record(token: TokenInfo) -> Value {
    let urn = token.urn();
    let TokenInfo { id, info } = token;
    json!({
        "urn": urn, "type": "ACCESS_TOKEN", "id": id, "name": info.name, "description": info.description,
        "actorUrn": info.actor_urn, "ownerUrn": info.owner_urn, "createdAt": info.created_at,
        "expiresAt": info.expires_at,
    })
}
