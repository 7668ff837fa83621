//! What does `check` report before a run?

use datahub_emitter::embedded::{Action, Fault, Gms, Policy, User};
use serde_json::Value;

use crate::support::sandbox::{Ran, Sandbox, tags};
use crate::support::scripted_gms::{Response, ScriptedGms};
use crate::support::server::Server;

const FOREIGN: &str = include_str!("../../fixtures/tokens/foreign.jwt");

/// Runs `check recipe.yml --json` with more arguments, for a sink with these keys.
fn check(keys: &str, arguments: &[&str]) -> Ran {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{{keys}}}}}"));
    sandbox.run(&[&["check", "recipe.yml", "--json"], arguments].concat())
}

fn keys(server: &Server, token: &str) -> String {
    format!("server: '{}', token: '{token}'", server.url())
}

/// The names of the steps, without repetitions.
fn steps(found: &Value) -> Vec<&str> {
    let mut names: Vec<&str> =
        found["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    names.dedup();
    names
}

fn observed<'a>(found: &'a Value, name: &str) -> Vec<&'a str> {
    let steps = found["steps"].as_array().unwrap().iter().filter(|step| step["step"] == name);
    steps.map(|step| step["observed"].as_str().unwrap()).collect()
}

#[test]
fn each_step_is_reported_with_its_observation() {
    let server = Server::start();
    let ran = check(&keys(&server, server.token()), &[]).ends_with(0);
    let found = ran.json();
    assert_eq!(found["ok"], true);
    assert_eq!(steps(&found), ["recipe", "server", "token", "access"]);
    assert!(observed(&found, "server")[0].contains(server.url()));
    assert!(observed(&found, "token")[0].ends_with("GMS takes it"), "{found:#}");
    let access = observed(&found, "access")[0];
    assert!(access.contains("urn:li:corpuser:datahub, who may make tokens for themselves"), "{access}");
    for step in found["steps"].as_array().unwrap() {
        assert!(ran.stderr.contains(step["observed"].as_str().unwrap()), "{ran:#?}");
    }
    assert!(!server.gms().requests().iter().any(|request| request.path.starts_with("/aspects")));
}

#[test]
fn the_steps_before_a_failure_are_reported_too() {
    let server = Server::start();
    let ran = check(&keys(&server, FOREIGN.trim()), &[]).ends_with(3);
    let found = ran.json();
    assert_eq!(
        (found["ok"].clone(), found["diagnosis"]["code"].clone()),
        (false.into(), "auth.token-unknown".into())
    );
    assert_eq!(steps(&found), ["recipe", "server", "token"]);
    assert!(
        ran.stderr.contains("GMS does not take it") && ran.stderr.contains("error[auth.token-unknown]"),
        "{ran:#?}"
    );
}

#[test]
fn a_server_without_authentication_is_recognised_and_reported() {
    let server = Server::of(Gms::builder().authentication(false));
    for token in ["", FOREIGN.trim()] {
        let ran = check(&keys(&server, token), &[]).ends_with(0);
        let found = ran.json();
        assert_eq!(found["notes"][0]["code"], "auth.disabled", "{found:#}");
        assert!(ran.stderr.contains("note[auth.disabled]: authentication is off"), "{ran:#?}");
        assert!(observed(&found, "token")[0].contains("authentication is off"));
    }
}

#[test]
fn an_older_gms_is_queried_over_graphql() {
    let me = r#"{"data":{"me":{"corpUser":{"urn":"urn:li:corpuser:loader"},"platformPrivileges":{"generatePersonalAccessTokens":false,"manageTokens":false}}}}"#;
    for (status, body, exit, told) in [
        (200, me, 0, "urn:li:corpuser:loader, who may not make tokens"),
        (200, r#"{"data":{"me":null}}"#, 0, "does not tell who the caller is"),
        (200, r#"{"errors":[{"message":"x","extensions":{"code":500}}],"data":null}"#, 0, "does not tell"),
        (404, "{}", 0, "does not tell"),
        (401, "", 3, "error[auth.token-unknown]"),
        (403, "{}", 3, "error[auth.forbidden]"),
    ] {
        let gms = ScriptedGms::start_for_all(move |request| {
            if request.path().starts_with("/config") {
                return Response::Status(200, r#"{"noCode":"true","versions":{}}"#.into());
            }
            Response::Status(status, body.into())
        });
        let ran =
            check(&format!("server: '{}', token: '{}'", gms.url(), FOREIGN.trim()), &[]).ends_with(exit);
        assert!(ran.stderr.contains(told), "{told}: {ran:#?}");
    }
}

#[test]
fn a_write_is_made_and_rolled_back_through_either_endpoint() {
    for endpoint in ["restli", "openapi"] {
        let server = Server::start();
        let keys = format!("{}, endpoint: {endpoint}", keys(&server, server.token()));
        let found = check(&keys, &["--write"]).ends_with(0).json();
        let writes = observed(&found, "write");
        assert_eq!(writes.len(), 2, "{found:#}");
        let urn = writes[0].rsplit(' ').next().unwrap();
        assert!(urn.starts_with("urn:li:dataset:("), "{urn}");
        for aspect in ["status", "datasetKey"] {
            assert_eq!(server.aspect(urn, aspect), None, "{endpoint}: nothing is left");
        }
        let requests = server.gms().requests();
        let path = if endpoint == "openapi" {
            "/openapi/v3/entity/dataset"
        } else {
            "/aspects?action=ingestProposal"
        };
        assert!(requests.iter().any(|request| request.path.starts_with(path)), "{requests:#?}");
    }
}

#[test]
fn missing_write_and_delete_privileges_are_reported_and_leave_only_a_soft_deleted_entity() {
    let policy = Policy::new("tags").privilege("EDIT_ENTITY").user("loader").entity_type("tag");
    let server =
        Server::of(Gms::builder().user(User::new("loader")).user(User::new("nobody")).policy(policy));
    let token = |name: &str| server.block_on(server.gms().create_token(name)).unwrap();
    let ran = check(&keys(&server, &token("nobody")), &["--write"]).ends_with(3);
    assert!(ran.stderr.contains("error[auth.forbidden]"), "{ran:#?}");
    let found = check(&keys(&server, &token("loader")), &["--write"]).ends_with(0).json();
    let writes = observed(&found, "write");
    assert!(writes[0].contains("of a dataset: the caller may not"), "{found:#}");
    let urn = writes[1].rsplit(' ').next().unwrap();
    assert!(writes[2].contains("Delete Entity"), "{found:#}");
    assert_eq!(server.aspect(urn, "status").as_deref(), Some(r#"{"removed":true}"#));
}

#[test]
fn a_write_with_unknown_outcome_is_rolled_back_as_well() {
    let server = Server::start();
    server.gms().fault(Fault { path_prefix: "/aspects".into(), ..Fault::new(Action::ResetAfter) });
    let ran = check(&keys(&server, server.token()), &["--write"]).ends_with(4);
    let found = ran.json();
    assert_eq!(found["diagnosis"]["code"], "endpoint.unreachable");
    let deletes =
        server.gms().requests().into_iter().filter(|request| request.path == "/entities?action=delete");
    assert_eq!(deletes.count(), 1, "{ran:#?}");
}

#[test]
fn offline_opens_no_connection() {
    let ran = check("server: 'http://127.0.0.1:9', token: abc", &["--offline"]).ends_with(0);
    assert_eq!(steps(&ran.json()), ["recipe", "server"]);
    check("server: 'http://127.0.0.1:9', token: abc", &["--offline", "--write"]).ends_with(2);
    let ran = check("server: 'http://127.0.0.1:9', token: abc", &[]).ends_with(4);
    assert_eq!(ran.json()["diagnosis"]["code"], "endpoint.unreachable");
}
