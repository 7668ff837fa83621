//! Policies: who may do what to which entities. They are entities themselves (`dataHubPolicy`), kept in the form of
//! DataHub (`DataHubPolicyInfo.pdl`), so one that is ingested counts like one that is set up here.

use rusqlite::Connection;

use super::privilege;
use super::stored::Info;
use crate::failure::Failure;
use crate::store::write;
use crate::system_metadata;
use crate::{Error, ErrorKind};

pub(super) const ENTITY_TYPE: &str = "dataHubPolicy";

/// The aspect that says what a policy allows.
pub(super) const INFO_ASPECT: &str = "dataHubPolicyInfo";

/// What everyone may see, as in a fresh DataHub.
const VIEW_FOR_ALL: &str = "view-entity-page-all";

/// Allows users something. What no policy allows is refused; only the user `datahub` needs none.
///
/// ```
/// use datahub_embedded_gms::Policy;
///
/// let policy = Policy::new("Loaders write Hive").user("loader").privilege("EDIT_ENTITY").entity_type("dataset").urn(
///     "urn:li:dataset:(urn:li:dataPlatform:hive,*",
/// );
/// # drop(policy);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub(crate) name: String,
    pub(crate) users: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) all_users: bool,
    pub(crate) all_groups: bool,
    pub(crate) resource_owners: bool,
    pub(crate) privileges: Vec<String>,
    pub(crate) types: Vec<String>,
    pub(crate) urns: Vec<String>,
}

impl Policy {
    /// A policy that allows nobody anything yet. A policy of the same name is replaced by it.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Holds for the user of that name too, for example `jdoe`; also before he is there.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>) -> Self {
        self.users.push(name.into());
        self
    }

    /// Holds for the members of the group of that name too, for example `admins`; also before it is there. A user is a
    /// member by his aspects `nativeGroupMembership` and `groupMembership`.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>) -> Self {
        self.groups.push(name.into());
        self
    }

    /// Holds for the members of every group, and so not for a user who is in none.
    #[must_use]
    pub fn all_groups(mut self) -> Self {
        self.all_groups = true;
        self
    }

    /// Holds for the owners of an entity, on that entity: users, and members of groups, whom its aspect `ownership`
    /// names.
    #[must_use]
    pub fn resource_owners(mut self) -> Self {
        self.resource_owners = true;
        self
    }

    /// Holds for every user.
    #[must_use]
    pub fn all_users(mut self) -> Self {
        self.all_users = true;
        self
    }

    /// Gives a privilege, by the name that DataHub has for it: `EDIT_ENTITY`, `MANAGE_ACCESS_TOKENS`.
    #[must_use]
    pub fn privilege(mut self, name: impl Into<String>) -> Self {
        self.privileges.push(name.into());
        self
    }

    /// Holds only for entities of this type, for example `dataset`, and of others that are named so.
    #[must_use]
    pub fn entity_type(mut self, name: impl Into<String>) -> Self {
        self.types.push(name.into());
        self
    }

    /// Holds only for the entity of this URN, and of others that are named so; with `*` at its end it stands for all
    /// that start like it.
    #[must_use]
    pub fn urn(mut self, urn: impl Into<String>) -> Self {
        self.urns.push(urn.into());
        self
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the users for whom it holds.
    pub fn users(&self) -> &[String] {
        &self.users
    }

    /// The names of the groups for whose members it holds.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Whether it holds for the members of every group.
    pub fn is_for_all_groups(&self) -> bool {
        self.all_groups
    }

    /// Whether it holds for the owners of an entity.
    pub fn is_for_resource_owners(&self) -> bool {
        self.resource_owners
    }

    /// Whether it holds for every user.
    pub fn is_for_all_users(&self) -> bool {
        self.all_users
    }

    /// The privileges that it gives.
    pub fn privileges(&self) -> &[String] {
        &self.privileges
    }

    /// The types of entities for which it holds; none means all.
    pub fn entity_types(&self) -> &[String] {
        &self.types
    }

    /// The URNs of the entities for which it holds; none means all.
    pub fn urns(&self) -> &[String] {
        &self.urns
    }

    /// The policy for which a user's own privileges stand.
    pub(crate) fn of_user(name: &str, privileges: &[String]) -> Self {
        Self {
            name: format!("Privileges of {name}"),
            users: vec![name.to_owned()],
            privileges: privileges.to_vec(),
            ..Self::default()
        }
    }

    /// Everyone may look at everything. It is there from the start, and can be removed.
    pub(crate) fn view_for_all() -> Self {
        let policy = Self::new(VIEW_FOR_ALL).all_users().privilege(privilege::VIEW_ENTITY_PAGE);
        let policy = policy.privilege(privilege::SEARCH).privilege(privilege::GET_COUNTS);
        policy.privilege(privilege::GET_TIMESERIES_ASPECT).privilege(privilege::GET_ENTITY)
    }

    /// # Errors
    /// When it has no name, or a privilege that DataHub does not know.
    pub(crate) fn checked(mut self) -> Result<Self, Error> {
        let refused = |message: String| Error::new(ErrorKind::Input, message);
        if self.name.trim().is_empty() || self.name.len() > 200 {
            return Err(refused(format!("policy {:?}: its name must have 1 to 200 bytes", self.name)));
        }
        for privilege in &mut self.privileges {
            *privilege =
                known(privilege).map_err(|message| refused(format!("policy {}: {message}", self.name)))?;
        }
        Ok(self)
    }

    fn urn_of(name: &str) -> String {
        // A name may hold anything, and a key may not.
        format!(
            "urn:li:{ENTITY_TYPE}:{}",
            percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC)
        )
        .replace("%2D", "-")
        .replace("%5F", "_")
    }

    /// Writes it, in place of one of the same name.
    pub(crate) fn store(&self, connection: &Connection, stamp: &write::Stamp) -> Result<(), Failure> {
        let urn = Self::urn_of(&self.name);
        let system_metadata = system_metadata::default(stamp.time);
        let key = serde_json::json!({"id": urn.rsplit(':').next()}).to_string();
        write::ensure_key(connection, &urn, "dataHubPolicyKey", &key, &system_metadata, stamp)?;
        let info = serde_json::to_string(&Info::of(self))
            .map_err(|error| Failure::internal(format!("java.lang.RuntimeException: {error}")))?;
        write::put(connection, &urn, INFO_ASPECT, &info, &system_metadata, stamp)?;
        Ok(())
    }

    /// Removes the policy of that name. Returns whether there was one.
    pub(crate) fn delete(connection: &Connection, name: &str) -> Result<bool, Failure> {
        Ok(write::delete_entity(connection, &Self::urn_of(name))?.rows > 0)
    }
}

/// The name of a privilege as DataHub writes it.
///
/// # Errors
/// A text that says what is wrong, and what may have been meant.
pub(crate) fn known(name: &str) -> Result<String, String> {
    privilege::known(name).map(str::to_owned).ok_or_else(|| match privilege::like(name) {
        Some(like) => format!("unknown privilege {name:?}: did you mean {like}?"),
        None => format!("unknown privilege {name:?}: give DataHub's name for it, such as EDIT_ENTITY"),
    })
}
