//! "Did you mean …?": the known word that is most like one that is not known.
//!
//! The distance is computed here and not by a crate, because programs that only emit metadata need it too:
//! redaction compares keys with the names of secrets.

/// Words longer than this get no suggestion. Computing a distance takes time in proportion to the product of
/// both lengths, and no known word is as long.
const MAX_WORD_BYTES: usize = 80;

/// The largest distance of a suggestion, however long the words are.
const MAX_DISTANCE: usize = 6;

/// The one of `known` that `word` was probably meant to be; the first of several that are equally near. Case
/// and punctuation do not count, and about one character in three may differ.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD_BYTES {
        return None;
    }
    let word = fold(word);
    let length = word.chars().count();
    known
        .into_iter()
        .map(|name| (edit_distance(&word, &fold(name)), name))
        .filter(|(distance, name)| {
            *distance <= (name.chars().count() / 3).clamp(1, MAX_DISTANCE) && *distance < length
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// "; did you mean …?" if there is a name to suggest, else nothing.
pub(crate) fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// The alphanumeric characters of a word, in lower case.
fn fold(word: &str) -> String {
    word.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The Damerau-Levenshtein distance: how many characters must be inserted, removed, replaced or exchanged
/// with their neighbour to turn one text into the other. No part of a text is edited twice (optimal string
/// alignment).
pub(crate) fn edit_distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    // The distances between a start of `one` and each start of `other`, for the last two starts of `one`.
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let mut row_before: Vec<usize> = Vec::new();
    let mut previous = None;
    for (index, character) in one.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(index + 1);
        let mut left = index + 1;
        for (column, (&other_character, pair)) in other.iter().zip(row.windows(2)).enumerate() {
            let &[diagonal, above] = pair else { break };
            let mut distance =
                (diagonal + usize::from(character != other_character)).min(above + 1).min(left + 1);
            let other_previous = column.checked_sub(1).and_then(|before| other.get(before));
            if let (Some(other_previous), Some(previous)) = (other_previous, previous)
                && *other_previous == character
                && previous == other_character
                && let Some(exchanged) = row_before.get(column - 1)
            {
                distance = distance.min(exchanged + 1);
            }
            next.push(distance);
            left = distance;
        }
        row_before = std::mem::replace(&mut row, next);
        previous = Some(character);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 3] = ["entityType", "entityUrn", "aspectName"];

    #[test]
    fn a_misspelt_word_gets_a_suggestion_and_another_word_does_not() {
        assert_eq!(nearest("entityURN", NAMES), Some("entityUrn"));
        assert_eq!(nearest("aspctName", NAMES), Some("aspectName"));
        assert_eq!(nearest("entity-type", NAMES), Some("entityType"));
        assert_eq!(nearest("domainProperties", NAMES), None);
        assert_eq!(nearest("x", ["a", "b"]), None);
        assert_eq!(nearest(&"e".repeat(100), NAMES), None);
        assert_eq!(suggestion("entityTyp", NAMES), "; did you mean `entityType`?");
        assert_eq!(suggestion("x", NAMES), "");
    }

    #[test]
    fn known_distances() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("token", "tokne", 1),
            ("ab", "ba", 1),
            ("ca", "abc", 3),
            ("größe", "grösse", 2),
        ] {
            assert_eq!(edit_distance(one, other), expected, "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn a_distance_is_symmetric_and_bounded(one in "[abc]{0,8}", other in "[abc]{0,8}") {
            let distance = edit_distance(&one, &other);
            prop_assert_eq!(distance, edit_distance(&other, &one));
            prop_assert_eq!(distance == 0, one == other);
            prop_assert!(distance >= one.len().abs_diff(other.len()));
            prop_assert!(distance <= one.len().max(other.len()));
        }
    }
}
