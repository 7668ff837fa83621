//! Are mistakes in a recipe reported so that they can be corrected?

use crate::support::sandbox::{Ran, Sandbox, tags};

const TOKEN: &str = "eyJhbGciOi.S3cr3tS3cr3tS3cr3tS3cr3t.c1gnatur3";

fn refused(recipe: &str) -> Ran {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.write("recipe.yml", recipe);
    sandbox.ingest(&[]).ends_with(2)
}

#[test]
fn all_mistakes_are_reported_at_once_with_their_positions() {
    let ran = refused(
        "source:\n  type: file\n  config:\n    path: tags.jsonl\n    pth: x\nsink:\n  type: datahub-rest\n  config:\n    \
         server: http://localhost:1\n    tokne: abc\n    max_threads: many\npipelin_name: p\n",
    );
    for place in ["recipe.yml:5:5", "recipe.yml:10:5", "recipe.yml:11:18", "recipe.yml:12:1"] {
        assert!(ran.stderr.contains(place), "{place}: {ran:#?}");
    }
    assert!(ran.stderr.contains("token"), "{ran:#?}");
}

#[test]
fn the_token_is_never_shown() {
    for recipe in [
        format!(
            "source: {{type: file, config: {{path: tags.jsonl}}}}\nsink: {{type: datahub-rest, config: {{server: 'http://localhost:1', tokne: {TOKEN}}}}}\n"
        ),
        format!(
            "source: {{type: file, config: {{path: tags.jsonl}}}}\nsink: {{type: datahub-rest, config: {{server: 'http://u:{TOKEN}@localhost:1'}}}}\n"
        ),
        format!("sink: {{type: datahub-rest, config: {{token: {TOKEN}, max_threads: {TOKEN}}}}}\n"),
        format!("token: {TOKEN}\n"),
        format!("{TOKEN}: [\n"),
        TOKEN.to_owned(),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("recipe.yml", &recipe);
        for more in [&["--json"][..], &["-vvv"], &["--log-format", "json", "-vvv"]] {
            let ran = sandbox.ingest(more).ends_with(2);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            for piece in TOKEN.as_bytes().windows(9) {
                assert!(!said.contains(std::str::from_utf8(piece).unwrap()), "{recipe}\n{said}");
            }
        }
    }
}

#[test]
fn unsupported_features_are_errors_and_not_ignored() {
    let recipe = |more: &str| {
        format!("source: {{type: file, config: {{path: tags.jsonl}}}}\nsink: {{type: console}}\n{more}\n")
    };
    for (more, named) in [
        ("transformers: [{type: simple_add_dataset_tags, config: {}}]", "transformers"),
        ("recording: {enabled: true}", "recording"),
        ("reporting: [{type: carrier-pigeon}]", "file"),
    ] {
        let ran = refused(&recipe(more));
        assert!(ran.stderr.contains(named), "{more}: {ran:#?}");
        assert_eq!(ran.stdout, "", "nothing was sent");
    }
    let ran = refused("source: {type: snowflake, config: {account: x}}\nsink: {type: console}\n");
    assert!(ran.stderr.contains("snowflake"), "{ran:#?}");
}

#[test]
fn unsupported_environment_variables_are_errors_too() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.write("recipe.yml", "source: {type: file, config: {path: tags.jsonl}}\n");
    let with = |name: &str, value: &str| {
        Ran::of(sandbox.command().env("DATAHUB_GMS_URL", "http://localhost:1").env(name, value).args([
            "ingest",
            "-c",
            "recipe.yml",
        ]))
    };
    for (name, value, words) in [
        ("DATAHUB_INGESTION_DEFAULT_SINK", "datahub-kafka", "not supported yet"),
        ("DATAHUB_AUTH_TYPE", "azure_entra", "not supported here"),
    ] {
        let ran = with(name, value).ends_with(2);
        assert!(ran.stderr.contains(name) && ran.stderr.contains(words), "{ran:#?}");
    }
    with("DATAHUB_INGESTION_DEFAULT_SINK", "datahub-rest").ends_with(4);
    sandbox.recipe("tags.jsonl", "{type: blackhole}");
    with("DATAHUB_INGESTION_DEFAULT_SINK", "datahub-kafka").ends_with(0);
}

#[test]
fn keys_without_effect_are_warnings() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.write(
        "recipe.yml",
        "source: {type: file, config: {path: tags.jsonl}, extractor_config: {a: 1}}\nsink: {type: blackhole}\n\
         reporting: [{type: datahub}]\nflags: {generate_browse_path_v2: true, set_system_metadata: yes}\n\
         transformers: []\nfailure_log: {enabled: false}\nrecording: {enabled: false}\n",
    );
    let report = sandbox.ingest(&["--json"]).ends_with(0).json();
    let warnings: Vec<&str> =
        report["warnings"].as_array().unwrap().iter().filter_map(|warning| warning.as_str()).collect();
    for word in ["extractor_config", "reporting[0]", "generate_browse_path_v2"] {
        assert_eq!(warnings.iter().filter(|warning| warning.contains(word)).count(), 1, "{warnings:?}");
    }
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    sandbox.ingest(&["--strict-warnings"]).ends_with(1);
}

#[test]
fn mistakes_are_in_the_report_too() {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.yml", "source: {type: file}\nsnik: {}\n");
    let ran = sandbox.ingest(&["--json", "--report-to", "report.json"]).ends_with(2);
    let report = ran.json();
    assert_eq!(report["schema"], "datahub-emit/report/1");
    assert_eq!(report["outcome"], "invalid");
    assert_eq!(report["run_id"], serde_json::Value::Null);
    assert_eq!(sandbox.json("report.json")["outcome"], "invalid");
}

#[test]
fn a_report_that_cannot_be_written_does_not_hide_the_mistake() {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.yml", "source: {type: file}\nsnik: {}\n");
    let ran = sandbox.ingest(&["--report-to", "no/report.json"]).ends_with(2);
    for part in ["snik", "no/report.json"] {
        assert!(ran.stderr.contains(part), "{part}: {ran:#?}");
    }
}

#[test]
fn a_missing_recipe_or_input_is_named() {
    let sandbox = Sandbox::new();
    let ran = sandbox.ingest(&[]).ends_with(2);
    assert!(ran.stderr.contains("recipe.yml"), "{ran:#?}");
    sandbox.recipe("nothing.json", "{type: blackhole}");
    let ran = sandbox.ingest(&["--json"]).ends_with(2);
    assert!(ran.stderr.contains("nothing.json"), "{ran:#?}");
    assert_eq!(ran.json()["outcome"], "invalid");
}

#[test]
fn check_finds_the_same_mistakes() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe("tags.jsonl", "{type: console}");
    sandbox.run(&["check", "recipe.yml", "--offline"]).ends_with(0);
    sandbox.recipe("tags.jsonl", "{type: consle}");
    let ran = sandbox.run(&["check", "recipe.yml", "--offline", "--json"]).ends_with(2);
    assert!(ran.stderr.contains("did you mean `console`"), "{ran:#?}");
    assert_eq!(ran.json()["ok"], false);
}

#[test]
fn the_advice_for_an_unset_variable_is_shown_as_it_is() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe(
        "tags.jsonl",
        "{type: datahub-rest, config: {server: 'http://localhost', token: '${DATAHUB_GMS_TOKEN}'}}",
    );
    let ran = sandbox.ingest(&[]).ends_with(2);
    assert!(ran.stderr.contains("${DATAHUB_GMS_TOKEN:-…}"), "{ran:#?}");
    assert!(!ran.stderr.contains("********"), "{ran:#?}");
}

#[test]
fn a_file_sink_does_not_replace_the_input() {
    let sandbox = Sandbox::new();
    let input = sandbox.write("tags.jsonl", &tags(["a"]));
    for filename in ["tags.jsonl", "./tags.jsonl", input.to_str().unwrap()] {
        sandbox.recipe("tags.jsonl", &format!("{{type: file, config: {{filename: '{filename}'}}}}"));
        let ran = sandbox.ingest(&[]).ends_with(2);
        assert!(ran.stderr.contains("the file that the source reads"), "{ran:#?}");
        assert_eq!(std::fs::read_to_string(&input).unwrap(), tags(["a"]));
    }
}

#[cfg(not(feature = "kafka"))]
#[test]
fn a_build_without_kafka_says_which_one_has_it() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe("tags.jsonl", "{type: datahub-kafka, config: {connection: {bootstrap: 'kafka:9092'}}}");
    let ran = sandbox.ingest(&[]).ends_with(2);
    assert!(ran.stderr.contains("--features kafka") && ran.stderr.contains("recipe.yml:2:"), "{ran:#?}");
}
