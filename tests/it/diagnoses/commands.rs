//! What a diagnosis says to type is typed: every command of every row, as it stands, but for the places that only exist there.

use std::collections::BTreeSet;
use std::process::Command;

use datahub_emitter::embedded::{Gms, User};

use super::table::rows;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

/// The commands among the fixes of all rows: a whole line, or what stands after a colon and two spaces.
fn commands() -> BTreeSet<String> {
    const PROGRAMS: [&str; 7] = ["curl ", "datahub-emit ", "date ", "export ", "getent ", "ls ", "printenv "];
    let fixes = rows().into_iter().flat_map(|row| row.diagnosis.fixes);
    let commands = fixes.filter_map(|fix| {
        let command = fix.split_once(":  ").map_or(fix.as_str(), |(_, command)| command).to_owned();
        PROGRAMS.iter().any(|program| command.starts_with(program)).then_some(command)
    });
    commands.collect()
}

/// `command` with the addresses and paths of a test in place of those of the table.
fn here(command: &str, server: &Server, sandbox: &Sandbox) -> String {
    let frontend = server.gms().frontend_url().unwrap();
    let mut command = command.to_owned();
    for host in ["http://gms", "http://datahub", "http://localhost", "http://host"] {
        command = command.replace(&format!("{host}:9002"), frontend);
        command = command.replace(&format!("{host}:8080"), server.url());
        command = command.replace(&format!("{host}/"), &format!("{}/", server.url()));
    }
    command = command.replace("/run/secrets", "/run").replace("/run", sandbox.path("").to_str().unwrap());
    command.replace("getent hosts gsm", "getent hosts localhost")
}

#[test]
fn every_command_works_when_it_is_typed() {
    let commands = commands();
    assert!(commands.len() >= 12, "{commands:#?}");
    let loader = User::new("loader").password("hunter22").privilege("GENERATE_PERSONAL_ACCESS_TOKENS");
    let datahub = User::new("datahub").password("hunter22").privilege("MANAGE_ACCESS_TOKENS");
    let server = Server::of(Gms::builder().frontend(([127, 0, 0, 1], 0).into()).user(loader).user(datahub));
    let program = assert_cmd::cargo::cargo_bin!("datahub-emit");
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    for command in &commands {
        if command.starts_with("datahub-emit gms serve") {
            // It does not end, and `gms_commands` is about it.
            continue;
        }
        let sandbox = Sandbox::new();
        for name in ["token", "t"] {
            sandbox.write(name, server.token());
        }
        let typed = here(command, &server, &sandbox);
        let ran = Ran::of(
            Command::new("sh")
                .args(["-e", "-u", "-c", &typed])
                .current_dir(sandbox.path(""))
                .env_clear()
                .env("HOME", sandbox.path("home"))
                .env("PATH", &path)
                .env("DATAHUB_PASSWORD", "hunter22")
                .env("DATAHUB_GMS_TOKEN", server.token())
                .env("OTHER_VARIABLE", server.token())
                .env("T", server.token()),
        );
        assert_eq!(ran.code, Some(0), "{command}\n{typed}\n{ran:#?}");
    }
}
