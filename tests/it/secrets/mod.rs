//! Is a token hidden everywhere, even if it is in the wrong place?

mod places;
mod recipes;
mod servers;
mod token_commands;

use std::path::Path;

use crate::support::sandbox::{Ran, Sandbox, tags};

/// A token of DataHub, and tokens of other services.
const JWT: &str = include_str!("../../../fixtures/tokens/foreign.jwt");
const OPAQUE: &str = "q7Zt2LmXv9KdR4sWb8NcY1hJpF6gTe3AuE5oQi0D";
const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b";

/// The longest part of a token that may be shown, in bytes.
const PIECE: usize = 9;

fn tokens() -> [&'static str; 3] {
    [JWT.trim(), OPAQUE, HEX]
}

/// The files that are in the sandbox before a command runs; all others were written by it.
const GIVEN: [&str; 8] = [
    "recipe.yml",
    "recipe.json",
    "recipe.toml",
    "tags.jsonl",
    "dead.jsonl",
    "token",
    ".datahubenv",
    "aspect.json",
];

/// Everything that a command printed or wrote, file names included, with a name for each text.
fn all_output(sandbox: &Sandbox, ran: &Ran) -> Vec<(String, Vec<u8>)> {
    let mut texts = vec![
        ("standard output".to_owned(), ran.stdout.clone().into_bytes()),
        ("standard error".to_owned(), ran.stderr.clone().into_bytes()),
    ];
    files(&sandbox.path(""), &mut texts);
    texts
}

fn files(directory: &Path, texts: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if GIVEN.contains(&name.as_str()) {
            continue;
        }
        texts.push((format!("the name of {name}"), name.clone().into_bytes()));
        if path.is_dir() {
            files(&path, texts);
        } else {
            texts.push((name, std::fs::read(&path).unwrap()));
        }
    }
}

/// The texts that contain a part of `token`.
fn leaks(token: &str, texts: &[(String, Vec<u8>)]) -> Vec<String> {
    let shown = |text: &[u8]| {
        token.as_bytes().windows(PIECE).any(|piece| memchr::memmem::find(text, piece).is_some())
    };
    texts
        .iter()
        .filter(|(_, text)| shown(text))
        .map(|(name, text)| format!("{name}: {}", String::from_utf8_lossy(text)))
        .collect()
}

#[track_caller]
fn assert_hidden(token: &str, sandbox: &Sandbox, ran: &Ran, what: &str) {
    let leaks = leaks(token, &all_output(sandbox, ran));
    assert!(leaks.is_empty(), "{what} shows {token}: {}", leaks.join("\n"));
    assert!(matches!(ran.code, Some(0..=4)), "{what}: {ran:#?}");
}

/// The commands that read a recipe.
const COMMANDS: [&[&str]; 6] = [
    &["ingest", "-c", "RECIPE", "--json", "--report-to", "report.json", "-vvv"],
    &["ingest", "-c", "RECIPE", "--log-format", "json", "-vvv"],
    &["check", "RECIPE", "--json", "-vvv"],
    &["ingest", "-c", "RECIPE", "--dry-run", "--json", "-vvv"],
    &["check", "RECIPE", "--offline"],
    &["ingest", "-c", "RECIPE", "--preview=2", "-vvv"],
];

/// Runs one of the commands on a recipe, another one at each call.
struct Onlooker(usize);

impl Onlooker {
    fn look(&mut self, name: &str, recipe: &str, token: &str) {
        self.0 += 1;
        let mut commands = vec![COMMANDS[self.0 % COMMANDS.len()]];
        if token == JWT.trim() && commands[0] != COMMANDS[0] {
            commands.push(COMMANDS[0]);
        }
        for command in commands {
            let sandbox = Sandbox::new();
            sandbox.write("tags.jsonl", &tags(["a", "b", "c"]));
            sandbox.write(name, recipe);
            let arguments = command.iter().map(|word| if *word == "RECIPE" { name } else { word });
            let ran = Ran::of(sandbox.command().env("GIVEN", token).args(arguments));
            assert_hidden(token, &sandbox, &ran, &format!("{command:?} of {recipe}"));
        }
    }
}

/// A recipe for `server`, with `config` among the keys of the sink and `top` at the end.
fn recipe(server: &str, config: &str, top: &str) -> String {
    format!(
        "source:\n  type: file\n  config:\n    path: tags.jsonl\nsink:\n  type: datahub-rest\n  config:\n    \
         server: {server}\n    {config}\n{top}\n"
    )
}
