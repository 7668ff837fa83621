//! Users of the embedded GMS.

use rusqlite::Connection;
use serde_json::json;

use super::failure::Failure;
use super::store::{read, write};
use super::system_metadata;

/// Who may do everything, and is there from the start.
pub(super) const ADMINISTRATOR: &str = "datahub";

/// A user exists if this aspect does.
pub(super) const KEY_ASPECT: &str = "corpUserKey";

/// The URN of the user of that name.
pub(super) fn urn(name: &str) -> String {
    format!("urn:li:corpuser:{name}")
}

/// Makes the user where there is none. What is known of one that is there stays as it is.
pub(super) fn ensure(connection: &Connection, name: &str, stamp: &write::Stamp) -> Result<(), Failure> {
    let urn = urn(name);
    if read::has(connection, &urn, KEY_ASPECT)? {
        return Ok(());
    }
    let system_metadata = system_metadata::default(stamp.time);
    let key = json!({"username": name}).to_string();
    write::ensure_key(connection, &urn, KEY_ASPECT, &key, &system_metadata, stamp)?;
    if !read::has(connection, &urn, "corpUserInfo")? {
        let display_name = if name == ADMINISTRATOR { "DataHub" } else { name };
        let info = json!({"active": true, "displayName": display_name}).to_string();
        write::put(connection, &urn, "corpUserInfo", &info, &system_metadata, stamp)?;
    }
    Ok(())
}
