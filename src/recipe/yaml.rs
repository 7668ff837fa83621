//! Reads YAML into a tree with places.
//!
//! `serde_yaml` decides whether a text is YAML, and gives the error message. It has no places of values, so
//! the tree is built from the events of `saphyr-parser`. A test compares both on every fixture.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Marks, StrInput, Tag};
use serde::de::IgnoredAny;

use super::named_text::NamedText;
use super::parsed::{MAX_DEPTH, Parsed, too_deep};
use super::problem::Problem;
use super::scalar;
use super::tree::{Entry, Node, Span, Value};
use crate::redact::show_word;

/// The maximum that aliases may add to a recipe: bytes of text, and [`NODE_WEIGHT`] for each value. It stops
/// "billion laughs" attacks; real recipes alias a few settings.
const ALIAS_BUDGET: usize = 4 << 20;
const NODE_WEIGHT: usize = 64;

/// With more brackets than this, libyaml gets an invalid text only up to its first error, because it needs
/// quadratic time for nested brackets.
const MANY_BRACKETS: usize = 1000;

/// Reads a YAML text.
pub(super) fn parse(text: &NamedText) -> Result<Parsed, Problem> {
    // The events come first: their parser refuses deep nesting at once, for which libyaml needs quadratic
    // time.
    let built = Builder::new(text).build();
    let brackets = text.all.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    let until = match &built {
        Err(YamlError::Recipe(problem)) => return Err(problem.clone()),
        Err(YamlError::Syntax(problem)) if brackets > MANY_BRACKETS => text.line(problem.span.line).end,
        _ => text.all.len(),
    };
    let read = text.get(0..until);
    if let Err(error) = serde_yaml::from_str::<IgnoredAny>(read) {
        let problem = syntax_error(text, &error);
        // An error at the end of a truncated text may come from the truncation.
        if until == text.all.len() || problem.span.start < read.trim_end().len() {
            return match built {
                // The text has only comments.
                Ok(parsed) if parsed.root.is_null() => Ok(parsed),
                // libyaml takes text after a complete value for a second document.
                Err(YamlError::Syntax(problem)) if error.location().is_none() => Err(problem),
                _ => Err(problem),
            };
        }
    }
    built.map_err(|failure| match failure {
        YamlError::Recipe(problem) | YamlError::Syntax(problem) => problem,
    })
}

fn syntax_error(text: &NamedText, error: &serde_yaml::Error) -> Problem {
    let mut message = error.to_string();
    let end = text.all.trim_end().len();
    let mut span = text.span(end..end);
    if let Some(location) = error.location() {
        span = text.span_at(location.line(), location.column());
        // An unclosed quote is found at the end of the text; the second place of the message is the opening
        // quote.
        if span.start >= end
            && let Some((line, column)) = last_place(&message)
        {
            span = text.span_at(line, column);
        }
        for (line, column) in [(location.line(), location.column()), (span.line, span.column)] {
            message = message.replacen(&format!(" at line {line} column {column}"), "", 1);
        }
    }
    let help = if text.get(span.start..text.all.len()).starts_with('\t') {
        Some("YAML is indented with spaces; this is a tab")
    } else if message.contains("mapping values are not allowed") || message.contains("cannot start any token")
    {
        Some("a value that holds `: ` or starts with one of `{[&*!|>%@` needs quotes")
    } else if message.contains("expected key") || message.contains("block end") {
        Some("the keys of one mapping start in the same column")
    } else if message.contains("quoted scalar") {
        Some("close the quote")
    } else {
        None
    };
    Problem { span, message: format!("this is not valid YAML: {message}"), help: help.map(str::to_owned) }
}

/// The last "at line 9 column 12" of a message.
fn last_place(message: &str) -> Option<(usize, usize)> {
    let (_, place) = message.rsplit_once(" at line ")?;
    let (line, column) = place.split_once(" column ")?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

enum YamlError {
    /// The text is not YAML.
    Syntax(Problem),
    /// The text is YAML, but not a recipe.
    Recipe(Problem),
}

/// A list or a mapping whose end was not read yet.
struct OpenCollection {
    anchor: usize,
    start: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashMap<String, Span>, merges: Vec<Node>, key: Option<PendingKey> },
}

enum PendingKey {
    Word(String, Span),
    Merge(Span),
    /// A list or a mapping, which has been reported as a mistake.
    Unusable,
}

/// The value of an anchor.
struct Anchored {
    node: Node,
    weight: usize,
    depth: usize,
}

struct Builder<'a> {
    text: &'a NamedText,
    /// The byte of each character; `None` if the text is ASCII.
    bytes: Option<Vec<usize>>,
    open: Vec<OpenCollection>,
    anchors: HashMap<usize, Anchored>,
    alias_budget: usize,
    root: Option<Node>,
    problems: Vec<Problem>,
    dropped: Vec<Entry>,
}

impl<'a> Builder<'a> {
    fn new(text: &'a NamedText) -> Self {
        let bytes = (!text.all.is_ascii()).then(|| {
            let ends = text.all.char_indices().map(|(index, _)| index);
            ends.chain([text.all.len()]).collect()
        });
        Self {
            text,
            bytes,
            open: Vec::new(),
            anchors: HashMap::new(),
            alias_budget: ALIAS_BUDGET,
            root: None,
            problems: Vec::new(),
            dropped: Vec::new(),
        }
    }

    fn build(mut self) -> Result<Parsed, YamlError> {
        let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(&self.text.all);
        let mut documents = 0_usize;
        while let Some(next) = parser.next_event() {
            let (event, marks) = next.map_err(|error| {
                let start = self.byte(error.marker().index());
                let span = self.text.span(start..start);
                if error.info().contains("recursion limit") {
                    YamlError::Recipe(too_deep(span))
                } else {
                    YamlError::Syntax(Problem::new(span, format!("this is not valid YAML: {}", error.info())))
                }
            })?;
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        let problem = Problem::new(self.span(marks), "a second YAML document starts here")
                            .with_help("a recipe is one document: split it into two files");
                        return Err(YamlError::Recipe(problem));
                    }
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                other => self.event(other, marks).map_err(YamlError::Recipe)?,
            }
        }
        Ok(Parsed {
            root: self.root.unwrap_or_else(|| Node::new(Value::Null, self.text.span(0..0))),
            problems: self.problems,
            dropped: self.dropped,
        })
    }

    fn event(&mut self, event: Event<'_>, marks: Marks) -> Result<(), Problem> {
        let span = self.span(marks);
        match event {
            Event::Alias(anchor) => {
                let node = self.alias(anchor, span)?;
                self.add(node, 0, false);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = matches!(style, ScalarStyle::Plain);
                let merge =
                    plain && text == "<<" && tag.as_deref().is_none_or(|tag| core(tag) == Some("merge"));
                let value = self.scalar(&text, plain, tag.as_deref(), span);
                let node = Node::new(value, span);
                if self.wants_key() {
                    self.key(if merge {
                        PendingKey::Merge(span)
                    } else {
                        PendingKey::Word(text.into_owned(), span)
                    });
                    if anchor > 0 {
                        self.remember(anchor, &node);
                    }
                } else {
                    self.add(node, anchor, false);
                }
            }
            Event::SequenceStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", span);
                self.start(anchor, span, Items::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", span);
                let items =
                    Items::Map { entries: Vec::new(), seen: HashMap::new(), merges: Vec::new(), key: None };
                self.start(anchor, span, items)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let span = self.text.span(open.start..span.end);
                    let value = match open.items {
                        Items::List(items) => Value::List(items),
                        Items::Map { entries, merges, .. } => Value::Map(merged(entries, merges)),
                    };
                    self.add(Node::new(value, span), open.anchor, true);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, anchor: usize, span: Span, items: Items) -> Result<(), Problem> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        self.open.push(OpenCollection { anchor, start: span.start, items });
        Ok(())
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(OpenCollection { items: Items::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, new: PendingKey) {
        if let Some(OpenCollection { items: Items::Map { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(new);
        }
    }

    fn remember(&mut self, anchor: usize, node: &Node) {
        let (weight, depth) = measure(node);
        let node = node.clone();
        self.anchors.insert(anchor, Anchored { node, weight, depth });
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Problem> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(Problem::new(span, "this alias is part of what it stands for"));
        };
        if self.open.len() + anchored.depth > MAX_DEPTH {
            return Err(too_deep(span));
        }
        self.alias_budget = self.alias_budget.checked_sub(anchored.weight).ok_or_else(|| {
            Problem::new(span, "the aliases of this recipe add up to more than 4 MiB of values")
                .with_help("write out what is needed, or make the recipe smaller")
        })?;
        Ok(anchored.node.clone())
    }

    /// Adds a complete value to the innermost open collection.
    fn add(&mut self, node: Node, anchor: usize, collection: bool) {
        if anchor > 0 {
            self.remember(anchor, &node);
        }
        if self.wants_key() {
            // A list, a mapping, or an alias as a key.
            let key = match &node.value {
                Value::String(text) | Value::Number(text) if !collection => {
                    PendingKey::Word(text.clone(), node.span)
                }
                _ => {
                    self.problems.push(
                        Problem::new(node.span, "a list or a mapping stands where a key is expected")
                            .with_help("a value that starts with `{` or `[` needs quotes"),
                    );
                    self.dropped.push(unnamed(node));
                    PendingKey::Unusable
                }
            };
            self.key(key);
            return;
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.items {
            Items::List(items) => items.push(node),
            Items::Map { entries, seen, merges, key } => match key.take() {
                Some(PendingKey::Word(word, key_span)) => {
                    let entry = Entry { key: word, key_span, node };
                    if let Some(first) = seen.get(&entry.key) {
                        self.problems.push(Problem::duplicate_key(&entry.key, key_span, *first));
                        self.dropped.push(entry);
                    } else {
                        seen.insert(entry.key.clone(), key_span);
                        entries.push(entry);
                    }
                }
                Some(PendingKey::Merge(key_span)) => match node.value {
                    // The first mapping in one `<<` wins, and the last `<<` of several.
                    Value::Map(_) => merges.insert(0, node),
                    Value::List(mut items) if items.iter().all(|item| item.entries().is_some()) => {
                        items.append(merges);
                        *merges = items;
                    }
                    _ => {
                        self.problems.push(Problem::new(
                            key_span,
                            "`<<` merges a mapping or a list of mappings, and this is neither",
                        ));
                        self.dropped.push(unnamed(node));
                    }
                },
                Some(PendingKey::Unusable) | None => self.dropped.push(unnamed(node)),
            },
        }
    }

    fn scalar(&mut self, text: &str, plain: bool, tag: Option<&Tag>, span: Span) -> Value {
        let string = || Value::String(text.to_owned());
        // `! 12` is `12`, as in PyYAML.
        let Some(tag) = tag.filter(|tag| !is_empty(tag)) else {
            return if plain { scalar::resolve(text) } else { string() };
        };
        let value = match core(tag) {
            Some("str" | "merge") => Some(string()),
            Some("int") => scalar::integer(text).map(Value::Number),
            Some("float") => scalar::float(text).or_else(|| scalar::integer(text)).map(Value::Number),
            Some("bool") => scalar::boolean(text).map(Value::Bool),
            Some("null") => Some(Value::Null),
            _ => {
                self.unsupported_tag(tag, span);
                return Value::Unusable;
            }
        };
        value.unwrap_or_else(|| {
            let message = format!("this value is not what its tag `{}` says", shown(tag));
            self.problems.push(Problem::new(span, message));
            Value::Unusable
        })
    }

    fn collection_tag(&mut self, tag: Option<&Tag>, expected: &str, span: Span) {
        if let Some(tag) = tag
            && core(tag) != Some(expected)
            && !is_empty(tag)
        {
            self.unsupported_tag(tag, span);
        }
    }

    fn unsupported_tag(&mut self, tag: &Tag, span: Span) {
        let message = format!("the YAML tag `{}` means nothing in a recipe", shown(tag));
        self.problems.push(
            Problem::new(span, message).with_help("write the value without it; quotes make it a string"),
        );
    }

    fn span(&self, marks: Marks) -> Span {
        let start = self.byte(marks.start.index());
        let range = start..self.byte(marks.end.index());
        // The spans of block scalars and quoted scalars include the white space after them.
        let length = self.text.get(range).trim_end().len();
        self.text.span(start..start + length)
    }

    fn byte(&self, character: usize) -> usize {
        match &self.bytes {
            Some(bytes) => bytes.get(character).copied().unwrap_or(self.text.all.len()),
            None => character,
        }
    }
}

/// The name of a tag of YAML itself, for example `str`.
fn core(tag: &Tag) -> Option<&str> {
    const PREFIX: &str = "tag:yaml.org,2002:";
    if tag.handle == PREFIX || tag.handle == "!!" {
        Some(&tag.suffix)
    } else if tag.handle.is_empty() {
        tag.suffix.strip_prefix(PREFIX)
    } else {
        None
    }
}

/// Whether the tag is a bare `!`.
fn is_empty(tag: &Tag) -> bool {
    tag.handle.is_empty() && tag.suffix == "!"
}

fn shown(tag: &Tag) -> String {
    match core(tag) {
        Some(name) => format!("!!{}", show_word(name)),
        None => format!("!{}", show_word(&tag.suffix)),
    }
}

fn unnamed(node: Node) -> Entry {
    Entry { key: String::new(), key_span: Span::NOWHERE, node }
}

/// The entries and those of `<<`. An entry of the mapping itself wins, then that of the earlier merged
/// mapping.
fn merged(mut entries: Vec<Entry>, merges: Vec<Node>) -> Vec<Entry> {
    if merges.is_empty() {
        return entries;
    }
    let mut seen: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
    for node in merges {
        if let Value::Map(more) = node.value {
            entries.extend(more.into_iter().filter(|entry| seen.insert(entry.key.clone())));
        }
    }
    entries
}

/// The weight and the depth of a value.
fn measure(node: &Node) -> (usize, usize) {
    let add =
        |(weight, depth): (usize, usize), (more, below): (usize, usize)| (weight + more, depth.max(below));
    let (weight, depth) = match &node.value {
        Value::Null | Value::Bool(_) | Value::Unusable => (0, 0),
        Value::Number(text) | Value::String(text) => (text.len(), 0),
        Value::List(items) => {
            let (weight, depth) = items.iter().map(measure).fold((0, 0), add);
            (weight, depth + 1)
        }
        Value::Map(entries) => {
            let parts = entries.iter().map(|entry| {
                let (weight, depth) = measure(&entry.node);
                (weight + entry.key.len() + NODE_WEIGHT, depth)
            });
            let (weight, depth) = parts.fold((0, 0), add);
            (weight, depth + 1)
        }
    };
    (weight + NODE_WEIGHT, depth)
}
