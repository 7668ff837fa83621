//! Reads the keys of one mapping, and collects all mistakes in them.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::key_recorder::KeyForm;
use super::mistake::Mistakes;
use super::problem::Problem;
use super::tree::{Entry, Node, Span, Value};
use crate::redact::holds_jwt;
use crate::suggest::nearest;

/// The longest time that a recipe may give, in seconds: a year.
const LONGEST: f64 = 366.0 * 86_400.0;

/// A mistake was reported to the [`Mistakes`] of the recipe, so a component cannot be configured. Only
/// [`Fields::reported`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recipe has a mistake, which was reported")]
pub struct Reported(());

/// Reads the keys of one mapping. Reading a key makes it known; [`finish`](Self::finish) reports the unknown
/// keys, each with the most similar known one.
///
/// An explicit null means that the key is absent. A string that is exactly a number or a boolean is accepted
/// as one, since `${NAME}` can only produce strings. A number in place of a string is a mistake, since
/// `01234` and `1e5` would change. A reader that finds a mistake reports it and returns `None`, so that a
/// component reads all its keys and all mistakes are reported at once.
#[derive(Debug)]
pub struct Fields<'a> {
    entries: &'a [Entry],
    path: String,
    mistakes: &'a Mistakes,
    /// The place at which a missing key is reported.
    place: Span,
    /// It is not a mapping, which has been reported.
    broken: bool,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Reads `node`. `path` is the dotted path for messages (`sink.config`), empty for the whole recipe; a
    /// block that is `None` or null reads as an empty mapping.
    pub fn new(node: Option<&'a Node>, path: &str, mistakes: &'a Mistakes) -> Self {
        let above = || mistakes.above(path).unwrap_or((Span::NOWHERE, false));
        let (place, broken) = node.map_or_else(above, |node| (mistakes.source().key_place(node.span), false));
        Self::at(node, path.to_owned(), place, broken, mistakes)
    }

    fn at(node: Option<&'a Node>, path: String, place: Span, broken: bool, mistakes: &'a Mistakes) -> Self {
        let mut fields = Self { entries: &[], path, mistakes, place, broken, known: Vec::new() };
        match node.map(|node| (node, &node.value)) {
            None | Some((_, Value::Null)) => {}
            Some((_, Value::Map(entries))) => fields.entries = entries,
            Some((_, Value::Unusable)) => fields.broken = true,
            Some((node, _)) => {
                fields.broken = true;
                let found = mistakes.source().describe(node);
                let subject =
                    if fields.path.is_empty() { "a recipe".to_owned() } else { format!("`{}`", fields.path) };
                let message = format!("{subject}: expected a mapping, found {found}");
                mistakes.report(Problem::new(node.span, message));
            }
        }
        mistakes.remember(&fields.path, place, fields.broken);
        fields
    }

    /// The dotted path of this mapping.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// True when the key is there and not null.
    pub fn has(&mut self, key: &'static str) -> bool {
        self.asked(key, KeyForm::Any);
        self.node(key).is_some()
    }

    /// A string. A number or a boolean is a mistake that asks for quotes. A token is a mistake too, because
    /// the value may be shown and stored; read a value that may be a token with [`secret`](Self::secret).
    pub fn string(&mut self, key: &'static str) -> Option<String> {
        self.asked(key, KeyForm::String);
        let node = self.node(key)?;
        self.open_text(&self.path_of(key), node)
    }

    /// Like [`string`](Self::string); the value is masked in every diagnostic, wherever its text occurs.
    pub fn secret(&mut self, key: &'static str) -> Option<String> {
        self.asked(key, KeyForm::String);
        let node = self.node(key)?;
        self.keep_secret(node);
        self.text(&self.path_of(key), node)
    }

    /// A boolean, or a string that is exactly one, in any case: `true`, `yes`, `on`, `1`, `false`, `no`,
    /// `off`, `0`.
    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.asked(key, KeyForm::Boolean);
        let node = self.node(key)?;
        let boolean = match &node.value {
            Value::Bool(boolean) => Some(*boolean),
            Value::String(text) | Value::Number(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" | "t" | "y" => Some(true),
                "false" | "no" | "off" | "0" | "f" | "n" => Some(false),
                _ => None,
            },
            _ => None,
        };
        if boolean.is_none() {
            self.wrong(&self.path_of(key), node, "true or false");
        }
        boolean
    }

    /// A number within `range`, or a string that is exactly one. `expected` describes it in messages, for
    /// example "a number from 1 to 200".
    pub fn number<T: FromStr + PartialOrd>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<T>,
        expected: &str,
    ) -> Option<T> {
        self.asked(key, KeyForm::Number(expected.to_owned()));
        let node = self.node(key)?;
        let number = number_in(node).filter(|number| range.contains(number));
        if number.is_none() {
            self.wrong(&self.path_of(key), node, expected);
        }
        number
    }

    /// A number of seconds from 0 to a year, which may have a fraction.
    pub fn seconds(&mut self, key: &'static str) -> Option<Duration> {
        self.asked(key, KeyForm::Seconds);
        let seconds = self.number(key, 0.0..=LONGEST, "a number of seconds, 0 or more and at most a year")?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// A duration, as [`parse_duration`](crate::duration::parse_duration) reads it: `7d`, or a number of
    /// seconds.
    pub fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.asked(key, KeyForm::Duration);
        let node = self.node(key)?;
        let duration = match &node.value {
            Value::String(text) | Value::Number(text) => crate::duration::parse_duration(text),
            _ => None,
        };
        if duration.is_none() {
            self.wrong(&self.path_of(key), node, "a span of time, for example 7d or 12h");
        }
        duration
    }

    /// One of some words, in any case.
    pub fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&'static str, T)]) -> Option<T> {
        self.asked(key, KeyForm::Choice(choices.iter().map(|(word, _)| *word).collect()));
        let node = self.node(key)?;
        let chosen = node.as_str().and_then(|text| {
            let mut choices = choices.iter();
            choices.find(|(word, _)| word.eq_ignore_ascii_case(text))
        });
        if let Some((_, choice)) = chosen {
            return Some(*choice);
        }
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        let expected = match words.as_slice() {
            [only] => only.clone(),
            words => format!("one of {}", words.join(", ")),
        };
        self.wrong(&self.path_of(key), node, &expected);
        None
    }

    /// A list of strings.
    pub fn strings(&mut self, key: &'static str) -> Option<Vec<String>> {
        self.asked(key, KeyForm::Strings);
        let path = self.path_of(key);
        let items = self.list(key, "a list of strings")?;
        let texts =
            items.iter().enumerate().map(|(index, item)| self.open_text(&format!("{path}[{index}]"), item));
        // All items are read before the first error is returned, so that each mistake is reported.
        texts.collect::<Vec<_>>().into_iter().collect()
    }

    /// A list of numbers. `expected` describes one of them in messages, for example "an HTTP status".
    pub fn numbers<T: FromStr>(&mut self, key: &'static str, expected: &str) -> Option<Vec<T>> {
        self.asked(key, KeyForm::Numbers(expected.to_owned()));
        let path = self.path_of(key);
        let items = self.list(key, &format!("a list, each item {expected}"))?;
        let numbers = items.iter().enumerate().map(|(index, item)| {
            let number = number_in(item);
            if number.is_none() {
                self.wrong(&format!("{path}[{index}]"), item, expected);
            }
            number
        });
        numbers.collect::<Vec<_>>().into_iter().collect()
    }

    /// A mapping of arbitrary keys to strings, in order. With `secret`, all its values are masked.
    pub fn string_map(&mut self, key: &'static str, secret: bool) -> Option<Vec<(String, String)>> {
        self.asked(key, KeyForm::StringMap);
        let path = self.path_of(key);
        let node = self.node(key)?;
        if secret {
            self.keep_secret(node);
        }
        let Some(entries) = node.entries() else {
            self.wrong(&path, node, "a mapping of names to strings");
            return None;
        };
        let pairs = entries.iter().map(|entry| {
            let path = format!("{path}.{}", self.mistakes.source().describe_key(&entry.key));
            if entry.node.is_null() {
                self.wrong(&path, &entry.node, "a string");
                return None;
            }
            let text =
                if secret { self.text(&path, &entry.node) } else { self.open_text(&path, &entry.node) };
            Some((entry.key.clone(), text?))
        });
        pairs.collect::<Vec<_>>().into_iter().collect()
    }

    /// A mapping below this one; an absent one reads as empty.
    #[must_use]
    pub fn block(&mut self, key: &'static str) -> Self {
        self.asked(key, KeyForm::Block);
        let path = self.path_of(key);
        let place = self.entry(key).map_or(self.place, |entry| entry.key_span);
        Self::at(self.node(key), path, place, self.broken, self.mistakes)
    }

    /// The mappings of a list, each to be read and finished; empty if the list is absent.
    pub fn blocks(&mut self, key: &'static str) -> Vec<Self> {
        self.asked(key, KeyForm::Blocks);
        let path = self.path_of(key);
        let items = self.list(key, "a list of mappings").unwrap_or_default();
        items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let place = item.span.first();
                Self::at(Some(item), format!("{path}[{index}]"), place, false, self.mistakes)
            })
            .collect()
    }

    /// The mappings in a mapping of arbitrary keys, each to be read and finished; empty if it is absent.
    /// `None` after a mistake.
    pub fn blocks_by_name(&mut self, key: &'static str) -> Option<Vec<(String, Self)>> {
        self.asked(key, KeyForm::BlocksByName);
        let path = self.path_of(key);
        let Some(node) = self.node(key) else { return Some(Vec::new()) };
        let Some(entries) = node.entries() else {
            self.wrong(&path, node, "a mapping of names to mappings");
            return None;
        };
        let blocks = entries.iter().map(|entry| {
            let path = format!("{path}.{}", self.mistakes.source().describe_key(&entry.key));
            let block = Self::at(Some(&entry.node), path, entry.key_span, false, self.mistakes);
            (entry.key.clone(), block)
        });
        Some(blocks.collect())
    }

    /// True when the key is there and null, for a key whose default is not the same as null.
    pub fn is_null(&mut self, key: &'static str) -> bool {
        self.entry(key).is_some_and(|entry| entry.node.is_null())
    }

    /// The value as a tree, for a component that reads it itself.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.asked(key, KeyForm::Any);
        self.entry(key).map(|entry| &entry.node).filter(|node| !node.is_null())
    }

    /// A URL that may hold a user and a password. If it does, it is masked in every diagnostic.
    #[cfg(feature = "kafka")]
    pub(crate) fn secret_url(&mut self, key: &'static str) -> Option<String> {
        let node = self.node(key)?;
        if node.as_str().is_some_and(|text| text.contains('@')) {
            self.keep_secret(node);
        }
        self.text(&self.path_of(key), node)
    }

    /// The entries of a mapping whose keys a component checks itself; empty if it is absent, `None` after a
    /// mistake.
    #[cfg(feature = "kafka")]
    pub(crate) fn entries(&mut self, key: &'static str, expected: &str) -> Option<&'a [Entry]> {
        let Some(node) = self.node(key) else { return Some(&[]) };
        let entries = node.entries();
        if entries.is_none() {
            self.wrong(&self.path_of(key), node, expected);
        }
        entries
    }

    /// Masks a value in every diagnostic.
    #[cfg(feature = "kafka")]
    pub(crate) fn hide(&self, node: &Node) {
        self.keep_secret(node);
    }

    /// Reports a mistake at the key of an entry of the mapping `key`. Its value, maybe a secret, is hidden.
    #[cfg(feature = "kafka")]
    pub(crate) fn mistake_at_key(&self, key: &str, entry: &Entry, message: impl Into<String>) {
        let source = self.mistakes.source();
        source.hide(entry.node.span);
        let path = format!("{}.{}", self.path_of(key), source.describe_key(&entry.key));
        self.mistakes.report(Problem::new(entry.key_span, format!("`{path}`: {}", message.into())));
    }

    /// Reports a mistake at the value of an entry of the mapping `key`.
    #[cfg(feature = "kafka")]
    pub(crate) fn mistake_at_value(&self, key: &str, entry: &Entry, message: impl Into<String>) {
        let path = format!("{}.{}", self.path_of(key), self.mistakes.source().describe_key(&entry.key));
        self.mistakes.at(&entry.node, format!("`{path}`: {}", message.into()));
    }

    /// Adds a warning for the user.
    pub fn warn(&self, message: impl Into<String>) {
        self.mistakes.warn(message.into());
    }

    /// Accepts the key with any value. If it is present and not null, warns: "`path.key` has no effect here:
    /// why".
    pub fn ignored(&mut self, key: &'static str, why: &str) {
        if let Some(recorder) = &self.mistakes.source().recorder {
            recorder.ignored(self.path_of(key), why);
        }
        if self.has(key) {
            self.warn(format!("`{}` has no effect here: {why}", self.path_of(key)));
        }
    }

    /// The error of a component that cannot be configured because of a mistake that it has reported. If it
    /// has reported none, that is reported as a mistake.
    pub fn reported(&self) -> Reported {
        if self.mistakes.is_empty() {
            let subject = if self.path.is_empty() { "the recipe" } else { self.path.as_str() };
            let message =
                format!("`{subject}` cannot be read, and the plugin that reads it has not reported why");
            self.mistakes.report(Problem::new(self.place, message));
        }
        Reported(())
    }

    /// Reports the key as a mistake if it is present and not null: "`path.key` is not supported yet: why".
    pub fn not_yet(&mut self, key: &'static str, why: &str) {
        if let Some(recorder) = &self.mistakes.source().recorder {
            recorder.ignored(self.path_of(key), why);
        }
        if let Some(entry) = self.entry(key)
            && !entry.node.is_null()
        {
            let message = format!("`{}` is not supported yet: {why}", self.path_of(key));
            self.mistakes.report(Problem::new(entry.key_span, message));
        }
    }

    /// Reports that a required key is missing, at the place of the mapping. If the key is present, it reports
    /// nothing: the mistake in its value has been reported.
    pub fn missing(&mut self, key: &'static str, expected: &str) {
        if self.broken || self.has(key) {
            return;
        }
        if let Some(recorder) = &self.mistakes.source().recorder {
            recorder.missing(self.path_of(key));
        }
        let message = format!("`{}` is missing: expected {expected}", self.path_of(key));
        self.mistakes.report(Problem::new(self.place, message));
    }

    /// Reports a mistake at the value of `key`; at the place of the mapping if the key is absent.
    pub fn mistake(&mut self, key: &'static str, message: impl Into<String>) {
        let message = format!("`{}`: {}", self.path_of(key), message.into());
        match self.entry(key) {
            Some(entry) => self.mistakes.at(&entry.node, message),
            None => self.mistakes.report(Problem::new(self.place, message)),
        }
    }

    /// Reports every key that was not read.
    pub fn finish(self) {
        for entry in self.entries {
            if self.known.contains(&entry.key.as_str()) {
                continue;
            }
            let source = self.mistakes.source();
            // The value of an unknown key may be a secret: `tokn: …`.
            source.hide(entry.node.span);
            if self.mistakes.is_full() || self.mistakes.any_at(entry.key_span) {
                continue;
            }
            let key = source.describe_key(&entry.key);
            let within = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
            let hint = match self.nearest(&entry.key) {
                Some(known) => format!("; did you mean `{known}`?"),
                None if self.known.is_empty() => "; no keys are expected here".to_owned(),
                None => {
                    let mut known: Vec<String> =
                        self.known.iter().map(|known| format!("`{known}`")).collect();
                    known.sort();
                    format!("; known keys are {}", known.join(", "))
                }
            };
            let message = format!("unknown key `{key}`{within}{hint}");
            self.mistakes.report(Problem::new(entry.key_span, message));
        }
    }

    /// The known key most similar to `key`. Among equally similar ones, it prefers a key that is not in the
    /// mapping yet.
    fn nearest(&self, key: &str) -> Option<&'a str> {
        let (given, absent): (Vec<&'static str>, Vec<&'static str>) =
            self.known.iter().partition(|known| self.entries.iter().any(|entry| entry.key == **known));
        nearest(key, absent.into_iter().chain(given))
    }

    /// Records the key for a schema.
    fn asked(&self, key: &str, form: KeyForm) {
        if let Some(recorder) = &self.mistakes.source().recorder {
            recorder.asked(self.path_of(key), form);
        }
    }

    fn entry(&mut self, key: &'static str) -> Option<&'a Entry> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn list(&mut self, key: &'static str, expected: &str) -> Option<&'a [Node]> {
        let node = self.node(key)?;
        if let Value::List(items) = &node.value {
            return Some(items);
        }
        self.wrong(&self.path_of(key), node, expected);
        None
    }

    /// A string that may be shown.
    fn open_text(&self, path: &str, node: &Node) -> Option<String> {
        let text = self.text(path, node)?;
        if holds_jwt(&text) {
            let message = format!(
                "`{path}` holds a token, which would be shown; DataHub's belongs in `sink.config.token`"
            );
            self.mistakes.report(Problem::new(node.span, message));
            return None;
        }
        Some(text)
    }

    fn text(&self, path: &str, node: &Node) -> Option<String> {
        if let Value::String(text) = &node.value {
            return Some(text.clone());
        }
        let expected = match &node.value {
            Value::Number(_) | Value::Bool(_) => "a string (put it in quotes)",
            _ => "a string",
        };
        self.wrong(path, node, expected);
        None
    }

    fn wrong(&self, path: &str, node: &Node, expected: &str) {
        if node.value == Value::Unusable {
            return;
        }
        let found = self.mistakes.source().describe(node);
        let message = format!("`{path}`: expected {expected}, found {found}");
        self.mistakes.report(Problem::new(node.span, message));
    }

    fn keep_secret(&self, node: &Node) {
        let source = self.mistakes.source();
        source.hide(node.span);
        match &node.value {
            Value::String(text) | Value::Number(text) => source.secrets.add(text),
            Value::List(items) => items.iter().for_each(|item| self.keep_secret(item)),
            Value::Map(entries) => entries.iter().for_each(|entry| self.keep_secret(&entry.node)),
            _ => {}
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// A number, or a string that is exactly one. A whole number may have a decimal point followed by zeros, as
/// in Python.
fn number_in<T: FromStr>(node: &Node) -> Option<T> {
    let (Value::Number(text) | Value::String(text)) = &node.value else {
        return None;
    };
    let exactly = |text: &str| {
        let digit =
            text.trim_start_matches(['-', '+', '.']).starts_with(|first: char| first.is_ascii_digit());
        if digit { text.parse().ok() } else { None }
    };
    exactly(text).or_else(|| {
        let (whole, fraction) = text.split_once('.')?;
        let zero = fraction.chars().all(|digit| digit == '0');
        if zero { exactly(whole) } else { None }
    })
}

#[cfg(test)]
mod tests;
