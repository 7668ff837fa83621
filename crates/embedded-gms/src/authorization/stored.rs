//! Policies as they are stored: in the form of DataHub.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::actor::{self, Asker, ByOwnership};
use super::policy::{ENTITY_TYPE, INFO_ASPECT, Policy};
use super::privilege;
use crate::store::{access, read};
use crate::{group, user};

/// `DataHubPolicyInfo.pdl`, as far as it is understood here. What is not understood never allows anything.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Info {
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resources: Option<Resources>,
    #[serde(default)]
    privileges: Vec<String>,
    #[serde(default)]
    actors: Actors,
    #[serde(default)]
    editable: bool,
}

/// `DataHubActorFilter.pdl`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Actors {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    users: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<String>>,
    #[serde(default)]
    resource_owners: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource_owners_types: Option<Vec<String>>,
    #[serde(default)]
    all_users: bool,
    #[serde(default)]
    all_groups: bool,
}

/// `DataHubResourceFilter.pdl`: the form with a filter, and the older one with a type and URNs.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resources {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<Filter>,
    #[serde(default, rename = "allResources")]
    all: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    #[serde(default, rename = "resources", skip_serializing_if = "Option::is_none")]
    urns: Option<Vec<String>>,
}

/// `PolicyMatchFilter.pdl`: all must hold.
#[derive(Debug, Serialize, Deserialize)]
struct Filter {
    #[serde(default)]
    criteria: Vec<Criterion>,
}

/// `PolicyMatchCriterion.pdl`
#[derive(Debug, Serialize, Deserialize)]
struct Criterion {
    field: String,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default = "equals")]
    condition: String,
}

fn equals() -> String {
    "EQUALS".to_owned()
}

impl Info {
    pub(super) fn of(policy: &Policy) -> Self {
        let criterion = |field: &str, values: &Vec<String>| {
            (!values.is_empty()).then(|| Criterion {
                field: field.into(),
                values: values.clone(),
                condition: equals(),
            })
        };
        let criteria: Vec<_> = [criterion("TYPE", &policy.types), criterion("URN", &policy.urns)]
            .into_iter()
            .flatten()
            .collect();
        let platform = policy.privileges.iter().all(|name| privilege::is_platform(name));
        Self {
            display_name: policy.name.clone(),
            description: String::new(),
            r#type: if platform { "PLATFORM" } else { "METADATA" }.into(),
            state: "ACTIVE".into(),
            resources: (!criteria.is_empty())
                .then(|| Resources { filter: Some(Filter { criteria }), ..Resources::default() }),
            privileges: policy.privileges.clone(),
            actors: Actors {
                users: Some(policy.users.iter().map(|name| user::urn(name)).collect()),
                groups: (!policy.groups.is_empty())
                    .then(|| policy.groups.iter().map(|name| group::urn(name)).collect()),
                resource_owners: policy.resource_owners,
                all_users: policy.all_users,
                all_groups: policy.all_groups,
                ..Actors::default()
            },
            editable: true,
        }
    }
}

/// A policy as it is stored, read once.
#[derive(Debug)]
pub(super) struct Stored(Info);

impl Stored {
    /// Whether it allows the caller something, whatever he owns: by his name, as a member of a group, or in a role
    /// (`PolicyEngine.isActorMatch`).
    pub(super) fn is_for(&self, asker: &Asker) -> bool {
        let Info { state, actors, .. } = &self.0;
        let named = |urns: &Option<Vec<String>>, wanted: &str| urns.iter().flatten().any(|urn| urn == wanted);
        state == "ACTIVE"
            && (actors.all_users
                || named(&actors.users, &asker.user)
                || actors.all_groups && !asker.groups.is_empty()
                || asker.groups.iter().any(|group| named(&actors.groups, group))
                || asker.roles.iter().any(|role| named(&actors.roles, role)))
    }

    /// The owners of an entity, if it allows them something.
    pub(super) fn owners(&self) -> Option<ByOwnership<'_>> {
        let Info { state, actors, .. } = &self.0;
        (state == "ACTIVE" && actors.resource_owners)
            .then_some(ByOwnership { types: actors.resource_owners_types.as_deref() })
    }

    /// Whether it gives one of these privileges on an entity; one that is no entity's has neither type nor URN. A policy
    /// of the platform has no resources.
    pub(super) fn gives_any(&self, privileges: &[&str], entity_type: &str, urn: &str) -> bool {
        let Info { r#type, resources, .. } = &self.0;
        self.0.privileges.iter().any(|given| privileges.contains(&given.as_str()))
            && (r#type == "PLATFORM"
                || resources.as_ref().is_none_or(|resources| resources.hold(entity_type, urn)))
    }

    fn policy(&self) -> Policy {
        let Info { display_name, privileges, actors, resources, .. } = &self.0;
        let values = |fields: &[&str]| {
            let criteria =
                resources.iter().flat_map(|resources| &resources.filter).flat_map(|filter| &filter.criteria);
            criteria
                .filter(|criterion| fields.contains(&criterion.field.as_str()))
                .flat_map(|criterion| criterion.values.clone())
                .collect()
        };
        let names = |urns: &Option<Vec<String>>| {
            urns.iter().flatten().map(|urn| actor::name(urn).to_owned()).collect()
        };
        Policy {
            name: display_name.clone(),
            users: names(&actors.users),
            groups: names(&actors.groups),
            all_users: actors.all_users,
            all_groups: actors.all_groups,
            resource_owners: actors.resource_owners,
            privileges: privileges.clone(),
            types: values(&["TYPE", "RESOURCE_TYPE"]),
            urns: values(&["URN", "RESOURCE_URN"]),
        }
    }
}

impl Resources {
    fn hold(&self, entity_type: &str, urn: &str) -> bool {
        if let Some(filter) = &self.filter {
            return filter.criteria.iter().all(|criterion| criterion.holds(entity_type, urn));
        }
        self.r#type.as_ref().is_none_or(|wanted| wanted == entity_type || wanted == "all")
            && (self.all
                || match self.urns.as_deref() {
                    None | Some([]) => true,
                    Some(urns) => urns.iter().any(|one| one == urn),
                })
    }
}

impl Criterion {
    fn holds(&self, entity_type: &str, urn: &str) -> bool {
        let found = match self.field.as_str() {
            "TYPE" | "RESOURCE_TYPE" => entity_type,
            "URN" | "RESOURCE_URN" => urn,
            // Domains, tags and the like are not known here.
            _ => return false,
        };
        self.values.iter().any(|value| match (self.condition.as_str(), value.strip_suffix('*')) {
            ("EQUALS", None) => value == found,
            ("EQUALS", Some(start)) => found.starts_with(start),
            ("STARTS_WITH", _) => found.starts_with(value.as_str()),
            _ => false,
        })
    }
}

/// All that are stored. One that cannot be read allows nothing.
pub(super) fn all(connection: &Connection) -> Result<Vec<Stored>, rusqlite::Error> {
    let mut policies = Vec::new();
    for (urn, text) in access::of_type(connection, ENTITY_TYPE, INFO_ASPECT)? {
        if let Ok(info) = serde_json::from_str(&text)
            && !read::is_removed(connection, &urn)?
        {
            policies.push(Stored(info));
        }
    }
    Ok(policies)
}

/// All that are stored, as they can be set up, by name.
pub(crate) fn list(connection: &Connection) -> Result<Vec<Policy>, rusqlite::Error> {
    let mut policies: Vec<_> = all(connection)?.iter().map(Stored::policy).collect();
    policies.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(policies)
}
