//! Whether a message of GMS names a URN.

/// Whether `message` contains `urn`, and not only another URN that begins with it.
pub(super) fn names(message: &str, urn: &str) -> bool {
    message.match_indices(urn).any(|(at, _)| {
        let mut rest = message.get(at + urn.len()..).unwrap_or_default().chars();
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ']' | '}');
        match rest.next() {
            None | Some(',' | ';') => true,
            // The end of a sentence, or the parenthesis around the URN.
            Some(':' | '.' | ')') => rest.next().is_none_or(ends),
            Some(c) => ends(c),
        }
    })
}

/// The part of a 403's message that names the refused entities. The caller's own URN comes before it.
pub(super) fn refused_entities(message: &str) -> &str {
    message.split_once(" is unauthorized").map_or(message, |(_, refused)| refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_urn_is_named_only_as_a_whole() {
        let message = "HttpStatus: 403 Urn: urn:li:tag:pii, HttpStatus: 403 Urn: urn:li:tag:gold";
        assert!(names(message, "urn:li:tag:pii"));
        assert!(names(message, "urn:li:tag:gold"));
        assert!(!names(message, "urn:li:tag:p"));
        assert!(!names(message, "urn:li:tag:silver"));
        for words in ["record with urn urn:li:tag:pii: no", "no such (urn:li:tag:pii)", "['urn:li:tag:pii']"]
        {
            assert!(names(words, "urn:li:tag:pii"), "{words}");
        }
        assert!(!names("urn:li:tag:pii:eu, urn:li:tag:pii.eu", "urn:li:tag:pii"));
    }

    #[test]
    fn the_caller_of_a_403_is_not_a_refused_entity() {
        let message = "User urn:li:corpuser:x is unauthorized to modify entity: urn:li:tag:pii";
        assert!(!names(refused_entities(message), "urn:li:corpuser:x"));
        assert!(names(refused_entities(message), "urn:li:tag:pii"));
    }
}
