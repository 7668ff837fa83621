//! `gms serve` with users, policies and tokens, and the commands that change them.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::gms_process::GmsProcess;
use crate::support::raw_client::{exchange, send};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::wait;

fn log_in(frontend: &str, username: &str, password: &str) -> u16 {
    let body = json!({"username": username, "password": password}).to_string();
    send(frontend, "POST /logIn", "Content-Type: application/json\r\n", &body).0
}

/// Writes a tag's status with the token in a file.
fn write(sandbox: &Sandbox, base: &str, token: &str, tag: &str) -> u16 {
    let token = std::fs::read_to_string(sandbox.path(token)).unwrap();
    let urn = format!("urn:li:tag:{tag}");
    let body = json!({"proposal": {
        "entityType": "tag", "entityUrn": urn, "changeType": "UPSERT", "aspectName": "status",
        "aspect": {"value": "{\"removed\":false}", "contentType": "application/json"},
    }});
    let authorization = format!("Authorization: Bearer {}\r\n", token.trim());
    send(base, "POST /aspects?action=ingestProposal", &authorization, &body.to_string()).0
}

#[cfg(unix)]
#[test]
fn the_administrators_password_is_printed_once() {
    let sandbox = Sandbox::new();
    let serving = GmsProcess::start(&sandbox, &["--data", "gms.sqlite"]);
    let frontend = serving.frontend().to_owned();
    assert_ne!(serving.gms(), frontend);
    assert_eq!(log_in(&frontend, "datahub", "datahub"), 400);
    let (code, said) = serving.stop();
    assert_eq!(code, Some(0));
    let password = said.split("has the password ").nth(1).unwrap().split(' ').next().unwrap();
    let serving = GmsProcess::start(&sandbox, &["--data", "gms.sqlite"]);
    assert_eq!(log_in(serving.frontend(), "datahub", password), 200);
    let (_, said) = serving.stop();
    assert!(!said.contains("password"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_seed_creates_users_policies_and_tokens() {
    use std::os::unix::fs::PermissionsExt as _;

    let sandbox = Sandbox::new();
    sandbox.write(
        "seed.yml",
        "users:\n- {name: loader, password: secret, privileges: [GENERATE_PERSONAL_ACCESS_TOKENS]}\n\
         policies:\n- name: tags\n  actors: {users: [loader]}\n  privileges: [EDIT_ENTITY]\n  resources: {types: [tag], urns: ['urn:li:tag:a*']}\n\
         tokens:\n- {name: nightly, actor: loader, duration: ONE_MONTH, out: loader.token}\n",
    );
    let serving = GmsProcess::start(&sandbox, &["--data", ":memory:", "--seed", "seed.yml"]);
    assert_eq!(serving.ready["data"], Value::Null);
    assert_eq!(serving.ready["pid"], serving.process.id());
    let mode = std::fs::metadata(sandbox.path("loader.token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(write(&sandbox, serving.gms(), "loader.token", "a1"), 200);
    assert_eq!(write(&sandbox, serving.gms(), "loader.token", "b1"), 403);
    assert_eq!(log_in(serving.frontend(), "loader", "secret"), 200);
    assert_eq!(send(serving.gms(), "GET /entities/urn:li:corpuser:loader", "", "").0, 401);
    let (code, said) = serving.stop();
    assert_eq!((code, said.as_str()), (Some(0), ""));
    // Without REST authorization, a valid token is enough.
    let serving = GmsProcess::start(
        &sandbox,
        &["--data", ":memory:", "--seed", "seed.yml", "--rest-authorization", "off"],
    );
    assert_eq!(write(&sandbox, serving.gms(), "loader.token", "b1"), 200);
}

#[test]
fn faults_come_from_a_file() {
    let sandbox = Sandbox::new();
    sandbox
        .write("faults.yml", "faults: [{path: /config, times: 1, action: status, code: 503, body: later}]");
    let serving = GmsProcess::start(&sandbox, &["--data", ":memory:", "--faults", "faults.yml"]);
    assert_eq!(send(serving.gms(), "GET /config", "", ""), (503, "later".to_owned()));
    assert_eq!(send(serving.gms(), "GET /config", "", "").0, 200);
}

#[test]
fn the_form_of_a_refusal_can_be_chosen() {
    let sandbox = Sandbox::new();
    for (arguments, kind, part) in [
        (&[][..], Some("application/json"), "\"error\":\"Unauthorized\""),
        (&["--refusals", "spring-json"], Some("application/json"), "\"error\":\"Unauthorized\""),
        (&["--refusals", "spring-html"], Some("text/html;charset=UTF-8"), "Whitelabel"),
        (&["--refusals", "jetty-json"], Some("application/json"), "\"servlet\":"),
        (&["--refusals", "jetty-html"], Some("text/html;charset=iso-8859-1"), "<h2>HTTP ERROR 401"),
        (&["--refusals", "empty"], None, ""),
    ] {
        let all = [&["--data", ":memory:"], arguments].concat();
        let serving = GmsProcess::start(&sandbox, &all);
        let answer = exchange(serving.gms(), "GET /entities/urn:li:corpuser:datahub", "", "");
        assert_eq!((answer.status(), answer.header("Content-Type")), (401, kind), "{arguments:?}");
        assert!(answer.body().contains(part) && answer.body().is_empty() == part.is_empty(), "{answer:?}");
    }
    sandbox.run(&["gms", "serve", "--refusals", "jetty"]).ends_with(2);
}

#[test]
fn the_old_authentication_filter_can_be_chosen() {
    let sandbox = Sandbox::new();
    sandbox.write("seed.yml", "tokens: [{name: a, actor: datahub, out: token}]\n");
    sandbox.write("faults.yml", "faults: [{times: 1, action: expire_token}]\n");
    for (arguments, told) in
        [(&[][..], false), (&["--auth-filter", "new"], false), (&["--auth-filter", "old"], true)]
    {
        let common = [
            "--data",
            ":memory:",
            "--seed",
            "seed.yml",
            "--faults",
            "faults.yml",
            "--refusals",
            "jetty-json",
        ];
        let serving = GmsProcess::start(&sandbox, &[&common, arguments].concat());
        let token = std::fs::read_to_string(sandbox.path("token")).unwrap();
        let authorization = format!("Authorization: Bearer {}\r\n", token.trim());
        let (status, said) = send(serving.gms(), "GET /entities/urn:li:corpuser:datahub", &authorization, "");
        assert_eq!((status, said.contains("Token has expired")), (401, told), "{arguments:?}: {said}");
    }
}

#[test]
fn silent_drops_can_be_turned_on() {
    let sandbox = Sandbox::new();
    sandbox.write("seed.yml", "tokens: [{name: a, actor: datahub, out: token}]\n");
    for (arguments, status) in
        [(&[][..], 422), (&["--silent-drops", "off"], 422), (&["--silent-drops", "on"], 200)]
    {
        let all = [&["--data", ":memory:", "--seed", "seed.yml"], arguments].concat();
        let serving = GmsProcess::start(&sandbox, &all);
        assert_eq!(write(&sandbox, serving.gms(), "token", "space at its end "), status, "{arguments:?}");
        assert_eq!(write(&sandbox, serving.gms(), "token", "none"), 200);
    }
}

#[test]
fn an_entity_registry_can_be_loaded_from_a_file() {
    let sandbox = Sandbox::new();
    sandbox.write("seed.yml", "tokens: [{name: a, actor: datahub, out: token}]\n");
    sandbox.write("model.yml", "entities: [{name: tag, aspects: [rules]}]\n");
    let body = json!([{"urn": "urn:li:tag:x", "rules": {"value": {}}}]).to_string();
    for (arguments, expected) in [(&[][..], 400), (&["--entity-registry", "model.yml"], 200)] {
        let all = [&["--data", ":memory:", "--seed", "seed.yml"], arguments].concat();
        let serving = GmsProcess::start(&sandbox, &all);
        let token = std::fs::read_to_string(sandbox.path("token")).unwrap();
        let authorization = format!("Authorization: Bearer {}\r\n", token.trim());
        let (status, said) =
            send(serving.gms(), "POST /openapi/v3/entity/tag?async=false", &authorization, &body);
        assert_eq!(status, expected, "{said}");
        assert_eq!(said.contains("Unknown aspect rules for entity tag"), expected == 400, "{said}");
    }
    sandbox.write("broken.yml", "entities: [{aspects: [rules]}]\n");
    let arguments =
        ["gms", "serve", "--listen", "127.0.0.1:0", "--data", ":memory:", "--entity-registry", "broken.yml"];
    let ran = sandbox.run(&arguments).ends_with(2);
    assert!(ran.stderr.contains("broken.yml") && ran.stderr.contains("name"), "{}", ran.stderr);
}

#[test]
fn a_mistake_in_the_seed_is_an_error_at_startup() {
    let sandbox = Sandbox::new();
    sandbox.write("seed.yml", "users:\n- name: x\n  privileges: [EDIT_ENTITIES]\n");
    let arguments = ["gms", "serve", "--listen", "127.0.0.1:0", "--data", ":memory:", "--seed", "seed.yml"];
    let ran = sandbox.run(&arguments).ends_with(2);
    assert_eq!(ran.stdout, "");
    for part in ["seed.yml", "line 3", "EDIT_ENTITY"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
}

#[test]
fn an_occupied_frontend_address_is_an_error_only_if_it_was_requested() {
    let sandbox = Sandbox::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments =
        ["gms", "serve", "--listen", "127.0.0.1:0", "--frontend-listen", &address, "--data", ":memory:"];
    let ran = sandbox.run(&arguments).ends_with(2);
    assert!(ran.stderr.contains(&address), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn users_policies_and_tokens_can_be_changed_while_it_runs() {
    let sandbox = Sandbox::new();
    let run = |arguments: &[&str]| {
        let mut all = vec!["gms"];
        all.extend(arguments);
        all.extend(["--data", "gms.sqlite"]);
        sandbox.run(&all)
    };
    let serving = GmsProcess::start(&sandbox, &["--data", "gms.sqlite"]);
    let made = run(&["user", "add", "loader"]).ends_with(0).stdout;
    assert_eq!(log_in(serving.frontend(), "loader", made.trim()), 200);
    sandbox.write("password", "my own password\n");
    let ran = run(&["user", "add", "loader", "--password-file", "password"]).ends_with(0);
    assert_eq!(ran.stdout, "");
    assert_eq!(log_in(serving.frontend(), "loader", "my own password"), 200);
    assert_eq!(run(&["user", "list"]).ends_with(0).stdout, "datahub\nloader\n");
    run(&[
        "token",
        "create",
        "--actor",
        "loader",
        "--name",
        "nightly",
        "--duration",
        "P1D",
        "--out",
        "token",
    ])
    .ends_with(0);
    // A server notices changes by another process within a second.
    let becomes = |expected: u16, tag: &str| {
        wait::until("another permission", || write(&sandbox, serving.gms(), "token", tag) == expected);
    };
    becomes(403, "a1");
    let policy =
        ["policy", "add", "tags", "--user", "loader", "--privilege", "EDIT_ENTITY", "--urn", "urn:li:tag:a*"];
    run(&policy).ends_with(0);
    becomes(200, "a1");
    becomes(403, "b1");
    let lines = |ran: Ran| -> Vec<Value> {
        ran.ends_with(0).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let policies = lines(run(&["policy", "list"]));
    let tags = policies.iter().find(|policy| policy["name"] == "tags").unwrap();
    assert_eq!(tags["resources"]["urns"], json!(["urn:li:tag:a*"]));
    run(&["policy", "remove", "tags"]).ends_with(0);
    becomes(403, "a1");
    run(&["policy", "remove", "tags"]).ends_with(1);
    run(&["user", "add", "loader", "--group", "loaders"]).ends_with(0);
    run(&["policy", "add", "tags", "--group", "loaders", "--privilege", "EDIT_ENTITY"]).ends_with(0);
    becomes(200, "a1");
    let policies = lines(run(&["policy", "list"]));
    let tags = policies.iter().find(|policy| policy["name"] == "tags").unwrap();
    let actors = json!({
        "users": [], "groups": ["loaders"], "allUsers": false, "allGroups": false, "resourceOwners": false,
    });
    assert_eq!(tags["actors"], actors);
    run(&["user", "add", "loader", "--group", "others"]).ends_with(0);
    becomes(403, "a1");
    run(&["policy", "add", "tags", "--all-groups", "--resource-owners", "--privilege", "EDIT_ENTITY"])
        .ends_with(0);
    becomes(200, "a1");
    run(&["policy", "remove", "tags"]).ends_with(0);
    run(&["policy", "add", "tags", "--privilege", "EDIT_ENTITY"]).ends_with(2);
    let tokens = lines(run(&["token", "list"]));
    assert_eq!((tokens.len(), &tokens[0]["name"]), (1, &json!("nightly")));
    let id = tokens[0]["id"].as_str().unwrap();
    run(&["token", "revoke", id]).ends_with(0);
    becomes(401, "a1");
    run(&["token", "revoke", id]).ends_with(1);
    run(&["user", "remove", "loader"]).ends_with(0);
    run(&["user", "remove", "loader"]).ends_with(1);
    assert_eq!(log_in(serving.frontend(), "loader", "my own password"), 400);
    assert_eq!(serving.stop().0, Some(0));
}

#[cfg(unix)]
#[test]
fn the_system_client_comes_from_the_environment() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command();
    command.env("DATAHUB_SYSTEM_CLIENT_SECRET", "secret");
    command.args(["gms", "serve", "--listen", "127.0.0.1:0", "--data", ":memory:"]);
    let mut process =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let serving = GmsProcess { process, ready: serde_json::from_str(&line).unwrap() };
    let status =
        |value: &str| send(serving.gms(), "GET /requests", &format!("Authorization: {value}\r\n"), "").0;
    assert_eq!(status("Basic __datahub_system:secret"), 200);
    assert_eq!(status("Basic __datahub_system:Secret"), 401);
}

#[test]
fn the_claimed_version_can_be_chosen() {
    let sandbox = Sandbox::new();
    for (arguments, expected) in [
        (&[][..], "v1.7.0"),
        (&["--version", "1.4.0"], "1.4.0"),
        (&["--version", "v0.13.1rc2"], "v0.13.1rc2"),
    ] {
        let serving = GmsProcess::start(&sandbox, &[&["--data", ":memory:"], arguments].concat());
        let (_, config) = send(serving.gms(), "GET /config", "", "");
        let config: Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["versions"]["acryldata/datahub"]["version"], expected);
    }
    for wrong in ["latest", "1.7", "1.x.0", "1.7.0 "] {
        let ran = sandbox.run(&["gms", "serve", "--version", wrong]);
        assert!(ran.stderr.contains("--version"), "{}", ran.stderr);
        ran.ends_with(2);
    }
}

#[test]
fn fields_are_checked_on_request() {
    let sandbox = Sandbox::new();
    sandbox.write("seed.yml", "tokens: [{name: a, actor: datahub, out: token}]\n");
    let body = json!({"proposal": {
        "entityType": "tag", "entityUrn": "urn:li:tag:x", "changeType": "UPSERT", "aspectName": "status",
        "aspect": {"value": "{\"deleted\":false}", "contentType": "application/json"},
    }});
    for (switch, status) in [("off", 200), ("on", 422)] {
        let serving = GmsProcess::start(
            &sandbox,
            &["--data", ":memory:", "--seed", "seed.yml", "--check-fields", switch],
        );
        let token = std::fs::read_to_string(sandbox.path("token")).unwrap();
        let authorization = format!("Authorization: Bearer {}\r\n", token.trim());
        let (code, said) =
            send(serving.gms(), "POST /aspects?action=ingestProposal", &authorization, &body.to_string());
        assert_eq!(code, status, "{said}");
        assert!(switch == "off" || said.contains("/deleted :: unrecognized field"), "{said}");
        // A test in any language empties the server with the same token.
        assert_eq!(send(serving.gms(), "POST /reset", &authorization, "").0, 200);
        let (_, left) = send(serving.gms(), "GET /snapshot", &authorization, "");
        assert!(!left.contains("urn:li:tag:x"), "{left}");
    }
}
