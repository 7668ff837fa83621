//! A token that a command prints: a password manager, a cloud's own tool.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use super::{Fetching, ProviderError, TokenProvider};
use crate::auth::{Token, TokenSource};

/// The longest output that is read.
const MAX_BYTES: u64 = 64 * 1024;

/// Runs a command, without a shell, and takes what it prints for the token.
#[derive(Clone, Debug)]
pub struct CommandProvider {
    program: String,
    arguments: Vec<String>,
    timeout: Duration,
}

impl CommandProvider {
    /// How long a command may take unless it is said: 30 s.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// Runs `program`, found as a shell would find it, with `arguments` as they are.
    pub fn new(program: impl Into<String>, arguments: Vec<String>, timeout: Duration) -> Self {
        Self { program: program.into(), arguments, timeout }
    }

    async fn output(&self) -> Result<String, ProviderError> {
        // Its arguments may hold a secret, so only the program is named.
        let problem = |what: &str| format!("the token command {} {what}", self.program);
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // What it says there is for the terminal of whoever runs it: it may ask for a second factor.
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| ProviderError::lasting(problem(&format!("cannot be started: {error}"))))?;
        let (bytes, status) = tokio::time::timeout(self.timeout, finish(&mut child))
            .await
            .map_err(|_| {
                ProviderError::transient(problem(&format!(
                    "took longer than {} s",
                    self.timeout.as_secs_f64()
                )))
            })?
            .map_err(|error| ProviderError::transient(problem(&format!("broke off: {error}"))))?;
        if !status.success() {
            return Err(ProviderError::transient(problem(&format!("ended with {status}"))));
        }
        if bytes.len() as u64 > MAX_BYTES {
            return Err(ProviderError::lasting(problem("printed more than a token")));
        }
        let text =
            String::from_utf8(bytes).map_err(|_| ProviderError::lasting(problem("printed no UTF-8")))?;
        if text.trim().is_empty() {
            return Err(ProviderError::lasting(problem("printed nothing")));
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

    fn fetch(&self) -> Fetching<'_> {
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
    async fn what_a_command_prints_is_the_token_and_no_shell_reads_its_arguments() {
        assert_eq!(fetch("echo", &["a b", "$HOME; c"]).await.unwrap(), "a b $HOME; c");
    }

    #[tokio::test]
    async fn a_command_that_fails_is_named_without_its_arguments() {
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
    async fn a_command_that_hangs_is_ended() {
        let provider = CommandProvider::new("sleep", vec!["3600".into()], Duration::from_millis(20));
        let error = provider.fetch().await.unwrap_err();
        assert!(error.transient && error.message.contains("took longer than 0.02 s"), "{error}");
    }
}
