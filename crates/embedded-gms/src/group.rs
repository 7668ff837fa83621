//! Groups of users. They are entities (`corpGroup`), and a user's own aspects say of which he is a member.

use rusqlite::Connection;
use serde_json::json;

use super::failure::Failure;
use super::store::write;
use super::{change, system_metadata, user};

/// What the URN of a group starts with.
pub(super) const PREFIX: &str = "urn:li:corpGroup:";

/// The aspect of a user that lists the groups into which DataHub's own users put him (`NativeGroupMembership.pdl`).
pub(super) const MEMBERSHIP_ASPECT: &str = "nativeGroupMembership";

/// Where it lists them.
pub(super) const MEMBERSHIP_FIELD: &str = "nativeGroups";

/// The URN of the group of that name.
pub(super) fn urn(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// # Errors
/// With the reason, for a name that no group can have.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    change::checked_urn(&urn(name))
        .map(drop)
        .map_err(|failure| format!("no group can be called {name:?}: {}", failure.message()))
}

/// Makes a user a member of these groups, in place of those into which he was put in this way before. Groups that are
/// not there are made.
pub(super) fn set_groups_of(
    connection: &Connection,
    member: &str,
    groups: &[String],
    stamp: &write::Stamp,
) -> Result<(), Failure> {
    let system_metadata = system_metadata::default(stamp.time);
    for name in groups {
        let urn = urn(name);
        let key = json!({"name": name}).to_string();
        if write::ensure_key(connection, &urn, "corpGroupKey", &key, &system_metadata, stamp)? {
            // The model still wants the lists, and goes by the users' aspects.
            let info = json!({"displayName": name, "admins": [], "members": [], "groups": []}).to_string();
            write::put(connection, &urn, "corpGroupInfo", &info, &system_metadata, stamp)?;
        }
    }
    let urns: Vec<_> = groups.iter().map(|name| urn(name)).collect();
    let membership = json!({MEMBERSHIP_FIELD: urns}).to_string();
    write::put(connection, &user::urn(member), MEMBERSHIP_ASPECT, &membership, &system_metadata, stamp)?;
    Ok(())
}
