//! Groups of users. A group is an entity (`corpGroup`); the aspects of each user list the user's groups.

use crate::failure::Failure;
use crate::store::row::AuditStamp;
use crate::store::{contents, write};
use crate::{actor, change, system_metadata};
use rusqlite::Connection;
use serde_json::json;

/// # Errors
/// The reason, if the name is not valid.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    change::checked_urn(&actor::group_urn(name))
        .map(drop)
        .map_err(|failure| format!("no group can be called {name:?}: {}", failure.message()))
}

/// Sets the groups of a user, in place of those that were set this way before. Groups that do not exist are
/// created.
pub(super) fn set_groups_of(
    connection: &Connection,
    member: &str,
    groups: &[String],
    stamp: &AuditStamp,
) -> Result<(), Failure> {
    let system_metadata = system_metadata::default(stamp.time);
    for name in groups {
        let urn = actor::group_urn(name);
        contents::mark(connection, &urn)?;
        let key = json!({"name": name}).to_string();
        if write::ensure_key(connection, &urn, "corpGroupKey", &key, &system_metadata, stamp)? {
            // The model requires these lists but uses the users' aspects.
            let info = json!({"displayName": name, "admins": [], "members": [], "groups": []}).to_string();
            write::put(connection, &urn, "corpGroupInfo", &info, &system_metadata, stamp)?;
        }
    }
    let urns: Vec<_> = groups.iter().map(|name| actor::group_urn(name)).collect();
    let membership = json!({(actor::MEMBERSHIP_FIELD): urns}).to_string();
    write::put(
        connection,
        &actor::user_urn(member),
        actor::MEMBERSHIP_ASPECT,
        &membership,
        &system_metadata,
        stamp,
    )?;
    Ok(())
}
