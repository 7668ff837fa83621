//! Do the token commands work, and are refusals explained?

use std::process::Stdio;
use std::sync::Arc;

use datahub_emitter::auth::{FixedToken, Token, TokenSource};
use datahub_emitter::embedded::{Action, Fault, Gms, GmsBuilder, User};
use datahub_emitter::gms::{Client, ClientConfig, GraphqlAnswer, ServerAddress};
use serde_json::json;

use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

fn client(server: &Server, token: &str) -> Client {
    let tokens = FixedToken::new(Token::new(token, TokenSource::Recipe));
    let address = ServerAddress::parse(server.url()).unwrap();
    let mut config = ClientConfig::new(address);
    config.tokens = Some(Arc::new(tokens));
    Client::new(&config).unwrap()
}

fn status(code: u16, body: &str) -> Fault {
    Fault::new(Action::Status { code, headers: Vec::new(), body: body.into() })
}

#[test]
fn gms_identifies_the_caller() {
    let server = Server::start();
    let good = client(&server, server.token());
    let me = server.block_on(good.me()).unwrap().unwrap();
    assert_eq!(me.urn, "urn:li:corpuser:datahub");
    assert!(me.generate_tokens && me.manage_tokens);
    let refused = server.block_on(client(&server, "no.such.token").me()).unwrap_err();
    assert_eq!(refused.diagnosis().unwrap().code.kind(), Some(datahub_emitter::ErrorKind::Refused));
}

#[test]
fn an_unanswered_query_is_unknown_and_a_refused_one_is_an_error() {
    let server = Server::start();
    let client = client(&server, server.token());
    for code in [400, 404, 429, 500, 503] {
        server.gms().fault(status(code, ""));
        let answer = server.block_on(client.graphql("{ me { corpUser { urn } } }", &json!({}))).unwrap();
        assert!(matches!(answer, GraphqlAnswer::NotKnown(_)), "{code}: {answer:?}");
        assert_eq!(server.block_on(client.me()).unwrap(), None, "{code}");
        server.gms().clear_faults();
    }
    for fault in [status(401, ""), status(403, ""), status(302, ""), Fault::new(Action::Html)] {
        server.gms().fault(fault.clone());
        assert!(server.block_on(client.me()).unwrap_err().diagnosis().is_some(), "{fault:?}");
        server.gms().clear_faults();
    }
    let answer = server.block_on(client.graphql("{ me { shoeSize } }", &json!({}))).unwrap();
    let GraphqlAnswer::Errors(errors) = answer else { panic!("{answer:?}") };
    assert!(errors[0].is_of_schema(), "{errors:?}");
    let unauthorised = "mutation revoke($id: String!) { revokeAccessToken(tokenId: $id) }";
    let answer = server.block_on(client.graphql(unauthorised, &json!({"id": "x"}))).unwrap();
    let GraphqlAnswer::Errors(errors) = answer else { panic!("{answer:?}") };
    assert_eq!(errors[0].code, Some(500), "{errors:?}");
}

/// A GMS with a frontend, an administrator, and a user who may create tokens of their own.
fn with_users() -> Server {
    let users = [
        User::new("admin")
            .password("of the admin")
            .privilege("MANAGE_ACCESS_TOKENS")
            .privilege("EDIT_ENTITY"),
        User::new("loader").password("of the loader").privilege("GENERATE_PERSONAL_ACCESS_TOKENS"),
        User::new("nobody").password("of nobody"),
    ];
    let frontend = "127.0.0.1:0".parse().unwrap();
    Server::of(users.into_iter().fold(Gms::builder().frontend(frontend), GmsBuilder::user))
}

/// Runs `token …` with a log-in as `user`.
fn as_person(server: &Server, sandbox: &Sandbox, user: &str, arguments: &[&str]) -> Ran {
    let mut command = sandbox.command();
    command.env("DATAHUB_PASSWORD", format!("of {}{user}", if user == "nobody" { "" } else { "the " }));
    command.args(["token", "create", "--user", user, "--frontend", server.gms().frontend_url().unwrap()]);
    Ran::of(command.args(arguments).stdin(Stdio::null()))
}

/// Runs `token …` with the token in the file `token`.
fn by_token(server: &Server, sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    let mut all = vec!["token"];
    all.extend(arguments);
    all.extend(["--server", server.url(), "--token-file", "token"]);
    sandbox.run(&all)
}

fn token(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.path("token")).unwrap().trim().to_owned()
}

fn ids(server: &Server) -> Vec<String> {
    server.block_on(server.gms().tokens()).unwrap().iter().map(|token| token.id().to_owned()).collect()
}

/// Whether GMS accepts this token.
fn is_good(server: &Server, text: &str) -> bool {
    server.block_on(client(server, text).me()).is_ok()
}

#[test]
fn the_first_token_is_created_with_name_and_password() {
    let (server, sandbox) = (with_users(), Sandbox::new());
    let made = as_person(&server, &sandbox, "loader", &["--name", "first"]).ends_with(0);
    assert_eq!(made.stdout.lines().count(), 1, "{made:?}");
    assert!(is_good(&server, made.stdout.trim()) && made.stderr.contains("first"), "{made:?}");
    let made =
        as_person(&server, &sandbox, "loader", &["--name", "second", "--duration", "P7D", "--out", "token"]);
    assert_eq!(made.ends_with(0).stdout, "");
    assert!(is_good(&server, &token(&sandbox)));
    let metadata = sandbox.json("token.meta.json");
    assert_eq!((&metadata["name"], &metadata["actor"]), (&json!("second"), &json!("urn:li:corpuser:loader")));
    assert!(ids(&server).contains(&metadata["id"].as_str().unwrap().to_owned()), "{metadata}");
    assert!(metadata["expires_at"].is_string() && metadata["duration"] == "ONE_WEEK", "{metadata}");
}

#[test]
fn each_refusal_is_explained() {
    let (server, sandbox) = (with_users(), Sandbox::new());
    let says = |ran: Ran, code: i32, parts: &[&str]| {
        let ran = ran.ends_with(code);
        assert!(ran.stdout.is_empty() && parts.iter().all(|part| ran.stderr.contains(part)), "{ran:#?}");
    };
    let name = ["--name", "x"];
    says(
        as_person(&server, &sandbox, "nobody", &name),
        3,
        &["Generate Personal Access Tokens", "urn:li:corpuser:nobody"],
    );
    let other = ["--name", "x", "--actor", "urn:li:corpuser:admin"];
    let ran = as_person(&server, &sandbox, "loader", &other);
    says(ran, 3, &["Manage All Access Tokens", "urn:li:corpuser:admin"]);
    let ran = as_person(&server, &sandbox, "admin", &["--name", "x", "--actor", "urn:li:corpuser:ghost"]);
    says(ran, 1, &["urn:li:corpuser:ghost", "does not exist"]);
    assert!(ids(&server).is_empty());
    as_person(&server, &sandbox, "admin", &["--name", "x", "--actor", "urn:li:corpuser:loader"]).ends_with(0);
    let ran = as_person(&server, &sandbox, "loader", &["--name", "x", "--duration", "P31D"]);
    says(ran, 2, &["ONE_MONTH (P30D)", "NO_EXPIRY"]);
    let ran = as_person(&server, &sandbox, "loader", &["--name", "x", "--out", "no/such/file"]);
    says(ran, 6, &["no/such/file"]);
    let wrong = |password: &str, frontend: &str| {
        let mut command = sandbox.command();
        command.env("DATAHUB_PASSWORD", password);
        Ran::of(command.args(["token", "create", "--name", "x", "--user", "loader", "--frontend", frontend]))
    };
    says(wrong("s3cr3t-of-mine", server.gms().frontend_url().unwrap()), 3, &["Invalid Credentials"]);
    says(wrong("s3cr3t-of-mine", server.url()), 4, &["not DataHub's frontend", "9002"]);
    let ran = sandbox.run(&[
        "token",
        "create",
        "--name",
        "x",
        "--user",
        "loader",
        "--frontend",
        "http://localhost:1",
    ]);
    says(ran, 2, &["DATAHUB_PASSWORD"]);
}

#[test]
fn tokens_are_listed_page_by_page_and_revoked() {
    let (server, sandbox) = (with_users(), Sandbox::new());
    sandbox.write("token", server.token());
    for number in 0..205 {
        server.block_on(server.gms().create_named_token(&format!("n{number}"), "loader", None)).unwrap();
    }
    let listed = by_token(&server, &sandbox, &["list", "--json"]).ends_with(0).json();
    assert_eq!(listed["tokens"].as_array().unwrap().len(), ids(&server).len());
    assert_eq!(listed["tokens"][0]["expires_at"], json!(null));
    let listed = by_token(&server, &sandbox, &["list", "--actor", "urn:li:corpuser:admin"]).ends_with(0);
    assert_eq!(listed.stdout.lines().count(), 1, "{listed:?}");
    let id = ids(&server)[0].clone();
    by_token(&server, &sandbox, &["revoke", &id]).ends_with(0);
    assert!(!ids(&server).contains(&id));
    assert!(
        by_token(&server, &sandbox, &["revoke", &id]).ends_with(1).stderr.contains("no token with the id")
    );
    let ran = by_token(&server, &sandbox, &["revoke", server.token()]).ends_with(2);
    assert!(!ran.stderr.contains(&server.token()[..9]), "{ran:?}");
}

#[test]
fn inspect_describes_a_token_without_showing_it() {
    let (server, sandbox) = (with_users(), Sandbox::new());
    as_person(&server, &sandbox, "loader", &["--name", "mine", "--out", "token"]).ends_with(0);
    let ran = sandbox.run(&["token", "inspect", "token"]).ends_with(0);
    for part in ["a personal access token", "urn:li:corpuser:loader", "in 29 d", "mine"] {
        assert!(ran.stdout.contains(part), "{part}: {ran:#?}");
    }
    let text = token(&sandbox);
    assert!(!ran.stdout.contains(&text[..9]) && !ran.stdout.contains(&text[text.len() - 9..]));
    for (text, part, code) in [
        ("opaque-text", "opaque", 0),
        ("Bearer x.y.z", "fix", 1),
        ("", "empty", 1),
        ("${TOKEN}", "variable", 1),
    ] {
        sandbox.write("other", text);
        let ran = sandbox.run(&["token", "inspect", "other"]).ends_with(code);
        assert!(ran.stdout.contains(part), "{ran:#?}");
    }
    let expired = include_str!("../../fixtures/tokens/expired.jwt");
    sandbox.write("other", expired);
    assert!(sandbox.run(&["token", "inspect", "other"]).ends_with(1).stdout.contains(" ago"));
}

#[test]
fn a_rotated_token_is_replaced_and_revoked() {
    let (server, sandbox) = (with_users(), Sandbox::new());
    let arguments = ["--name", "nightly", "--duration", "ONE_WEEK", "--out", "token"];
    as_person(&server, &sandbox, "loader", &arguments).ends_with(0);
    for with_metadata in [true, false] {
        let (old, before) = (token(&sandbox), ids(&server));
        if !with_metadata {
            std::fs::remove_file(sandbox.path("token.meta.json")).unwrap();
        }
        by_token(&server, &sandbox, &["rotate"]).ends_with(0);
        let new = token(&sandbox);
        assert!(new != old && is_good(&server, &new) && !is_good(&server, &old), "{with_metadata}");
        assert!(before.len() == 1 && ids(&server).len() == 1 && ids(&server) != before);
        assert_eq!(sandbox.json("token.meta.json")["name"], "nightly");
    }
    // Tokens without an expiry cannot be told apart: the old one is not revoked, and a warning says so.
    as_person(&server, &sandbox, "loader", &["--name", "old", "--duration", "NO_EXPIRY", "--out", "token"])
        .ends_with(0);
    std::fs::remove_file(sandbox.path("token.meta.json")).unwrap();
    let old = token(&sandbox);
    let ran = by_token(&server, &sandbox, &["rotate", "--duration", "P1D"]).ends_with(0);
    assert!(ran.stderr.contains("token revoke ID") && is_good(&server, &old), "{ran:#?}");
    assert!(is_good(&server, &token(&sandbox)));
}

#[test]
fn after_any_failure_of_a_rotation_the_old_token_works_and_is_in_the_file() {
    let (server, sandbox) = (with_users(), Sandbox::new());
    as_person(&server, &sandbox, "loader", &["--name", "nightly", "--out", "token"]).ends_with(0);
    let (old, before) = (token(&sandbox), ids(&server));
    // Fails in turn: the query for the caller, the creation, the check of the new token.
    for (step, after) in ["me", "create", "proof"].into_iter().zip(0..) {
        for fault in [status(401, ""), status(503, ""), Fault::new(Action::Html), Fault::new(Action::Reset)] {
            let fault = Fault { path_prefix: "/api/graphql".into(), after, times: Some(1), ..fault };
            server.gms().fault(fault);
            let ran = by_token(&server, &sandbox, &["rotate"]);
            server.gms().clear_faults();
            assert!(matches!(ran.code, Some(3 | 4)), "{step}: {ran:#?}");
            assert_eq!((token(&sandbox), ids(&server)), (old.clone(), before.clone()), "{step}: {ran:#?}");
            assert!(is_good(&server, &old), "{step}");
        }
    }
    std::fs::rename(sandbox.path("token.meta.json"), sandbox.path("kept")).unwrap();
    std::fs::create_dir(sandbox.path("token.meta.json")).unwrap();
    by_token(&server, &sandbox, &["rotate"]).ends_with(6);
    std::fs::remove_dir(sandbox.path("token.meta.json")).unwrap();
    std::fs::rename(sandbox.path("kept"), sandbox.path("token.meta.json")).unwrap();
    assert_eq!((token(&sandbox), ids(&server)), (old.clone(), before.clone()));
    // If the last step fails, both tokens are valid, and the new one is in the file.
    server.gms().fault(Fault { path_prefix: "/api/graphql".into(), after: 3, ..status(503, "") });
    let ran = by_token(&server, &sandbox, &["rotate"]).ends_with(1);
    server.gms().clear_faults();
    assert!(ran.stderr.contains(&format!("token revoke '{}'", before[0])), "{ran:#?}");
    assert!(is_good(&server, &old) && is_good(&server, &token(&sandbox)) && token(&sandbox) != old);
}

#[test]
fn with_authentication_off_the_actor_of_a_token_must_be_named() {
    let server = Server::of(Gms::builder().authentication(false));
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["token", "create", "--name", "x", "--server", server.url()]).ends_with(2);
    assert!(ran.stderr.contains("authentication is off") && ran.stdout.is_empty(), "{ran:?}");
}
