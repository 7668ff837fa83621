//! Policies in DataHub's stored form.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::policy::Policy;
use super::principal::{self, ByOwnership, Principal};
use super::privilege;
use crate::failure::Failure;
use crate::store::row::AuditStamp;
use crate::store::{access, contents, read, write};
use crate::{actor, system_metadata};

const ENTITY_TYPE: &str = "dataHubPolicy";

/// The aspect that says what a policy allows.
const INFO_ASPECT: &str = "dataHubPolicyInfo";

/// `DataHubPolicyInfo.pdl`, as far as it is supported. Unsupported parts never grant anything.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyInfo {
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resources: Option<ResourceFilter>,
    #[serde(default)]
    privileges: Vec<String>,
    #[serde(default)]
    actors: ActorFilter,
    #[serde(default)]
    editable: bool,
}

/// `DataHubActorFilter.pdl`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActorFilter {
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
struct ResourceFilter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<PolicyFilter>,
    #[serde(default, rename = "allResources")]
    all: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    #[serde(default, rename = "resources", skip_serializing_if = "Option::is_none")]
    urns: Option<Vec<String>>,
}

/// `PolicyMatchFilter.pdl`: all criteria must match.
#[derive(Debug, Serialize, Deserialize)]
struct PolicyFilter {
    #[serde(default)]
    criteria: Vec<PolicyCriterion>,
}

/// `PolicyMatchCriterion.pdl`
#[derive(Debug, Serialize, Deserialize)]
struct PolicyCriterion {
    field: String,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default = "equals")]
    condition: String,
}

fn equals() -> String {
    "EQUALS".to_owned()
}

impl PolicyInfo {
    pub(super) fn of(policy: &Policy) -> Self {
        let criterion = |field: &str, values: &Vec<String>| {
            (!values.is_empty()).then(|| PolicyCriterion {
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
            resources: (!criteria.is_empty()).then(|| ResourceFilter {
                filter: Some(PolicyFilter { criteria }),
                ..ResourceFilter::default()
            }),
            privileges: policy.privileges.clone(),
            actors: ActorFilter {
                users: Some(policy.users.iter().map(|name| actor::user_urn(name)).collect()),
                groups: (!policy.groups.is_empty())
                    .then(|| policy.groups.iter().map(|name| actor::group_urn(name)).collect()),
                resource_owners: policy.resource_owners,
                all_users: policy.all_users,
                all_groups: policy.all_groups,
                ..ActorFilter::default()
            },
            editable: true,
        }
    }
}

/// A stored policy.
#[derive(Debug)]
pub(super) struct StoredPolicy(PolicyInfo);

impl StoredPolicy {
    /// Whether the policy applies to the principal by name, group or role (`PolicyEngine.isActorMatch`).
    /// Ownership is checked separately.
    pub(super) fn is_for(&self, principal: &Principal) -> bool {
        let PolicyInfo { state, actors, .. } = &self.0;
        let named = |urns: &Option<Vec<String>>, wanted: &str| urns.iter().flatten().any(|urn| urn == wanted);
        state == "ACTIVE"
            && (actors.all_users
                || named(&actors.users, &principal.user)
                || actors.all_groups && !principal.groups.is_empty()
                || principal.groups.iter().any(|group| named(&actors.groups, group))
                || principal.roles.iter().any(|role| named(&actors.roles, role)))
    }

    /// The owners to which the policy applies, if any.
    pub(super) fn owners(&self) -> Option<ByOwnership<'_>> {
        let PolicyInfo { state, actors, .. } = &self.0;
        (state == "ACTIVE" && actors.resource_owners)
            .then_some(ByOwnership { types: actors.resource_owners_types.as_deref() })
    }

    /// Whether the policy grants one of these privileges on an entity. For requests that concern no entity,
    /// type and URN are empty. A platform policy has no resources.
    pub(super) fn gives_any(&self, privileges: &[&str], entity_type: &str, urn: &str) -> bool {
        let PolicyInfo { r#type, resources, .. } = &self.0;
        self.0.privileges.iter().any(|given| privileges.contains(&given.as_str()))
            && (r#type == "PLATFORM"
                || resources.as_ref().is_none_or(|resources| resources.hold(entity_type, urn)))
    }

    fn policy(&self) -> Policy {
        let PolicyInfo { display_name, privileges, actors, resources, .. } = &self.0;
        let values = |fields: &[&str]| {
            let criteria =
                resources.iter().flat_map(|resources| &resources.filter).flat_map(|filter| &filter.criteria);
            criteria
                .filter(|criterion| fields.contains(&criterion.field.as_str()))
                .flat_map(|criterion| criterion.values.clone())
                .collect()
        };
        let names = |urns: &Option<Vec<String>>| {
            urns.iter().flatten().map(|urn| principal::name(urn).to_owned()).collect()
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

impl ResourceFilter {
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

impl PolicyCriterion {
    fn holds(&self, entity_type: &str, urn: &str) -> bool {
        let found = match self.field.as_str() {
            "TYPE" | "RESOURCE_TYPE" => entity_type,
            "URN" | "RESOURCE_URN" => urn,
            // Domains, tags and other fields are not supported.
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

fn urn_of(name: &str) -> String {
    // A policy's name may contain any character; the key of a URN may not.
    format!(
        "urn:li:{ENTITY_TYPE}:{}",
        percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC)
    )
    .replace("%2D", "-")
    .replace("%5F", "_")
}

/// Writes a policy in place of the one of the same name.
pub(crate) fn store_policy(
    connection: &Connection,
    policy: &Policy,
    stamp: &AuditStamp,
) -> Result<(), Failure> {
    let urn = urn_of(&policy.name);
    contents::mark(connection, &urn)?;
    let system_metadata = system_metadata::default(stamp.time);
    let key = serde_json::json!({"id": urn.rsplit(':').next()}).to_string();
    write::ensure_key(connection, &urn, "dataHubPolicyKey", &key, &system_metadata, stamp)?;
    let info = serde_json::to_string(&PolicyInfo::of(policy))
        .map_err(|error| Failure::internal(format!("java.lang.RuntimeException: {error}")))?;
    write::put(connection, &urn, INFO_ASPECT, &info, &system_metadata, stamp)?;
    Ok(())
}

/// Removes the policy of that name. Returns whether it existed.
pub(crate) fn delete_policy(connection: &Connection, name: &str) -> Result<bool, Failure> {
    Ok(write::delete_entity(connection, &urn_of(name))?.rows > 0)
}

/// All stored policies. A policy that cannot be parsed grants nothing.
pub(super) fn all(connection: &Connection) -> Result<Vec<StoredPolicy>, rusqlite::Error> {
    let mut policies = Vec::new();
    for (urn, text) in access::of_type(connection, ENTITY_TYPE, INFO_ASPECT)? {
        if let Ok(info) = serde_json::from_str(&text)
            && !read::is_removed(connection, &urn)?
        {
            policies.push(StoredPolicy(info));
        }
    }
    Ok(policies)
}

/// All stored policies as [`Policy`], ordered by name.
pub(crate) fn list(connection: &Connection) -> Result<Vec<Policy>, rusqlite::Error> {
    let mut policies: Vec<_> = all(connection)?.iter().map(StoredPolicy::policy).collect();
    policies.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(policies)
}
