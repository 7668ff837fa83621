//! Text that came from elsewhere, made safe for a terminal.
//!
//! The name of an aspect, a file name or the answer of a server may hold characters that move the cursor,
//! reverse the reading direction or start a new line, and so forge what the program says. Everything that the
//! program writes to standard error passes [`safe`]; values within a line pass [`one_line`]. Data on standard
//! output stays exact.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The longest value within a line, in characters. Commands that are to be typed are shorter.
const MAX_VALUE_CHARS: usize = 4_000;

/// `text` with an escape (`\u009b`) in place of each character that has an effect on a terminal, except line
/// ends and tabs. With `colored`, sequences that only set a color stay.
pub(crate) fn safe(text: &str, colored: bool) -> Cow<'_, str> {
    if !text.chars().any(has_effect) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let (_, after) = rest.split_at(character.len_utf8());
        let color = if colored && character == '\u{1b}' { color_length(after) } else { None };
        if let Some(length) = color {
            let (sequence, after) = rest.split_at(1 + length);
            shown.push_str(sequence);
            rest = after;
            continue;
        }
        if has_effect(character) {
            write!(shown, "\\u{:04x}", u32::from(character)).unwrap_or_default();
        } else {
            shown.push(character);
        }
        rest = after;
    }
    Cow::Owned(shown)
}

/// A value on one line: line ends are escaped as well, and a long value is cut.
pub(crate) fn one_line(text: &str) -> String {
    let mut shown = safe(text, false).replace('\n', "\\n").replace('\t', " ");
    if let Some((end, _)) = shown.char_indices().nth(MAX_VALUE_CHARS) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// A text of several lines, of which only the first one starts at the margin, so that none of them looks like
/// a message of its own.
pub(crate) fn indented_lines(text: &str) -> String {
    safe(text, false).replace('\n', "\n  ")
}

/// The length of a sequence that sets colors (`[31m`), behind its escape character.
fn color_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix('[')?;
    let end = parameters.find(|character: char| !(character.is_ascii_digit() || character == ';'))?;
    parameters.get(end..)?.starts_with('m').then_some(1 + end + 1)
}

/// Control characters (C0, C1), marks of the reading direction, invisible characters, and line separators.
fn has_effect(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t'))
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn effects_are_escaped_and_colors_are_kept_if_they_are_wanted() {
        assert_eq!(safe("größe\tx\n", false), "größe\tx\n");
        assert_eq!(
            safe("a\u{1b}[2Kb\rc\u{9b}d\u{202e}e\u{200b}", false),
            "a\\u001b[2Kb\\u000dc\\u009bd\\u202ee\\u200b"
        );
        assert_eq!(safe("\u{1b}[31;1mred\u{1b}[0m", true), "\u{1b}[31;1mred\u{1b}[0m");
        assert_eq!(safe("\u{1b}[31;1mred", false), "\\u001b[31;1mred");
        assert_eq!(safe("\u{1b}[2J\u{1b}]0;x\u{7}", true), "\\u001b[2J\\u001b]0;x\\u0007");
        assert_eq!(one_line("urn\ndone: all\tgood"), "urn\\ndone: all good");
        assert_eq!(one_line(&"x".repeat(5_000)).chars().count(), MAX_VALUE_CHARS + 1);
        assert_eq!(indented_lines("a\ndone: b"), "a\n  done: b");
    }

    proptest! {
        #[test]
        fn nothing_with_an_effect_is_left(text in any::<String>()) {
            prop_assert!(!safe(&text, false).chars().any(has_effect));
            prop_assert!(!one_line(&text).contains('\n'));
        }
    }
}
