//! The caller and the configuration of the server.

use async_graphql::Result;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::error::unauthorized;
use crate::authorization::Permissions;

/// `me`
pub(super) fn me(call: &Call<'_>) -> Result<Value> {
    let permissions = &call.caller.permissions;
    if permissions.user().is_empty() {
        return Err(unauthorized());
    }
    Ok(json!({"corpUser": permissions.user(), "platformPrivileges": platform_privileges(permissions)}))
}

/// `appConfig`: this server has none of the optional parts.
pub(super) fn config(call: &Call<'_>) -> Value {
    let server = &call.caller.server;
    json!({
        "appVersion": server.version,
        "authConfig": {"tokenAuthEnabled": server.authentication.enabled()},
        "analyticsConfig": {"enabled": false},
        "policiesConfig": {"enabled": true},
        "managedIngestionConfig": {"enabled": false},
        "lineageConfig": {"supportsImpactAnalysis": true},
        "viewsConfig": {"enabled": false},
        "testsConfig": {"enabled": false},
        "telemetryConfig": {"enableThirdPartyLogging": false},
        "semanticSearchConfig": {"enabled": false, "enabledEntities": []},
        "featureFlags": {
            "readOnlyModeEnabled": false, "showBrowseV2": false, "platformBrowseV2": false, "lineageGraphV2": false,
        },
    })
}

/// `globalViewsSettings`
pub(super) fn views() -> Value {
    json!({"defaultView": null})
}

/// The platform privileges of a user, and the privileges that each is for (`MeResolver`).
const PRIVILEGES: &[(&str, &[&str])] = &[
    ("viewAnalytics", &["VIEW_ANALYTICS"]),
    ("managePolicies", &["MANAGE_POLICIES"]),
    ("manageIdentities", &["MANAGE_USERS_AND_GROUPS"]),
    ("generatePersonalAccessTokens", &["GENERATE_PERSONAL_ACCESS_TOKENS"]),
    ("createDomains", &["CREATE_DOMAINS", "MANAGE_DOMAINS"]),
    ("createLogicalModels", &["CREATE_LOGICAL_MODELS"]),
    ("manageDomains", &["MANAGE_DOMAINS"]),
    ("manageIngestion", &["MANAGE_INGESTION"]),
    ("manageSecrets", &["MANAGE_SECRETS"]),
    ("manageTokens", &["MANAGE_ACCESS_TOKENS"]),
    ("viewTests", &["VIEW_TESTS", "MANAGE_TESTS"]),
    ("manageTests", &["MANAGE_TESTS"]),
    ("manageGlossaries", &["MANAGE_GLOSSARIES"]),
    ("manageDocuments", &["MANAGE_DOCUMENTS"]),
    ("manageUserCredentials", &["MANAGE_USER_CREDENTIALS"]),
    ("createTags", &["CREATE_TAGS", "MANAGE_TAGS"]),
    ("manageTags", &["MANAGE_TAGS"]),
    ("viewManageTags", &["VIEW_MANAGE_TAGS"]),
    ("manageGlobalViews", &["MANAGE_GLOBAL_VIEWS"]),
    ("manageGlobalSettings", &["MANAGE_GLOBAL_SETTINGS"]),
    ("manageOwnershipTypes", &["MANAGE_GLOBAL_OWNERSHIP_TYPES"]),
    ("manageGlobalAnnouncements", &["MANAGE_GLOBAL_ANNOUNCEMENTS", "CREATE_GLOBAL_ANNOUNCEMENTS"]),
    ("createBusinessAttributes", &["CREATE_BUSINESS_ATTRIBUTE", "MANAGE_BUSINESS_ATTRIBUTE"]),
    ("manageBusinessAttributes", &["MANAGE_BUSINESS_ATTRIBUTE"]),
    ("manageStructuredProperties", &["MANAGE_STRUCTURED_PROPERTIES"]),
    ("viewStructuredPropertiesPage", &["VIEW_STRUCTURED_PROPERTIES_PAGE"]),
    ("manageApplications", &["MANAGE_APPLICATIONS"]),
    ("manageFeatures", &["MANAGE_FEATURES"]),
    ("manageHomePageTemplates", &["MANAGE_HOME_PAGE_TEMPLATES"]),
    ("manageServiceAccounts", &["MANAGE_SERVICE_ACCOUNTS"]),
];

fn platform_privileges(permissions: &Permissions) -> Value {
    let held = PRIVILEGES.iter().map(|(field, names)| {
        let holds = names.iter().any(|name| permissions.has_privilege(name));
        ((*field).to_owned(), holds.into())
    });
    Value::Object(held.collect::<Map<_, _>>())
}
