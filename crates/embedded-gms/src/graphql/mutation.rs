//! The mutations.

use async_graphql::{Context, Object, Result};

use super::context::Caller;
use super::error::{bad_request, failed, server_error, unauthorized};
use super::token::{AccessToken, AccessTokenType, CreateAccessTokenInput};
use crate::authentication::issuing::TokenRequest;
use crate::authorization::{GENERATE_PERSONAL_ACCESS_TOKENS, MANAGE_ACCESS_TOKENS, Permissions};
use crate::token_info;
use crate::urn::Urn;

pub(super) struct Mutation;

#[Object]
impl Mutation {
    /// `CreateAccessTokenResolver`. It does not check whether the user exists; the token of an unknown user
    /// is refused.
    async fn create_access_token(
        &self,
        context: &Context<'_>,
        input: CreateAccessTokenInput,
    ) -> Option<Result<AccessToken>> {
        Some(create(context, input).await)
    }

    /// `RevokeAccessTokenResolver`: the owner of a token may revoke it.
    async fn revoke_access_token(&self, context: &Context<'_>, token_id: String) -> Result<bool> {
        let caller = context.data::<Caller>()?;
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
    check_actor(&input.actor_urn, input.r#type, &caller.permissions)?;
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
    Ok(AccessToken { access_token, metadata: Some(info.into()) })
}

/// Refuses a token for another user if the caller lacks the privilege, and one for a URN that is not a user.
///
/// # Errors
/// The errors of GMS.
pub(super) fn check_actor(urn: &str, r#type: AccessTokenType, permissions: &Permissions) -> Result<()> {
    if r#type == AccessTokenType::ServiceAccount {
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
