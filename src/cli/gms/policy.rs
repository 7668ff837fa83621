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
    /// Sets a policy up, in place of one of the same name.
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
    /// What the policy is called.
    name: String,
    /// For whom it holds; several times for several.
    #[arg(long = "user", value_name = "NAME")]
    users: Vec<String>,
    /// For the members of which group it holds; several times for several.
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// It holds for every user.
    #[arg(long)]
    all_users: bool,
    /// It holds for the members of every group.
    #[arg(long)]
    all_groups: bool,
    /// It holds for the owners of an entity, on that entity.
    #[arg(long)]
    resource_owners: bool,
    /// What it allows, by DataHub's name for it, for example `EDIT_ENTITY`; several times for several.
    #[arg(long = "privilege", value_name = "PRIVILEGE", required = true)]
    privileges: Vec<String>,
    /// The type of entities for which it holds, for example dataset; without it all types.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// The entity for which it holds, with `*` at its end all that start like it; without it all entities.
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

    /// As a seed file has it.
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
