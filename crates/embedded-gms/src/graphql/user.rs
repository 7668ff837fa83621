//! The user types.

use std::sync::Arc;

use async_graphql::{Object, Result, SimpleObject};
use serde_json::Value;

use super::entity_type::EntityType;
use super::error::failed;
use crate::actor;
use crate::authorization::Permissions;
use crate::state::ServerState;
use crate::store::read;

#[derive(SimpleObject)]
pub(super) struct AuthenticatedUser {
    pub(super) corp_user: CorpUser,
    pub(super) platform_privileges: PlatformPrivileges,
}

/// A user, which need not exist.
#[derive(Debug)]
pub(super) struct CorpUser {
    urn: String,
    info: Option<Value>,
    editable: Option<Value>,
}

impl CorpUser {
    pub(super) async fn load(server: &Arc<ServerState>, urn: &str) -> Result<Self> {
        let wanted = urn.to_owned();
        let aspects = server.store.read(move |connection| {
            let aspect = |name| {
                let stored = read::aspect(connection, &wanted, name, 0)?;
                Ok::<_, rusqlite::Error>(
                    stored.and_then(|stored| serde_json::from_str(&stored.metadata).ok()),
                )
            };
            Ok((aspect("corpUserInfo")?, aspect("corpUserEditableInfo")?))
        });
        let (info, editable) = aspects.await.map_err(|failure| failed(&failure))?;
        Ok(Self { urn: urn.to_owned(), info, editable })
    }
}

#[Object]
impl CorpUser {
    async fn urn(&self) -> &str {
        &self.urn
    }

    async fn r#type(&self) -> EntityType {
        EntityType::CorpUser
    }

    async fn username(&self) -> &str {
        actor::name_of(&self.urn)
    }

    async fn properties(&self) -> Option<CorpUserProperties> {
        self.info.clone().map(CorpUserProperties)
    }

    #[graphql(deprecation = "Use properties instead")]
    async fn info(&self) -> Option<CorpUserInfo> {
        self.info.clone().map(CorpUserInfo)
    }

    async fn editable_properties(&self) -> Option<CorpUserEditableProperties> {
        self.editable.clone().map(CorpUserEditableProperties)
    }

    async fn settings(&self) -> Option<CorpUserSettings> {
        None
    }
}

fn text<'a>(record: &'a Value, member: &str) -> Option<&'a str> {
    record.get(member)?.as_str()
}

fn is_active(record: &Value) -> bool {
    record.get("active").and_then(Value::as_bool).unwrap_or(false)
}

/// DataHub's schema has `corpUserInfo` twice, under a current and a former name.
macro_rules! corp_user_info {
    ($name:ident) => {
        struct $name(Value);

        #[Object]
        impl $name {
            async fn active(&self) -> bool {
                is_active(&self.0)
            }

            async fn display_name(&self) -> Option<&str> {
                text(&self.0, "displayName")
            }

            async fn title(&self) -> Option<&str> {
                text(&self.0, "title")
            }

            async fn first_name(&self) -> Option<&str> {
                text(&self.0, "firstName")
            }

            async fn last_name(&self) -> Option<&str> {
                text(&self.0, "lastName")
            }

            async fn full_name(&self) -> Option<&str> {
                text(&self.0, "fullName")
            }

            async fn email(&self) -> Option<&str> {
                text(&self.0, "email")
            }
        }
    };
}

corp_user_info!(CorpUserProperties);
corp_user_info!(CorpUserInfo);

struct CorpUserEditableProperties(Value);

#[Object]
impl CorpUserEditableProperties {
    async fn display_name(&self) -> Option<&str> {
        text(&self.0, "displayName")
    }

    async fn title(&self) -> Option<&str> {
        text(&self.0, "title")
    }

    async fn about_me(&self) -> Option<&str> {
        text(&self.0, "aboutMe")
    }

    async fn picture_link(&self) -> Option<&str> {
        text(&self.0, "pictureLink")
    }

    async fn email(&self) -> Option<&str> {
        text(&self.0, "email")
    }

    async fn phone(&self) -> Option<&str> {
        text(&self.0, "phone")
    }

    async fn slack(&self) -> Option<&str> {
        text(&self.0, "slack")
    }
}

/// This server stores no settings of users.
#[derive(SimpleObject)]
struct CorpUserSettings {
    appearance: Option<CorpUserAppearanceSettings>,
}

#[derive(SimpleObject)]
struct CorpUserAppearanceSettings {
    show_simplified_homepage: Option<bool>,
    #[graphql(name = "showThemeV2")]
    show_theme_v2: Option<bool>,
}

/// The platform privileges of a user (`MeResolver`).
#[derive(SimpleObject)]
#[expect(clippy::struct_excessive_bools, reason = "it is so in the schema")]
pub(super) struct PlatformPrivileges {
    view_analytics: bool,
    manage_policies: bool,
    manage_identities: bool,
    generate_personal_access_tokens: bool,
    create_domains: bool,
    create_logical_models: bool,
    manage_domains: bool,
    manage_ingestion: bool,
    manage_secrets: bool,
    manage_tokens: bool,
    view_tests: bool,
    manage_tests: bool,
    manage_glossaries: bool,
    manage_documents: bool,
    manage_user_credentials: bool,
    create_tags: bool,
    manage_tags: bool,
    view_manage_tags: bool,
    manage_global_views: bool,
    manage_global_settings: bool,
    manage_ownership_types: bool,
    manage_global_announcements: bool,
    create_business_attributes: bool,
    manage_business_attributes: bool,
    manage_structured_properties: bool,
    view_structured_properties_page: bool,
    manage_applications: bool,
    manage_features: bool,
    manage_home_page_templates: bool,
    manage_service_accounts: bool,
}

impl PlatformPrivileges {
    pub(super) fn of(permissions: &Permissions) -> Self {
        let holds = |names: &[&str]| names.iter().any(|name| permissions.has_privilege(name));
        Self {
            view_analytics: holds(&["VIEW_ANALYTICS"]),
            manage_policies: holds(&["MANAGE_POLICIES"]),
            manage_identities: holds(&["MANAGE_USERS_AND_GROUPS"]),
            generate_personal_access_tokens: holds(&["GENERATE_PERSONAL_ACCESS_TOKENS"]),
            create_domains: holds(&["CREATE_DOMAINS", "MANAGE_DOMAINS"]),
            create_logical_models: holds(&["CREATE_LOGICAL_MODELS"]),
            manage_domains: holds(&["MANAGE_DOMAINS"]),
            manage_ingestion: holds(&["MANAGE_INGESTION"]),
            manage_secrets: holds(&["MANAGE_SECRETS"]),
            manage_tokens: holds(&["MANAGE_ACCESS_TOKENS"]),
            view_tests: holds(&["VIEW_TESTS", "MANAGE_TESTS"]),
            manage_tests: holds(&["MANAGE_TESTS"]),
            manage_glossaries: holds(&["MANAGE_GLOSSARIES"]),
            manage_documents: holds(&["MANAGE_DOCUMENTS"]),
            manage_user_credentials: holds(&["MANAGE_USER_CREDENTIALS"]),
            create_tags: holds(&["CREATE_TAGS", "MANAGE_TAGS"]),
            manage_tags: holds(&["MANAGE_TAGS"]),
            view_manage_tags: holds(&["VIEW_MANAGE_TAGS"]),
            manage_global_views: holds(&["MANAGE_GLOBAL_VIEWS"]),
            manage_global_settings: holds(&["MANAGE_GLOBAL_SETTINGS"]),
            manage_ownership_types: holds(&["MANAGE_GLOBAL_OWNERSHIP_TYPES"]),
            manage_global_announcements: holds(&[
                "MANAGE_GLOBAL_ANNOUNCEMENTS",
                "CREATE_GLOBAL_ANNOUNCEMENTS",
            ]),
            create_business_attributes: holds(&["CREATE_BUSINESS_ATTRIBUTE", "MANAGE_BUSINESS_ATTRIBUTE"]),
            manage_business_attributes: holds(&["MANAGE_BUSINESS_ATTRIBUTE"]),
            manage_structured_properties: holds(&["MANAGE_STRUCTURED_PROPERTIES"]),
            view_structured_properties_page: holds(&["VIEW_STRUCTURED_PROPERTIES_PAGE"]),
            manage_applications: holds(&["MANAGE_APPLICATIONS"]),
            manage_features: holds(&["MANAGE_FEATURES"]),
            manage_home_page_templates: holds(&["MANAGE_HOME_PAGE_TEMPLATES"]),
            manage_service_accounts: holds(&["MANAGE_SERVICE_ACCOUNTS"]),
        }
    }
}
