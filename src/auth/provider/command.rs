//! A token from the standard output of a command, for example a password manager's or a cloud's.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use super::{IssuedToken, ProviderError, TokenProvider};
use crate::auth::{Token, TokenSource};
use crate::box_future::BoxFuture;

/// The limit of the output; a token has some hundred bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Runs a command, without a shell, and uses its standard output as the token.
#[derive(Clone, Debug)]
pub struct CommandProvider {
    program: String,
    arguments: Vec<String>,
    timeout: Duration,
}

impl CommandProvider {
    /// The default time limit: 30 s.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// Runs `program`, which is searched for on the path, with `arguments`. It is killed after `timeout`.
    pub fn new(program: impl Into<String>, arguments: Vec<String>, timeout: Duration) -> Self {
        Self { program: program.into(), arguments, timeout }
    }

    async fn output(&self) -> Result<String, ProviderError> {
        // The arguments may contain a secret, so messages name the program only.
        let problem = |what: &str| format!("the token command {} {what}", self.program);
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // The command may ask for a second factor on the terminal.
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| ProviderError::permanent(problem(&format!("cannot be started: {error}"))))?;
        let (bytes, status) = tokio::time::timeout(self.timeout, finish(&mut child))
            .await
            .map_err(|_| {
                ProviderError::transient(problem(&format!(
                    "took longer than {} s",
                    self.timeout.as_secs_f64()
                )))
            })?
            .map_err(|error| ProviderError::transient(problem(&format!("failed: {error}"))))?;
        if !status.success() {
            return Err(ProviderError::transient(problem(&format!("ended with {status}"))));
        }
        if bytes.len() as u64 > MAX_BYTES {
            return Err(ProviderError::permanent(problem("printed more than a token")));
        }
        let text =
            String::from_utf8(bytes).map_err(|_| ProviderError::permanent(problem("printed no UTF-8")))?;
        if text.trim().is_empty() {
            return Err(ProviderError::permanent(problem("printed nothing")));
        }
        Ok(text.trim().to_owned())
    }
}

async fn finish(child: &mut Child) -> std::io::Result<(Vec<u8>, std::process::ExitStatus)> {
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_BYTES + 1).read_to_end(&mut bytes).await?;
    }
    Ok((bytes, child.wait().await?))
}

impl TokenProvider for CommandProvider {
    fn source(&self) -> TokenSource {
        TokenSource::Command
    }

    fn fetch(&self) -> BoxFuture<'_, Result<IssuedToken, ProviderError>> {
        Box::pin(async { Ok(Token::new(self.output().await?, TokenSource::Command).into()) })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    async fn fetch(program: &str, arguments: &[&str]) -> Result<String, ProviderError> {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let provider = CommandProvider::new(program, arguments, CommandProvider::TIMEOUT);
        provider.fetch().await.map(|fetched| fetched.token.expose().to_owned())
    }

    #[tokio::test]
    async fn the_output_is_the_token_and_no_shell_expands_the_arguments() {
        assert_eq!(fetch("echo", &["a b", "$HOME; c"]).await.unwrap(), "a b $HOME; c");
    }

    #[tokio::test]
    async fn messages_name_the_program_and_not_its_arguments() {
        for (program, arguments, word, transient) in [
            ("/no/such/program", &["s3cr3t"][..], "cannot be started", false),
            ("false", &["s3cr3t"], "exit status: 1", true),
            ("true", &["s3cr3t"], "printed nothing", false),
        ] {
            let error = fetch(program, arguments).await.unwrap_err();
            assert!(error.message.contains(program) && error.message.contains(word), "{error}");
            assert!(!error.message.contains("s3cr3t"), "{error}");
            assert_eq!(error.transient, transient);
        }
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_killed() {
        let provider = CommandProvider::new("sleep", vec!["3600".into()], Duration::from_millis(20));
        let error = provider.fetch().await.unwrap_err();
        assert!(error.transient && error.message.contains("took longer than 0.02 s"), "{error}");
    }
}
