//! The located trees say what the parsers of record say.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::Value as Json;
use serde_yaml::Value as Yaml;

use crate::environment::Environment;
use crate::recipe::{Format, Node, Recipe, Value};

/// Whether a tree is what `serde_yaml` read, aside from scalars that `PyYAML`, and so a recipe, reads
/// otherwise. Those are recognised in the text, because they are not quoted.
fn agree(node: &Node, yaml: &Yaml, text: &str) -> bool {
    let written = text.get(node.span.start..node.span.end).unwrap_or_default();
    match (&node.value, yaml) {
        (Value::Null, Yaml::Null) => true,
        (Value::Bool(ours), Yaml::Bool(theirs)) => ours == theirs,
        (Value::String(ours), Yaml::String(theirs)) => ours == theirs,
        (Value::Number(ours), Yaml::Number(theirs)) => {
            let (ours, theirs) = (ours.parse::<f64>().unwrap(), theirs.as_f64().unwrap());
            ours.total_cmp(&theirs).is_eq() || ours.is_nan() && theirs.is_nan()
        }
        // `yes`, `off`, …
        (Value::Bool(_), Yaml::String(theirs)) => theirs == written && !matches!(written, "true" | "false"),
        // `010`, `1_000`: strings to YAML 1.2.
        (Value::Number(_), Yaml::String(theirs)) => {
            theirs == written && (written.starts_with('0') || written.contains('_'))
        }
        // `1e3`, `0o17`: strings to PyYAML. `!!str 12` keeps its tag out of sight.
        (Value::String(ours), Yaml::Number(_)) => {
            ours == written && (written.contains(['e', 'E']) || written.starts_with("0o"))
        }
        (Value::List(ours), Yaml::Sequence(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| agree(ours, theirs, text))
        }
        (Value::Map(ours), Yaml::Mapping(theirs)) => {
            ours.len() == theirs.len()
                && theirs.iter().all(|(key, theirs)| {
                    let key = match key {
                        Yaml::String(key) => key.clone(),
                        other => serde_yaml::to_string(other).unwrap().trim().to_owned(),
                    };
                    ours.iter().any(|entry| entry.key == key && agree(&entry.node, theirs, text))
                })
        }
        _ => false,
    }
}

fn valid() -> Vec<(String, Format, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recipes/valid");
    let mut recipes: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let format = match path.extension().unwrap().to_str().unwrap() {
                "json" => Format::Json,
                "toml" => Format::Toml,
                _ => Format::Yaml,
            };
            (path.display().to_string(), format, fs::read_to_string(&path).unwrap())
        })
        .collect();
    recipes.sort_by(|one, other| one.0.cmp(&other.0));
    recipes
}

fn root(format: Format, text: &str) -> Node {
    let recipe =
        Recipe::parse("recipe", format, text, &Environment::from_pairs([("DATAHUB_GMS_TOKEN", "")])).unwrap();
    recipe.root().clone()
}

#[test]
fn every_valid_fixture_is_read_alike() {
    let recipes = valid();
    assert!(recipes.len() >= 6);
    for (name, format, text) in recipes {
        let text = text.replace("${DATAHUB_GMS_TOKEN}", "token");
        let node = root(format, &text);
        match format {
            Format::Yaml => {
                let mut yaml: Yaml = serde_yaml::from_str(&text).unwrap();
                yaml.apply_merge().unwrap();
                assert!(agree(&node, &yaml, &text), "{name}:\n{:#}\n{yaml:#?}", node.to_json());
            }
            Format::Json => {
                let json: Json = serde_json::from_str(&text).unwrap();
                assert_eq!(node.to_json().to_string().replace("\"1e1\"", "10.0"), json.to_string(), "{name}");
            }
            Format::Toml => {
                let toml: toml::Table = toml::from_str(&text).unwrap();
                let expected = serde_json::to_string(&toml).unwrap();
                let expected =
                    expected.replace("{\"$__toml_private_datetime\":\"2020-01-01\"}", "\"2020-01-01\"");
                assert_eq!(node.to_json(), serde_json::from_str::<Json>(&expected).unwrap(), "{name}");
            }
        }
        for suffix in ["", "\n", "  \n# end\n"] {
            if format != Format::Json && !text.ends_with("...\n") {
                assert_eq!(root(format, &format!("{text}{suffix}")).to_json(), node.to_json(), "{name}");
            }
        }
    }
}

/// `scalars.json` holds what `PyYAML` 6.0.3 made of each scalar.
#[test]
fn scalars_are_what_pyyaml_makes_of_them() {
    let cases: Vec<Json> =
        serde_json::from_str(include_str!("../../../fixtures/recipes/python/scalars.json")).unwrap();
    for case in cases {
        let written = case["yaml"].as_str().unwrap();
        let node = root(Format::Yaml, &format!("a: {written}"));
        let found = &node.get("a").unwrap().value;
        let base_60 = written.contains(':');
        match (found, &case) {
            (Value::Null, case) => assert!(case.get("null").is_some(), "{case}"),
            (Value::Bool(found), case) => assert_eq!(case["bool"], *found, "{case}"),
            (Value::Number(found), case) => {
                if let Some(expected) = case["int"].as_str() {
                    assert_eq!(found.parse::<i128>().ok(), expected.parse().ok(), "{case}");
                } else {
                    let expected: f64 = case["float"].as_str().unwrap().parse().unwrap();
                    let found: f64 = found.parse().unwrap();
                    assert!(
                        found.total_cmp(&expected).is_eq() || found.is_nan() && expected.is_nan(),
                        "{case}"
                    );
                }
            }
            (Value::String(found), case) if base_60 || case.get("date").is_some() => {
                assert_eq!(found, written);
            }
            (Value::String(found), case) => assert_eq!(case["str"], *found, "{case}"),
            (other, case) => panic!("{other:?}: {case}"),
        }
    }
}

#[test]
fn merges_follow_pyyaml() {
    let node = root(
        Format::Yaml,
        "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], z: 3}\nd:\n  <<: *a\n  <<: *b\ne: {\"<<\": 1}\n",
    );
    let json = node.to_json();
    assert_eq!(json["c"], serde_json::json!({"x": 1, "y": 1, "z": 3}));
    assert_eq!(json["d"], serde_json::json!({"x": 1, "y": 2, "z": 2}));
    assert_eq!(json["e"], serde_json::json!({"<<": 1}));
}

fn json_tree() -> impl Strategy<Value = Json> {
    let text = prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,8}",
        "[a-z:#\\-\\[{!&*|>%@`'\" \\n\\t]{0,10}",
        Just("yes".to_owned()),
        Just("010".to_owned()),
        Just("~".to_owned()),
        Just("1e3".to_owned()),
        Just("<<".to_owned()),
        Just("é: ü".to_owned()),
        Just("line\nline\n".to_owned()),
    ];
    // Strings that would be expanded are the business of another test.
    let text = text.prop_map(|text| text.replace(['$', '\\'], "_"));
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1e9..1e9).prop_map(Json::from),
        text.clone().prop_map(Json::from),
    ];
    // serde_yaml does not quote the name of a merge, which another test is about.
    let name = "[a-z]{1,6}|[ -#%-\\[\\]-~]{1,8}".prop_filter("a merge", |name| name != "<<");
    let tree = leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    });
    tree.prop_map(|tree| serde_json::json!({"tree": tree}))
}

/// `serde_yaml` does not quote all scalars that `PyYAML` reads differently: it quotes `010` and `1_000`, but
/// not `yes`. So this compares to the tree that `serde_yaml` reads.
fn agrees_with_what_serde_yaml_reads(text: &str) -> bool {
    let yaml: Yaml = serde_yaml::from_str(text).unwrap();
    agree(&root(Format::Yaml, text), &yaml, text)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_serde_yaml_writes_is_read_back(tree in json_tree()) {
        let text = serde_yaml::to_string(&tree).unwrap();
        prop_assert!(agrees_with_what_serde_yaml_reads(&text), "{}", text);
    }

    #[test]
    fn what_serde_json_writes_is_read_back(tree in json_tree(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) }.unwrap();
        prop_assert_eq!(root(Format::Json, &text).to_json(), tree);
    }

    #[test]
    fn no_text_makes_a_reader_panic(
        text in prop_oneof!["\\PC{0,80}", "[-a-c:{}\\[\\],'\"\\\\&*!|>#%@$ \\n\\t0-9_.=]{0,80}", "(a: |- |\\[|\\{|\\}|\\]|\\$\\{A|:-|\\}|\\n|  |\"|'|é|=|&x|\\*x|<<: )*{0,40}"],
    ) {
        let environment = Environment::from_pairs([("A", "x"), ("a", "é")]);
        for format in [Format::Yaml, Format::Json, Format::Toml] {
            let result = Recipe::parse("r", format, &text, &environment);
            let error = result.and_then(|recipe| super::broken::read(&recipe)).err();
            let _ = error.map(|error| error.to_string());
        }
        let wrapped = serde_json::json!({"a": [text]}).to_string();
        Recipe::parse("r", Format::Json, &wrapped, &environment).unwrap();
    }
}
