//! Reads JSON into a tree with places.
//!
//! `serde_json` decides whether a text is JSON. A second pass over an accepted text finds the places;
//! `serde_json` still decodes the strings.

use std::collections::HashMap;

use serde::de::IgnoredAny;

use super::named_text::NamedText;
use super::parsed::{MAX_DEPTH, Parsed, too_deep};
use super::problem::Problem;
use super::tree::{Entry, Node, Span, Value};

/// Reads a JSON text.
pub(super) fn parse(text: &NamedText) -> Result<Parsed, Problem> {
    if text.all.trim().is_empty() {
        return Ok(Parsed {
            root: Node::new(Value::Null, text.span(0..0)),
            problems: Vec::new(),
            dropped: Vec::new(),
        });
    }
    if let Err(error) = serde_json::from_str::<IgnoredAny>(&text.all) {
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = error.to_string().replacen(&place, "", 1);
        let span = text.span_at(error.line(), error.column());
        return Err(Problem::new(span, format!("this is not valid JSON: {message}")));
    }
    let mut reader = JsonReader { text, position: 0, problems: Vec::new(), dropped: Vec::new() };
    let root = reader.value(0)?;
    Ok(Parsed { root, problems: reader.problems, dropped: reader.dropped })
}

/// Reads a text that is known to be JSON.
struct JsonReader<'a> {
    text: &'a NamedText,
    position: usize,
    problems: Vec<Problem>,
    dropped: Vec<Entry>,
}

impl JsonReader<'_> {
    fn value(&mut self, depth: usize) -> Result<Node, Problem> {
        self.skip(|byte| byte.is_ascii_whitespace());
        let start = self.position;
        if depth > MAX_DEPTH {
            return Err(too_deep(self.text.span(start..start)));
        }
        let value = match self.peek() {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::String(self.string()?.0),
            _ => {
                self.skip(|byte| !byte.is_ascii_whitespace() && !b",]}".contains(&byte));
                match self.text.get(start..self.position) {
                    "null" => Value::Null,
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    number => Value::Number(number.to_owned()),
                }
            }
        };
        Ok(Node::new(value, self.text.span(start..self.position)))
    }

    fn list(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut items = Vec::new();
        self.position += 1;
        while !self.ends(b']') {
            items.push(self.value(depth + 1)?);
        }
        Ok(Value::List(items))
    }

    fn map(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        self.position += 1;
        while !self.ends(b'}') {
            let (key, key_span) = self.string()?;
            self.skip(|byte| byte.is_ascii_whitespace() || byte == b':');
            let node = self.value(depth + 1)?;
            let entry = Entry { key, key_span, node };
            if let Some(first) = seen.get(&entry.key) {
                self.problems.push(Problem::duplicate_key(&entry.key, key_span, *first));
                self.dropped.push(entry);
            } else {
                seen.insert(entry.key.clone(), key_span);
                entries.push(entry);
            }
        }
        Ok(Value::Map(entries))
    }

    fn string(&mut self) -> Result<(String, Span), Problem> {
        let start = self.position;
        self.position += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => break,
                b'\\' => self.position += 2,
                _ => self.position += 1,
            }
        }
        self.position += 1;
        let span = self.text.span(start..self.position);
        let string = serde_json::from_str(self.text.get(start..self.position))
            .map_err(|_| Problem::new(span, "this string is not valid JSON"))?;
        Ok((string, span))
    }

    /// Skips white space and a comma, and the end of the collection if it follows.
    fn ends(&mut self, end: u8) -> bool {
        self.skip(|byte| byte.is_ascii_whitespace() || byte == b',');
        let ends = self.peek().is_none_or(|byte| byte == end);
        if ends {
            self.position += 1;
        }
        ends
    }

    fn peek(&self) -> Option<u8> {
        self.text.all.as_bytes().get(self.position).copied()
    }

    fn skip(&mut self, skipped: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&skipped) {
            self.position += 1;
        }
    }
}
