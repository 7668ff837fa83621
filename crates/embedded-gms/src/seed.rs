//! Users, policies and tokens to set up at the start, from a YAML file or a builder.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny};

use super::authentication::{Authentication, Draft};
use super::authorization::{self, Policy};
use super::duration::TokenDuration;
use super::store::write::Stamp;
use super::store::{Store, access, read};
use super::tokens::{self, TokenType};
use super::user::{self, User};
use super::{SYSTEM_ACTOR, change, group, password};
use crate::{Error, ErrorKind};

/// The longest seed file, and the longest token file, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// What is to be set up.
#[derive(Clone, Debug, Default)]
pub(super) struct Seed {
    pub(super) users: Vec<User>,
    pub(super) policies: Vec<Policy>,
    pub(super) tokens: Vec<Token>,
}

/// A token that is to be made and written to a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    name: String,
    #[serde(deserialize_with = "user_name")]
    actor: String,
    #[serde(default)]
    duration: TokenDuration,
    out: PathBuf,
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    users: Vec<FileUser>,
    #[serde(default)]
    policies: Vec<FilePolicy>,
    #[serde(default)]
    tokens: Vec<Token>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileUser {
    #[serde(deserialize_with = "user_name")]
    name: String,
    password: Option<String>,
    #[serde(default)]
    privileges: Vec<Privilege>,
    groups: Option<Vec<GroupName>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePolicy {
    name: String,
    actors: Actors,
    privileges: Vec<Privilege>,
    #[serde(default)]
    resources: Resources,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Actors {
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
struct Resources {
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    urns: Vec<String>,
}

/// A privilege that DataHub knows.
struct Privilege(String);

impl<'de> Deserialize<'de> for Privilege {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        authorization::known(&name).map(Self).map_err(D::Error::custom)
    }
}

/// A user's name, or the URN that has it.
#[derive(Deserialize)]
struct UserName(#[serde(deserialize_with = "user_name")] String);

fn user_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let name = if text.starts_with("urn:li:corpuser:") { user::name_of(&text) } else { &text };
    check_name(name).map_err(D::Error::custom)?;
    Ok(name.to_owned())
}

/// A group's name, or the URN that has it.
struct GroupName(String);

impl<'de> Deserialize<'de> for GroupName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let name = text.strip_prefix(group::PREFIX).unwrap_or(&text);
        group::check_name(name).map_err(D::Error::custom)?;
        Ok(Self(name.to_owned()))
    }
}

fn check_name(name: &str) -> Result<(), String> {
    change::checked_urn(&user::urn(name))
        .map(drop)
        .map_err(|failure| format!("no user can be called {name:?}: {}", failure.message()))
}

impl From<File> for Seed {
    fn from(file: File) -> Self {
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
    /// [`ErrorKind::Input`] when it cannot be read, or is not what it has to be; the text says where.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |message: String| Error::new(ErrorKind::Input, format!("{}: {message}", path.display()));
        let text = read_short(path).map_err(|error| wrong(error.to_string()).with_source(error))?;
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Self, String> {
        match serde_yaml::from_str::<File>(text) {
            Ok(file) => Ok(file.into()),
            // A file that only has comments is a seed without anything.
            Err(_) if matches!(serde_yaml::from_str(text), Ok(None::<IgnoredAny>)) => Ok(Self::default()),
            Err(error) => Err(located(text, &error)),
        }
    }

    pub(super) fn extend(&mut self, more: Self) {
        self.users.extend(more.users);
        self.policies.extend(more.policies);
        self.tokens.extend(more.tokens);
    }

    /// Sets everything up: all users and policies or none, and then the tokens.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for what cannot be, [`ErrorKind::Disk`] when it cannot be stored.
    pub(super) async fn plant(self, store: &Store, authentication: &Authentication) -> Result<(), Error> {
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
                hashes.insert(user::urn(&user.name), hash);
            }
            all_policies.push(Policy::of_user(&user.name, &user.privileges).checked()?);
        }
        for policy in policies {
            all_policies.push(policy.checked()?);
        }
        store
            .write(move |connection| {
                let stamp =
                    Stamp { actor: user::urn(SYSTEM_ACTOR), time: tokens::milliseconds(SystemTime::now()) };
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
                        Policy::delete(connection, &policy.name)?;
                    } else {
                        policy.store(connection, &stamp)?;
                    }
                }
                Ok(())
            })
            .await
            .map_err(|failure| Error::new(ErrorKind::Disk, failure.message().to_owned()))?;
        authentication.doubt();
        for token in tokens {
            token.plant(store, authentication).await?;
        }
        Ok(())
    }
}

impl Token {
    /// Makes the token and writes it to its file, unless the one that is there is still good.
    async fn plant(self, store: &Store, authentication: &Authentication) -> Result<(), Error> {
        let urn = user::urn(&self.actor);
        let there = store.read({
            let urn = urn.clone();
            move |connection| read::has(connection, &urn, user::KEY_ASPECT)
        });
        if !there.await.map_err(|failure| Error::new(ErrorKind::Disk, failure.message().to_owned()))? {
            let message =
                format!("token {}: there is no user {}: name him under `users`", self.name, self.actor);
            return Err(Error::new(ErrorKind::Input, message));
        }
        if let Ok(known) = read_short(&self.out)
            && authentication.is_good(known.trim(), &self.name, &urn).await
        {
            return Ok(());
        }
        let draft = Draft {
            name: self.name,
            description: None,
            actor: urn.clone(),
            owner: urn,
            r#type: TokenType::Personal,
            expires: self.duration.from(SystemTime::now()),
        };
        let (token, _) = authentication.issue(draft).await?;
        write_private(&self.out, &token).map_err(|error| {
            let message = format!("cannot write the token to {}: {error}", self.out.display());
            Error::new(ErrorKind::Disk, message).with_source(error)
        })
    }
}

/// What is wrong, and where. The YAML reader leaves the place out where it would be the first one, as it is for a key of
/// the whole file that is not known.
fn located(text: &str, error: &serde_yaml::Error) -> String {
    let said = error.to_string();
    if error.location().is_some() {
        return said;
    }
    let key = said.split('`').nth(1).unwrap_or_default();
    let line = text.lines().position(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')));
    format!("{said} at line {}", line.unwrap_or(0) + 1)
}

/// Reads a file that is not longer than a seed may be.
pub(super) fn read_short(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(std::io::Error::other(format!("it is longer than {LONGEST} bytes")));
    }
    Ok(text)
}

/// Writes a file that only its owner can read, and that is there as a whole or not at all.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    if let Some(directory) = directory {
        std::fs::create_dir_all(directory)?;
    }
    // A temporary file belongs to its owner alone, and keeps that when it gets its name.
    let mut file = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    writeln!(file, "{text}")?;
    file.persist(path).map(drop).map_err(|error| error.error)
}
