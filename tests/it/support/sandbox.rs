//! The built binary in isolation: temporary directories for everything, and nothing of the environment of the
//! tests.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use super::report::adds_up;

/// A temporary directory, and commands that use no other.
pub(crate) struct Sandbox {
    directory: tempfile::TempDir,
}

/// The result of a command.
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

    /// Writes a recipe that reads `source` (a path below the sandbox) into `sink` (a YAML flow mapping).
    pub(crate) fn recipe(&self, source: &str, sink: &str) -> PathBuf {
        let source = self.path(source);
        self.write(
            "recipe.yml",
            &format!("source: {{type: file, config: {{path: '{}'}}}}\nsink: {sink}\n", source.display()),
        )
    }

    /// The binary, with the sandbox as its current directory and as its home.
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

    /// Runs `ingest -c recipe.yml` with more arguments.
    pub(crate) fn ingest(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command().args(["ingest", "-c", "recipe.yml"]).args(arguments).stdin(Stdio::null()))
    }

    /// As [`ingest`](Self::ingest); also returns the report, whose counts have to add up.
    #[track_caller]
    pub(crate) fn ingest_with_report(&self, arguments: &[&str]) -> (Ran, Value) {
        let ran = self.ingest(&[&["--report-to", "report.json"], arguments].concat());
        let report = self.json("report.json");
        adds_up(&report);
        (ran, report)
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

/// A metadata file, JSON Lines, of the tags `t0`, `t1` and so on.
pub(crate) fn numbered_tags(count: usize) -> String {
    (0..count).map(|number| tag(&format!("t{number}")) + "\n").collect()
}

/// Sends the signal of that name (`INT`, `TERM`) to a process.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status().unwrap();
    assert!(status.success());
}

/// Kills the process when the test ends early.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
