//! The users, policies and tokens that are set up at the start, from a YAML file or a builder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::actor::{self, SYSTEM_ACTOR};
use crate::authentication::Authentication;
use crate::authentication::issuing::TokenRequest;
use crate::authorization::{self, Policy};
use crate::duration::TokenDuration;
use crate::error::{Error, ErrorKind};
use crate::store::row::AuditStamp;
use crate::store::{Store, access, read};
use crate::tokens::{self, TokenType};
use crate::user::{self, User};
use crate::{change, group, password, small_file};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny};

/// The users, policies and tokens to set up.
#[derive(Clone, Debug, Default)]
pub(super) struct Seed {
    pub(super) users: Vec<User>,
    pub(super) policies: Vec<Policy>,
    pub(super) tokens: Vec<SeedToken>,
}

/// A token that is issued and written to a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeedToken {
    name: String,
    #[serde(deserialize_with = "user_name")]
    actor: String,
    #[serde(default)]
    duration: TokenDuration,
    out: PathBuf,
}

/// The form of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedFile {
    #[serde(default)]
    users: Vec<SeedUser>,
    #[serde(default)]
    policies: Vec<SeedPolicy>,
    #[serde(default)]
    tokens: Vec<SeedToken>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedUser {
    #[serde(deserialize_with = "user_name")]
    name: String,
    password: Option<String>,
    #[serde(default)]
    privileges: Vec<Privilege>,
    groups: Option<Vec<GroupName>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedPolicy {
    name: String,
    actors: SeedActors,
    privileges: Vec<Privilege>,
    #[serde(default)]
    resources: SeedResources,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SeedActors {
    #[serde(default)]
    users: Vec<UserName>,
    #[serde(default)]
    groups: Vec<GroupName>,
    #[serde(default)]
    all_users: bool,
    #[serde(default)]
    all_groups: bool,
    #[serde(default)]
    resource_owners: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedResources {
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    urns: Vec<String>,
}

/// A valid privilege.
struct Privilege(String);

impl<'de> Deserialize<'de> for Privilege {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        authorization::known(&name).map(Self).map_err(D::Error::custom)
    }
}

/// The name of a user, given as name or URN.
#[derive(Deserialize)]
struct UserName(#[serde(deserialize_with = "user_name")] String);

fn user_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let name = if text.starts_with("urn:li:corpuser:") { actor::name_of(&text) } else { &text };
    check_name(name).map_err(D::Error::custom)?;
    Ok(name.to_owned())
}

/// The name of a group, given as name or URN.
struct GroupName(String);

impl<'de> Deserialize<'de> for GroupName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let name = text.strip_prefix(actor::GROUP_PREFIX).unwrap_or(&text);
        group::check_name(name).map_err(D::Error::custom)?;
        Ok(Self(name.to_owned()))
    }
}

fn check_name(name: &str) -> Result<(), String> {
    change::checked_urn(&actor::user_urn(name))
        .map(drop)
        .map_err(|failure| format!("no user can be called {name:?}: {}", failure.message()))
}

impl From<SeedFile> for Seed {
    fn from(file: SeedFile) -> Self {
        let privileges = |list: Vec<Privilege>| list.into_iter().map(|Privilege(name)| name).collect();
        let groups = |list: Vec<GroupName>| list.into_iter().map(|GroupName(name)| name).collect();
        Self {
            users: file
                .users
                .into_iter()
                .map(|user| User {
                    name: user.name,
                    password: user.password,
                    privileges: privileges(user.privileges),
                    groups: user.groups.map(groups),
                })
                .collect(),
            policies: file
                .policies
                .into_iter()
                .map(|policy| Policy {
                    name: policy.name,
                    users: policy.actors.users.into_iter().map(|UserName(name)| name).collect(),
                    groups: groups(policy.actors.groups),
                    all_users: policy.actors.all_users,
                    all_groups: policy.actors.all_groups,
                    resource_owners: policy.actors.resource_owners,
                    privileges: privileges(policy.privileges),
                    types: policy.resources.types,
                    urns: policy.resources.urns,
                })
                .collect(),
            tokens: file.tokens,
        }
    }
}

impl Seed {
    /// Reads a seed file.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if the file cannot be read or is not valid; the message has the position.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |message: String| Error::new(ErrorKind::Input, format!("{}: {message}", path.display()));
        let text = small_file::read(path).map_err(|error| wrong(error.to_string()).with_source(error))?;
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Self, String> {
        match serde_yaml::from_str::<SeedFile>(text) {
            Ok(file) => Ok(file.into()),
            // A file with only comments is an empty seed.
            Err(_) if matches!(serde_yaml::from_str(text), Ok(None::<IgnoredAny>)) => Ok(Self::default()),
            Err(error) => Err(located(text, &error)),
        }
    }

    pub(super) fn extend(&mut self, more: Self) {
        self.users.extend(more.users);
        self.policies.extend(more.policies);
        self.tokens.extend(more.tokens);
    }

    /// Sets up all users and policies atomically, and then the tokens.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for an invalid entry; [`ErrorKind::Disk`] if it cannot be stored.
    pub(super) async fn apply(self, store: &Store, authentication: &Authentication) -> Result<(), Error> {
        let Self { users, policies, tokens } = self;
        let input = |message: String| Error::new(ErrorKind::Input, message);
        let mut hashes = BTreeMap::new();
        let mut all_policies = Vec::new();
        for user in &users {
            check_name(&user.name).map_err(input)?;
            for name in user.groups.iter().flatten() {
                group::check_name(name).map_err(input)?;
            }
            if let Some(password) = &user.password {
                let hash = password::hash(password)
                    .map_err(|error| Error::new(error.kind(), format!("user {}: {error}", user.name)))?;
                hashes.insert(actor::user_urn(&user.name), hash);
            }
            all_policies.push(Policy::of_user(&user.name, &user.privileges).checked()?);
        }
        for policy in policies {
            all_policies.push(policy.checked()?);
        }
        store
            .write(move |connection| {
                let stamp = AuditStamp {
                    actor: actor::user_urn(SYSTEM_ACTOR),
                    time: tokens::milliseconds(SystemTime::now()),
                };
                for user in &users {
                    user::ensure(connection, &user.name, &stamp)?;
                    if let Some(groups) = &user.groups {
                        group::set_groups_of(connection, &user.name, groups, &stamp)?;
                    }
                }
                for (urn, hash) in &hashes {
                    access::set_password(connection, urn, hash)?;
                }
                for policy in &all_policies {
                    if policy.privileges.is_empty() {
                        authorization::delete_policy(connection, &policy.name)?;
                    } else {
                        authorization::store_policy(connection, policy, &stamp)?;
                    }
                }
                Ok(())
            })
            .await
            .map_err(|failure| Error::new(ErrorKind::Disk, failure.message().to_owned()))?;
        authentication.invalidate();
        for token in tokens {
            token.apply(store, authentication).await?;
        }
        Ok(())
    }
}

impl SeedToken {
    /// Issues the token and writes it to its file, unless the file has a valid one.
    async fn apply(self, store: &Store, authentication: &Authentication) -> Result<(), Error> {
        let urn = actor::user_urn(&self.actor);
        let there = store.read({
            let urn = urn.clone();
            move |connection| read::has(connection, &urn, actor::USER_KEY_ASPECT)
        });
        if !there.await.map_err(|failure| Error::new(ErrorKind::Disk, failure.message().to_owned()))? {
            let message =
                format!("token {}: there is no user {}: add it under `users`", self.name, self.actor);
            return Err(Error::new(ErrorKind::Input, message));
        }
        if let Ok(known) = small_file::read(&self.out)
            && authentication.is_valid_for(known.trim(), &self.name, &urn).await
        {
            return Ok(());
        }
        let draft = TokenRequest {
            name: self.name,
            description: None,
            actor: urn.clone(),
            owner: urn,
            r#type: TokenType::Personal,
            expires: self.duration.expires_at(SystemTime::now()),
        };
        let (token, _) = authentication.issue(draft).await?;
        small_file::write_private(&self.out, &token).map_err(|error| {
            let message = format!("cannot write the token to {}: {error}", self.out.display());
            Error::new(ErrorKind::Disk, message).with_source(error)
        })
    }
}

/// The message with its line. The YAML parser omits the position if it is the first one, as for an unknown
/// key at the top level.
fn located(text: &str, error: &serde_yaml::Error) -> String {
    let said = error.to_string();
    if error.location().is_some() {
        return said;
    }
    let key = said.split('`').nth(1).unwrap_or_default();
    let line = text.lines().position(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')));
    format!("{said} at line {}", line.unwrap_or(0) + 1)
}
