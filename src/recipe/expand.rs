//! Expands `${NAME}` in the values of a recipe.
//!
//! The rules, oddities included, are those of DataHub's `config_loader.py` and of the `expandvars` package
//! that it uses, so that a recipe has the same meaning here. A string that contains `${…}` is expanded as a
//! whole, and an unset variable is a mistake. A string that only starts with `$` is expanded if all its
//! variables are set, and stays as it is otherwise. Any other string stays as it is. Inside a default
//! (`${A:-$B}`) an unset variable is empty. There is one difference: `$$` and `${$}` stay as they are, while
//! Python inserts a process id.
//!
//! Expansion follows parsing, and applies to string values only. The value of a variable is never parsed or
//! expanded.

use super::problem::Problem;
use super::secrets::Secrets;
use super::tree::{Node, Value};
use crate::environment::Environment;
use crate::redact::{MASK, is_plain, show_word};

/// The maximum nesting of defaults: `${A:-${B:-${C}}}` is 3.
const MAX_DEPTH: usize = 16;

/// The maximum size of all expanded strings of a recipe, in bytes: 64 MiB.
const MAX_EXPANDED: usize = 64 << 20;

/// A variable of the `expandvars` package: its value replaces unset variables.
const RECOVER_NULL: &str = "EXPANDVARS_RECOVER_NULL";

/// Expands every string below `node`. The values of variables are added to `secrets`.
pub(super) fn expand(
    node: &mut Node,
    environment: &mut Environment,
    secrets: &Secrets,
    problems: &mut Vec<Problem>,
) {
    let mut expansion = Expansion {
        environment,
        secrets,
        errors: Vec::new(),
        from_environment: false,
        remaining: MAX_EXPANDED,
    };
    expansion.node(node, "", problems);
}

/// An error in a string that is expanded.
#[derive(Debug, PartialEq, Eq)]
enum ExpandError {
    Unset(String),
    /// `${NAME:?message}`.
    Demanded(String, String),
    NotUtf8(String),
    IndirectUnset(String),
    MissingBrace,
    LoneEscape,
    BadSubstitution,
    BadLength,
    TooDeep,
    TooLarge,
}

struct Expansion<'a> {
    environment: &'a mut Environment,
    secrets: &'a Secrets,
    /// Errors after which the expansion continues, to find more.
    errors: Vec<ExpandError>,
    from_environment: bool,
    /// Bytes that the strings of the recipe may still grow to.
    remaining: usize,
}

/// The content of `${…}`.
#[derive(Default)]
struct Reference {
    name: String,
    operator: Option<Operator>,
    modifier: Vec<char>,
    indirect: bool,
    braces: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Default,
    Assign,
    Alternative,
    Slice,
    Demand,
    Length,
}

impl Expansion<'_> {
    fn node(&mut self, node: &mut Node, path: &str, problems: &mut Vec<Problem>) {
        match &mut node.value {
            Value::Map(entries) => {
                for entry in entries {
                    let key = show_word(&entry.key);
                    let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                    self.node(&mut entry.node, &path, problems);
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.node(item, &format!("{path}[{index}]"), problems);
                }
            }
            Value::String(text) => match self.string(text) {
                Ok(Some(expanded)) => {
                    node.value = Value::String(expanded);
                    node.from_environment = self.from_environment;
                }
                Ok(None) => {}
                Err(errors) => {
                    node.value = Value::Unusable;
                    problems.extend(errors.iter().map(|error| {
                        let (message, help) = error.describe();
                        Problem::new(node.span, format!("`{path}`: {message}")).with_help(help)
                    }));
                }
            },
            _ => {}
        }
    }

    /// The expanded string; `None` when it stays as it is.
    fn string(&mut self, text: &str) -> Result<Option<String>, Vec<ExpandError>> {
        let strict = holds_reference(text);
        if !strict && !text.starts_with('$') {
            return Ok(None);
        }
        self.errors.clear();
        self.from_environment = false;
        let characters: Vec<char> = text.chars().collect();
        let result = self.text(&characters, true, 0);
        let mut errors = std::mem::take(&mut self.errors);
        if !strict && errors.iter().any(|error| matches!(error, ExpandError::Unset(_))) {
            return Ok(None);
        }
        match result {
            Ok(expanded) if errors.is_empty() => {
                self.remaining = self.remaining.saturating_sub(expanded.len());
                Ok(Some(expanded))
            }
            Ok(_) => {
                errors.dedup();
                Err(errors)
            }
            Err(error) => {
                errors.push(error);
                Err(errors)
            }
        }
    }

    /// With `unset_is_an_error`, unset variables are collected as errors; without it, they are empty.
    fn text(&mut self, text: &[char], unset_is_an_error: bool, depth: usize) -> Result<String, ExpandError> {
        if depth > MAX_DEPTH {
            return Err(ExpandError::TooDeep);
        }
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((character, after)) = rest.split_first() {
            rest = after;
            let next = after.first().copied();
            match (character, next) {
                ('\\', None) => return Err(ExpandError::LoneEscape),
                ('\\', Some(next)) => {
                    if !matches!(next, '$' | '\\') {
                        expanded.push('\\');
                    }
                    expanded.push(next);
                    rest = after.get(1..).unwrap_or_default();
                }
                ('$', Some(next)) if is_name_character(next) || matches!(next, '{' | '$') => {
                    let (reference, after) = Reference::read(after)?;
                    rest = after;
                    expanded.push_str(&self.reference(&reference, unset_is_an_error, depth)?);
                    if expanded.len() > self.remaining {
                        return Err(ExpandError::TooLarge);
                    }
                }
                (character, _) => expanded.push(*character),
            }
        }
        Ok(expanded)
    }

    fn reference(
        &mut self,
        reference: &Reference,
        unset_is_an_error: bool,
        depth: usize,
    ) -> Result<String, ExpandError> {
        let name = reference.name.as_str();
        if name.is_empty() {
            return Err(ExpandError::BadSubstitution);
        }
        if name == "$" {
            return match (reference.operator, reference.indirect, reference.braces) {
                (None, false, true) => Ok("${$}".to_owned()),
                (None, false, false) => Ok("$$".to_owned()),
                _ => Err(ExpandError::BadSubstitution),
            };
        }
        let mut value = self.look_up(name)?;
        if reference.indirect {
            let other = value.ok_or_else(|| ExpandError::IndirectUnset(name.to_owned()))?;
            value = self.look_up(&other)?;
        }
        let modifier = self.text(&reference.modifier, false, depth + 1)?;
        let filled = value.clone().filter(|value| !value.is_empty());
        let (result, from_environment) = match reference.operator {
            None => (value, true),
            Some(Operator::Length) if modifier.is_empty() => {
                let length = value.map_or(0, |value| value.chars().count());
                (Some(length.to_string()), false)
            }
            Some(Operator::Length) => return Err(ExpandError::BadSubstitution),
            Some(Operator::Default) => {
                let from_environment = filled.is_some();
                (filled.or(Some(modifier)), from_environment)
            }
            Some(Operator::Assign) => {
                let from_environment = filled.is_some();
                if filled.is_none() {
                    self.environment.set(name.to_owned(), modifier.clone());
                }
                (filled.or(Some(modifier)), from_environment)
            }
            Some(Operator::Alternative) => (Some(filled.map_or_else(String::new, |_| modifier)), false),
            Some(Operator::Slice) => (Some(slice(&value.unwrap_or_default(), &modifier)?), true),
            Some(Operator::Demand) => {
                if filled.is_none() && self.environment.get(RECOVER_NULL).is_none() {
                    self.errors.push(ExpandError::Demanded(name.to_owned(), modifier));
                    return Ok(String::new());
                }
                (filled.or_else(|| self.recovery()), true)
            }
        };
        self.from_environment |= from_environment;
        if let Some(result) = result {
            return Ok(result);
        }
        if !unset_is_an_error {
            return Ok(String::new());
        }
        if let Some(recovery) = self.recovery() {
            return Ok(recovery);
        }
        self.errors.push(ExpandError::Unset(name.to_owned()));
        Ok(String::new())
    }

    fn look_up(&self, name: &str) -> Result<Option<String>, ExpandError> {
        if self.environment.is_not_utf8(name) {
            return Err(ExpandError::NotUtf8(name.to_owned()));
        }
        let value = self.environment.get(name);
        if let Some(value) = value {
            self.secrets.add(value);
        }
        Ok(value.map(str::to_owned))
    }

    fn recovery(&self) -> Option<String> {
        self.environment.get(RECOVER_NULL).map(str::to_owned)
    }
}

impl Reference {
    /// Reads the text after a `$`, and returns the rest.
    fn read(text: &[char]) -> Result<(Self, &[char]), ExpandError> {
        let mut reference = Self::default();
        let mut rest = text;
        // `$A` ends with its name. After an opening brace, even a later one (`$A{B}`), it ends at the closing
        // brace.
        while let Some((character, after)) = rest.split_first() {
            match *character {
                '{' if !reference.braces => {
                    reference.braces = true;
                    rest = after;
                    match after.split_first() {
                        Some(('!', after)) => {
                            reference.indirect = true;
                            rest = after;
                        }
                        Some(('#', after)) => {
                            reference.operator = Some(Operator::Length);
                            rest = after;
                        }
                        _ => {}
                    }
                }
                '}' if reference.braces => return Ok((reference, after)),
                character
                    if is_name_character(character) || (character == '$' && reference.name.is_empty()) =>
                {
                    reference.name.push(character);
                    rest = after;
                }
                _ if reference.braces => return reference.read_modifier(rest),
                _ => return Ok((reference, rest)),
            }
        }
        if reference.braces {
            return Err(ExpandError::MissingBrace);
        }
        Ok((reference, rest))
    }

    fn read_modifier(mut self, text: &[char]) -> Result<(Self, &[char]), ExpandError> {
        let mut rest = text;
        let colon = rest.first() == Some(&':');
        if colon {
            rest = rest.get(1..).unwrap_or_default();
        }
        // `${#A:…}` stays a length, which is refused because of its modifier; `${#A-…}` is a default.
        if !colon || self.operator.is_none() {
            let (character, after) = rest.split_first().ok_or(ExpandError::MissingBrace)?;
            self.operator = Some(match character {
                '-' => Operator::Default,
                '=' => Operator::Assign,
                '+' => Operator::Alternative,
                '?' => Operator::Demand,
                _ => Operator::Slice,
            });
            if *character == '}' {
                return Ok((self, after));
            }
            if self.operator == Some(Operator::Slice) {
                self.modifier.push(*character);
            }
            rest = after;
        }
        let mut depth = 0_usize;
        while let Some((character, after)) = rest.split_first() {
            rest = after;
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => return Ok((self, rest)),
                '}' => depth -= 1,
                _ => {}
            }
            self.modifier.push(*character);
        }
        Err(ExpandError::MissingBrace)
    }
}

impl ExpandError {
    /// The message, and the advice how to correct it.
    fn describe(&self) -> (String, String) {
        match self {
            Self::Unset(name) => {
                let name = show_word(name);
                (
                    format!("the environment variable `{name}` is not set"),
                    format!("set it (`export {name}=…`), or give a default: `${{{name}:-…}}`"),
                )
            }
            Self::Demanded(name, message) => {
                let name = show_word(name);
                let message = match message.as_str() {
                    "" => "parameter null or not set",
                    message if is_plain(message) => message,
                    _ => MASK,
                };
                (
                    format!("the environment variable `{name}` is not set or empty: {message}"),
                    format!("set it: `export {name}=…`"),
                )
            }
            Self::NotUtf8(name) => (
                format!("the value of the environment variable `{}` is not UTF-8", show_word(name)),
                "set it to a text".to_owned(),
            ),
            Self::IndirectUnset(name) => {
                let name = show_word(name);
                (
                    format!("the environment variable `{name}`, which is to name another one, is not set"),
                    format!("set it: `export {name}=OTHER`"),
                )
            }
            Self::MissingBrace => (
                "a `${` has no closing `}`".to_owned(),
                "close it, or write `\\$` for a dollar sign".to_owned(),
            ),
            Self::LoneEscape => {
                ("nothing follows the `\\` at the end".to_owned(), "write `\\\\` for a backslash".to_owned())
            }
            Self::BadSubstitution => (
                "this is not a `${…}` that can be expanded".to_owned(),
                "write `${NAME}` or `${NAME:-default}`; `\\$` is a dollar sign".to_owned(),
            ),
            Self::BadLength => (
                "the length in `${NAME:start:length}` is not a number of 0 or more".to_owned(),
                "write for example `${NAME:0:8}`".to_owned(),
            ),
            Self::TooDeep => {
                (format!("defaults are nested deeper than {MAX_DEPTH} levels"), "use fewer".to_owned())
            }
            Self::TooLarge => (
                format!("the expanded values of the recipe have more than {} MiB", MAX_EXPANDED >> 20),
                "use the variable less often, or a shorter value".to_owned(),
            ),
        }
    }
}

/// Whether there is a `${…}` with something in it, within one line.
fn holds_reference(text: &str) -> bool {
    text.split('\n').any(|line| {
        line.find("${").is_some_and(|start| {
            let inner = line.split_at(start).1.chars().skip(2);
            inner.skip(1).any(|character| character == '}')
        })
    })
}

fn is_name_character(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// `${NAME:start:length}` with the meaning of a Python slice: a start that is not a number counts as 0, a
/// negative one counts from the end.
fn slice(value: &str, modifier: &str) -> Result<String, ExpandError> {
    if modifier.is_empty() {
        return Err(ExpandError::BadSubstitution);
    }
    let mut parts = modifier.split(':').map(str::trim);
    let number = |text: &str| text.parse::<i64>().ok();
    let offset = parts.next().and_then(number).unwrap_or(0);
    let end = match parts.next() {
        None => None,
        Some(length) => match number(length) {
            Some(length) if length < 0 => return Err(ExpandError::BadLength),
            Some(length) => Some(offset.saturating_add(length)),
            None if length.chars().all(is_name_character) => Some(offset),
            None => return Err(ExpandError::BadLength),
        },
    };
    if parts.next().is_some() {
        return Err(ExpandError::BadSubstitution);
    }
    let count = value.chars().count();
    let index = |position: i64| {
        let distance = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
        if position < 0 { count.saturating_sub(distance) } else { distance.min(count) }
    };
    let start = index(offset);
    let end = end.map_or(count, index);
    Ok(value.chars().skip(start).take(end.saturating_sub(start)).collect())
}

#[cfg(test)]
mod tests;
