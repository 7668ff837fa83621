//! The recipe's text with what is known about each of its parts: what may be shown, and what may not.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::parsed::Parsed;
use super::secrets::Secrets;
use super::text::Text;
use super::tree::{Entry, Node, Span, Value};
use crate::redact::{hides_below, is_plain, is_secret_key, show_word};

/// A key or a value in the text.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) end: usize,
    pub(super) is_key: bool,
    /// Stands under the name of a secret.
    pub(super) secret: bool,
}

/// With more values to hide than this, all are: a search among them must not take long.
const MANY_HIDDEN: usize = 1000;

/// A text, its parts and its secrets.
pub(super) struct Source {
    pub(super) text: Text,
    pub(super) secrets: Secrets,
    /// By the first byte. `None` for a text that could not be parsed: then nothing is known about it.
    parts: Option<BTreeMap<usize, Part>>,
    /// Values that must not be shown although nothing in their place says so: those of unknown keys, and secrets that
    /// stand in a list.
    hidden: Mutex<Vec<Range<usize>>>,
}

impl Source {
    /// A text that could not be parsed.
    pub(super) fn unparsed(text: Text) -> Self {
        Self { text, secrets: Secrets::default(), parts: None, hidden: Mutex::default() }
    }

    /// A text and the tree that was read from it. What stands under the name of a secret becomes one.
    pub(super) fn parsed(text: Text, parsed: &Parsed) -> Self {
        let mut outline = Outline { parts: BTreeMap::new(), secrets: Secrets::default() };
        outline.node(&parsed.root, Hiding::None);
        for entry in &parsed.dropped {
            outline.entry(entry, Hiding::None);
        }
        Self { text, secrets: outline.secrets, parts: Some(outline.parts), hidden: Mutex::default() }
    }

    /// The parts that touch a range, in order. `None` where the text could not be parsed.
    pub(super) fn parts_in(&self, range: &Range<usize>) -> Option<Vec<(usize, Part)>> {
        let parts = self.parts.as_ref()?;
        // Parts do not overlap, so one before the range may reach into it.
        let before = parts.range(..range.start).next_back().filter(|(_, part)| part.end > range.start);
        let within = parts.range(range.start..range.end.max(range.start));
        Some(before.into_iter().chain(within).map(|(start, part)| (*start, *part)).collect())
    }

    /// Where the key of the value at `span` stands; where the value starts if it has none.
    pub(super) fn key_place(&self, span: Span) -> Span {
        self.parts
            .as_ref()
            .and_then(|parts| parts.range(..span.start).next_back())
            .filter(|(_, part)| part.is_key && part.end <= span.start)
            .map(|(start, part)| (*start, part.end))
            .filter(|(_, end)| {
                let between = self.text.get(*end..span.start);
                between.chars().all(|character| character.is_whitespace() || ":=".contains(character))
            })
            .map_or(span.first(), |(start, end)| self.text.span(start..end))
    }

    /// Keeps a value from being shown.
    pub(super) fn hide(&self, span: Span) {
        let mut hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        if hidden.len() < MANY_HIDDEN {
            hidden.push(span.start..span.end);
        } else {
            hidden.clear();
            hidden.push(0..usize::MAX);
        }
    }

    pub(super) fn is_hidden(&self, range: &Range<usize>) -> bool {
        let hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.iter().any(|hidden| range.start < hidden.end && hidden.start < range.end)
    }

    /// Whether a message may quote a value.
    pub(super) fn may_show(&self, node: &Node) -> bool {
        let range = node.span.start..node.span.end;
        let below_secret =
            self.parts.as_ref().and_then(|parts| parts.get(&node.span.start)).is_some_and(|part| part.secret);
        let text = match &node.value {
            Value::String(text) | Value::Number(text) => text.as_str(),
            _ => "",
        };
        !node.from_environment
            && !below_secret
            && !self.is_hidden(&range)
            && is_plain(text)
            && !text.contains(['@', '?'])
            && self.secrets.mask_known(text) == text
    }

    /// A value as a message names it: `the string "soon"`.
    pub(super) fn describe(&self, node: &Node) -> String {
        let (kind, text) = match &node.value {
            Value::Null => return "nothing".to_owned(),
            Value::Bool(boolean) => return format!("the boolean {boolean}"),
            Value::List(_) => return "a list".to_owned(),
            Value::Map(_) => return "a mapping".to_owned(),
            Value::Unusable => return "a value that cannot be read".to_owned(),
            Value::Number(text) => ("number", text.clone()),
            Value::String(text) => ("string", format!("\"{}\"", text.escape_debug())),
        };
        let shown = if !self.may_show(node) {
            crate::redact::MASK.to_owned()
        } else if text.chars().count() > 60 {
            let start: String = text.chars().take(60).collect();
            format!("{start}…")
        } else {
            text
        };
        format!("the {kind} {shown}")
    }

    /// A key as messages name it.
    pub(super) fn describe_key(&self, key: &str) -> String {
        self.secrets.mask_known(&show_word(key))
    }
}

impl Default for Source {
    fn default() -> Self {
        Self::unparsed(Text::new("recipe", ""))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.text.name).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hiding {
    None,
    /// A text or a list of texts is secret, the values of a mapping are not.
    Texts,
    All,
}

struct Outline {
    parts: BTreeMap<usize, Part>,
    secrets: Secrets,
}

impl Outline {
    fn part(&mut self, span: Span, is_key: bool, secret: bool) {
        if !span.is_somewhere() || span.end <= span.start {
            return;
        }
        let part = self.parts.entry(span.start).or_insert(Part { end: span.end, is_key, secret });
        // An anchor's value may be harmless where it stands, and a token where it is used.
        part.secret |= secret;
    }

    fn node(&mut self, node: &Node, hiding: Hiding) {
        let secret = hiding != Hiding::None;
        match &node.value {
            Value::List(items) => {
                for item in items {
                    self.node(item, hiding);
                }
            }
            Value::Map(entries) => {
                let below = if hiding == Hiding::All { Hiding::All } else { Hiding::None };
                for entry in entries {
                    self.entry(entry, below);
                }
            }
            Value::String(text) | Value::Number(text) => {
                self.part(node.span, false, secret);
                // `${TOKEN}` is no secret, what it stands for is.
                if secret && !crate::redact::is_reference(text) {
                    self.secrets.add(text);
                }
            }
            Value::Null | Value::Bool(_) | Value::Unusable => self.part(node.span, false, secret),
        }
    }

    fn entry(&mut self, entry: &Entry, hiding: Hiding) {
        self.part(entry.key_span, true, false);
        let hiding = if hiding == Hiding::All || hides_below(&entry.key) {
            Hiding::All
        } else if is_secret_key(&entry.key) {
            Hiding::Texts
        } else {
            Hiding::None
        };
        self.node(&entry.node, hiding);
    }
}
