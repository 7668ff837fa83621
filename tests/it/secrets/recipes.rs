//! Tokens anywhere in a recipe.

use super::places::{JSON, SERVERS, SINK_KEYS, SINKS, SOURCES, TOML, TOP_LEVEL_KEYS};
use super::{JWT, Onlooker, recipe, tokens};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

/// Checks all `places`, for each of which `recipe` makes a recipe.
fn look_at(name: &str, places: &[&str], recipe: impl Fn(&str) -> String) {
    let mut onlooker = Onlooker(0);
    for token in tokens() {
        for place in places {
            onlooker.look(name, &recipe(&place.replace("TOKEN", token)), token);
        }
    }
}

#[test]
fn no_key_of_a_sink_shows_the_token() {
    let server = Server::start();
    look_at("recipe.yml", &SINK_KEYS, |keys| recipe(server.url(), keys, ""));
}

#[test]
fn no_other_place_in_a_recipe_shows_the_token() {
    let server = Server::start();
    look_at("recipe.yml", &TOP_LEVEL_KEYS, |keys| recipe(server.url(), "mode: SYNC", keys));
    look_at("recipe.yml", &SERVERS, |server| recipe(server, "mode: SYNC", ""));
    look_at("recipe.yml", &SOURCES, |source| format!("source: {source}\nsink: {{type: console}}\n"));
    look_at("recipe.yml", &SINKS, |sink| {
        format!("source: {{type: file, config: {{path: tags.jsonl}}}}\nsink: {sink}\n")
    });
}

#[test]
fn no_place_in_a_json_or_toml_recipe_shows_the_token() {
    let json = |keys: &str| {
        format!(
            r#"{{"source": {{"type": "file", "config": {{"path": "tags.jsonl"}}}},
 "sink": {{"type": "datahub-rest", "config": {{"server": "http://localhost:1",
  {keys}}}}}
"#
        )
    };
    look_at("recipe.json", &JSON, |keys| json(keys) + "}");
    look_at("recipe.json", &JSON, json);
    look_at("recipe.toml", &TOML, |keys| {
        format!(
            "[source]\ntype = \"file\"\nconfig = {{ path = \"tags.jsonl\" }}\n[sink]\ntype = \
             \"datahub-rest\"\n[sink.config]\nserver = \"http://localhost:1\"\n{keys}\n"
        )
    });
}

#[test]
fn a_jwt_in_place_of_a_name_a_path_or_an_address_is_not_shown() {
    let jwt = JWT.trim();
    let mut onlooker = Onlooker(0);
    for (source, sink, top) in [
        ("tags.jsonl", "{type: console}", format!("pipeline_name: {jwt}")),
        ("tags.jsonl", "{type: console}", format!("run_id: '{jwt}'")),
        ("tags.jsonl", "{type: console}", "run_id: before-${GIVEN}".to_owned()),
        (jwt, "{type: console}", String::new()),
        ("\"${GIVEN}.json\"", "{type: console}", String::new()),
        ("tags.jsonl", "{type: file, config: {filename: \"no/such/${GIVEN}\"}}", String::new()),
        (
            "tags.jsonl",
            "{type: datahub-rest, config: {server: \"http://localhost:1/${GIVEN}\"}}",
            String::new(),
        ),
        ("tags.jsonl", "{type: datahub-rest, config: {server: \"http://${GIVEN}:1\"}}", String::new()),
        (
            "tags.jsonl",
            "{type: console}",
            format!("failure_log: {{enabled: true, log_config: {{filename: {jwt}}}}}"),
        ),
        (
            "tags.jsonl",
            "{type: console}",
            format!("reporting: [{{type: file, config: {{filename: '{jwt}'}}}}]"),
        ),
    ] {
        let recipe = format!("source: {{type: file, config: {{path: {source}}}}}\nsink: {sink}\n{top}\n");
        onlooker.look("recipe.yml", &recipe, jwt);
        let sandbox = Sandbox::new();
        sandbox.write("recipe.yml", &recipe);
        let ran = Ran::of(sandbox.command().env("GIVEN", jwt).args(["check", "recipe.yml", "--offline"]));
        let ran = ran.ends_with(2);
        assert!(ran.stderr.contains("token"), "{ran:#?}");
    }
}
