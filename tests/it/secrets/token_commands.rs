//! The token commands, which show only the token that they create.

use super::servers::quoting;
use super::{JWT, assert_hidden, tokens};
use crate::support::sandbox::Sandbox;
use crate::support::scripted_gms::{Response, ScriptedGms};
use crate::support::server::Server;

const COMMANDS: [&[&str]; 6] = [
    &["token", "list"],
    &["token", "list", "--json", "--actor", "urn:li:corpuser:datahub"],
    &["token", "revoke", "aWQ="],
    &["token", "create", "--name", "x", "--actor", "urn:li:corpuser:datahub"],
    &["token", "rotate"],
    &["token", "inspect"],
];

fn look(url: &str, token: &str, what: &str) {
    for command in COMMANDS {
        let sandbox = Sandbox::new();
        sandbox.write("token", token);
        let mut all = command.to_vec();
        all.extend(["--server", url, "--token-file", "token", "-vvv"]);
        assert_hidden(token, &sandbox, &sandbox.run(&all), &format!("{command:?} {what}"));
    }
}

#[test]
fn a_server_that_quotes_the_token_does_not_make_token_commands_show_it() {
    for token in tokens() {
        for status in [200, 302, 400, 401, 403, 404, 429, 500] {
            let gms = ScriptedGms::start_for_all(quoting(status, token));
            look(&gms.url(), token, &format!("at {status}"));
        }
        // Errors of GraphQL have status 200, and may quote the token as well.
        for code in [400, 403, 404, 500] {
            let gms = ScriptedGms::start_for_all(move |_| {
                let message = format!("no longer exists: Bearer {token}");
                let error = serde_json::json!({"message": message, "extensions": {"code": code}});
                Response::Status(200, serde_json::json!({"errors": [error], "data": null}).to_string())
            });
            look(&gms.url(), token, &format!("at an error {code}"));
        }
    }
}

#[test]
fn successful_token_commands_show_only_the_token_they_create() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write("token", server.token());
    for command in COMMANDS {
        let mut all = command.to_vec();
        all.extend(["--server", server.url(), "--token-file", "token", "-vvv"]);
        // After the rotation the new token must not be shown.
        let token = std::fs::read_to_string(sandbox.path("token")).unwrap();
        let mut ran = sandbox.run(&all);
        if command[1] == "create" {
            // The new token is the only output; its beginning is the same for every token of this server.
            let made = std::mem::take(&mut ran.stdout);
            assert_eq!((made.lines().count(), made.trim() == token.trim()), (1, false), "{command:?}");
        }
        assert_hidden(token.trim(), &sandbox, &ran, &format!("{command:?}"));
        let after = std::fs::read_to_string(sandbox.path("token")).unwrap();
        assert_hidden(after.trim(), &sandbox, &ran, &format!("{command:?}"));
    }
    let ran = sandbox.run(&["token", "revoke", JWT.trim(), "--server", server.url(), "-vvv"]);
    assert_hidden(JWT.trim(), &sandbox, &ran, "a token in the place of an id");
}
