//! Defaults of keys from environment variables.

use crate::environment::Environment;
use crate::recipe::Fields;

/// The choice with this name, whatever its case.
pub(super) fn named<T: Copy>(choices: &[(&str, T)], text: &str) -> Option<T> {
    let mut choices = choices.iter();
    choices.find(|(name, _)| name.eq_ignore_ascii_case(text.trim())).map(|(_, choice)| *choice)
}

pub(super) fn parsed<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
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
