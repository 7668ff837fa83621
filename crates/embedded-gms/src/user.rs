//! Users of the embedded GMS.

use rusqlite::Connection;
use serde_json::json;

use super::authorization::Policy;
use super::failure::Failure;
use super::store::{access, read, write};
use super::system_metadata;

/// Who may do everything, and is there from the start.
pub(super) const ADMINISTRATOR: &str = "datahub";

/// A user exists if this aspect does.
pub(super) const KEY_ASPECT: &str = "corpUserKey";

/// What the URN of a user starts with.
pub(super) const PREFIX: &str = "urn:li:corpuser:";

/// A user who is to be set up: a name, and what he may do beside looking at everything.
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
    /// `None` leaves him in the groups in which he is.
    pub(super) groups: Option<Vec<String>>,
}

impl User {
    /// A user of that name (`jdoe`, not a URN), who cannot log in.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), password: None, privileges: Vec::new(), groups: None }
    }

    /// Lets him log in with this password, of 1 to 1,024 bytes. Only a hash of it is kept.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Gives him a privilege, on everything, by the name that DataHub has for it: `EDIT_ENTITY`,
    /// `GENERATE_PERSONAL_ACCESS_TOKENS`. For less than everything there is [`Policy`].
    #[must_use]
    pub fn privilege(mut self, name: impl Into<String>) -> Self {
        self.privileges.push(name.into());
        self
    }

    /// Makes him a member of the group of that name (`admins`, not a URN), which is made where it is not there, and of
    /// others that are named so; of no other group into which he was put in this way. What he may do as a member says a
    /// [`Policy`].
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

/// The URN of the user of that name.
pub(super) fn urn(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// The name of the user of that URN; of another entity its key.
pub(super) fn name_of(urn: &str) -> &str {
    urn.splitn(4, ':').nth(3).unwrap_or(urn)
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

/// Makes what every server has: the administrator, and once the policy by which everyone may look at everything.
pub(super) fn found(connection: &Connection, stamp: &write::Stamp) -> Result<(), Failure> {
    ensure(connection, ADMINISTRATOR, stamp)?;
    if access::first_time(connection, "view-for-all")? {
        Policy::view_for_all().store(connection, stamp)?;
    }
    Ok(())
}

/// Removes a user and his own privileges. Returns whether he was there.
pub(super) fn remove(connection: &Connection, name: &str) -> Result<bool, Failure> {
    Policy::delete(connection, &Policy::of_user(name, &[]).name)?;
    Ok(write::delete_entity(connection, &urn(name))?.rows > 0)
}

/// The names of all users, in their order.
pub(super) fn all(connection: &Connection) -> Result<Vec<String>, rusqlite::Error> {
    let found = access::of_type(connection, "corpuser", KEY_ASPECT)?;
    Ok(found.into_iter().filter_map(|(urn, _)| urn.strip_prefix(PREFIX).map(str::to_owned)).collect())
}
