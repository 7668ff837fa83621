//! Do README and docs/ say what the program does?
//!
//! The table of diagnoses is compared in `diagnoses`, and the Rust code of the pages is compiled as
//! documentation tests.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use datahub_emitter::embedded::{Gms, User};

use crate::support::sandbox::{Ran, Sandbox, tags};
use crate::support::server::Server;

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn page(path: &str) -> String {
    std::fs::read_to_string(checkout(path)).unwrap()
}

/// README and each page of docs/.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned()];
    for folder in ["docs", "docs/guide", "docs/reference"] {
        for entry in std::fs::read_dir(checkout(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
                pages.push(format!("{folder}/{name}"));
            }
        }
    }
    pages
}

/// The section of a page below the heading that starts with `heading`.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.find(&format!("\n## {heading}")).unwrap_or_else(|| panic!("no section {heading}"));
    let text = &page[start + 1..];
    text[1..].find("\n## ").map_or(text, |end| &text[..=end])
}

/// The names in backquotes in the first column of the tables.
fn first_column(text: &str) -> Vec<&str> {
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    cells
        .flat_map(|cell| cell.split(", "))
        .map(|name| name.split('`').find(|name| !name.is_empty()).unwrap())
        .collect()
}

#[test]
fn the_guide_lists_every_transformer() {
    let registry = datahub_emitter::transform::TransformerRegistry::default();
    let guide = page("docs/guide/transformers.md");
    let types = section(&guide, "Types");
    let documented: BTreeSet<&str> = first_column(types).into_iter().filter(|name| *name != "type").collect();
    let mut known: BTreeSet<&str> = registry.types().collect();
    for name in datahub_emitter::transform::callback_types() {
        known.insert(name);
    }
    assert_eq!(documented, known);
    // As many as acryl-datahub 1.7.0.17 registers.
    assert_eq!(known.len(), 39);
}

/// Lines of the shell examples that call the program, continuation lines joined.
fn commands(page: &str) -> Vec<String> {
    let examples = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    examples
        .flat_map(|example| example.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>())
        .map(|line| line.replace("cargo run --release --", "datahub-emit"))
        .filter(|line| line.contains("datahub-emit "))
        .collect()
}

/// A directory in which the files that the examples name exist.
fn world(server: &Server) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("mcps.jsonl", &tags(["a"]));
    sandbox.recipe("mcps.jsonl", "{type: datahub-rest}");
    sandbox.write("seed.yml", "users: [{name: loader, password: hunter22}]\n");
    sandbox.write("faults.yml", "faults: [{action: reset}]\n");
    let dead_letter = r#"{"entityType":"tag","entityUrn":"urn:li:tag:b","changeType":"UPSERT","aspectName":"status","aspect":{"value":"{\"removed\":false}","contentType":"application/json"},"deadLetter":{"reason":"gms-rejected","status":422,"message":"no","attempts":1,"origin":"mcps.json#1","runId":"r","at":"2026-11-23T20:15:02Z"}}"#;
    sandbox.write("dead-letters.jsonl", &format!("{dead_letter}\n"));
    std::fs::create_dir_all(sandbox.path("home")).unwrap();
    std::fs::create_dir_all(sandbox.path("fixtures")).unwrap();
    std::os::unix::fs::symlink(checkout("recipes"), sandbox.path("recipes")).unwrap();
    std::os::unix::fs::symlink(checkout("fixtures/metadata"), sandbox.path("fixtures/metadata")).unwrap();
    assert!(server.url().starts_with("http://"));
    sandbox
}

fn typed(line: &str, server: &Server, sandbox: &Sandbox) -> Ran {
    let frontend = server.gms().frontend_url().unwrap();
    let line = line.replace("http://localhost:8080", server.url()).replace("http://localhost:9002", frontend);
    let program = assert_cmd::cargo::cargo_bin!("datahub-emit");
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let binary = sandbox.command();
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &line]).current_dir(sandbox.path("")).stdin(Stdio::null()).env_clear();
    for (name, value) in binary.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    shell.env("PATH", path).env("DATAHUB_PASSWORD", "hunter22");
    Ran::of(shell.env("DATAHUB_GMS_URL", server.url()).env("DATAHUB_GMS_TOKEN", server.token()))
}

#[cfg(unix)]
#[test]
fn every_command_of_the_documents_works_when_it_is_typed() {
    let datahub = User::new("datahub").password("hunter22").privilege("GENERATE_PERSONAL_ACCESS_TOKENS");
    let server = Server::of(Gms::builder().frontend(([127, 0, 0, 1], 0).into()).user(datahub));
    let mut typed_commands = 0;
    for name in pages() {
        let sandbox = world(&server);
        for line in commands(&page(&name)) {
            if line.contains("gms serve") || line.contains("revoke ID") {
                // The first does not end, and the second needs an id; their options are checked all the same.
                let line = line.split('#').next().unwrap();
                typed(&format!("{line} --help"), &server, &sandbox).ends_with(0);
                continue;
            }
            let ran = typed(&line, &server, &sandbox);
            assert_eq!(ran.code, Some(0), "{name}: {line}\n{ran:#?}");
            typed_commands += 1;
        }
    }
    assert!(typed_commands >= 25, "{typed_commands}");
}

#[test]
fn every_documented_key_is_known() {
    let reference = page("docs/reference/configuration.md");
    let mut keys = 0;
    for (heading, recipe, block) in [
        ("Top level", "source: {type: file, config: {path: x}}\nsink: {type: blackhole}\n", ""),
        ("Source `file`", "sink: {type: blackhole}\nsource:\n  type: file\n  config:\n", "    "),
        (
            "Sink `datahub-rest`",
            "source: {type: file, config: {path: x}}\nsink:\n  type: datahub-rest\n  config:\n",
            "    ",
        ),
        ("Sink `file`", "source: {type: file, config: {path: x}}\nsink:\n  type: file\n  config:\n", "    "),
    ] {
        let mut text = recipe.to_owned();
        for key in first_column(section(&reference, heading)) {
            let key = key.split('.').next().unwrap();
            keys += 1;
            if !text.contains(&format!("\n{block}{key}:")) && !text.starts_with(&format!("{key}:")) {
                writeln!(text, "{block}{key}:").unwrap();
            }
        }
        writeln!(text, "{block}no_such_key:").unwrap();
        let sandbox = Sandbox::new();
        sandbox.write("recipe.yml", &text);
        let ran = sandbox.run(&["check", "recipe.yml", "--offline"]).ends_with(2);
        let unknown: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("unknown key")).collect();
        assert!(
            unknown.len() == 1 && unknown[0].contains("no_such_key"),
            "{heading}: {unknown:#?}\n{}",
            ran.stderr
        );
    }
    assert!(keys >= 45, "{keys}");
}

/// Variables of which the program reads the name from its environment.
fn variables_in_code(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            variables_in_code(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.split('"').filter(|name| {
                name.starts_with("DATAHUB_")
                    && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
            });
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_variable_is_documented() {
    let reference = page("docs/reference/environment.md");
    let documented: BTreeSet<&str> = first_column(&reference).into_iter().collect();
    let mut known = BTreeSet::new();
    for folder in ["auth", "cli", "gms", "pipeline", "sink", "source"] {
        variables_in_code(&checkout("src").join(folder), &mut known);
    }
    assert!(known.len() >= 20, "{known:#?}");
    let missing: Vec<&String> = known.iter().filter(|name| !documented.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "not in docs/reference/environment.md: {missing:?}");
    let invented: Vec<&&str> =
        documented.iter().filter(|name| name.starts_with("DATAHUB_") && !known.contains(**name)).collect();
    assert!(invented.is_empty(), "in docs/reference/environment.md and not in the code: {invented:?}");
}

#[test]
fn the_help_and_the_reference_agree_on_exit_codes() {
    let reference = page("docs/reference/exit-codes.md");
    let help = Sandbox::new().run(&["--help"]).ends_with(0).stdout;
    let listed = help.split("Exit codes:").nth(1).unwrap();
    let codes: Vec<&str> = reference
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .filter(|code| code.starts_with(|character: char| character.is_ascii_digit()))
        .collect();
    assert_eq!(codes, ["0", "1", "2", "3", "4", "5", "6", "130, 143", "141"]);
    // A program that SIGPIPE ends says nothing, and the help says nothing of it.
    for code in codes.iter().filter(|code| **code != "141") {
        assert!(listed.contains(&format!("{code}  ")), "{code}: {listed}");
    }
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    for name in pages() {
        let text = page(&name);
        let folder = checkout(&name).parent().unwrap().to_owned();
        let inline = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        let defined = text
            .lines()
            .filter_map(|line| line.strip_prefix('[')?.split_once("]: "))
            .map(|(_, target)| target);
        for target in inline.chain(defined).filter(|target| !target.contains("://")) {
            assert!(folder.join(target).exists(), "{name}: {target}");
        }
    }
}

#[test]
fn every_page_is_in_the_summary_and_the_readme_is_short() {
    let summary = page("docs/SUMMARY.md");
    for name in pages() {
        let name = name.strip_prefix("docs/").unwrap_or(&name);
        assert!(name == "SUMMARY.md" || summary.contains(name), "{name}");
    }
    assert!(page("README.md").len() <= 8 * 1024, "{} bytes", page("README.md").len());
}
