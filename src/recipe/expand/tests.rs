use super::*;
use crate::recipe::tree::Span;

fn environment() -> Environment {
    Environment::from_pairs([
        ("A", "aval"),
        ("EMPTY", ""),
        ("REF", "A"),
        ("Q", "q\"x: $A ${A}\nnew"),
        ("BAD", "UNSET"),
    ])
}

/// The string after expansion, or the messages of its mistakes.
fn expanded_in(text: &str, environment: &mut Environment) -> Result<(String, bool), Vec<String>> {
    let mut node = Node::new(Value::String(text.to_owned()), Span::NOWHERE);
    let mut problems = Vec::new();
    expand(&mut node, environment, &Secrets::default(), &mut problems);
    match node.value {
        Value::String(text) if problems.is_empty() => Ok((text, node.from_environment)),
        _ => Err(problems.into_iter().map(|problem| problem.message).collect()),
    }
}

fn expanded(text: &str) -> Result<String, Vec<String>> {
    expanded_in(text, &mut environment()).map(|(text, _)| text)
}

#[track_caller]
fn becomes(text: &str, expected: &str) {
    assert_eq!(expanded(text).as_deref(), Ok(expected), "{text}");
}

#[track_caller]
fn is_refused(text: &str, expected: &str) {
    let messages = expanded(text).expect_err(text);
    assert!(messages.iter().any(|message| message.contains(expected)), "{text}: {messages:?}");
}

#[test]
fn a_variable_is_replaced_where_the_string_is_expanded() {
    becomes("$A", "aval");
    becomes("${A}", "aval");
    becomes("pre${A}post", "preavalpost");
    becomes("$A/$A", "aval/aval");
}

#[test]
fn other_dollars_are_left_alone() {
    for text in ["pre$A", "pa$$word", "^foo.*$", "\\$A", "plain", ""] {
        becomes(text, text);
    }
}

#[test]
fn an_unset_variable_without_braces_leaves_the_string_as_it_is() {
    for text in ["$UNSET", "$A-$UNSET", "$$HOME", "$1abc"] {
        becomes(text, text);
    }
}

#[test]
fn an_unset_variable_in_an_expanded_string_is_a_mistake() {
    for text in ["${UNSET}", "a${UNSET}", "${A} $UNSET", "x${A}y$UNSET"] {
        is_refused(text, "the environment variable `UNSET` is not set");
    }
    assert_eq!(expanded("${B} ${C} ${D:?why}").unwrap_err().len(), 3);
}

#[test]
fn defaults_stand_in_for_unset_and_empty() {
    for text in ["${UNSET:-def}", "${UNSET-def}", "${EMPTY:-def}", "${EMPTY-def}"] {
        becomes(text, "def");
    }
    becomes("${UNSET:-${A}}", "aval");
    becomes("${UNSET:-$A}", "aval");
    becomes("${EMPTY}", "");
    becomes("$EMPTY", "");
}

#[test]
fn a_demanded_variable_says_the_message_of_its_author() {
    is_refused("${UNSET:?msg}", "`UNSET` is not set or empty: msg");
    is_refused("${UNSET:?eyJhbGciOiJIUzI1NiJ9}", "or empty: ********");
}

#[test]
fn an_assignment_lasts_for_the_run() {
    let mut environment = environment();
    assert_eq!(expanded_in("${UNSET:=v}", &mut environment), Ok(("v".to_owned(), false)));
    assert_eq!(environment.get("UNSET"), Some("v"));
    assert_eq!(expanded_in("${UNSET}", &mut environment), Ok(("v".to_owned(), true)));
}

#[test]
fn alternatives_slices_lengths_and_indirection() {
    becomes("${A:+alt}", "alt");
    becomes("${UNSET:+alt}", "");
    becomes("${A:1:2}", "va");
    becomes("${#A}", "4");
    becomes("${!REF}", "aval");
}

#[test]
fn the_process_id_is_not_put_in() {
    becomes("$$", "$$");
    becomes("${$}", "${$}");
    becomes("${A}$$", "aval$$");
}

#[test]
fn a_backslash_keeps_a_dollar_sign() {
    becomes("\\${A}", "${A}");
    becomes("${A}\\\\\\x", "aval\\\\x");
}

#[test]
fn what_is_not_well_formed_is_a_mistake() {
    is_refused("${A", "no closing `}`");
    is_refused("${}", "can be expanded");
    is_refused(&"${A:-".repeat(200), "no closing `}`");
    let nested = format!("{}{}", "${B:-".repeat(200), "}".repeat(200));
    is_refused(&nested, "nested deeper than 16 levels");
}

#[test]
fn what_a_variable_brings_is_not_read_again() {
    becomes("${Q}", "q\"x: $A ${A}\nnew");
    becomes("$Q", "q\"x: $A ${A}\nnew");
}

#[test]
fn recover_null_replaces_every_unset_variable() {
    let mut environment = Environment::from_pairs([("EXPANDVARS_RECOVER_NULL", "x")]);
    for text in ["${UNSET}", "$UNSET", "${UNSET:?msg}"] {
        assert_eq!(expanded_in(text, &mut environment).unwrap().0, "x", "{text}");
    }
}

#[test]
fn values_know_whether_they_came_from_the_environment_and_become_secrets() {
    for (text, from_environment) in [
        ("${A}", true),
        ("x${A:1}", true),
        ("${UNSET:-def}", false),
        ("${A:+alt}", false),
        ("plain", false),
        ("$UNSET", false),
    ] {
        let found = expanded_in(text, &mut environment()).unwrap().1;
        assert_eq!(found, from_environment, "{text}");
    }
    let secrets = Secrets::default();
    let mut node = Node::new(Value::String("${A:+x}".to_owned()), Span::NOWHERE);
    expand(&mut node, &mut environment(), &secrets, &mut Vec::new());
    assert_eq!(secrets.mask("an aval"), "an ********");
}

/// `expansion.json` holds what `expandvars` 1.1.2 made of each string, called as DataHub's `config_loader.py`
/// calls it.
#[test]
fn agrees_with_expandvars() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../../fixtures/recipes/python/expansion.json")).unwrap();
    assert!(cases.len() > 500);
    for case in cases {
        let text = case["in"].as_str().unwrap();
        let mut environment = environment();
        let result = expanded_in(text, &mut environment).map(|(text, _)| text);
        match case["out"].as_str() {
            Some(expected) => assert_eq!(result.as_deref(), Ok(expected), "{text:?}"),
            None => assert!(result.is_err(), "{text:?}: {result:?}, {case}"),
        }
        if result.is_ok() {
            for (name, value) in case["sets"].as_object().into_iter().flatten() {
                assert_eq!(environment.get(name), value.as_str(), "{text:?}");
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf8_is_a_mistake_only_where_it_is_used() {
    let mut environment = Environment::default();
    environment.set_not_utf8("RAW");
    let result = expanded_in("${RAW:-x}", &mut environment);
    assert!(result.unwrap_err()[0].contains("`RAW` is not UTF-8"));
    assert!(expanded_in("plain", &mut environment).is_ok());
}
