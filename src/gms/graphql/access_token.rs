//! Creates, lists and revokes access tokens (`auth.graphql`, `AccessTokenUtil`).

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::token_duration::AccessTokenDuration;
use super::token_error::{TokenOperation, token_error};
use super::{GraphqlAnswer, Me};
use crate::Error;
use crate::auth::{Token, TokenSource};
use crate::display_text::display_text;
use crate::gms::Client;

const CREATE: &str = "mutation createAccessToken($input: CreateAccessTokenInput!) { createAccessToken(input: $input) { \
                      accessToken metadata { id name actorUrn ownerUrn createdAt expiresAt } } }";
const LIST: &str = "query listAccessTokens($input: ListAccessTokenInput!) { listAccessTokens(input: $input) { \
                    total tokens { id name actorUrn ownerUrn createdAt expiresAt } } }";
const REVOKE: &str = "mutation revokeAccessToken($tokenId: String!) { revokeAccessToken(tokenId: $tokenId) }";
const LOOK_UP: &str = "query getAccessTokenMetadata($token: String!) { getAccessTokenMetadata(token: $token) { \
                       id name actorUrn ownerUrn createdAt expiresAt } }";

/// The tokens per page.
const PAGE: usize = 100;

/// The most pages that are read, in case a server always names another one. No DataHub has that many tokens.
const MAX_PAGES: usize = 1_000;

/// The most characters of a name, URN or ID that are kept. GMS's URNs have at most 512 bytes.
const MAX_SHOWN_CHARS: usize = 1_000;

/// GMS's record of a token, without the token itself (`AccessTokenMetadata`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessTokenInfo {
    /// A salted hash of the token, which only GMS can compute. A token is revoked by it.
    pub id: String,
    /// The token's name.
    pub name: String,
    /// The URN of the user that the token authenticates.
    pub actor: String,
    /// The URN of the user who created it.
    pub owner: String,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of expiry; `None` without one.
    pub expires_at: Option<Timestamp>,
}

/// A token that was just created.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewAccessToken {
    /// The token.
    pub token: Token,
    /// GMS's record of it. `None` from old servers, which do not return it.
    pub info: Option<AccessTokenInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    id: String,
    name: String,
    actor_urn: String,
    owner_urn: String,
    created_at: Option<i64>,
    expires_at: Option<i64>,
}

impl From<Metadata> for AccessTokenInfo {
    fn from(metadata: Metadata) -> Self {
        let time = |milliseconds: Option<i64>| {
            milliseconds.and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
        };
        let shown = |text: &str| display_text(text, MAX_SHOWN_CHARS);
        Self {
            id: shown(&metadata.id),
            name: shown(&metadata.name),
            actor: shown(&metadata.actor_urn),
            owner: shown(&metadata.owner_urn),
            created_at: time(metadata.created_at),
            expires_at: time(metadata.expires_at),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    access_token: String,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Page {
    total: usize,
    tokens: Vec<Metadata>,
}

/// The access tokens of a GMS, from [`Client::tokens`].
#[derive(Clone, Copy, Debug)]
pub struct AccessTokens<'a> {
    client: &'a Client,
}

impl Client {
    /// The access tokens of this GMS: creates, lists, finds and revokes them.
    pub fn tokens(&self) -> AccessTokens<'_> {
        AccessTokens { client: self }
    }
}

impl AccessTokens<'_> {
    /// Creates a personal token for `actor`. GMS does not check that the user exists.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if a privilege is missing,
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if GMS does not accept the duration; also the errors of
    /// [`Client::graphql`].
    ///
    /// # Cancel safety
    /// Not cancel safe: if the future is dropped, GMS may have created a token that nobody has received.
    pub async fn create(
        self,
        me: &Me,
        name: &str,
        actor: &str,
        duration: AccessTokenDuration,
    ) -> Result<NewAccessToken, Error> {
        let input =
            json!({"type": "PERSONAL", "actorUrn": actor, "duration": duration.as_str(), "name": name});
        let answer = self.client.graphql(CREATE, &json!({"input": input})).await?;
        let operation = TokenOperation::Create { actor, duration };
        let created = self.field(answer, "createAccessToken", me, &operation)?;
        let created =
            Created::deserialize(created).map_err(|_| self.client.unreadable("the token, and made none"))?;
        // A later message of the server may quote the token.
        self.client.credentials().add_secret(&created.access_token);
        Ok(NewAccessToken {
            token: Token::new(created.access_token, TokenSource::Issued),
            info: created.metadata.map(Into::into),
        })
    }

    /// Lists the tokens that the caller may see: all tokens for a caller who manages them, else those that
    /// the caller created. With `actor` only that user's tokens.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if a privilege is missing; also the errors of
    /// [`Client::graphql`].
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request, which changes nothing on the server.
    pub async fn list(self, me: &Me, actor: Option<&str>) -> Result<Vec<AccessTokenInfo>, Error> {
        let mut filters = Vec::new();
        // Without this filter GMS refuses a caller who does not manage tokens (`ListAccessTokensResolver`).
        if !me.manage_tokens {
            filters.push(json!({"field": "ownerUrn", "values": [me.urn]}));
        }
        if let Some(actor) = actor {
            filters.push(json!({"field": "actorUrn", "values": [actor]}));
        }
        let mut tokens: Vec<AccessTokenInfo> = Vec::new();
        let mut start = 0;
        for _ in 0..MAX_PAGES {
            let input = json!({"start": start, "count": PAGE, "filters": filters});
            let answer = self.client.graphql(LIST, &json!({"input": input})).await?;
            let page = self.field(answer, "listAccessTokens", me, &TokenOperation::List)?;
            let page =
                Page::deserialize(page).map_err(|_| self.client.unreadable("which tokens there are"))?;
            let found = page.tokens.len();
            start += found;
            for token in page.tokens.into_iter().map(AccessTokenInfo::from) {
                // A token that is created meanwhile moves those behind it to the next page.
                if tokens.iter().all(|known| known.id != token.id) {
                    tokens.push(token);
                }
            }
            if found == 0 || start >= page.total {
                break;
            }
        }
        Ok(tokens)
    }

    /// Revokes a token by its id.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if GMS has no token with that id,
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if a privilege is missing; also the errors of
    /// [`Client::graphql`].
    ///
    /// # Cancel safety
    /// If the future is dropped, GMS may or may not have revoked the token. It can be called again,
    /// and fails with [`NotFound`](crate::ErrorKind::NotFound) if the token is gone.
    pub async fn revoke(self, me: &Me, id: &str) -> Result<(), Error> {
        let answer = self.client.graphql(REVOKE, &json!({"tokenId": id})).await?;
        match self.field(answer, "revokeAccessToken", me, &TokenOperation::Revoke { id })? {
            Value::Bool(true) => Ok(()),
            _ => Err(self.client.unreadable("whether the token was revoked")),
        }
    }

    /// GMS's record of `token`; `None` if GMS does not return it. Only a caller who manages all tokens may
    /// ask for it.
    ///
    /// # Errors
    /// The errors of [`Client::graphql`].
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request, which changes nothing on the server.
    pub async fn find(self, token: &Token) -> Result<Option<AccessTokenInfo>, Error> {
        let GraphqlAnswer::Data(data) =
            self.client.graphql(LOOK_UP, &json!({"token": token.expose()})).await?
        else {
            return Ok(None);
        };
        let found = data.get("getAccessTokenMetadata").and_then(|found| Metadata::deserialize(found).ok());
        Ok(found.map(Into::into))
    }

    /// The value of a field, or the reason that there is none.
    fn field(
        self,
        answer: GraphqlAnswer,
        name: &str,
        me: &Me,
        operation: &TokenOperation<'_>,
    ) -> Result<Value, Error> {
        match answer {
            GraphqlAnswer::Data(mut data) => Ok(data.get_mut(name).map(Value::take).unwrap_or_default()),
            GraphqlAnswer::Errors(errors) => {
                Err(token_error(&self.client.server().to_string(), operation, me, &errors))
            }
            GraphqlAnswer::NotKnown(diagnosis) => Err((*diagnosis).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_name_of_gms_or_the_same_iso_8601_duration() {
        for (text, expected) in [
            ("ONE_MONTH", Some(AccessTokenDuration::OneMonth)),
            ("one_week", Some(AccessTokenDuration::OneWeek)),
            ("P30D", Some(AccessTokenDuration::OneMonth)),
            ("PT24H", Some(AccessTokenDuration::OneDay)),
            ("P1W", Some(AccessTokenDuration::OneWeek)),
            ("PT1H", Some(AccessTokenDuration::OneHour)),
            ("P365D", Some(AccessTokenDuration::OneYear)),
            ("NO_EXPIRY", Some(AccessTokenDuration::NoExpiry)),
            ("P31D", None),
            ("PT0S", None),
            ("3600", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
        let wrong = "P31D".parse::<AccessTokenDuration>().unwrap_err();
        assert!(wrong.contains("ONE_MONTH (P30D)") && wrong.contains("NO_EXPIRY"), "{wrong}");
    }
}
