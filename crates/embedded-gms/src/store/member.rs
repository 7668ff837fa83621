//! The SQL functions: reading a member of stored JSON, and comparing a document with the text of a search.
//!
//! SQLite's `->>` treats JSON of more than 1000 levels as malformed, and a statement that reads such a value
//! fails for all rows. GMS stores such values, and so does this server.

use crate::search::Query;
use crate::tree::Node;
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use std::sync::Arc;

/// Adds the functions.
///
/// - `member(json, name)`: a scalar as text, and NULL for everything else. If a name occurs twice, the last
///   member counts.
/// - `matches(query, body)`: whether the text of a search, without fields, matches a document.
/// - `relevance(query, name)`: how well it matches a name.
pub(super) fn register(connection: &Connection) -> Result<(), rusqlite::Error> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("member", 2, flags, |context| {
        let (json, name) = (context.get_raw(0).as_str()?, context.get_raw(1).as_str()?);
        Ok(member(json, name))
    })?;
    connection.create_scalar_function("matches", 2, flags, |context| {
        let query = query_of(context)?;
        Ok(query.matches(context.get_raw(1).as_str()?, &|_, _| true))
    })?;
    connection.create_scalar_function("relevance", 2, flags, |context| {
        let query = query_of(context)?;
        Ok(query.relevance(context.get_raw(1).as_str()?))
    })
}

/// The first argument, parsed once for all rows.
fn query_of(context: &Context<'_>) -> Result<Arc<Query>, rusqlite::Error> {
    context.get_or_create_aux(0, |value| {
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Query::parse(value.as_str()?))
    })
}

fn member(json: &str, name: &str) -> Option<String> {
    let mut node = Node::new(json);
    let value = node.members().ok()??.get(name)?;
    let text = value.to_string();
    (!value.is_null() && !text.starts_with(['{', '['])).then(|| value.as_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_read_beside_deep_values() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let json =
            format!(r#"{{"deep":{deep},"run":null,"run":"\u0061","seen":1e3,"removed":true,"no":null}}"#);
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        let told = |json: &str, name: &str| -> Option<String> {
            connection.query_row("SELECT member(?1, ?2)", [json, name], |row| row.get(0)).unwrap()
        };
        for (name, expected) in [("run", "a"), ("seen", "1e3"), ("removed", "true")] {
            assert_eq!(told(&json, name).as_deref(), Some(expected));
        }
        for (json, name) in
            [(json.as_str(), "deep"), (&json, "no"), (&json, "none"), ("[]", "x"), ("{", "x"), ("", "x")]
        {
            assert_eq!(told(json, name), None, "{name}");
        }
    }
}
