//! Where mistakes are, and that all come at once.

use crate::environment::Environment;
use crate::recipe::{Fields, Format, Recipe};

fn parse(text: &str) -> Recipe {
    Recipe::parse("r.yml", Format::Yaml, text, &Environment::default()).unwrap()
}

fn mistakes(text: &str) -> String {
    let result = Recipe::parse("r.yml", Format::Yaml, text, &Environment::default());
    let error = result.and_then(|recipe| super::broken::read(&recipe)).unwrap_err();
    error.to_string()
}

#[test]
fn one_mistake_on_a_terminal() {
    insta::assert_snapshot!(
        mistakes("source: {type: file, config: {path: a}}\nsink:\n  type: console\n  config:\n    server: http://gms\n    max_threads: soon\n"),
        @r#"
    error: r.yml:6:18: `sink.config.max_threads`: expected a number from 1 to 200, found the string "soon"
      |
    6 |     max_threads: soon
      |                  ^^^^
    "#
    );
}

#[test]
fn mistakes_of_all_kinds_come_at_once_in_the_order_of_their_places() {
    let text = "source: {type: file, config: {path: \"${NOWHERE}\"}}\nsink:\n  config: {servr: a, mode: x, mode: y}\n";
    let error = mistakes(text);
    let heads: Vec<&str> = error.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(heads.len(), 5, "{error}");
    for (head, place) in heads.iter().zip(["1:37", "3:3", "3:12", "3:28", "3:31"]) {
        assert!(head.starts_with(&format!("error: r.yml:{place}: ")), "{error}");
    }
}

#[test]
fn a_value_in_a_merge_or_behind_an_alias_stands_at_its_anchor_and_is_wrong_once() {
    let error = mistakes(
        "pipeline_name: x\nsource: {type: file, config: {path: a}}\nsink: &s {config: {server: a, max_threads: soon}}\nrun_id: r\n",
    );
    assert!(error.starts_with("error: r.yml:3:44: "), "{error}");
}

#[test]
fn columns_count_characters_and_the_caret_keeps_tabs() {
    let error = mistakes("{pipeline_name: ü,\tsource: [],  run_id: {}}");
    assert!(error.contains("r.yml:1:28: `source`"), "{error}");
    assert!(error.contains("  |                   \t        ^^\n"), "{error}");
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let long = "x, ".repeat(400);
    let error = mistakes(&format!("{{run_id: [{long}], source: 5, pipeline_name: [{long}]}}"));
    assert!(error.lines().all(|line| line.chars().count() < 200), "{error}");
    assert!(error.contains("source: 5"), "{error}");
}

#[test]
fn nothing_but_the_line_at_fault_is_shown() {
    let error = mistakes("run_id: before\nsource: 5\nsink: {config: {server: after}}\n");
    assert!(error.contains("source: 5") && !error.contains("before") && !error.contains("after"), "{error}");
}

#[test]
fn deep_nesting_and_alias_bombs_are_refused_at_once() {
    for text in ["[".repeat(500_000), "a: ".to_owned() + &"{a: ".repeat(200_000), "- ".repeat(100_000)] {
        let error = mistakes(&text);
        assert!(error.contains("nested deeper than 64 levels"), "{error}");
    }
    let mut bomb = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x]".to_owned()];
    for level in 1..10 {
        let aliases = format!("*a{}, ", level - 1).repeat(9);
        bomb.push(format!("a{level}: &a{level} [{aliases}]"));
    }
    assert!(mistakes(&bomb.join("\n")).contains("add up to more than 4 MiB"));
    let (open, close) = ("[".repeat(40), "]".repeat(40));
    let deep = format!("a0: &a0 {open}1{close}\na1: &a1 {open}*a0{close}\n");
    assert!(mistakes(&deep).contains("nested deeper than 64 levels"));
    assert!(mistakes("a: &a [*a]\n").contains("part of what it stands for"));
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    for (format, text) in [
        (Format::Json, format!("{{\"a\": {deep}}}")),
        (Format::Toml, format!("a = {deep}")),
        (Format::Json, "[".repeat(500_000)),
        (Format::Toml, format!("a = {}", "[".repeat(500_000))),
    ] {
        assert!(Recipe::parse("r", format, &text, &Environment::default()).is_err());
    }
}

#[test]
fn a_recipe_of_values_has_no_places() {
    let json = serde_json::json!({"source": {"type": "file", "config": {"path": "${A}"}}, "sink": {"config": {"server": 1, "tokn": "swordfish"}}});
    let recipe = Recipe::from_json(&json).unwrap();
    assert_eq!(recipe.root().to_json(), json);
    insta::assert_snapshot!(super::broken::read(&recipe).unwrap_err(), @r"
    error: recipe: `sink.config.server`: expected a string (put it in quotes), found the number 1
    error: recipe: unknown key `tokn` in `sink.config`; did you mean `token`?
    ");
    assert!(Recipe::from_json(&serde_json::json!([])).is_err());
}

#[test]
fn an_error_of_the_crate_keeps_the_text_and_the_mistakes() {
    let recipe = parse("source: 1\nsink: 2\n");
    let error = super::broken::read(&recipe).unwrap_err();
    let converted = crate::Error::from(error.clone());
    assert_eq!(converted.kind(), crate::ErrorKind::Input);
    assert_eq!(format!("error: {converted}"), error.to_string());
    let source = std::error::Error::source(&converted).unwrap();
    assert_eq!(source.downcast_ref(), Some(&error));
}

#[test]
fn debug_shows_no_value() {
    let recipe = parse("token: swordfish\nother: [catfish]\n");
    let shown = format!("{recipe:?} {:?} {:?} {:?}", recipe.root(), recipe.mistakes(), recipe.secrets());
    assert!(!shown.contains("fish"), "{shown}");
    let environment = Environment::from_pairs([("GMS_TOKEN", "swordfish")]);
    assert_eq!(format!("{environment:?}"), "{\"GMS_TOKEN\"}");
}

#[test]
fn an_unfinished_reader_of_an_absent_block_reads_nothing() {
    let recipe = parse("sink: null\n");
    let mistakes = recipe.mistakes();
    let mut top = Fields::new(Some(recipe.root()), "", &mistakes);
    assert!(!top.has("sink"));
    let mut sink = top.block("sink");
    assert_eq!(sink.string("type"), None);
    sink.missing("type", "the name of a sink");
    let error = mistakes.into_error().unwrap_err();
    assert!(error.to_string().starts_with("error: r.yml:1:1: `sink.type` is missing"), "{error}");
}
