//! The stored record of a token, which does not contain the token itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::failure::Failure;
use crate::store::row::AuditStamp;
use crate::store::{access, read, write};
use crate::{system_metadata, tokens};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The aspect with the record of a token.
pub(super) const ASPECT: &str = "dataHubAccessTokenInfo";

/// The stored record of a token. The token itself is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    pub(super) id: String,
    pub(super) info: AccessTokenInfo,
}

/// `DataHubAccessTokenInfo.pdl`; times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccessTokenInfo {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// The user that the token authenticates.
    pub(super) actor_urn: String,
    /// The user that created the token.
    pub(super) owner_urn: String,
    pub(super) created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<i64>,
}

impl TokenInfo {
    /// The id, by which the token can be revoked: a digest of the token and the server's salt.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// The description.
    pub fn description(&self) -> Option<&str> {
        self.info.description.as_deref()
    }

    /// The URN of the user that the token authenticates.
    pub fn actor(&self) -> &str {
        &self.info.actor_urn
    }

    /// The URN of the user that created the token.
    pub fn owner(&self) -> &str {
        &self.info.owner_urn
    }

    /// The time of its creation, to the millisecond.
    pub fn created_at(&self) -> SystemTime {
        time(self.info.created_at)
    }

    /// The expiry time; `None` if it does not expire.
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

/// Stores the record of a token.
///
/// # Errors
/// If it cannot be written.
pub(super) fn store(connection: &Connection, token: &TokenInfo, stamp: &AuditStamp) -> Result<(), Failure> {
    let (urn, system_metadata) = (token.urn(), system_metadata::default(stamp.time));
    let key = json!({"id": token.id}).to_string();
    write::ensure_key(connection, &urn, "dataHubAccessTokenKey", &key, &system_metadata, stamp)?;
    let info = serde_json::to_string(&token.info)
        .map_err(|error| Failure::internal(format!("java.lang.RuntimeException: {error}")))?;
    write::put(connection, &urn, ASPECT, &info, &system_metadata, stamp)?;
    Ok(())
}

/// The record with this id.
pub(super) fn get(connection: &Connection, id: &str) -> Result<Option<TokenInfo>, rusqlite::Error> {
    let stored = read::aspect(connection, &tokens::urn(id), ASPECT, 0)?;
    Ok(stored
        .and_then(|stored| serde_json::from_str(&stored.metadata).ok())
        .map(|info| TokenInfo { id: id.to_owned(), info }))
}

/// All records, ordered by id.
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

/// Deletes a record, so that the token is refused. Returns whether it existed.
///
/// # Errors
/// If the change cannot be written.
pub(super) fn delete(connection: &Connection, id: &str) -> Result<bool, Failure> {
    Ok(write::delete_entity(connection, &tokens::urn(id))?.rows > 0)
}

/// Deletes the records of expired tokens.
pub(super) fn delete_expired(connection: &Connection, now: i64) -> Result<(), Failure> {
    for token in all(connection)? {
        if token.info.expires_at.is_some_and(|expires| expires < now) {
            delete(connection, &token.id)?;
        }
    }
    Ok(())
}
