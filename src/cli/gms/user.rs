//! `datahub-emit gms user`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Data;

#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Creates a user, or replaces the privileges of an existing one. A generated password is printed on
    /// standard output.
    Add(Add),
    /// Lists the users' names.
    List(Data),
    /// Removes a user with its password and its own privileges. The user's tokens are refused from now on.
    Remove(Remove),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  datahub-emit gms user add loader --privilege EDIT_ENTITY --privilege GENERATE_PERSONAL_ACCESS_TOKENS")]
struct Add {
    #[command(flatten)]
    data: Data,
    /// The user's name, without `urn:li:corpuser:`.
    name: String,
    /// Reads the password from the first line of this file, `-` for standard input. Without it, a user
    /// without a password gets a generated one.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A privilege on all entities, by DataHub's name; may be repeated. `gms policy add` grants privileges on
    /// some entities.
    #[arg(long = "privilege", value_name = "PRIVILEGE")]
    privileges: Vec<String>,
    /// A group of the user, created if it does not exist; may be repeated. The groups replace those that were
    /// set this way before. Without it, the groups are not changed.
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
}

#[derive(Debug, Args)]
struct Remove {
    #[command(flatten)]
    data: Data,
    /// The user's name.
    name: String,
}

#[cfg(feature = "embedded")]
mod with {
    use std::io::{BufRead as _, BufReader, Read};
    use std::path::Path;

    use datahub_emitter::embedded::User;
    use datahub_emitter::{Error, ErrorKind};

    use super::{Add, Remove, UserArgs, UserCommand};
    use crate::cli::exit::Exit;
    use crate::cli::gms::file;
    use crate::cli::output;

    /// No password is longer, in bytes; a file of this size is something else.
    const LONGEST: u64 = 64 * 1024;

    impl UserArgs {
        pub(crate) async fn run(self) -> Result<Exit, Error> {
            match self.command {
                UserCommand::Add(add) => add.run().await,
                UserCommand::List(data) => {
                    let gms = data.open().await?;
                    let users = gms.users().await?;
                    gms.stop().await;
                    for name in users {
                        output::write(format!("{name}\n").as_bytes())?;
                    }
                    Ok(Exit::Done)
                }
                UserCommand::Remove(Remove { data, name }) => {
                    let gms = data.open().await?;
                    let removed = gms.remove_user(&name).await?;
                    gms.stop().await;
                    if removed { Ok(Exit::Done) } else { Err(file::absent(&format!("user {name}"))) }
                }
            }
        }
    }

    impl Add {
        async fn run(self) -> Result<Exit, Error> {
            let mut user = User::new(&self.name);
            if let Some(path) = &self.password_file {
                user = user.password(read_password(path)?);
            }
            for privilege in self.privileges {
                user = user.privilege(privilege);
            }
            for group in self.groups {
                user = user.group(group);
            }
            let gms = self.data.open().await?;
            gms.set_user(user).await?;
            let made =
                if self.password_file.is_none() { gms.generate_password(&self.name).await? } else { None };
            gms.stop().await;
            if let Some(password) = made {
                output::write(format!("{password}\n").as_bytes())?;
            }
            Ok(Exit::Done)
        }
    }

    fn read_password(path: &Path) -> Result<String, Error> {
        let read = || {
            let source: Box<dyn Read> = if path == Path::new("-") {
                Box::new(std::io::stdin())
            } else {
                Box::new(std::fs::File::open(path)?)
            };
            let mut line = String::new();
            BufReader::new(source.take(LONGEST)).read_line(&mut line)?;
            Ok::<_, std::io::Error>(line.trim_end_matches(['\r', '\n']).to_owned())
        };
        read().map_err(|error| {
            let message = format!("cannot read the password from {}: {error}", path.display());
            Error::new(ErrorKind::Input, message).with_source(error)
        })
    }
}

#[cfg(not(feature = "embedded"))]
impl UserArgs {
    #[expect(clippy::unused_async, reason = "has the form that it has with the feature")]
    pub(crate) async fn run(self) -> Result<crate::cli::exit::Exit, datahub_emitter::Error> {
        Err(super::not_built())
    }
}
