//! Renders the line of a mistake, with every secret masked and carets below the place.

use std::ops::Range;

use super::annotated_text::{AnnotatedText, Part};
use super::tree::Span;
use crate::redact::{MASK, is_plain, is_reference};

/// The number of characters of a line that are shown.
const WIDTH: usize = 120;
/// The number of characters that are shown before the place.
const BEFORE: usize = 40;

/// The number of bytes on either side of the place that are considered in a very long line.
const CONTEXT: usize = 2000;

/// A piece of the line: its bytes in the recipe, and the text that is shown for them.
struct ShownPiece {
    range: Range<usize>,
    shown: String,
    /// It is shown unchanged.
    verbatim: bool,
}

/// The line of a place, and the marker below it.
pub(super) fn line(source: &AnnotatedText, span: Span) -> (String, String) {
    let mut range = source.text.line(span.line);
    let pieces = match source.parts_in(&range) {
        Some(mut parts) => {
            range = near(range, span, &mut parts);
            parsed(source, &range, &parts)
        }
        None => unparsed(source, &range),
    };
    let start = column(&pieces, span.start.clamp(range.start, range.end), false);
    let end = column(&pieces, span.end.clamp(range.start, range.end), true);
    let text: String = pieces.into_iter().map(|piece| piece.shown).collect();
    let cut = start.saturating_sub(if text.chars().count() > WIDTH { BEFORE } else { start });
    let window: String = text
        .chars()
        .skip(cut)
        .take(WIDTH)
        .map(|character| match character {
            '\t' => '\t',
            // Control characters must not reach the terminal.
            character if character.is_control() => '\u{fffd}',
            character => character,
        })
        .collect();
    let ellipsis = if cut > 0 { "…" } else { "" };
    let rest = if text.chars().count() > cut + WIDTH { "…" } else { "" };
    let indent: String = window
        .chars()
        .take(start - cut)
        .map(|character| if character == '\t' { '\t' } else { ' ' })
        .collect();
    let length = (end.saturating_sub(start)).clamp(1, WIDTH.saturating_sub(start - cut).max(1));
    let marker = format!("{}{indent}{}", if cut > 0 { " " } else { "" }, "^".repeat(length));
    (format!("{ellipsis}{window}{rest}"), marker)
}

/// Cuts a very long line to complete parts around a place. A cut anywhere else could make a token look like a
/// word.
fn near(line: Range<usize>, span: Span, parts: &mut Vec<(usize, Part)>) -> Range<usize> {
    if line.len() <= 2 * CONTEXT {
        return line;
    }
    let from = span.start.saturating_sub(CONTEXT);
    let to = span.start + CONTEXT;
    parts.retain(|(start, part)| (*start >= from && part.end <= to) || *start == span.start);
    let start = parts.first().map_or(span.start, |(start, _)| *start).min(span.start);
    let end = parts.last().map_or(span.start, |(_, part)| part.end).max(span.start);
    start.max(line.start)..end.min(line.end)
}

/// The column of a byte in the line that is shown.
fn column(pieces: &[ShownPiece], byte: usize, is_end: bool) -> usize {
    let mut column = 0;
    for piece in pieces {
        let width = piece.shown.chars().count();
        if byte < piece.range.end || (is_end && byte == piece.range.end) {
            let within = byte.saturating_sub(piece.range.start);
            return column
                + if within == 0 {
                    0
                } else if piece.verbatim {
                    piece.shown.char_indices().take_while(|(index, _)| *index < within).count()
                } else if is_end {
                    width
                } else {
                    0
                };
        }
        column += width;
    }
    column
}

/// The pieces of a line of a parsed text. Keys and values are shown if they are plain words and not secrets.
fn parsed(source: &AnnotatedText, line: &Range<usize>, parts: &[(usize, Part)]) -> Vec<ShownPiece> {
    let mut pieces = Vec::new();
    let mut position = line.start;
    for (start, part) in parts {
        let start = (*start).clamp(position, line.end);
        between(source, position..start, &mut pieces);
        let end = part.end.clamp(start, line.end);
        let multiline = part.end > line.end;
        let text = source.text.get(start..end);
        let shown = if text.is_empty() || (!multiline && may_show(source, text, start..end, *part)) {
            text.to_owned()
        } else {
            MASK.to_owned()
        };
        push(&mut pieces, start..end, text, shown);
        position = end;
    }
    between(source, position..line.end, &mut pieces);
    pieces
}

fn may_show(source: &AnnotatedText, text: &str, range: Range<usize>, part: Part) -> bool {
    if part.is_key {
        return is_plain(text) && source.secrets.mask_known(text) == text;
    }
    if is_reference(text) {
        return true;
    }
    let known_kind = text.len() <= 6 && super::scalar::resolve(text).is_not_text();
    !part.secret
        && (known_kind || !source.is_hidden(&range))
        && is_plain(text)
        && !text.contains(['@', '?'])
        && source.secrets.mask_known(text) == text
}

/// Adds the text between keys and values: punctuation, names of anchors, comments. Comments are never shown,
/// because one may be a disabled setting with its token.
fn between(source: &AnnotatedText, range: Range<usize>, pieces: &mut Vec<ShownPiece>) {
    let text = source.text.get(range.clone());
    let comment = text.find('#').unwrap_or(text.len());
    let (code, comment) = text.split_at(comment);
    let mut position = range.start;
    for word in code.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let shown = if is_plain(bare) && source.secrets.mask_known(bare) == bare {
            word.to_owned()
        } else {
            let (_, space) = word.split_at(bare.len());
            format!("{MASK}{space}")
        };
        push(pieces, position..position + word.len(), word, shown);
        position += word.len();
    }
    if !comment.is_empty() {
        let shown = format!("# {MASK}");
        push(pieces, position..range.end, comment, shown);
    }
}

/// The pieces of a line of a text that could not be parsed. The line may be the middle of a token, so only
/// its indentation and the key at its start are shown.
fn unparsed(source: &AnnotatedText, line: &Range<usize>) -> Vec<ShownPiece> {
    let text = source.text.get(line.clone());
    let punctuation = |character: char| character.is_whitespace() || "-?[]{},".contains(character);
    let code = text.trim_start_matches(punctuation);
    let mut shown = text.len() - code.len();
    if let Some(end) = code.find([':', '=']) {
        let (key, rest) = code.split_at(end);
        let name = key.trim().trim_matches(['"', '\'']);
        let identifier = |character: char| character.is_ascii_alphabetic() || "_-.".contains(character);
        if (1..=40).contains(&name.len()) && name.chars().all(identifier) && is_plain(name) {
            let space = rest.len() - rest.trim_start_matches([':', '=']).trim_start().len();
            shown += end + space;
        }
    }
    let (head, tail) = text.split_at(shown);
    let mut pieces = Vec::new();
    let middle = line.start + head.len();
    push(&mut pieces, line.start..middle, head, head.to_owned());
    if !tail.is_empty() {
        push(&mut pieces, middle..line.end, tail, MASK.to_owned());
    }
    pieces
}

fn push(pieces: &mut Vec<ShownPiece>, range: Range<usize>, text: &str, shown: String) {
    let verbatim = shown == text;
    pieces.push(ShownPiece { range, shown, verbatim });
}
