//! Reads TOML into a tree with places.

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue, Error};

use super::named_text::NamedText;
use super::parsed::{MAX_DEPTH, Parsed, too_deep};
use super::problem::Problem;
use super::tree::{Entry, Node, Value};

/// Reads a TOML text.
pub(super) fn parse(text: &NamedText) -> Result<Parsed, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(&text.all);
    if !errors.is_empty() {
        return Err(errors.iter().map(|error| problem(text, error)).collect());
    }
    let span = text.span(table.span());
    let value = map(text, table.into_inner(), 0).map_err(|problem| vec![problem])?;
    let root = match value {
        // Without a key the recipe is empty.
        Value::Map(entries) if entries.is_empty() => Value::Null,
        value => value,
    };
    Ok(Parsed { root: Node::new(root, span), problems: Vec::new(), dropped: Vec::new() })
}

fn problem(text: &NamedText, error: &Error) -> Problem {
    let span = text.span(error.span().unwrap_or_default());
    let message = error.message().replace('\n', ", ");
    Problem::new(span, format!("this is not valid TOML: {message}"))
}

fn map(text: &NamedText, table: DeTable<'_>, depth: usize) -> Result<Value, Problem> {
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        let key_span = text.span(key.span());
        entries.push(Entry {
            key: key.into_inner().into_owned(),
            key_span,
            node: node(text, value, depth + 1)?,
        });
    }
    // The parser sorts the keys of a table; the tree has them in the order of the text.
    entries.sort_by_key(|entry| entry.key_span.start);
    Ok(Value::Map(entries))
}

fn node(text: &NamedText, value: Spanned<DeValue<'_>>, depth: usize) -> Result<Node, Problem> {
    let span = text.span(value.span());
    if depth > MAX_DEPTH {
        return Err(too_deep(span));
    }
    let value = match value.into_inner() {
        DeValue::String(string) => Value::String(string.into_owned()),
        DeValue::Integer(integer) => Value::Number(decimal(&integer)),
        DeValue::Float(float) => Value::Number(float.as_str().to_owned()),
        DeValue::Boolean(boolean) => Value::Bool(boolean),
        DeValue::Datetime(datetime) => Value::String(datetime.to_string()),
        DeValue::Array(items) => {
            Value::List(items.into_iter().map(|item| node(text, item, depth + 1)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => map(text, table, depth)?,
    };
    Ok(Node::new(value, span))
}

fn decimal(integer: &DeInteger<'_>) -> String {
    i128::from_str_radix(integer.as_str(), integer.radix())
        .map_or_else(|_| integer.to_string(), |number| number.to_string())
}
