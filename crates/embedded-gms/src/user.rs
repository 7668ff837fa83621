//! Users.

use crate::failure::Failure;
use crate::store::row::AuditStamp;
use crate::store::{access, contents, read, write};
use crate::{actor, system_metadata};
use rusqlite::Connection;
use serde_json::json;

/// A user to set up: a name, and privileges beyond reading, which all users have.
///
/// ```
/// use datahub_embedded_gms::User;
///
/// let user = User::new("jdoe").password("jdoe's").privilege("GENERATE_PERSONAL_ACCESS_TOKENS");
/// # drop(user);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub(super) name: String,
    pub(super) password: Option<String>,
    pub(super) privileges: Vec<String>,
    /// `None` does not change the user's groups.
    pub(super) groups: Option<Vec<String>>,
}

impl User {
    /// Creates a user by name (`jdoe`, not a URN), without a password.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), password: None, privileges: Vec::new(), groups: None }
    }

    /// Sets the password, of 1 to 1,024 bytes. Only its hash is stored.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Grants a privilege on all entities, by DataHub's name: `EDIT_ENTITY`,
    /// `GENERATE_PERSONAL_ACCESS_TOKENS`. A [`Policy`](crate::Policy) can restrict privileges to entities.
    #[must_use]
    pub fn privilege(mut self, name: impl Into<String>) -> Self {
        self.privileges.push(name.into());
        self
    }

    /// Adds the user to a group by name (`admins`, not a URN), which is created if it does not exist. The
    /// groups of several calls replace those that were set this way before. A [`Policy`](crate::Policy) can
    /// grant privileges to a group.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>) -> Self {
        self.groups.get_or_insert_default().push(name.into());
        self
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut user = f.debug_struct("User");
        user.field("name", &self.name).field("privileges", &self.privileges).field("groups", &self.groups);
        user.finish_non_exhaustive()
    }
}

/// Creates the user if it does not exist. The aspects of an existing user are not changed.
pub(super) fn ensure(connection: &Connection, name: &str, stamp: &AuditStamp) -> Result<(), Failure> {
    let urn = actor::user_urn(name);
    contents::mark(connection, &urn)?;
    if read::has(connection, &urn, actor::USER_KEY_ASPECT)? {
        return Ok(());
    }
    let system_metadata = system_metadata::default(stamp.time);
    let key = json!({"username": name}).to_string();
    write::ensure_key(connection, &urn, actor::USER_KEY_ASPECT, &key, &system_metadata, stamp)?;
    if !read::has(connection, &urn, "corpUserInfo")? {
        let display_name = if name == actor::ADMINISTRATOR { "DataHub" } else { name };
        let info = json!({"active": true, "displayName": display_name}).to_string();
        write::put(connection, &urn, "corpUserInfo", &info, &system_metadata, stamp)?;
    }
    Ok(())
}

/// The names of all users, in order.
pub(super) fn all(connection: &Connection) -> Result<Vec<String>, rusqlite::Error> {
    let found = access::of_type(connection, "corpuser", actor::USER_KEY_ASPECT)?;
    Ok(found
        .into_iter()
        .filter_map(|(urn, _)| urn.strip_prefix(actor::USER_PREFIX).map(str::to_owned))
        .collect())
}
