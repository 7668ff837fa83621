//! A token may stand anywhere in a recipe. No piece of nine characters of it may come out.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::broken::{assert_no_piece, read};
use crate::environment::Environment;
use crate::recipe::{Format, Recipe};
use crate::redact::mask_credentials;

/// Recipes with at least one mistake on the token's line, or near it.
const YAML: &[&str] = &[
    "sink:\n  config:\n    tokn: @\n",
    "sink:\n  config:\n    @: x\n",
    "sink:\n  config:\n    @\n",
    "sink:\n  config:\n    server: [http://me:@@gms:8080/?token=@]\n",
    "sink:\n  config:\n    max_threads: http://gms/?token=@\n",
    "sink:\n  config: {@: @, mode: @, max_threads: @}\n",
    "sink:\n  config:\n    timeout_sec: @\n    disable_ssl_verification: @\n    retry_status_codes: [@]\n",
    "sink:\n  config:\n    retry_status_codes: @\n    extra_headers: @\n",
    "sink:\n  config:\n    extra_headers: {@: 1, b: [@], c: {d: @}}\n",
    "sink:\n  config:\n    max_threads: soon # @\n",
    "sink: &@\n  config: !@ {max_threads: *@}\n",
    "sink: &a@ {config: {max_threads: soon}}\n",
    "sink:\n  config:\n    token: \"@\n    max_threads: 4\n",
    "sink:\n  config:\n    token: '@\n    max_threads: 4\n",
    "sink:\n  config:\n    token: @: @\n",
    "sink:\n  config:\n   token: @\n  mode: @\n",
    "sink:\n  config:\n    token: @ @\n   @\n",
    "sink:\n  config:\n    mode: >\n      @\n      more\n",
    "sink:\n  config:\n    mode: \"one\n      @\n      two\"\n",
    "sink:\n  config:\n    token: {a: @}\n    mode: ${@}\n",
    "sink:\n  config:\n    mode: ${A:-@}\n    server: ${B:?@}\n",
    "sink:\n  config:\n    mode: ${@\n    token: ${A}@${B}\n",
    "pipeline_name: [@]\nrun_id: {@: 1}\n",
    "sink:\n  config:\n    token: @\n    token: @\n    @: 1\n    @: 2\n",
    "@",
    "- @",
    "\"@\"",
    "? [@]\n: @\n",
    "%@\n---\na: b\n",
    "a: b\n---\n@: c\n",
    "sink: [@, {config: @}]\n",
    "__secrets__: {A: @}\n",
    "__DATAHUB_TO_FILE_@: @\n",
    "sink:\n  config:\n    token:\t@\n\tmode: @\n",
    "sink: {token: @, mode: @\n",
    "sink: !!int @\n",
    "sink: @@@\n@: [\n",
];

const JSON: &[&str] = &[
    "{\"sink\": {\"config\": {\"tokn\": \"@\", \"max_threads\": \"@\", \"@\": 1}}}",
    "{\"sink\": {\"config\": {\"token\": \"@, \"mode\": 1}}}",
    "{\"sink\": {\"token\": @}}",
    "{\"sink\": {\"token\": \"@\"} \"@\"}",
    "{\"@\" \"@\"}",
    "\"@\"",
    "[\"@\"]",
    "@",
    "{\"a\": \"\\u00@\"}",
    "{\"sink\": {\"config\": {\"@\": 1, \"@\": 2, \"token\": [\"@\"]}}}",
];

const TOML: &[&str] = &[
    "[sink.config]\ntokn = \"@\"\nmax_threads = \"@\"\n",
    "[sink.config]\ntoken = \"@\nmode = 1\n",
    "[sink.config]\ntoken = @\n",
    "[sink.config]\n@ = 1\n@ = 2\n",
    "[sink.@]\nmode = '@'\n[sink.@]\n",
    "[@",
    "@",
    "sink = \"@\" # @\n",
    "sink.config.token.@ = [\"@\"]\nsource = '''\n@\n'''\n",
    "[sink.config]\nmax_threads = 'soon' # @\n",
];

fn token() -> impl Strategy<Value = String> {
    let segment = "[A-Za-z0-9_-]{12,40}";
    prop_oneof![
        (segment, segment)
            .prop_map(|(claims, signature)| format!("eyJhbGciOiJIUzI1NiJ9.eyJ{claims}.{signature}")),
        "[a-f0-9]{32}",
        "[A-Za-z0-9]{24,48}",
        // Encoded bytes contain as many alphanumeric characters as a token; a character class would not.
        proptest::collection::vec(any::<u8>(), 21..36).prop_map(|bytes| STANDARD.encode(bytes)),
        proptest::collection::vec(any::<u8>(), 21..36).prop_map(|bytes| URL_SAFE_NO_PAD.encode(bytes)),
        "dhp_[A-Za-z0-9]{20}",
    ]
    .prop_filter("no part of a token is a run of words", |token| {
        token.split('.').filter(|part| part.len() >= 9 && !part.starts_with("eyJ")).all(|part| {
            let characters: Vec<char> = part.chars().collect();
            let mixed = characters
                .windows(2)
                .filter(|pair| pair[0].is_ascii_digit() && pair[1].is_ascii_alphabetic());
            mixed.count() >= 2
        })
    })
}

fn everything_said(format: Format, text: &str, environment: &Environment) -> String {
    let result = Recipe::parse("recipe", format, text, environment);
    let debug = format!("{result:?}");
    match result.and_then(|recipe| read(&recipe)) {
        Ok(()) => debug,
        Err(error) => {
            let json = serde_json::to_string(&error).unwrap();
            format!("{debug}\n{error}\n{json}\n{error:?}\n{}", crate::Error::from(error.clone()))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_piece_of_a_token_comes_out(token in token()) {
        let environment = Environment::default();
        for (format, templates) in [(Format::Yaml, YAML), (Format::Json, JSON), (Format::Toml, TOML)] {
            for template in templates {
                let said = everything_said(format, &template.replace('@', &token), &environment);
                assert_no_piece(&token, &said);
            }
        }
    }

    #[test]
    fn no_piece_of_a_token_from_the_environment_comes_out(token in token()) {
        let environment = Environment::from_pairs([("T", token.clone())]);
        for template in YAML.iter().filter(|template| !template.contains("${")) {
            for reference in ["${T}", "x${T}y", "${N:-${T}}", "${T:1}"] {
                let said = everything_said(Format::Yaml, &template.replace('@', &format!("\"{reference}\"")), &environment);
                assert_no_piece(&token, &said);
            }
        }
    }

    #[test]
    fn no_piece_of_a_token_comes_out_wherever_a_recipe_is_cut_or_struck(
        token in token(),
        place in any::<prop::sample::Index>(),
        stroke in prop_oneof!["[\"':{}\\[\\]#&*!|>,\\n -]{1,3}", Just(String::new())],
        cut in any::<bool>(),
    ) {
        let valid = format!(
            "source:\n  type: file\n  config: {{path: a.json}}\nsink:\n  type: datahub-rest\n  config:\n    server: http://gms\n    token: {token}\n    extra_headers: {{X-Api-Key: \"{token}\"}}\n    max_threads: 4\n"
        );
        let place = place.index(valid.len());
        let (before, after) = valid.split_at(place);
        // A stroke within the token makes pieces of it; they are searched for one by one.
        let text = if cut { before.to_owned() } else { format!("{before}{stroke}{after}") };
        let said = everything_said(Format::Yaml, &text, &Environment::default());
        assert_no_piece(&token, &said);
    }

    #[test]
    fn free_text_loses_tokens(token in token(), before in "[a-z ]{0,10}", after in "[a-z ]{0,10}") {
        for text in [format!("{before} {token} {after}"), format!("token={token} {after}"), format!("https://u:{token}@gms/ {after}")] {
            assert_no_piece(&token, &mask_credentials(&text));
        }
    }
}
