//! What can be changed.

use async_graphql::{Context, Object, Result};

use super::Caller;
use super::error::{bad_request, failed, server_error, unauthorized};
use super::token::{AccessToken, AccessTokenType, CreateAccessTokenInput};
use crate::Urn;
use crate::authentication::Draft;
use crate::authorization::{GENERATE_PERSONAL_ACCESS_TOKENS, MANAGE_ACCESS_TOKENS, Rights};
use crate::token_info;

pub(super) struct Mutation;

#[Object]
impl Mutation {
    /// `CreateAccessTokenResolver`. Whether the user is there is not asked here: a token of one who is not is refused.
    async fn create_access_token(
        &self,
        context: &Context<'_>,
        input: CreateAccessTokenInput,
    ) -> Option<Result<AccessToken>> {
        Some(create(context, input).await)
    }

    /// `RevokeAccessTokenResolver`: everyone may revoke what he made.
    async fn revoke_access_token(&self, context: &Context<'_>, token_id: String) -> Result<bool> {
        let caller = context.data::<Caller>()?;
        let id = token_id.clone();
        let found = caller.server.store.read(move |connection| token_info::get(connection, &id)).await;
        let found = found.map_err(|failure| failed(&failure))?;
        let own = found.as_ref().is_some_and(|token| token.info.owner_urn == caller.rights.user());
        // Who may not manage tokens does not learn which there are.
        if !own && !caller.rights.holds(MANAGE_ACCESS_TOKENS) {
            return Err(unauthorized());
        }
        let revoked = caller.server.authentication.revoke_id(&token_id).await;
        if revoked.map_err(|failure| failed(&failure))? {
            Ok(true)
        } else {
            Err(server_error(
                "java.lang.RuntimeException: Failed to revoke access token. Root cause: Access token no longer exists",
            ))
        }
    }
}

async fn create(context: &Context<'_>, input: CreateAccessTokenInput) -> Result<AccessToken> {
    let caller = context.data::<Caller>()?;
    check_actor(&input.actor_urn, input.r#type, &caller.rights)?;
    let draft = Draft {
        name: input.name,
        description: input.description,
        actor: input.actor_urn,
        owner: caller.rights.user().to_owned(),
        r#type: input.r#type.token_type(),
        expires: input.duration.end(),
    };
    let issued = caller.server.authentication.issue(draft).await;
    let (access_token, info) = issued.map_err(|error| {
        server_error(format!("java.lang.RuntimeException: Failed to create new access token: {error}"))
    })?;
    Ok(AccessToken { access_token, metadata: Some(info.into()) })
}

/// Refuses to make a token for another user to who may not, and one for what is no user.
///
/// # Errors
/// As GMS has them.
pub(super) fn check_actor(urn: &str, r#type: AccessTokenType, rights: &Rights) -> Result<()> {
    if r#type == AccessTokenType::ServiceAccount {
        // There are none here.
        return Err(bad_request(format!("The specified URN is not a service account: {urn}")));
    }
    let own = urn == rights.user() && rights.holds(GENERATE_PERSONAL_ACCESS_TOKENS);
    if !own && !rights.holds(MANAGE_ACCESS_TOKENS) {
        return Err(unauthorized());
    }
    Urn::parse(urn).map(drop).map_err(|error| {
        server_error(format!("java.lang.RuntimeException: Failed to retrieve entity with urn {urn}: {error}"))
    })
}
