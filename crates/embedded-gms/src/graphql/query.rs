//! The queries.

use async_graphql::{Context, Object, Result, SimpleObject};

use super::context::{Caller, MAX_LISTED};
use super::error::{failed, not_found, server_error, unauthorized};
use super::search::{self, ScrollAcrossEntitiesInput, ScrollResults};
use super::token::{
    AccessToken, AccessTokenMetadata, GetAccessTokenInput, ListAccessTokenInput, ListAccessTokenResult,
};
use super::user::{AuthenticatedUser, CorpUser, PlatformPrivileges};
use crate::authorization::{GENERATE_PERSONAL_ACCESS_TOKENS, MANAGE_ACCESS_TOKENS};
use crate::token_info;

/// The default length of a list of tokens.
const DEFAULT_LISTED: i32 = 20;

/// The complexity of a scroll, in fields.
const SCROLL_COST: usize = 500;

pub(super) struct Query;

#[derive(SimpleObject)]
struct AppConfig {
    app_version: String,
    auth_config: AuthConfig,
}

#[derive(SimpleObject)]
struct AuthConfig {
    token_auth_enabled: bool,
}

/// A nullable field is an `Option<Result>`, so that its error does not affect the other fields.
#[Object]
impl Query {
    async fn me(&self, context: &Context<'_>) -> Option<Result<AuthenticatedUser>> {
        Some(me(context).await)
    }

    async fn app_config(&self, context: &Context<'_>) -> Option<Result<AppConfig>> {
        Some(app_config(context))
    }

    /// `ListAccessTokensResolver`: all tokens for callers that may manage them; otherwise the caller's own.
    async fn list_access_tokens(
        &self,
        context: &Context<'_>,
        input: ListAccessTokenInput,
    ) -> Result<ListAccessTokenResult> {
        let caller = context.data::<Caller>()?;
        let filters = input.filters.unwrap_or_default();
        let own = filters.iter().any(|filter| filter.is_owner(caller.permissions.user()));
        let allowed = caller.permissions.has_privilege(MANAGE_ACCESS_TOKENS)
            || own && caller.permissions.has_privilege(GENERATE_PERSONAL_ACCESS_TOKENS);
        if !allowed {
            return Err(unauthorized());
        }
        let start = input.start.unwrap_or(0).max(0);
        let count = input.count.unwrap_or(DEFAULT_LISTED).clamp(0, MAX_LISTED);
        let mut tokens =
            caller.server.store.read(token_info::all).await.map_err(|failure| failed(&failure))?;
        tokens.retain(|token| filters.iter().all(|filter| filter.takes(token)));
        // Descending by expiry time; tokens without one come last.
        tokens.sort_by_key(|token| std::cmp::Reverse(token.info.expires_at));
        let total = i32::try_from(tokens.len()).unwrap_or(i32::MAX);
        let page: Vec<AccessTokenMetadata> = tokens
            .into_iter()
            .skip(usize::try_from(start).unwrap_or(0))
            .take(usize::try_from(count).unwrap_or(0))
            .map(Into::into)
            .collect();
        Ok(ListAccessTokenResult {
            start,
            count: i32::try_from(page.len()).unwrap_or(i32::MAX),
            total,
            tokens: page,
        })
    }

    /// Each scroll reads the whole store, so a query may have only a few.
    #[graphql(complexity = "SCROLL_COST + child_complexity")]
    async fn scroll_across_entities(
        &self,
        context: &Context<'_>,
        input: ScrollAcrossEntitiesInput,
    ) -> Option<Result<ScrollResults>> {
        Some(search::scroll(context, input).await)
    }

    /// `GetAccessTokenMetadataResolver`
    async fn get_access_token_metadata(
        &self,
        context: &Context<'_>,
        token: String,
    ) -> Result<AccessTokenMetadata> {
        let caller = context.data::<Caller>()?;
        if !caller.permissions.has_privilege(MANAGE_ACCESS_TOKENS) {
            return Err(unauthorized());
        }
        let id = caller.server.authentication.id(&token);
        let found = caller.server.store.read(move |connection| token_info::get(connection, &id)).await;
        let found = found.map_err(|failure| failed(&failure))?;
        found.map(Into::into).ok_or_else(|| not_found("Access token no longer exists"))
    }

    /// `GetAccessTokenResolver`: a token that is not stored and cannot be revoked.
    #[graphql(deprecation = "Use createAccessToken instead")]
    async fn get_access_token(
        &self,
        context: &Context<'_>,
        input: GetAccessTokenInput,
    ) -> Option<Result<AccessToken>> {
        Some(stateless_token(context, input))
    }
}

async fn me(context: &Context<'_>) -> Result<AuthenticatedUser> {
    let caller = context.data::<Caller>()?;
    Ok(AuthenticatedUser {
        corp_user: CorpUser::load(&caller.server, caller.permissions.user()).await?,
        platform_privileges: PlatformPrivileges::of(&caller.permissions),
    })
}

fn app_config(context: &Context<'_>) -> Result<AppConfig> {
    let server = &context.data::<Caller>()?.server;
    Ok(AppConfig {
        app_version: server.version.clone(),
        auth_config: AuthConfig { token_auth_enabled: server.authentication.enabled() },
    })
}

fn stateless_token(context: &Context<'_>, input: GetAccessTokenInput) -> Result<AccessToken> {
    let caller = context.data::<Caller>()?;
    let GetAccessTokenInput { r#type, actor_urn, duration } = input;
    super::mutation::check_actor(&actor_urn, r#type, &caller.permissions)?;
    let authentication = &caller.server.authentication;
    let token = authentication.issue_stateless(&actor_urn, r#type.token_type(), duration.end());
    let access_token = token.map_err(|error| server_error(error.to_string()))?;
    Ok(AccessToken { access_token, metadata: None })
}
