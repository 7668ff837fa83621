//! Text of unknown origin, made safe to show on a terminal or in a report.

/// The first `max_chars` characters of `text`, trimmed, with a space in place of each control character.
/// Characters that reverse the reading direction count as control characters: they can make a line read as
/// something else.
pub(crate) fn display_text(text: &str, max_chars: usize) -> String {
    let visible = |c: char| if c.is_control() || is_direction_mark(c) { ' ' } else { c };
    let shown: String = text.trim().chars().map(visible).take(max_chars).collect();
    shown.trim_end().to_owned()
}

fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_spaces_and_the_length_is_bounded() {
        assert_eq!(display_text(" a\r\nb\u{1b}[31mc \n", 100), "a  b [31mc");
        assert_eq!(display_text("abc\u{202e}def", 100), "abc def");
        assert_eq!(display_text("größer", 3), "grö");
        assert_eq!(display_text("ab cd", 3), "ab");
        assert_eq!(display_text("", 3), "");
    }
}
