//! Policies: which users may do what to which entities. Policies are entities (`dataHubPolicy`) stored in
//! DataHub's form (`DataHubPolicyInfo.pdl`), so that an ingested policy has the same effect as one that is
//! set up here.

use super::privilege;
use crate::error::{Error, ErrorKind};

/// The policy of a fresh DataHub that lets every user read everything.
const VIEW_FOR_ALL: &str = "view-entity-page-all";

/// A policy: it grants privileges to users. Everything that no policy grants is refused; only the user
/// `datahub` needs no policy.
///
/// ```
/// use datahub_embedded_gms::Policy;
///
/// let policy = Policy::new("Loaders write Hive")
///     .user("loader")
///     .privilege("EDIT_ENTITY")
///     .entity_type("dataset")
///     .urn("urn:li:dataset:(urn:li:dataPlatform:hive,*");
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
    /// Creates a policy that grants nothing yet. It replaces the policy of the same name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Adds a user by name, for example `jdoe`. The user need not exist yet.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>) -> Self {
        self.users.push(name.into());
        self
    }

    /// Adds the members of a group by name, for example `admins`. The group need not exist yet. A user's
    /// groups are in the aspects `nativeGroupMembership` and `groupMembership`.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>) -> Self {
        self.groups.push(name.into());
        self
    }

    /// Adds the members of all groups. A user without a group is not included.
    #[must_use]
    pub fn all_groups(mut self) -> Self {
        self.all_groups = true;
        self
    }

    /// Adds the owners of each entity: the users and groups in its aspect `ownership`.
    #[must_use]
    pub fn resource_owners(mut self) -> Self {
        self.resource_owners = true;
        self
    }

    /// Adds all users.
    #[must_use]
    pub fn all_users(mut self) -> Self {
        self.all_users = true;
        self
    }

    /// Grants a privilege, by DataHub's name: `EDIT_ENTITY`, `MANAGE_ACCESS_TOKENS`.
    #[must_use]
    pub fn privilege(mut self, name: impl Into<String>) -> Self {
        self.privileges.push(name.into());
        self
    }

    /// Restricts the policy to an entity type, for example `dataset`. Several types are alternatives.
    #[must_use]
    pub fn entity_type(mut self, name: impl Into<String>) -> Self {
        self.types.push(name.into());
        self
    }

    /// Restricts the policy to the entity with this URN; a final `*` matches all URNs with that prefix.
    /// Several URNs are alternatives.
    #[must_use]
    pub fn urn(mut self, urn: impl Into<String>) -> Self {
        self.urns.push(urn.into());
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the users.
    pub fn users(&self) -> &[String] {
        &self.users
    }

    /// The names of the groups.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Whether the policy applies to the members of all groups.
    pub fn is_for_all_groups(&self) -> bool {
        self.all_groups
    }

    /// Whether the policy applies to the owners of an entity.
    pub fn is_for_resource_owners(&self) -> bool {
        self.resource_owners
    }

    /// Whether the policy applies to all users.
    pub fn is_for_all_users(&self) -> bool {
        self.all_users
    }

    /// The granted privileges.
    pub fn privileges(&self) -> &[String] {
        &self.privileges
    }

    /// The entity types to which the policy is restricted; none means all.
    pub fn entity_types(&self) -> &[String] {
        &self.types
    }

    /// The URNs to which the policy is restricted; none means all.
    pub fn urns(&self) -> &[String] {
        &self.urns
    }

    /// The policy that holds a user's own privileges.
    pub(crate) fn of_user(name: &str, privileges: &[String]) -> Self {
        Self {
            name: format!("Privileges of {name}"),
            users: vec![name.to_owned()],
            privileges: privileges.to_vec(),
            ..Self::default()
        }
    }

    /// All users may read everything. A new database has this policy; it can be removed.
    pub(crate) fn view_for_all() -> Self {
        let policy = Self::new(VIEW_FOR_ALL).all_users().privilege(privilege::VIEW_ENTITY_PAGE);
        let policy = policy.privilege(privilege::SEARCH).privilege(privilege::GET_COUNTS);
        policy.privilege(privilege::GET_TIMESERIES_ASPECT).privilege(privilege::GET_ENTITY)
    }

    /// # Errors
    /// [`ErrorKind::Input`] if the name is missing or too long, or a privilege is unknown.
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
}

/// The name of a privilege as DataHub writes it.
///
/// # Errors
/// A message with the problem and a suggestion.
pub(crate) fn known(name: &str) -> Result<String, String> {
    privilege::known(name).map(str::to_owned).ok_or_else(|| match privilege::like(name) {
        Some(like) => format!("unknown privilege {name:?}: did you mean {like}?"),
        None => format!("unknown privilege {name:?}: give DataHub's name for it, such as EDIT_ENTITY"),
    })
}
