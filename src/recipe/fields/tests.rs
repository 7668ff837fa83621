use crate::environment::Environment;
use crate::recipe::{Fields, Format, Mistakes, Recipe, RecipeError};

/// Reads a mapping with `read`, and returns what it found with the messages of the mistakes.
fn read<T>(text: &str, read: impl FnOnce(&mut Fields<'_>) -> T) -> (T, Vec<String>) {
    let environment = Environment::from_pairs([("N", "8"), ("YES", "Yes"), ("WORD", "swordfish")]);
    let recipe = Recipe::parse("r.yml", Format::Yaml, text, &environment).unwrap();
    let mistakes = recipe.mistakes();
    let mut fields = Fields::new(Some(recipe.root()), "sink.config", &mistakes);
    let found = read(&mut fields);
    (found, messages(mistakes))
}

fn messages(mistakes: Mistakes) -> Vec<String> {
    let error = mistakes.into_error().err();
    let mistakes = error.iter().flat_map(RecipeError::mistakes);
    mistakes.map(|mistake| mistake.message.clone()).collect()
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "what is expected reads best as it is")]
fn reads<T: PartialEq + std::fmt::Debug>(text: &str, reader: impl FnOnce(&mut Fields<'_>) -> T, expected: T) {
    let (found, messages) = read(text, reader);
    assert!(messages.is_empty(), "{text}: {messages:?}");
    assert_eq!(found, expected, "{text}");
}

#[track_caller]
fn refuses<T>(text: &str, reader: impl FnOnce(&mut Fields<'_>) -> Option<T>, expected: &str) {
    let (found, messages) = read(text, reader);
    assert!(found.is_none(), "{text}");
    assert_eq!(messages, [expected], "{text}");
}

#[test]
fn strings_are_strings_and_null_is_absent() {
    reads("a: x", |fields| fields.string("a"), Some("x".to_owned()));
    reads("a: '12'", |fields| fields.string("a"), Some("12".to_owned()));
    reads("a: ''", |fields| fields.string("a"), Some(String::new()));
    reads("a: ~", |fields| fields.string("a"), None);
    reads("b: x", |fields| fields.string("a"), None);
    reads("a: ~", |fields| fields.has("a"), false);
    refuses(
        "a: 12",
        |fields| fields.string("a"),
        "`sink.config.a`: expected a string (put it in quotes), found the number 12",
    );
    refuses(
        "a: yes",
        |fields| fields.string("a"),
        "`sink.config.a`: expected a string (put it in quotes), found the boolean true",
    );
    refuses("a: {b: 1}", |fields| fields.string("a"), "`sink.config.a`: expected a string, found a mapping");
}

#[test]
fn booleans_are_taken_from_strings_that_are_exactly_one() {
    for text in ["a: true", "a: on", "a: 'TRUE'", "a: 'yes'", "a: ${YES}", "a: 1"] {
        reads(text, |fields| fields.boolean("a"), Some(true));
    }
    for text in ["a: no", "a: 'off'", "a: 'False'", "a: '0'"] {
        reads(text, |fields| fields.boolean("a"), Some(false));
    }
    refuses(
        "a: ' true'",
        |fields| fields.boolean("a"),
        "`sink.config.a`: expected true or false, found the string \" true\"",
    );
}

#[test]
fn numbers_are_taken_from_strings_that_are_exactly_one_and_kept_to_their_range() {
    let threads = |fields: &mut Fields<'_>| fields.number("a", 1..=200_u32, "a number from 1 to 200");
    for text in ["a: 8", "a: '8'", "a: ${N}", "a: 0x8", "a: 010", "a: 8.0", "a: '+8'"] {
        reads(text, threads, Some(8));
    }
    for (text, found) in [
        ("a: 0", "the number 0"),
        ("a: 201", "the number 201"),
        ("a: -1", "the number -1"),
        ("a: 1.5", "the number 1.5"),
        ("a: soon", "the string \"soon\""),
        ("a: '8 '", "the string \"8 \""),
        ("a: true", "the boolean true"),
        ("a: [8]", "a list"),
        ("a: ${WORD}", "the string ********"),
        ("a: 99999999999999999999", "the number ********"),
        ("a: .nan", "the number NaN"),
    ] {
        let expected = format!("`sink.config.a`: expected a number from 1 to 200, found {found}");
        refuses(text, threads, &expected);
    }
}

#[test]
fn seconds_may_have_a_fraction_and_are_neither_negative_nor_endless() {
    use std::time::Duration;
    reads("a: 1.5", |fields| fields.seconds("a"), Some(Duration::from_millis(1500)));
    reads("a: 30", |fields| fields.seconds("a"), Some(Duration::from_secs(30)));
    for text in ["a: -1", "a: .inf", "a: .nan", "a: 'inf'", "a: 1e99", "a: 1.0e+99"] {
        assert_eq!(read(text, |fields| fields.seconds("a")).1.len(), 1, "{text}");
    }
}

#[test]
fn choices_are_taken_in_any_case() {
    let mode = |fields: &mut Fields<'_>| fields.choice("mode", &[("SYNC", 1), ("ASYNC", 2)]);
    reads("mode: sync", mode, Some(1));
    refuses(
        "mode: later",
        mode,
        "`sink.config.mode`: expected one of `SYNC`, `ASYNC`, found the string \"later\"",
    );
}

#[test]
fn lists_and_maps_report_every_bad_item() {
    reads("a: [x, y]", |fields| fields.strings("a"), Some(vec!["x".to_owned(), "y".to_owned()]));
    reads("a: [429, '500']", |fields| fields.numbers::<u16>("a", "an HTTP status"), Some(vec![429, 500]));
    let (found, messages) = read("a: [1, x, ~]", |fields| fields.strings("a"));
    assert!(found.is_none());
    assert_eq!(
        messages,
        [
            "`sink.config.a[0]`: expected a string (put it in quotes), found the number 1",
            "`sink.config.a[2]`: expected a string, found nothing",
        ]
    );
    let (found, messages) = read("a: [x, 70000]", |fields| fields.numbers::<u16>("a", "an HTTP status"));
    assert!(found.is_none());
    assert_eq!(messages.len(), 2);
    reads(
        "a: {z: x, b: '1'}",
        |fields| fields.string_map("a", false),
        Some(vec![("z".to_owned(), "x".to_owned()), ("b".to_owned(), "1".to_owned())]),
    );
    let (_, messages) = read("a: {z: 5, y: ~}", |fields| fields.string_map("a", true));
    assert_eq!(
        messages,
        [
            "`sink.config.a.z`: expected a string (put it in quotes), found the number ********",
            "`sink.config.a.y`: expected a string, found nothing",
        ]
    );
}

#[test]
fn what_is_read_as_a_secret_is_masked_wherever_it_occurs() {
    let (token, messages) = read("note: swordfish\nserver: http://gms/swordfish\n", |fields| {
        let token = fields.secret("note");
        fields.mistake("server", "expected an address, found http://gms/swordfish");
        token
    });
    assert_eq!(token.as_deref(), Some("swordfish"));
    assert_eq!(messages, ["`sink.config.server`: expected an address, found ********"]);
}

#[test]
fn a_mistake_of_a_component_does_not_quote_what_must_not_be_shown() {
    let ((), messages) = read("server: ftp://me:pw@gms\nplain: ftp://gms\n", |fields| {
        fields.mistake("server", "expected http or https, found ftp://me:pw@gms");
        fields.mistake("plain", "expected http or https, found ftp://gms");
        fields.mistake("absent", "expected something");
    });
    assert_eq!(
        messages,
        [
            "`sink.config.absent`: expected something",
            "`sink.config.server`: expected http or https, found ********",
            "`sink.config.plain`: expected http or https, found ftp://gms",
        ]
    );
}

#[test]
fn unknown_keys_are_told_with_the_nearest_known_one() {
    let text = "tokn: x\nmax-threads: 1\nqqqqqq: 2\nserver: a\n";
    let recipe = Recipe::parse("r.yml", Format::Yaml, text, &Environment::default()).unwrap();
    let mistakes = recipe.mistakes();
    let mut fields = Fields::new(Some(recipe.root()), "sink.config", &mistakes);
    for key in ["server", "token", "max_threads"] {
        fields.has(key);
    }
    fields.finish();
    let messages = messages(mistakes);
    assert_eq!(
        messages,
        [
            "unknown key `tokn` in `sink.config`; did you mean `token`?",
            "unknown key `max-threads` in `sink.config`; did you mean `max_threads`?",
            "unknown key `qqqqqq` in `sink.config`; known keys are `max_threads`, `server`, `token`",
        ]
    );
}

#[test]
fn keys_without_effect_warn_and_keys_that_are_not_built_are_refused() {
    let (warnings, messages) = read("pool: 1\nnull_pool: ~\nlater: {}\nnull_later: ~\n", |fields| {
        fields.ignored("pool", "one pool is enough");
        fields.ignored("null_pool", "one pool is enough");
        fields.not_yet("later", "it comes");
        fields.not_yet("null_later", "it comes");
        fields.mistakes.take_warnings()
    });
    assert_eq!(warnings, ["`sink.config.pool` has no effect here: one pool is enough"]);
    assert_eq!(messages, ["`sink.config.later` is not supported yet: it comes"]);
}

#[test]
fn a_missing_key_is_not_missed_where_its_value_is_wrong_already() {
    let ((), messages) = read("a: 1\nb: ${UNSET}\nc: {}\n", |fields| {
        assert!(fields.string("a").is_none());
        fields.missing("a", "a string");
        assert!(fields.string("b").is_none());
        fields.missing("b", "a string");
        let mut block = fields.block("c");
        block.missing("d", "a string");
    });
    assert_eq!(
        messages,
        [
            "`sink.config.a`: expected a string (put it in quotes), found the number 1",
            "`b`: the environment variable `UNSET` is not set",
            "`sink.config.c.d` is missing: expected a string",
        ]
    );
}

#[test]
fn a_block_that_is_no_mapping_is_told_once() {
    let ((), messages) = read("a: 5\nl: [{x: 1}, 2]\n", |fields| {
        let mut block = fields.block("a");
        assert_eq!(block.string("b"), None);
        block.missing("b", "a string");
        block.block("c").missing("d", "a string");
        block.finish();
        for mut item in fields.blocks("l") {
            item.missing("y", "a string");
            item.finish();
        }
    });
    assert_eq!(
        messages,
        [
            "`sink.config.a`: expected a mapping, found the number 5",
            "`sink.config.l[0].y` is missing: expected a string",
            "unknown key `x` in `sink.config.l[0]`; known keys are `y`",
            "`sink.config.l[1]`: expected a mapping, found the number 2",
        ]
    );
}

#[test]
fn a_component_that_reports_nothing_is_reported() {
    let (error, messages) = read("a: 1\n", |fields| fields.reported());
    assert_eq!(error.to_string(), "the recipe has a mistake, which was reported");
    assert_eq!(messages, ["`sink.config` cannot be read, and the plugin that reads it has not reported why"]);
}
