//! Indents compact JSON.

use super::scan;

const WIDTH: usize = 4;

/// Appends compact JSON text with the layout of Python's `json.dump(…, indent=4)`.
pub(crate) fn indent(out: &mut Vec<u8>, compact: &[u8]) {
    let mut level: usize = 0;
    let mut rest = compact;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => {
                let length = string_length(after);
                let (string, behind) = after.split_at_checked(length).unwrap_or((after, &[]));
                out.push(b'"');
                out.extend_from_slice(string);
                rest = behind;
            }
            b'{' | b'[' => {
                out.push(byte);
                if let Some((close @ (b'}' | b']'), behind)) = after.split_first() {
                    out.push(*close);
                    rest = behind;
                } else {
                    level += 1;
                    push_line_start(out, level);
                }
            }
            b'}' | b']' => {
                level = level.saturating_sub(1);
                push_line_start(out, level);
                out.push(byte);
            }
            b',' => {
                out.push(b',');
                push_line_start(out, level);
            }
            b':' => out.extend_from_slice(b": "),
            other => out.push(other),
        }
    }
}

/// The length of a string after its opening quote, including the closing one.
fn string_length(text: &[u8]) -> usize {
    scan::string(text, 0).map_or(text.len(), |span| span.close + 1)
}

fn push_line_start(out: &mut Vec<u8>, level: usize) {
    out.push(b'\n');
    out.resize(out.len() + level * WIDTH, b' ');
}
