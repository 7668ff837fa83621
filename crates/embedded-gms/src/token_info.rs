//! What is stored of a token: everything but the token.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::failure::Failure;
use super::store::{access, read, write};
use super::{system_metadata, tokens};

/// The aspect that says what a stored token is.
pub(super) const ASPECT: &str = "dataHubAccessTokenInfo";

/// A stored token: whose it is, and until when it is good. The token's text is stored nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    pub(super) id: String,
    pub(super) info: Info,
}

/// `DataHubAccessTokenInfo.pdl`; times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Info {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// As whom it acts.
    pub(super) actor_urn: String,
    /// Who made it.
    pub(super) owner_urn: String,
    pub(super) created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<i64>,
}

impl TokenInfo {
    /// By this it is revoked: a digest of the token and of a salt of the server's.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name that it was given.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// What else was said of it.
    pub fn description(&self) -> Option<&str> {
        self.info.description.as_deref()
    }

    /// The URN of the user as whom it acts.
    pub fn actor(&self) -> &str {
        &self.info.actor_urn
    }

    /// The URN of the user who made it.
    pub fn owner(&self) -> &str {
        &self.info.owner_urn
    }

    /// When it was made, to the millisecond.
    pub fn created_at(&self) -> SystemTime {
        time(self.info.created_at)
    }

    /// Until when it is good; `None` for ever.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.info.expires_at.map(time)
    }

    pub(super) fn urn(&self) -> String {
        tokens::urn(&self.id)
    }
}

fn time(milliseconds: i64) -> SystemTime {
    let distance = Duration::from_millis(milliseconds.unsigned_abs());
    let time =
        if milliseconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    time.unwrap_or(UNIX_EPOCH)
}

/// Stores a token.
///
/// # Errors
/// When it cannot be written.
pub(super) fn store(connection: &Connection, token: &TokenInfo, stamp: &write::Stamp) -> Result<(), Failure> {
    let (urn, system_metadata) = (token.urn(), system_metadata::default(stamp.time));
    let key = json!({"id": token.id}).to_string();
    write::ensure_key(connection, &urn, "dataHubAccessTokenKey", &key, &system_metadata, stamp)?;
    let info = serde_json::to_string(&token.info)
        .map_err(|error| Failure::internal(format!("java.lang.RuntimeException: {error}")))?;
    write::put(connection, &urn, ASPECT, &info, &system_metadata, stamp)?;
    Ok(())
}

/// The stored token of that id.
pub(super) fn get(connection: &Connection, id: &str) -> Result<Option<TokenInfo>, rusqlite::Error> {
    let stored = read::aspect(connection, &tokens::urn(id), ASPECT, 0)?;
    Ok(stored
        .and_then(|stored| serde_json::from_str(&stored.metadata).ok())
        .map(|info| TokenInfo { id: id.to_owned(), info }))
}

/// All stored tokens, in the order of their ids.
pub(super) fn all(connection: &Connection) -> Result<Vec<TokenInfo>, rusqlite::Error> {
    let prefix = tokens::urn("");
    let stored = access::of_type(connection, tokens::ENTITY_TYPE, ASPECT)?;
    Ok(stored
        .into_iter()
        .filter_map(|(urn, text)| {
            let info = serde_json::from_str(&text).ok()?;
            Some(TokenInfo { id: urn.strip_prefix(&prefix)?.to_owned(), info })
        })
        .collect())
}

/// Removes a token, so that it is not taken any more. Returns whether it was stored.
///
/// # Errors
/// When that cannot be written.
pub(super) fn delete(connection: &Connection, id: &str) -> Result<bool, Failure> {
    Ok(write::delete_entity(connection, &tokens::urn(id))?.rows > 0)
}

/// Removes the tokens whose time is over; nobody else would.
pub(super) fn delete_expired(connection: &Connection, now: i64) -> Result<(), Failure> {
    for token in all(connection)? {
        if token.info.expires_at.is_some_and(|expires| expires < now) {
            delete(connection, &token.id)?;
        }
    }
    Ok(())
}
