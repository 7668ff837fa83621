//! Users and groups by name and URN.

/// The name of the user that may do everything and always exists.
pub(crate) const ADMINISTRATOR: &str = "datahub";

/// The name under which GMS itself acts.
pub(crate) const SYSTEM_ACTOR: &str = "__datahub_system";

/// The start of a user's URN.
pub(crate) const USER_PREFIX: &str = "urn:li:corpuser:";

/// The start of a group's URN.
pub(crate) const GROUP_PREFIX: &str = "urn:li:corpGroup:";

/// A user exists if this aspect does.
pub(crate) const USER_KEY_ASPECT: &str = "corpUserKey";

/// The aspect of a user that lists the groups managed in DataHub itself (`NativeGroupMembership.pdl`).
pub(crate) const MEMBERSHIP_ASPECT: &str = "nativeGroupMembership";

/// The field of [`MEMBERSHIP_ASPECT`] that holds the list.
pub(crate) const MEMBERSHIP_FIELD: &str = "nativeGroups";

/// The user that a request comes from, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Actor(pub(crate) String);

/// The URN of a user.
pub(crate) fn user_urn(name: &str) -> String {
    format!("{USER_PREFIX}{name}")
}

/// The URN of a group.
pub(crate) fn group_urn(name: &str) -> String {
    format!("{GROUP_PREFIX}{name}")
}

/// The name in a user's URN; for another entity, its key.
pub(crate) fn name_of(urn: &str) -> &str {
    urn.splitn(4, ':').nth(3).unwrap_or(urn)
}
