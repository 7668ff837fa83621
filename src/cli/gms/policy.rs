//! `datahub-emit gms policy`.

use clap::{ArgGroup, Args, Subcommand};

use super::Data;

#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Creates a policy, or replaces the one of the same name.
    Add(Add),
    /// Lists the policies, as JSON Lines.
    List(Data),
    /// Removes a policy.
    Remove(Remove),
}

#[derive(Debug, Args)]
#[command(group(
    ArgGroup::new("actors")
        .args(["users", "groups", "all_users", "all_groups", "resource_owners"])
        .required(true)
        .multiple(true)
))]
#[command(after_help = "\
Example:
  datahub-emit gms policy add hive --user loader --privilege EDIT_ENTITY --urn 'urn:li:dataset:(urn:li:dataPlatform:hive,*'")]
struct Add {
    #[command(flatten)]
    data: Data,
    /// The name of the policy.
    name: String,
    /// A user to which the policy applies; may be repeated.
    #[arg(long = "user", value_name = "NAME")]
    users: Vec<String>,
    /// A group to whose members the policy applies; may be repeated.
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// The policy applies to all users.
    #[arg(long)]
    all_users: bool,
    /// The policy applies to the members of all groups.
    #[arg(long)]
    all_groups: bool,
    /// The policy applies to the owners of each entity.
    #[arg(long)]
    resource_owners: bool,
    /// A privilege that the policy grants, by DataHub's name, for example `EDIT_ENTITY`; may be repeated.
    #[arg(long = "privilege", value_name = "PRIVILEGE", required = true)]
    privileges: Vec<String>,
    /// An entity type to which the policy is restricted, for example dataset; default: all types.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// A URN to which the policy is restricted; a final `*` matches any rest; default: all entities.
    #[arg(long = "urn", value_name = "URN")]
    urns: Vec<String>,
}

#[derive(Debug, Args)]
struct Remove {
    #[command(flatten)]
    data: Data,
    /// The policy's name.
    name: String,
}

#[cfg(feature = "embedded")]
mod with {
    use datahub_emitter::Error;
    use datahub_emitter::embedded::Policy;
    use serde_json::json;

    use super::{Add, PolicyArgs, PolicyCommand, Remove};
    use crate::cli::exit::Exit;
    use crate::cli::gms::file;
    use crate::cli::output;

    impl PolicyArgs {
        pub(crate) async fn run(self) -> Result<Exit, Error> {
            match self.command {
                PolicyCommand::Add(add) => add.run().await,
                PolicyCommand::List(data) => {
                    let gms = data.open().await?;
                    let policies = gms.policies().await?;
                    gms.stop().await;
                    output::write(policies.iter().map(line).collect::<String>().as_bytes())?;
                    Ok(Exit::Done)
                }
                PolicyCommand::Remove(Remove { data, name }) => {
                    let gms = data.open().await?;
                    let removed = gms.remove_policy(&name).await?;
                    gms.stop().await;
                    if removed { Ok(Exit::Done) } else { Err(file::absent(&format!("policy {name}"))) }
                }
            }
        }
    }

    impl Add {
        async fn run(self) -> Result<Exit, Error> {
            let Self {
                data,
                name,
                users,
                groups,
                all_users,
                all_groups,
                resource_owners,
                privileges,
                types,
                urns,
            } = self;
            let mut policy = Policy::new(name);
            if all_users {
                policy = policy.all_users();
            }
            if all_groups {
                policy = policy.all_groups();
            }
            if resource_owners {
                policy = policy.resource_owners();
            }
            policy = users.into_iter().fold(policy, Policy::user);
            policy = groups.into_iter().fold(policy, Policy::group);
            policy = privileges.into_iter().fold(policy, Policy::privilege);
            policy = types.into_iter().fold(policy, Policy::entity_type);
            policy = urns.into_iter().fold(policy, Policy::urn);
            let gms = data.open().await?;
            gms.set_policy(policy).await?;
            gms.stop().await;
            Ok(Exit::Done)
        }
    }

    /// A policy in the form of a seed file.
    fn line(policy: &Policy) -> String {
        let line = json!({
            "name": policy.name(),
            "actors": {
                "users": policy.users(),
                "groups": policy.groups(),
                "allUsers": policy.is_for_all_users(),
                "allGroups": policy.is_for_all_groups(),
                "resourceOwners": policy.is_for_resource_owners(),
            },
            "privileges": policy.privileges(),
            "resources": {"types": policy.entity_types(), "urns": policy.urns()},
        });
        format!("{line}\n")
    }
}

#[cfg(not(feature = "embedded"))]
impl PolicyArgs {
    #[expect(clippy::unused_async, reason = "has the form that it has with the feature")]
    pub(crate) async fn run(self) -> Result<crate::cli::exit::Exit, datahub_emitter::Error> {
        Err(super::not_built())
    }
}
