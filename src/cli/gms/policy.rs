//! `datahub-emit gms policy`.

use clap::{Args, Subcommand};

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
#[command(after_help = "\
Example:
  datahub-emit gms policy add hive --user loader --privilege EDIT_ENTITY --urn 'urn:li:dataset:(urn:li:dataPlatform:hive,*'")]
struct Add {
    #[command(flatten)]
    data: Data,
    /// What the policy is called.
    name: String,
    /// For whom it holds; several times for several.
    #[arg(long = "user", value_name = "NAME", required_unless_present = "all_users")]
    users: Vec<String>,
    /// It holds for every user.
    #[arg(long)]
    all_users: bool,
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
            let Self { data, name, users, all_users, privileges, types, urns } = self;
            let mut policy = Policy::new(name);
            if all_users {
                policy = policy.all_users();
            }
            policy = users.into_iter().fold(policy, Policy::user);
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
            "actors": {"users": policy.users(), "allUsers": policy.is_for_all_users()},
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
