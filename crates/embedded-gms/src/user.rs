//! Users of the embedded GMS.

use crate::failure::Failure;
use crate::store::row::AuditStamp;
use crate::store::{access, read, write};
use crate::{actor, system_metadata};
use rusqlite::Connection;
use serde_json::json;

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
    /// `GENERATE_PERSONAL_ACCESS_TOKENS`. For less than everything there is [`Policy`](crate::Policy).
    #[must_use]
    pub fn privilege(mut self, name: impl Into<String>) -> Self {
        self.privileges.push(name.into());
        self
    }

    /// Makes him a member of the group of that name (`admins`, not a URN), which is made where it is not there, and of
    /// others that are named so; of no other group into which he was put in this way. What he may do as a member says a
    /// [`Policy`](crate::Policy).
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

/// Makes the user where there is none. What is known of one that is there stays as it is.
pub(super) fn ensure(connection: &Connection, name: &str, stamp: &AuditStamp) -> Result<(), Failure> {
    let urn = actor::user_urn(name);
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

/// The names of all users, in their order.
pub(super) fn all(connection: &Connection) -> Result<Vec<String>, rusqlite::Error> {
    let found = access::of_type(connection, "corpuser", actor::USER_KEY_ASPECT)?;
    Ok(found
        .into_iter()
        .filter_map(|(urn, _)| urn.strip_prefix(actor::USER_PREFIX).map(str::to_owned))
        .collect())
}
