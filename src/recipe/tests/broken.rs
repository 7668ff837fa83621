//! `fixtures/recipes/NAME.SUFFIX` is broken, and `NAME.SUFFIX.txt` is what must be said about it.
//!
//! `BLESS=1 cargo test recipe` writes the texts anew.

use std::fs;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::recipe::{Fields, Recipe, RecipeError};

/// The tokens that stand in the fixtures, in ever odder places.
const TOKENS: [&str; 2] =
    ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJsb2FkZXIifQ.c2lnbmF0dXJlMTIz", "dhp_9kQ2xV7tLm4RzB8w"];

/// Reads a recipe as components do.
pub(super) fn read(recipe: &Recipe) -> Result<(), RecipeError> {
    let mistakes = recipe.mistakes();
    let mut top = Fields::new(Some(recipe.root()), "", &mistakes);
    top.string("pipeline_name");
    top.string("run_id");
    top.not_yet("transformers", "records are sent as they are");

    let mut source = top.block("source");
    source.choice("type", &[("file", ())]);
    let mut config = Fields::new(source.node("config"), "source.config", &mistakes);
    if config.string("path").is_none() {
        config.missing("path", "a file or a directory");
    }
    config.string("file_extension");
    config.choice("read_mode", &[("AUTO", ()), ("BATCH", ()), ("STREAM", ())]);
    config.boolean("count_all_before_starting");
    config.string("aspect");
    config.finish();
    source.finish();

    let mut sink = top.block("sink");
    sink.string("type");
    let mut config = sink.block("config");
    if config.string("server").is_none() {
        config.missing("server", "the address of GMS");
    }
    config.secret("token");
    config.choice("mode", &[("SYNC", 0), ("ASYNC", 1), ("ASYNC_BATCH", 2)]);
    config.number("max_threads", 1..=200, "a number from 1 to 200");
    config.number("max_per_batch", 1..=200, "a number from 1 to 200");
    config.seconds("timeout_sec");
    config.numbers::<u16>("retry_status_codes", "an HTTP status");
    config.string_map("extra_headers", true);
    config.boolean("disable_ssl_verification");
    config.finish();
    sink.finish();
    top.finish();
    mistakes.into_error()
}

pub(super) fn environment() -> Environment {
    Environment::from_pairs([("GMS_SECRET", TOKENS[1])])
}

#[track_caller]
pub(super) fn assert_no_piece(of: &str, within: &str) {
    let characters: Vec<char> = of.chars().collect();
    for piece in characters.windows(9) {
        let piece: String = piece.iter().collect();
        assert!(!within.contains(&piece), "{piece} leaks:\n{within}");
    }
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recipes");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.extension().is_some_and(|suffix| suffix != "txt"))
        .collect();
    files.sort();
    files
}

#[test]
fn each_broken_recipe_gets_its_diagnostic() {
    let bless = std::env::var_os("BLESS").is_some();
    let files = fixtures();
    assert!(files.len() > 25);
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/recipes/");
        let error = Recipe::load(&file, &environment()).and_then(|recipe| read(&recipe)).expect_err(name);
        let text = format!("{error}\n").replace(folder, "");
        let json = serde_json::to_string(&error).unwrap();
        for token in TOKENS {
            assert_no_piece(token, &text);
            assert_no_piece(token, &json);
            assert_no_piece(token, &format!("{error:?}"));
        }
        let expected = file.with_file_name(format!("{name}.txt"));
        if bless {
            fs::write(&expected, &text).unwrap();
        }
        assert_eq!(text, fs::read_to_string(&expected).unwrap_or_default(), "{name}");
    }
}
