//! The built binary in a world of its own: temporary directories for everything, and nothing of the caller's environment.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// Temporary directories, and commands that know no others.
pub(crate) struct Sandbox {
    directory: tempfile::TempDir,
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file, and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Writes a recipe that reads `source` (a path below the sandbox) into `sink`, which is YAML in flow form.
    pub(crate) fn recipe(&self, source: &str, sink: &str) -> PathBuf {
        let source = self.path(source);
        self.write(
            "recipe.yml",
            &format!("source: {{type: file, config: {{path: '{}'}}}}\nsink: {sink}\n", source.display()),
        )
    }

    /// The binary, with the sandbox for its current directory and for its home.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("datahub-emit"));
        command.current_dir(self.directory.path()).env_clear().env("HOME", self.path("home"));
        for (variable, directory) in
            [("XDG_STATE_HOME", "state"), ("XDG_DATA_HOME", "data"), ("XDG_CONFIG_HOME", "config")]
        {
            command.env(variable, self.path(directory));
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command().args(arguments).stdin(Stdio::null()))
    }

    /// `ingest -c recipe.yml` and more.
    pub(crate) fn ingest(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command().args(["ingest", "-c", "recipe.yml"]).args(arguments).stdin(Stdio::null()))
    }

    /// Starts a command whose three streams are pipes.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        read_json(&self.path(name))
    }
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        command.output().unwrap().into()
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A record of a metadata file: an UPSERT of `tagProperties` of the tag `name`.
pub(crate) fn tag(name: &str) -> String {
    serde_json::json!({
        "entityType": "tag",
        "entityUrn": format!("urn:li:tag:{name}"),
        "changeType": "UPSERT",
        "aspectName": "tagProperties",
        "aspect": {"json": {"name": name, "description": "für Tests"}},
    })
    .to_string()
}

/// A metadata file, JSON Lines, of the tags `names`.
pub(crate) fn tags<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| tag(name) + "\n").collect()
}

/// Asks a process to end, by the signal of that name (`INT`, `TERM`).
#[cfg(unix)]
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status().unwrap();
    assert!(status.success());
}

/// Ends a process that a failed test leaves behind.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
