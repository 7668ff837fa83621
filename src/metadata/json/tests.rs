mod errors;
mod escape;
mod rewrite;
mod rewrite_rules;
mod text;

use super::error::JsonErrorKind;
use super::*;

/// `text` compacted.
fn compacted(text: &str) -> Result<String, JsonError> {
    let mut out = b"before ".to_vec();
    let mut cursor = Cursor::new(text.as_bytes(), DEFAULT_MAX_DEPTH)?;
    compact(&mut cursor, &mut out)?;
    cursor.end()?;
    let out = String::from_utf8(out).unwrap();
    Ok(out.strip_prefix("before ").unwrap().to_owned())
}
