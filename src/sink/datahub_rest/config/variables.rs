//! Defaults of keys from environment variables.

use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::environment::Environment;
use crate::recipe::Fields;

/// The choice with this name, whatever its case.
pub(super) fn named<T: Copy>(choices: &[(&str, T)], text: &str) -> Option<T> {
    let mut choices = choices.iter();
    choices.find(|(name, _)| name.eq_ignore_ascii_case(text.trim())).map(|(_, choice)| *choice)
}

pub(super) fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

/// The default of `key` from an environment variable that holds a number within `range`. Any other value is a
/// mistake. `expected` describes the number, for example "a number from 1 to 200".
pub(super) fn number_from_variable<T: FromStr + PartialOrd>(
    fields: &mut Fields<'_>,
    environment: &Environment,
    (key, variable): (&'static str, &str),
    range: RangeInclusive<T>,
    expected: &str,
) -> Option<T> {
    let text = environment.get(variable).filter(|text| !text.is_empty())?;
    let number = parsed(text).filter(|number| range.contains(number));
    if number.is_none() {
        let message =
            format!("the environment variable {variable}, which gives its default, must hold {expected}");
        fields.mistake(key, message);
    }
    number
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

/// The default of `key` from an environment variable. A value that cannot be read is a mistake.
pub(super) fn from_variable<T>(
    fields: &mut Fields<'_>,
    environment: &Environment,
    key: &'static str,
    variable: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let text = environment.get(variable).filter(|text| !text.is_empty())?;
    let value = read(text);
    if value.is_none() {
        fields.mistake(
            key,
            format!("the environment variable {variable}, which gives its default, holds no value for it"),
        );
    }
    value
}
