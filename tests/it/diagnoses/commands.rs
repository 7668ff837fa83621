//! The commands among the fixes are run as they are printed, except for addresses and paths that exist in the
//! test only.

use std::collections::BTreeSet;
use std::process::Command;

use datahub_emitter::auth::TokenSource;
use datahub_emitter::diagnosis::{Fix, Renderer as _};
use datahub_emitter::embedded::{Gms, User};

use super::renderer::CommandLine;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

/// Every fix that is a command or ends with one.
fn fixes() -> Vec<Fix> {
    let file = || TokenSource::File("/run/token".into());
    let variable = |name: &str| TokenSource::Environment(name.into());
    let create =
        |source: Option<TokenSource>, user: Option<&str>, service_account: Option<&str>| Fix::CreateToken {
            source,
            user: user.map(str::to_owned),
            service_account: service_account.map(str::to_owned),
            frontend: "http://gms:9002".into(),
        };
    let loader = Some("loader");
    vec![
        create(None, None, None),
        create(None, loader, None),
        create(Some(file()), None, None),
        create(Some(file()), loader, None),
        create(Some(variable("T")), loader, None),
        create(Some(file()), loader, Some("urn:li:corpuser:loader")),
        Fix::UseDataHubToken,
        Fix::CheckTokenFile("/run/token".into()),
        Fix::CheckVariable("T".into()),
        Fix::InspectToken(file()),
        Fix::InspectToken(variable("DATAHUB_GMS_TOKEN")),
        Fix::ExpandVariable("DATAHUB_GMS_TOKEN".into()),
        Fix::CheckClock,
        Fix::SkipProxy { host: "gms".into() },
        Fix::ProbeServer("http://gms:8080".into()),
        Fix::WaitForHealth("http://gms:8080".into()),
        Fix::ResolveHost("gsm".into()),
        Fix::StartEmbeddedGms,
    ]
}

/// The command in the text of a fix: the whole line, or what follows a colon and two spaces.
fn commands() -> BTreeSet<String> {
    const PROGRAMS: [&str; 7] = ["curl ", "datahub-emit ", "date ", "export ", "getent ", "ls ", "printenv "];
    let command = |fix: &Fix| {
        let text = CommandLine.fix(fix);
        let command = text.split_once(":  ").map_or(text.as_str(), |(_, command)| command).to_owned();
        assert!(PROGRAMS.iter().any(|program| command.starts_with(program)), "{text}");
        command
    };
    fixes().iter().map(command).collect()
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
