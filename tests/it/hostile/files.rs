//! Files and links that were prepared to mislead the program, and the permissions of the files that it makes.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::CLOSED_PORT_URL;
use crate::support::gms_process::GmsProcess;
use crate::support::sandbox::{Ran, Sandbox, numbered_tags, tags};
use crate::support::server::Server;

/// Another user, who need not exist.
const OTHER: u32 = 65534;

/// Only root can give files to other users.
fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

/// A run that writes to a file.
fn world() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe("tags.jsonl", "{type: file, config: {filename: out.jsonl}}");
    sandbox
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode()
        & 0o777
}

#[test]
fn report_and_metrics_may_be_links_to_another_file_system() {
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let sandbox = world();
    for (option, name) in [("--report-to", "report.json"), ("--metrics-file", "run.prom")] {
        let (target, link) = (elsewhere.path().join(name), sandbox.path(name));
        symlink(&target, &link).unwrap();
        // The first run creates the target, the second one replaces it.
        for _ in 0..2 {
            sandbox.ingest(&[option, name]).ends_with(0);
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert!(fs::metadata(&target).unwrap().len() > 100);
        }
    }
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 2, "no temporary file is left");
}

#[test]
fn a_checkpoint_that_is_no_small_regular_file_is_not_read() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    let sink =
        format!("{{type: datahub-rest, config: {{server: '{CLOSED_PORT_URL}'}}}}\npipeline_name: nightly");
    sandbox.recipe("tags.jsonl", &sink);
    let checkpoint = sandbox.path("state/datahub-emit/nightly/checkpoint.json");
    fs::create_dir_all(checkpoint.parent().unwrap()).unwrap();
    let fifo = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let device = |path: &Path| symlink("/dev/zero", path).unwrap();
    let sparse = |path: &Path| fs::File::create(path).unwrap().set_len(300 << 20).unwrap();
    for make in [&fifo as &dyn Fn(&Path), &device, &sparse] {
        make(&checkpoint);
        let ran = sandbox.ingest(&["--resume"]);
        assert!(matches!(ran.code, Some(2 | 6)), "{ran:#?}");
        assert!(ran.stderr.contains("checkpoint.json"), "{ran:#?}");
        fs::remove_file(&checkpoint).unwrap();
    }
}

#[test]
fn a_recipe_that_expands_to_gigabytes_is_refused() {
    let sandbox = Sandbox::new();
    let many = "${BIG}".repeat(30_000);
    sandbox.write(
        "recipe.yml",
        &format!("source: {{type: file, config: {{path: \"{many}\"}}}}\nsink: {{type: console}}\n"),
    );
    let mut command = sandbox.command();
    let ran = Ran::of(command.args(["check", "recipe.yml", "--offline"]).env("BIG", "x".repeat(100_000)))
        .ends_with(2);
    assert!(ran.stderr.contains("more than 64 MiB"), "{ran:#?}");
}

#[test]
fn links_of_other_users_are_not_followed() {
    if !is_root() {
        return;
    }
    let sandbox = world();
    let victim = sandbox.write("victim", "precious");
    fs::create_dir(sandbox.path("common")).unwrap();
    fs::set_permissions(sandbox.path("common"), fs::Permissions::from_mode(0o1777)).unwrap();
    let link = sandbox.path("common/link");
    symlink(&victim, &link).unwrap();
    lchown(&link, Some(OTHER), None).unwrap();
    let refused = |ran: Ran| {
        let ran = ran.ends_with(6);
        assert!(ran.stderr.contains("another user"), "{ran:#?}");
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    };
    for option in ["--report-to", "--metrics-file", "--dead-letters"] {
        refused(sandbox.ingest(&[option, "common/link"]));
    }
    sandbox.recipe("tags.jsonl", "{type: file, config: {filename: common/link}}");
    refused(sandbox.ingest(&[]));
    refused(sandbox.run(&[
        "gms",
        "token",
        "create",
        "--data",
        "gms.sqlite",
        "--out",
        "common/link",
        "--force",
    ]));
    // The state directory: a link to a directory.
    sandbox.recipe("tags.jsonl", "{type: blackhole}");
    fs::create_dir(sandbox.path("inner")).unwrap();
    symlink(sandbox.path("inner"), sandbox.path("common/state")).unwrap();
    lchown(sandbox.path("common/state"), Some(OTHER), None).unwrap();
    sandbox.ingest(&["--state-dir", "common/state"]).ends_with(6);
}

#[test]
fn a_token_is_not_given_to_another_user_and_replaces_nothing_else() {
    let sandbox = Sandbox::new();
    let create = |more: &[&str]| {
        sandbox.run(&[&["gms", "token", "create", "--data", "gms.sqlite", "--out", "token"], more].concat())
    };
    create(&[]).ends_with(0);
    create(&[]).ends_with(0);
    assert_eq!(mode(&sandbox.path("token")), 0o600);
    sandbox.write("token", "precious notes");
    let refused = create(&[]).ends_with(2);
    assert!(refused.stderr.contains("--force"), "{refused:#?}");
    assert_eq!(fs::read(sandbox.path("token")).unwrap(), b"precious notes");
    create(&["--force"]).ends_with(0);
    if is_root() {
        chown(sandbox.path("token"), Some(OTHER), None).unwrap();
        let refused = create(&["--force"]).ends_with(6);
        assert!(refused.stderr.contains("another user"), "{refused:#?}");
    }
    let elsewhere =
        sandbox.run(&["gms", "token", "create", "--server", "http://localhost:8080"]).ends_with(2);
    assert!(elsewhere.stderr.contains("--data"), "{elsewhere:#?}");
}

/// All files and directories below `directory`.
fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn files_are_their_owners_alone_whatever_the_umask() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    // An invalid record, so that there is a dead letter, and too many of them, so that a checkpoint stays.
    sandbox.write("tags.jsonl", &format!("{}{{}}\n{{}}\n{}", tags(["a"]), numbered_tags(50)));
    let sink = format!(
        "{{type: datahub-rest, config: {{server: '{}', token: '${{TOKEN}}'}}}}\nmax_failures: 1",
        server.url()
    );
    sandbox.recipe("tags.jsonl", &sink);
    let program = assert_cmd::cargo::cargo_bin!("datahub-emit");
    let mut shell = Command::new("sh");
    let line = format!("umask 000; exec {} ingest -c recipe.yml --report-to report.json", program.display());
    shell.args(["-c", &line]).current_dir(sandbox.path("")).stdin(Stdio::null());
    for (name, directory) in [("HOME", "home"), ("XDG_STATE_HOME", "state")] {
        shell.env(name, sandbox.path(directory));
    }
    Ran::of(shell.env("TOKEN", server.token())).ends_with(1);
    let state = below(&sandbox.path("state"));
    assert!(state.iter().any(|path| path.ends_with("dead-letters.jsonl")), "{state:?}");
    assert!(state.iter().any(|path| path.ends_with("lock")), "{state:?}");
    for path in &state {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(path), expected, "{}", path.display());
    }
    assert_eq!(mode(&sandbox.path("report.json")), 0o600);
}

#[test]
fn the_data_of_the_embedded_gms_becomes_private() {
    let sandbox = Sandbox::new();
    sandbox.run(&["gms", "user", "add", "ann", "--data", "gms.sqlite"]);
    let data = sandbox.path("gms.sqlite");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o644)).unwrap();
    let gms = GmsProcess::start(&sandbox, &["--data", "gms.sqlite"]);
    let mut found = 0;
    for suffix in ["", "-wal", "-shm"] {
        let path = sandbox.path(&format!("gms.sqlite{suffix}"));
        if path.exists() {
            found += 1;
            assert_eq!(mode(&path), 0o600, "{suffix}");
        }
    }
    assert!(found > 1);
    // A core dump would hold the signing key and tokens.
    let limits = fs::read_to_string(format!("/proc/{}/limits", gms.process.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
}

#[test]
fn nothing_that_was_read_can_forge_a_line_on_the_terminal() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let forged = "x\u{1b}[2K\rdone: 5 proposals\ndone: forged\u{9b}1A\u{202e}\u{200b}\u{2028}";
    let record = serde_json::json!({
        "entityType": "tag", "entityUrn": format!("urn:li:tag:{forged}"), "changeType": "UPSERT",
        "aspectName": format!("no-{forged}"), "aspect": {"json": {"name": forged}},
    });
    let name = "tags\u{1b}[31m\n.jsonl";
    sandbox.write(name, &format!("{record}\n{{\"{}\": 1}}\n", "\\u001b[1A"));
    sandbox.write(
        "recipe.yml",
        &serde_json::json!({"source": {"type": "file", "config": {"path": sandbox.path(name)}},
            "sink": {"type": "datahub-rest", "config": {"server": server.url(), "token": "${TOKEN}"}}})
        .to_string(),
    );
    for arguments in
        [&["ingest", "-c", "recipe.yml"][..], &["ingest", "-c", "recipe.yml", "--color", "always"]]
    {
        let ran = Ran::of(sandbox.command().args(arguments).env("TOKEN", server.token())).ends_with(1);
        let colored = arguments.contains(&"always");
        let shown = ran.stderr.replace("\u{1b}[31m\u{1b}[1m", "").replace("\u{1b}[0m", "");
        let shown =
            if colored { shown.replace("\u{1b}[33m", "").replace("\u{1b}[32m\u{1b}[1m", "") } else { shown };
        for character in ['\u{1b}', '\r', '\u{9b}', '\u{202e}', '\u{200b}', '\u{2028}'] {
            assert!(!shown.contains(character), "{character:?} in {shown:?}");
        }
        assert!(!shown.lines().any(|line| line.starts_with("done")), "{shown}");
    }
    let not_found = Ran::of(
        sandbox
            .command()
            .args(["get", "urn:li:tag:\u{1b}[2J", "--server", server.url()])
            .env("DATAHUB_GMS_TOKEN", server.token()),
    );
    assert!(!not_found.stderr.contains('\u{1b}'), "{not_found:#?}");
}

#[test]
fn a_server_whose_certificate_is_not_verified_is_a_warning_everywhere() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe(
        "tags.jsonl",
        "{type: datahub-rest, config: {server: 'https://127.0.0.1:9', disable_ssl_verification: true}}",
    );
    for arguments in [&["ingest", "-c", "recipe.yml", "--dry-run"][..], &["check", "recipe.yml", "--offline"]]
    {
        let ran = sandbox.run(arguments).ends_with(0);
        assert!(ran.stderr.contains("disable_ssl_verification"), "{ran:#?}");
    }
}

#[test]
fn with_a_log_in_json_every_line_is_json() {
    let sandbox = world();
    for (arguments, code) in [
        (&["ingest", "-c", "recipe.yml"][..], 0),
        (&["ingest", "-c", "no-recipe.yml"], 2),
        (&["get", "urn:li:tag:a", "--server", CLOSED_PORT_URL], 4),
        (&["ingest", "recipe.yml", "--no-spinner", "--debug"], 0),
    ] {
        let ran = sandbox.run(&[&["--log-format", "json"], arguments].concat()).ends_with(code);
        assert!(!ran.stderr.is_empty());
        for line in ran.stderr.lines() {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(value["level"].is_string() && value["fields"]["message"].is_string(), "{line}");
        }
    }
}
