use std::fs;

use crate::environment::Environment;
use crate::recipe::{Format, Recipe};

fn load(name: &str, bytes: &[u8]) -> Result<Recipe, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    Recipe::load(&path, &Environment::default()).map_err(|error| {
        let text = error.to_string();
        text.replace(&path.display().to_string(), name)
    })
}

#[track_caller]
fn fails(name: &str, bytes: &[u8], expected: &str) {
    let error = load(name, bytes).expect_err(expected);
    assert!(error.starts_with(&format!("error: {name}")), "{error}");
    assert!(error.contains(expected), "{error}");
}

#[test]
fn the_suffix_tells_how_a_recipe_is_written() {
    for (name, text) in [
        ("r.yml", "source: {type: file}"),
        ("r.YAML", "source:\n  type: file\n"),
        ("r.json", "{\"source\": {\"type\": \"file\"}}"),
        ("r.toml", "[source]\ntype = 'file'"),
        ("bom.yml", "\u{feff}source: {type: file}"),
        ("bom.json", "\u{feff}{\"source\": {\"type\": \"file\"}}"),
        ("crlf.yml", "source:\r\n  type: file\r\n"),
    ] {
        let recipe = load(name, text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let kind = recipe.root().get("source").and_then(|source| source.get("type"));
        assert_eq!(kind.and_then(|kind| kind.as_str()), Some("file"), "{name}");
    }
    fails("recipe", b"a: b", "ends in .yml, .yaml, .json or .toml");
    fails("recipe.txt", b"a: b", "ends in .yml, .yaml, .json or .toml");
}

#[test]
fn what_is_no_text_is_refused() {
    fails("r.yml", b"a: b\nc: \xff\n", "not UTF-8: byte 8, in line 2");
    fails("r.yml", &[0xff, 0xfe, b'a', 0], "UTF-16");
    fails("r.yml", b"a: b\nc: d\0\n", "r.yml:2:5: there is a NUL byte");
    for text in ["", " \n\n", "# nothing\n", "---\n", "~", "\u{feff}"] {
        fails("r.yml", text.as_bytes(), "the recipe is empty");
    }
    fails("r.json", b"  ", "the recipe is empty");
    fails("r.toml", b"# nothing\n", "the recipe is empty");
    fails("r.json", b"null", "the recipe is empty");
}

#[test]
fn a_recipe_has_at_most_one_mebibyte() {
    let comment = "#".repeat((1 << 20) - 5);
    assert!(load("r.yml", format!("a: b\n{comment}").as_bytes()).is_ok());
    fails("r.yml", format!("a: b\n{comment}#").as_bytes(), "larger than 1 MiB");
    let endless = std::io::repeat(b' ');
    let error = Recipe::from_reader(endless, &Environment::default()).unwrap_err();
    assert!(error.to_string().contains("standard input: this is larger than 1 MiB"), "{error}");
    let text = "x".repeat((1 << 20) + 1);
    assert!(Recipe::parse("r", Format::Yaml, &text, &Environment::default()).is_err());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str| {
        let error = Recipe::load(&folder.path().join(name), &Environment::default()).unwrap_err();
        error.to_string()
    };
    assert!(load("absent.yml").ends_with("absent.yml: there is no such file"));
    fs::create_dir(folder.path().join("folder.yml")).unwrap();
    assert!(load("folder.yml").contains("this is a directory"));
    let error = Recipe::load("https://example.com/r.yml".as_ref(), &Environment::default()).unwrap_err();
    assert!(error.to_string().contains("not from an address"), "{error}");
}

#[test]
fn standard_input_is_json_or_yaml() {
    let read = |text: &str| Recipe::from_reader(text.as_bytes(), &Environment::default());
    for text in
        ["a: {b: c}", "{a: {b: c}}", "{\"a\": {\"b\": \"c\"}}", " {\"a\":\t{\"b\":\"c\"}}", "{\"a\": {b: c}}"]
    {
        let json = read(text).unwrap().root().to_json();
        assert_eq!(json, serde_json::json!({"a": {"b": "c"}}), "{text}");
    }
    let error = read("{\"a\": {\"b\": \"c\"}").unwrap_err().to_string();
    assert!(error.starts_with("error: standard input:1:16: this is not valid JSON"), "{error}");
    let error = read("a: b: c").unwrap_err().to_string();
    assert!(error.starts_with("error: standard input:1:5: this is not valid YAML"), "{error}");
}

#[test]
fn the_envelope_of_pythons_executor_is_refused_by_name() {
    fails("r.yml", b"__recipe_yaml__: 'a: b'\n", "`__recipe_yaml__`: the envelope");
    fails("r.json", b"{\"__secrets__\": {\"A\": \"swordfish\"}}", "`__secrets__`: the envelope");
    let recipe = load("r.yml", b"sink: {config: {__DATAHUB_TO_FILE_ca: swordfish}}\n").unwrap();
    let error = recipe.mistakes().into_error().unwrap_err().to_string();
    assert!(error.contains("`__DATAHUB_TO_FILE_ca` is not supported"), "{error}");
    assert!(!error.contains("swordfish"), "{error}");
}
