//! Tokens in responses of servers, and tokens from the environment and from files.

use super::{COMMANDS, JWT, OPAQUE, assert_hidden, recipe, tokens};
use crate::support::sandbox::{Ran, Sandbox, tag, tags};
use crate::support::scripted_gms::{Request, Response, ScriptedGms};
use crate::support::server::Server;

/// Responses that quote the token of the request, as some proxies and servers do.
pub(super) fn quoting(status: u16, token: &'static str) -> impl Fn(&Request) -> Response {
    move |request| {
        if !request.head.contains(token) {
            return Response::Status(status, String::new());
        }
        let cut: String = token.chars().take(token.len() - 5).collect();
        let message = format!("refused \"{token}\", that is Bearer {token}; it begins with {cut}… '{token}'");
        let body = match status % 3 {
            0 => serde_json::json!({"message": message, "status": status}).to_string(),
            1 => serde_json::json!({"error": message, "path": format!("/{token}")}).to_string(),
            _ => message,
        };
        Response::Status(status, body)
    }
}

#[test]
fn a_server_that_quotes_the_token_does_not_make_it_visible() {
    for token in [JWT.trim(), OPAQUE] {
        for status in [400, 401, 402, 403, 404, 422, 407, 429, 500, 503, 302, 200] {
            let at_config = ScriptedGms::start_for_all(quoting(status, token));
            let at_write = ScriptedGms::start(quoting(status, token));
            for gms in [at_config, at_write] {
                for (key, value) in [
                    ("token", format!("'{token}'")),
                    ("extra_headers", format!("{{Authorization: 'Bearer {token}'}}")),
                    ("extra_headers", format!("{{X-Api-Key: '{token}'}}")),
                ] {
                    let sandbox = Sandbox::new();
                    sandbox.write("tags.jsonl", &tags(["a"]));
                    sandbox.write(
                        "recipe.yml",
                        &recipe(&gms.url(), &format!("{key}: {value}\n    retry_max_times: 0"), ""),
                    );
                    let ran = sandbox.ingest(&["--json", "--report-to", "report.json", "-vvv"]);
                    assert_hidden(token, &sandbox, &ran, &format!("{status} quoted to {key}"));
                    assert_ne!(ran.code, Some(0), "{status}: {ran:#?}");
                }
            }
        }
    }
}

#[test]
fn a_token_in_a_redirect_or_a_version_is_not_shown() {
    let token = OPAQUE;
    let location = format!("Location: http://localhost:1/{token}?token={token}\r\n");
    let redirecting = ScriptedGms::start_for_all(move |_| {
        Response::WithHeaders(307, String::new(), location.clone().leak())
    });
    let boasting = ScriptedGms::start_for_all(move |_| {
        let config =
            serde_json::json!({"noCode": "true", "versions": {"acryldata/datahub": {"version": token}}});
        Response::Status(200, config.to_string())
    });
    for gms in [redirecting, boasting] {
        for command in COMMANDS {
            let sandbox = Sandbox::new();
            sandbox.write("tags.jsonl", &tags(["a"]));
            sandbox.write("recipe.yml", &recipe(&gms.url(), &format!("token: {token}"), ""));
            let arguments = command.iter().map(|word| if *word == "RECIPE" { "recipe.yml" } else { word });
            let ran = Ran::of(sandbox.command().args(arguments));
            assert_hidden(token, &sandbox, &ran, &format!("{command:?}"));
        }
    }
}

#[test]
fn get_and_put_do_not_show_the_token() {
    let server = Server::start();
    let url = server.url();
    for token in tokens() {
        let quoting = ScriptedGms::start_for_all(quoting(401, token));
        let rejecting = ScriptedGms::start_for_all(quoting_only_writes(token));
        let environments: [&[(&str, String)]; 6] = [
            &[("DATAHUB_GMS_TOKEN", token.to_owned())],
            &[("DATAHUB_GMS_URL", format!("http://u:{token}@localhost:1"))],
            &[("DATAHUB_GMS_URL", format!("http://localhost:1?x={token}"))],
            &[("DATAHUB_GMS_HOST", format!("u:{token}@localhost")), ("DATAHUB_GMS_PORT", "1".to_owned())],
            &[("DATAHUB_GMS_PORT", token.to_owned()), ("DATAHUB_GMS_HOST", "localhost".to_owned())],
            &[
                ("HTTP_PROXY", format!("http://user:{token}@127.0.0.1:1")),
                ("DATAHUB_GMS_URL", "http://gms.invalid".to_owned()),
            ],
        ];
        for environment in environments {
            // No `put`: it would retry for a while.
            get(token, environment, &[], "", "");
            get(token, environment, &["--server", url], "", "");
        }
        for target in [url, &quoting.url(), &rejecting.url()] {
            get_and_put(token, environments[0], &["--server", target], "", "");
        }
        for file in
            [token.to_owned(), format!("{token}\n{token}"), format!("\"{token}\""), format!("token: {token}")]
        {
            get_and_put(token, &[], &["--server", url, "--token-file", "token"], &file, "");
            get_and_put(token, &[], &["--server", &quoting.url(), "--token-file", "token"], &file, "");
        }
        for home in [
            &format!("gms: {{server: '{url}', token: 'TOKEN'}}"),
            &format!("gms: {{server: '{}', token: TOKEN}}", quoting.url()),
            "gms:\n  token: TOKEN\n bad",
            "gms:\n  token: 'TOKEN\n",
            "gms: TOKEN\n",
            "TOKEN",
            "gms:\n  server: http://u:TOKEN@h\n",
            "gms: {token: [TOKEN]}",
            "gms: {tokn: TOKEN, server: http://localhost:1}",
        ] {
            get(token, &[], &[], "", &home.replace("TOKEN", token));
        }
    }
}

fn quoting_only_writes(token: &'static str) -> impl Fn(&Request) -> Response {
    let quote = quoting(422, token);
    move |request| {
        if request.head.contains("/config") {
            Response::Status(200, r#"{"noCode":"true"}"#.into())
        } else {
            quote(request)
        }
    }
}

fn get_and_put(token: &str, environment: &[(&str, String)], target: &[&str], file: &str, home: &str) {
    get(token, environment, target, file, home);
    let put = [
        "put",
        "urn:li:tag:a",
        "--aspect",
        "status",
        "--data",
        "aspect.json",
        "-vvv",
        "--log-format",
        "json",
    ];
    run(&put, token, environment, target, file, home);
}

fn get(token: &str, environment: &[(&str, String)], target: &[&str], file: &str, home: &str) {
    run(&["get", "urn:li:tag:a", "-vvv"], token, environment, target, file, home);
}

fn run(
    command: &[&str],
    token: &str,
    environment: &[(&str, String)],
    target: &[&str],
    file: &str,
    home: &str,
) {
    let sandbox = Sandbox::new();
    sandbox.write("aspect.json", r#"{"removed": false}"#);
    if !file.is_empty() {
        sandbox.write("token", file);
    }
    if !home.is_empty() {
        sandbox.write("home/.datahubenv", home);
    }
    let environment = environment.iter().map(|(name, value)| (*name, value.as_str()));
    let ran = Ran::of(sandbox.command().envs(environment).args(command).args(target));
    assert_hidden(token, &sandbox, &ran, &format!("{command:?} {target:?} {file:?} {home:?}"));
}

#[test]
fn dead_letters_and_reports_do_not_contain_the_token() {
    let server = Server::start();
    let gms = ScriptedGms::start(quoting_only_writes(OPAQUE));
    for (url, token, code) in [(server.url(), server.token(), 1), (&gms.url(), OPAQUE, 1)] {
        let sandbox = Sandbox::new();
        let long = tag(&"x".repeat(600));
        sandbox.write("tags.jsonl", &format!("{}{long}\nno json at all\n", tags(["a"])));
        sandbox.write("recipe.yml", &recipe(url, "token: ${GIVEN}", "pipeline_name: p"));
        let ran = Ran::of(sandbox.command().env("GIVEN", token).args([
            "ingest",
            "-c",
            "recipe.yml",
            "--report-to",
            "report.json",
            "--json",
            "-vvv",
            "--log-format",
            "json",
        ]))
        .ends_with(code);
        let dead_letters =
            std::fs::read_to_string(sandbox.path("state/datahub-emit/p/dead-letters.jsonl")).unwrap();
        assert!(dead_letters.lines().count() >= 2, "{dead_letters}");
        assert_hidden(token, &sandbox, &ran, "a run with dead letters");
    }
}

/// Dead letters of these tags.
fn dead_letters<const N: usize>(names: [&str; N]) -> String {
    let dead_letter = |name| {
        let mut record: serde_json::Value = serde_json::from_str(&tag(name)).unwrap();
        record["deadLetter"] = serde_json::json!({"reason": "gms-rejected", "status": 422, "message": "no", "attempts": 1,
            "origin": "tags.jsonl#1", "runId": "r", "at": "2026-11-20T08:00:00Z"});
        format!("{record}\n")
    };
    names.into_iter().map(dead_letter).collect()
}

#[test]
fn a_replay_does_not_show_the_token() {
    for token in [JWT.trim(), OPAQUE] {
        for status in [400, 401, 403, 422, 429, 500, 503, 302, 200] {
            for gms in [
                ScriptedGms::start_for_all(quoting(status, token)),
                ScriptedGms::start(quoting(status, token)),
            ] {
                let sandbox = Sandbox::new();
                sandbox.write("dead.jsonl", &dead_letters(["a", "b"]));
                sandbox.write(
                    "recipe.yml",
                    &recipe(&gms.url(), &format!("token: '{token}'\n    retry_max_times: 0"), ""),
                );
                for force in [&[][..], &["--force"]] {
                    let arguments =
                        ["replay", "dead.jsonl", "-c", "recipe.yml", "--report-to", "report.json", "-vvv"];
                    let ran = sandbox.run(&[&arguments[..], force].concat());
                    assert_hidden(token, &sandbox, &ran, &format!("a replay at {status}"));
                    assert_ne!(ran.code, Some(2), "{ran:#?}");
                }
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn the_commands_of_the_embedded_gms_show_only_the_token_they_create() {
    let sandbox = Sandbox::new();
    let data = ["--data", "gms.sqlite", "-vvv"];
    let made =
        sandbox.run(&[&["gms", "token", "create", "--name", "nightly"][..], &data].concat()).ends_with(0);
    let token = made.stdout.trim().to_owned();
    assert!(!made.stderr.contains(&token), "{made:#?}");
    for command in [&["gms", "token", "list"][..], &["gms", "user", "list"], &["gms", "policy", "list"]] {
        let ran = sandbox.run(&[command, &data].concat()).ends_with(0);
        // The store is searched as well: it contains a salted hash.
        assert_hidden(&token, &sandbox, &ran, &format!("{command:?}"));
    }
}
