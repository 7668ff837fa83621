//! The text of a recipe with its parts, and the knowledge which of them may be shown.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::key_recorder::KeyRecorder;
use super::named_text::NamedText;
use super::parsed::Parsed;
use super::secrets::Secrets;
use super::tree::{Entry, Node, Span, Value};
use crate::redact::{hides_below, is_plain, is_secret_key, show_word};

/// A key or a value in the text.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) end: usize,
    pub(super) is_key: bool,
    /// The value of a key that names a secret.
    pub(super) secret: bool,
}

/// With more hidden values than this, every value is hidden, because each lookup searches all of them.
const MANY_HIDDEN: usize = 1000;

/// A recipe's text, its parts and its secrets.
pub(super) struct AnnotatedText {
    pub(super) text: NamedText,
    pub(super) secrets: Secrets,
    /// The parts by their first byte; `None` for a text that could not be parsed.
    parts: Option<BTreeMap<usize, Part>>,
    /// Values that must not be shown although their key names no secret: those of unknown keys, and secrets
    /// in a list.
    hidden: Mutex<Vec<Range<usize>>>,
    /// Records the keys that are asked for, while a schema is made.
    pub(super) recorder: Option<Arc<KeyRecorder>>,
}

impl AnnotatedText {
    /// A text that could not be parsed.
    pub(super) fn unparsed(text: NamedText) -> Self {
        Self { text, secrets: Secrets::default(), parts: None, hidden: Mutex::default(), recorder: None }
    }

    /// A text and the tree that was read from it. Values of keys that name a secret become secrets.
    pub(super) fn parsed(text: NamedText, parsed: &Parsed) -> Self {
        let mut outline = Outline { parts: BTreeMap::new(), secrets: Secrets::default() };
        outline.node(&parsed.root, Hiding::None);
        for entry in &parsed.dropped {
            outline.entry(entry, Hiding::None);
        }
        Self {
            text,
            secrets: outline.secrets,
            parts: Some(outline.parts),
            hidden: Mutex::default(),
            recorder: None,
        }
    }

    /// The parts that overlap a range, in order; `None` if the text could not be parsed.
    pub(super) fn parts_in(&self, range: &Range<usize>) -> Option<Vec<(usize, Part)>> {
        let parts = self.parts.as_ref()?;
        // Parts do not overlap each other, so at most one part before the range reaches into it.
        let before = parts.range(..range.start).next_back().filter(|(_, part)| part.end > range.start);
        let within = parts.range(range.start..range.end.max(range.start));
        Some(before.into_iter().chain(within).map(|(start, part)| (*start, *part)).collect())
    }

    /// The place of the key of the value at `span`; the start of the value if it has no key.
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

    /// Hides a value from now on.
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

    /// The description of a value in a message, for example `the string "soon"`.
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

    /// A key as messages show it.
    pub(super) fn describe_key(&self, key: &str) -> String {
        self.secrets.mask_known(&show_word(key))
    }
}

impl Default for AnnotatedText {
    fn default() -> Self {
        Self::unparsed(NamedText::new("recipe", ""))
    }
}

impl fmt::Debug for AnnotatedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnnotatedText").field("name", &self.text.name).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hiding {
    None,
    /// A string or a list of strings is secret; the values of a mapping are not.
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
        // The value of an anchor may be harmless at the anchor, and a token at the alias.
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
                // `${TOKEN}` itself is not a secret; its value is.
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
