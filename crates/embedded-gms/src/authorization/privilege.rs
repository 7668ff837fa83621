//! The privileges that DataHub defines, by their names in policies (`PoliciesConfig`).

/// Allows a user to create tokens for that user.
pub(crate) const GENERATE_PERSONAL_ACCESS_TOKENS: &str = "GENERATE_PERSONAL_ACCESS_TOKENS";
/// Allows a user to create, list and revoke the tokens of all users.
pub(crate) const MANAGE_ACCESS_TOKENS: &str = "MANAGE_ACCESS_TOKENS";
pub(super) const MANAGE_POLICIES: &str = "MANAGE_POLICIES";
pub(super) const MANAGE_USERS_AND_GROUPS: &str = "MANAGE_USERS_AND_GROUPS";
pub(super) const CREATE_USERS_AND_GROUPS: &str = "CREATE_USERS_AND_GROUPS";
pub(super) const UPDATE_USERS_AND_GROUPS: &str = "UPDATE_USERS_AND_GROUPS";
pub(super) const MANAGE_INGESTION: &str = "MANAGE_INGESTION";
pub(super) const MANAGE_SECRETS: &str = "MANAGE_SECRETS";
pub(super) const CREATE_ENTITY: &str = "CREATE_ENTITY";
pub(super) const EDIT_ENTITY: &str = "EDIT_ENTITY";
pub(super) const DELETE_ENTITY: &str = "DELETE_ENTITY";
pub(super) const EXISTS_ENTITY: &str = "EXISTS_ENTITY";
pub(super) const VIEW_ENTITY_PAGE: &str = "VIEW_ENTITY_PAGE";
pub(super) const GET_ENTITY: &str = "GET_ENTITY_PRIVILEGE";
pub(super) const GET_TIMESERIES_ASPECT: &str = "GET_TIMESERIES_ASPECT_PRIVILEGE";
pub(super) const GET_COUNTS: &str = "GET_COUNTS_PRIVILEGE";
pub(super) const SEARCH: &str = "SEARCH_PRIVILEGE";
/// Allows administrative reads of the whole server.
pub(crate) const MANAGE_SYSTEM_OPERATIONS: &str = "MANAGE_SYSTEM_OPERATIONS";
/// Allows restoring indices.
pub(crate) const RESTORE_INDICES: &str = "RESTORE_INDICES_PRIVILEGE";

/// Allows truncating time series.
pub(crate) const TRUNCATE_TIMESERIES: &str = "TRUNCATE_TIMESERIES_INDEX_PRIVILEGE";

/// Privileges on the platform.
const PLATFORM: &[&str] = &[
    MANAGE_POLICIES,
    MANAGE_USERS_AND_GROUPS,
    CREATE_USERS_AND_GROUPS,
    UPDATE_USERS_AND_GROUPS,
    "VIEW_ANALYTICS",
    "GET_ANALYTICS_PRIVILEGE",
    "MANAGE_DOMAINS",
    "MANAGE_GLOBAL_ANNOUNCEMENTS",
    MANAGE_INGESTION,
    MANAGE_SECRETS,
    GENERATE_PERSONAL_ACCESS_TOKENS,
    MANAGE_ACCESS_TOKENS,
    "VIEW_TESTS",
    "MANAGE_TESTS",
    "MANAGE_GLOSSARIES",
    "MANAGE_DOCUMENTS",
    "MANAGE_USER_CREDENTIALS",
    "MANAGE_TAGS",
    "VIEW_MANAGE_TAGS",
    "CREATE_TAGS",
    "CREATE_DOMAINS",
    "CREATE_GLOBAL_ANNOUNCEMENTS",
    "MANAGE_GLOBAL_VIEWS",
    "MANAGE_GLOBAL_SETTINGS",
    "MANAGE_GLOBAL_OWNERSHIP_TYPES",
    "CREATE_BUSINESS_ATTRIBUTE",
    "MANAGE_BUSINESS_ATTRIBUTE",
    "MANAGE_CONNECTIONS",
    "MANAGE_STRUCTURED_PROPERTIES",
    "VIEW_STRUCTURED_PROPERTIES_PAGE",
    "MANAGE_DOCUMENTATION_FORMS",
    "MANAGE_APPLICATIONS",
    "MANAGE_FEATURES",
    "MANAGE_HOME_PAGE_TEMPLATES",
    "MANAGE_SERVICE_ACCOUNTS",
    MANAGE_SYSTEM_OPERATIONS,
    "CREATE_LOGICAL_MODELS",
    "GET_PLATFORM_EVENTS",
    RESTORE_INDICES,
    "GET_TIMESERIES_INDEX_SIZES_PRIVILEGE",
    TRUNCATE_TIMESERIES,
    "GET_ES_TASK_STATUS_PRIVILEGE",
    "ES_EXPLAIN_QUERY_PRIVILEGE",
    "SET_WRITEABLE_PRIVILEGE",
    "APPLY_RETENTION_PRIVILEGE",
    "PRODUCE_PLATFORM_EVENT_PRIVILEGE",
];

/// Privileges on an entity.
const ENTITY: &[&str] = &[
    VIEW_ENTITY_PAGE,
    EXISTS_ENTITY,
    CREATE_ENTITY,
    EDIT_ENTITY,
    DELETE_ENTITY,
    GET_ENTITY,
    GET_TIMESERIES_ASPECT,
    GET_COUNTS,
    SEARCH,
    "GET_TIMELINE_PRIVILEGE",
    "EDIT_ENTITY_TAGS",
    "EDIT_ENTITY_GLOSSARY_TERMS",
    "EDIT_ENTITY_OWNERS",
    "EDIT_ENTITY_DOCS",
    "EDIT_ENTITY_DOC_LINKS",
    "EDIT_ENTITY_STATUS",
    "EDIT_DOMAINS_PRIVILEGE",
    "EDIT_ENTITY_DATA_PRODUCTS",
    "EDIT_DEPRECATION_PRIVILEGE",
    "EDIT_ENTITY_ASSERTIONS",
    "EDIT_ENTITY_OPERATIONS",
    "EDIT_ENTITY_INCIDENTS",
    "EDIT_LINEAGE",
    "EDIT_ENTITY_EMBED",
    "EDIT_ENTITY_PROPERTIES",
    "EDIT_ENTITY_QUERIES",
    "EDIT_ENTITY_DATA_CONTRACT",
    "CREATE_ENTITY_ER_MODEL_RELATIONSHIP",
    "EDIT_DATASET_COL_TAGS",
    "EDIT_DATASET_COL_GLOSSARY_TERMS",
    "EDIT_DATASET_COL_DESCRIPTION",
    "EDIT_DATASET_COL_BUSINESS_ATTRIBUTE_PRIVILEGE",
    "VIEW_DATASET_USAGE",
    "VIEW_DATASET_PROFILE",
    "VIEW_DATASET_OPERATIONS",
    "DATA_READ_ONLY",
    "DATA_READ_WRITE",
    "DATA_MANAGE_TABLES",
    "DATA_MANAGE_VIEWS",
    "DATA_MANAGE_NAMESPACES",
    "DATA_LIST_ENTITIES",
    "EDIT_TAG_COLOR",
    "EDIT_GROUP_MEMBERS",
    "EDIT_USER_PROFILE",
    "EDIT_CONTACT_INFO",
    "MANAGE_GLOSSARY_CHILDREN",
    "MANAGE_ALL_GLOSSARY_CHILDREN",
    "MANAGE_DATA_PRODUCTS",
];

/// DataHub's spelling of a name. Some privileges end in `_PRIVILEGE` and some do not; both forms are
/// accepted.
pub(super) fn known(name: &str) -> Option<&'static str> {
    let stem = |name: &'static str| name.strip_suffix("_PRIVILEGE").unwrap_or(name);
    let wanted = name.strip_suffix("_PRIVILEGE").unwrap_or(name);
    PLATFORM.iter().chain(ENTITY).copied().find(|known| stem(known) == wanted)
}

/// Whether it is a privilege on the platform.
pub(super) fn is_platform(name: &str) -> bool {
    PLATFORM.contains(&name)
}

/// The privilege with the most similar name, for a suggestion.
pub(super) fn like(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_uppercase().replace([' ', '-'], "_");
    let likeness = |known: &&str| strsim::jaro_winkler(known, &name);
    let best =
        PLATFORM.iter().chain(ENTITY).copied().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    best.filter(|best| likeness(best) > 0.85)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_are_known_in_both_spellings() {
        assert_eq!(known("EDIT_ENTITY"), Some("EDIT_ENTITY"));
        assert_eq!(known("GET_ENTITY"), Some("GET_ENTITY_PRIVILEGE"));
        assert_eq!(known("GET_ENTITY_PRIVILEGE"), Some("GET_ENTITY_PRIVILEGE"));
        assert_eq!(known("edit_entity"), None);
        assert_eq!(like("Edit Entity"), Some("EDIT_ENTITY"));
        assert_eq!(like("GENERATE_PERSONAL_ACCES_TOKEN"), Some(GENERATE_PERSONAL_ACCESS_TOKENS));
        assert_eq!(like("x"), None);
    }
}
