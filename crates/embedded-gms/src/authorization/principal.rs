//! The caller of a request as policies see it: groups, roles and owned entities (`PolicyEngine`).

use std::collections::{BTreeSet, HashMap};

use crate::actor;
use crate::store::read;
use rusqlite::Connection;
use serde::Deserialize;

/// The aspects that name a user's groups, and their fields: as an identity provider sets them, and as DataHub
/// does.
const MEMBERSHIPS: [(&str, &str); 2] =
    [("groupMembership", "groups"), (actor::MEMBERSHIP_ASPECT, actor::MEMBERSHIP_FIELD)];

/// A user with the groups and roles that policies may name.
#[derive(Debug, Default)]
pub(super) struct Principal {
    /// The user's URN.
    pub(super) user: String,
    /// The URNs of the user's groups.
    pub(super) groups: BTreeSet<String>,
    /// The URNs of the roles of the user and of the user's groups.
    pub(super) roles: BTreeSet<String>,
}

impl Principal {
    /// Reads groups and roles of a user.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(super) fn read(connection: &Connection, user: String) -> Result<Self, rusqlite::Error> {
        let mut groups = BTreeSet::new();
        for (aspect, field) in MEMBERSHIPS {
            groups.extend(urns(connection, &user, aspect, field)?);
        }
        let mut roles = BTreeSet::new();
        for holder in std::iter::once(&user).chain(&groups) {
            roles.extend(urns(connection, holder, "roleMembership", "roles")?);
        }
        Ok(Self { user, groups, roles })
    }
}

/// The URNs in a list field of an aspect; none if the aspect is absent or malformed.
fn urns(
    connection: &Connection,
    urn: &str,
    aspect: &str,
    field: &str,
) -> Result<Vec<String>, rusqlite::Error> {
    let stored = read::aspect(connection, urn, aspect, 0)?;
    let record = stored.and_then(|stored| {
        serde_json::from_str::<HashMap<String, serde_json::Value>>(&stored.metadata).ok()?.remove(field)
    });
    Ok(record.and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default())
}

/// The owners to which a policy applies.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByOwnership<'a> {
    /// The ownership types that count; `None` means all.
    pub(super) types: Option<&'a [String]>,
}

/// The owners of entities, by URN.
#[derive(Debug, Default)]
pub(super) struct Ownership(HashMap<String, Vec<Owner>>);

/// `Owner.pdl`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    owner: String,
    #[serde(default)]
    type_urn: Option<String>,
}

impl Ownership {
    /// Reads the owners of these entities.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(super) fn read(connection: &Connection, urns: Vec<String>) -> Result<Self, rusqlite::Error> {
        #[derive(Deserialize)]
        struct Record {
            #[serde(default)]
            owners: Vec<Owner>,
        }

        let mut all = HashMap::new();
        for urn in urns {
            let stored = read::aspect(connection, &urn, "ownership", 0)?;
            if let Some(record) =
                stored.and_then(|stored| serde_json::from_str::<Record>(&stored.metadata).ok())
            {
                all.insert(urn, record.owners);
            }
        }
        Ok(Self(all))
    }

    /// Whether the principal, or one of its groups, owns an entity with an ownership type that counts.
    pub(super) fn is_owner(
        &self,
        urn: &str,
        principal: &Principal,
        ByOwnership { types }: ByOwnership<'_>,
    ) -> bool {
        self.0.get(urn).into_iter().flatten().any(|Owner { owner, type_urn }| {
            let counts = types.is_none_or(|types| type_urn.as_ref().is_some_and(|urn| types.contains(urn)));
            counts && (*owner == principal.user || principal.groups.contains(owner))
        })
    }
}

/// The name in the URN of a user or a group.
pub(super) fn name(urn: &str) -> &str {
    let known =
        [actor::USER_PREFIX, actor::GROUP_PREFIX].into_iter().find_map(|prefix| urn.strip_prefix(prefix));
    known.unwrap_or(urn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned_by(owner: &str, type_urn: Option<&str>) -> Ownership {
        let owner = Owner { owner: owner.to_owned(), type_urn: type_urn.map(str::to_owned) };
        Ownership(HashMap::from([("urn:li:tag:x".to_owned(), vec![owner])]))
    }

    #[test]
    fn an_owner_is_a_user_or_a_group() {
        let principal = Principal {
            user: "urn:li:corpuser:jdoe".into(),
            groups: ["urn:li:corpGroup:admins".to_owned()].into(),
            roles: BTreeSet::new(),
        };
        let technical = "urn:li:ownershipType:__system__technical_owner".to_owned();
        for (owner, type_urn, any, typed) in [
            ("urn:li:corpuser:jdoe", None, true, false),
            ("urn:li:corpuser:jdoe", Some(technical.as_str()), true, true),
            ("urn:li:corpGroup:admins", Some(technical.as_str()), true, true),
            ("urn:li:corpGroup:admins", Some("urn:li:ownershipType:other"), true, false),
            ("urn:li:corpuser:other", Some(technical.as_str()), false, false),
            ("urn:li:corpGroup:other", None, false, false),
        ] {
            let ownership = owned_by(owner, type_urn);
            let all = ByOwnership { types: None };
            let some = ByOwnership { types: Some(std::slice::from_ref(&technical)) };
            assert_eq!(ownership.is_owner("urn:li:tag:x", &principal, all), any, "{owner} {type_urn:?}");
            assert_eq!(ownership.is_owner("urn:li:tag:x", &principal, some), typed, "{owner} {type_urn:?}");
            assert!(!ownership.is_owner("urn:li:tag:y", &principal, all));
        }
    }
}
