//! A named text, and the lines and columns of its bytes.

use std::ops::Range;

use super::tree::Span;

/// A text with a name, which finds lines and columns.
pub(super) struct NamedText {
    /// The name in messages: the path as it was given, or `standard input`.
    pub(super) name: String,
    pub(super) all: String,
    /// The byte at which each line starts.
    starts: Vec<usize>,
    /// The number of characters before each [`STEP`]th byte, so that a column of a very long line is found
    /// quickly.
    characters: Vec<usize>,
}

const STEP: usize = 256;

impl NamedText {
    pub(super) fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for (index, byte) in bytes.iter().enumerate() {
            // A lone carriage return is a line end in YAML.
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(index + 1) != Some(&b'\n')) {
                starts.push(index + 1);
            }
        }
        let mut count = 0;
        let characters = bytes.chunks(STEP).map(|chunk| {
            let before = count;
            count += chunk.iter().filter(|byte| starts_character(**byte)).count();
            before
        });
        let characters = characters.collect();
        Self { name: name.into(), all: text, starts, characters }
    }

    /// The place of a range of bytes. An offset outside the text or inside a character moves to the character
    /// before it.
    pub(super) fn span(&self, range: Range<usize>) -> Span {
        let start = self.floor(range.start);
        let end = self.floor(range.end).max(start);
        let line = self.starts.partition_point(|line_start| *line_start <= start);
        let line_start =
            line.checked_sub(1).and_then(|index| self.starts.get(index)).copied().unwrap_or_default();
        let column = self.characters_before(start) - self.characters_before(line_start) + 1;
        Span { start, end, line, column }
    }

    /// The place of a line and a column, both from 1.
    pub(super) fn span_at(&self, line: usize, column: usize) -> Span {
        let range = self.line(line);
        let start = self
            .get(range.clone())
            .char_indices()
            .nth(column.saturating_sub(1))
            .map_or(range.end, |(offset, _)| range.start + offset);
        self.span(start..start)
    }

    /// The bytes of a line, counted from 1, without its line end.
    pub(super) fn line(&self, line: usize) -> Range<usize> {
        let start =
            line.checked_sub(1).and_then(|index| self.starts.get(index)).copied().unwrap_or(self.all.len());
        let end = self.starts.get(line).copied().unwrap_or(self.all.len());
        let text = self.get(start..end);
        start..start + text.trim_end_matches(['\n', '\r']).len()
    }

    /// The text of a range; empty if the range is outside the text.
    pub(super) fn get(&self, range: Range<usize>) -> &str {
        self.all.get(range).unwrap_or_default()
    }

    fn characters_before(&self, byte: usize) -> usize {
        let step = byte / STEP;
        // The end of a text may be the start of a step without characters.
        let step = step.min(self.characters.len().saturating_sub(1));
        let before = self.characters.get(step).copied().unwrap_or_default();
        let rest = self.all.as_bytes().get(step * STEP..byte).unwrap_or_default();
        before + rest.iter().filter(|byte| starts_character(**byte)).count()
    }

    fn floor(&self, index: usize) -> usize {
        let mut index = index.min(self.all.len());
        while !self.all.is_char_boundary(index) {
            index -= 1;
        }
        index
    }
}

/// Whether a byte of UTF-8 is the first one of a character.
fn starts_character(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_columns_from_one_and_columns_in_characters() {
        let text = NamedText::new("r", "a: é\r\nbü: x\rlast");
        assert_eq!(text.span(3..5).column, 4);
        let span = text.span(text.all.find('x').unwrap()..usize::MAX);
        assert_eq!((span.line, span.column, span.end), (2, 5, text.all.len()));
        assert_eq!(text.get(text.line(1)), "a: é");
        assert_eq!(text.get(text.line(2)), "bü: x");
        assert_eq!(text.get(text.line(3)), "last");
        assert_eq!(text.get(text.line(4)), "");
        assert_eq!(text.span_at(2, 5).start, span.start);
    }

    #[test]
    fn finds_the_columns_of_long_lines() {
        for unit in ["x", "é", "漢a"] {
            let text = NamedText::new("r", format!("a\n{}", unit.repeat(1024)));
            let characters = text.all.char_indices().chain([(text.all.len(), ' ')]);
            for (index, (byte, _)) in characters.skip(2).enumerate() {
                assert_eq!(text.span(byte..byte).column, index + 1);
            }
        }
    }
}
