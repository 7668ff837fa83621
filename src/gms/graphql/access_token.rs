//! Access tokens: made, listed and revoked (`auth.graphql`, `AccessTokenUtil`).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::token_error::{TokenOperation, token_error};
use super::{GraphqlAnswer, Me};
use crate::auth::{Token, TokenSource};
use crate::duration::parse_duration;
use crate::gms::Client;
use crate::{Error, ErrorKind};

const CREATE: &str = "mutation createAccessToken($input: CreateAccessTokenInput!) { createAccessToken(input: $input) { \
                      accessToken metadata { id name actorUrn ownerUrn createdAt expiresAt } } }";
const LIST: &str = "query listAccessTokens($input: ListAccessTokenInput!) { listAccessTokens(input: $input) { \
                    total tokens { id name actorUrn ownerUrn createdAt expiresAt } } }";
const REVOKE: &str = "mutation revokeAccessToken($tokenId: String!) { revokeAccessToken(tokenId: $tokenId) }";
const LOOK_UP: &str = "query getAccessTokenMetadata($token: String!) { getAccessTokenMetadata(token: $token) { \
                       id name actorUrn ownerUrn createdAt expiresAt } }";

/// How many tokens are asked for at a time.
const PAGE: usize = 100;

/// No DataHub has more tokens; a server that always has another page is not followed for ever.
const MOST_PAGES: usize = 1_000;

const DAY: u64 = 24 * 60 * 60;

/// How long a token is to be good. GMS takes these and no others (`AccessTokenDuration`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTokenDuration {
    /// An hour.
    OneHour,
    /// 24 hours.
    OneDay,
    /// 7 days.
    OneWeek,
    /// 30 days.
    OneMonth,
    /// 90 days.
    ThreeMonths,
    /// 180 days.
    SixMonths,
    /// 365 days.
    OneYear,
    /// For ever. Newer servers refuse that unless they are told to allow it (`ACCESS_TOKEN_ALLOW_NO_EXPIRY`).
    NoExpiry,
}

impl AccessTokenDuration {
    /// Each with its name, its seconds, and what ISO 8601 calls it.
    const ALL: [(Self, &str, Option<u64>, &str); 8] = [
        (Self::OneHour, "ONE_HOUR", Some(60 * 60), "PT1H"),
        (Self::OneDay, "ONE_DAY", Some(DAY), "P1D"),
        (Self::OneWeek, "ONE_WEEK", Some(7 * DAY), "P7D"),
        (Self::OneMonth, "ONE_MONTH", Some(30 * DAY), "P30D"),
        (Self::ThreeMonths, "THREE_MONTHS", Some(90 * DAY), "P90D"),
        (Self::SixMonths, "SIX_MONTHS", Some(180 * DAY), "P180D"),
        (Self::OneYear, "ONE_YEAR", Some(365 * DAY), "P365D"),
        (Self::NoExpiry, "NO_EXPIRY", None, ""),
    ];

    /// The name that GMS has for it.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(duration, ..)| *duration == self).map_or("", |(_, name, ..)| name)
    }
}

impl fmt::Display for AccessTokenDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// GMS's name for it, or the same time as ISO 8601 writes it: `P30D`, `PT24H`.
impl FromStr for AccessTokenDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let time = text.starts_with('P').then(|| parse_duration(text)).flatten();
        let found = Self::ALL.iter().find(|(_, name, seconds, _)| {
            name.eq_ignore_ascii_case(text) || (time.is_some() && time == seconds.map(Duration::from_secs))
        });
        found.map(|(duration, ..)| *duration).ok_or_else(|| {
            let names = Self::ALL.map(|(_, name, _, iso)| match iso {
                "" => name.to_owned(),
                iso => format!("{name} ({iso})"),
            });
            format!("GMS makes tokens for these durations only: {}", names.join(", "))
        })
    }
}

/// What GMS keeps of a token; its text is not among it (`AccessTokenMetadata`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessTokenInfo {
    /// A salted hash of the token, which only GMS can compute. It is what revokes a token.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// As whom it acts.
    pub actor: String,
    /// Who made it.
    pub owner: String,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it ends; `None` for never.
    pub expires_at: Option<Timestamp>,
}

/// A token that was just made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewAccessToken {
    /// The token.
    pub token: Token,
    /// What GMS keeps of it. `None` from old servers, which do not tell.
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
        let visible = |text: String| text.chars().filter(|c| !c.is_control()).collect();
        Self {
            id: visible(metadata.id),
            name: visible(metadata.name),
            actor: visible(metadata.actor_urn),
            owner: visible(metadata.owner_urn),
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

impl Client {
    /// Who the caller is, for what only a known one can do.
    ///
    /// # Errors
    /// As [`graphql`](Self::graphql) has them, and where GMS does not tell.
    pub async fn require_me(&self) -> Result<Me, Error> {
        let answer = self.ask_me().await?;
        match (Me::read(&answer), answer) {
            (Some(me), _) => Ok(me),
            (None, GraphqlAnswer::NotKnown(diagnosis)) => Err((*diagnosis).into()),
            (None, GraphqlAnswer::Errors(errors)) => {
                let words = errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join("; ");
                Err(self.unreadable(&format!("who the caller is: {words}")))
            }
            (None, GraphqlAnswer::Data(_)) => Err(self.unreadable("who the caller is")),
        }
    }

    /// Makes a personal token for `actor`. GMS does not look whether that user is there.
    ///
    /// # Errors
    /// When GMS refuses; the error says which privilege is missing, or which durations there are.
    pub async fn create_access_token(
        &self,
        me: &Me,
        name: &str,
        actor: &str,
        duration: AccessTokenDuration,
    ) -> Result<NewAccessToken, Error> {
        let input =
            json!({"type": "PERSONAL", "actorUrn": actor, "duration": duration.as_str(), "name": name});
        let answer = self.graphql(CREATE, &json!({"input": input})).await?;
        let operation = TokenOperation::Create { actor, duration };
        let created = self.field(answer, "createAccessToken", me, &operation)?;
        let created =
            Created::deserialize(created).map_err(|_| self.unreadable("the token, and made none"))?;
        // Whatever the server writes from now on, it does not spread this.
        self.credentials().add_secret(&created.access_token);
        Ok(NewAccessToken {
            token: Token::new(created.access_token, TokenSource::Issued),
            info: created.metadata.map(Into::into),
        })
    }

    /// The tokens that the caller may see: all where he manages them, else those that he made; of `actor` alone, if there is
    /// one.
    ///
    /// # Errors
    /// When GMS refuses.
    pub async fn access_tokens(&self, me: &Me, actor: Option<&str>) -> Result<Vec<AccessTokenInfo>, Error> {
        let mut filters = Vec::new();
        // Without this filter GMS refuses whoever does not manage tokens (`ListAccessTokensResolver`).
        if !me.manage_tokens {
            filters.push(json!({"field": "ownerUrn", "values": [me.urn]}));
        }
        if let Some(actor) = actor {
            filters.push(json!({"field": "actorUrn", "values": [actor]}));
        }
        let mut tokens: Vec<AccessTokenInfo> = Vec::new();
        let mut start = 0;
        for _ in 0..MOST_PAGES {
            let input = json!({"start": start, "count": PAGE, "filters": filters});
            let answer = self.graphql(LIST, &json!({"input": input})).await?;
            let page = self.field(answer, "listAccessTokens", me, &TokenOperation::List)?;
            let page = Page::deserialize(page).map_err(|_| self.unreadable("which tokens there are"))?;
            let found = page.tokens.len();
            start += found;
            for token in page.tokens.into_iter().map(AccessTokenInfo::from) {
                // One that was made meanwhile moves those behind it to the next page.
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
    /// When GMS refuses, or has no token of that id ([`ErrorKind::NotFound`]).
    pub async fn revoke_access_token(&self, me: &Me, id: &str) -> Result<(), Error> {
        let answer = self.graphql(REVOKE, &json!({"tokenId": id})).await?;
        match self.field(answer, "revokeAccessToken", me, &TokenOperation::Revoke { id })? {
            Value::Bool(true) => Ok(()),
            _ => Err(self.unreadable("whether the token was revoked")),
        }
    }

    /// What GMS keeps of `token`. Only those may ask who manage all tokens; `None` where GMS does not tell.
    ///
    /// # Errors
    /// As [`graphql`](Self::graphql) has them.
    pub async fn access_token_info(&self, token: &Token) -> Result<Option<AccessTokenInfo>, Error> {
        let GraphqlAnswer::Data(data) = self.graphql(LOOK_UP, &json!({"token": token.expose()})).await?
        else {
            return Ok(None);
        };
        let found = data.get("getAccessTokenMetadata").and_then(|found| Metadata::deserialize(found).ok());
        Ok(found.map(Into::into))
    }

    /// What an answer has for a field, or why it has nothing.
    fn field(
        &self,
        answer: GraphqlAnswer,
        name: &str,
        me: &Me,
        operation: &TokenOperation<'_>,
    ) -> Result<Value, Error> {
        match answer {
            GraphqlAnswer::Data(mut data) => Ok(data.get_mut(name).map(Value::take).unwrap_or_default()),
            GraphqlAnswer::Errors(errors) => {
                Err(token_error(&self.server().to_string(), operation, me, &errors))
            }
            GraphqlAnswer::NotKnown(diagnosis) => Err((*diagnosis).into()),
        }
    }

    fn unreadable(&self, what: &str) -> Error {
        Error::new(ErrorKind::Rejected, format!("GMS at {} does not tell {what}", self.server()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_one_of_gms_s_or_the_same_time() {
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
