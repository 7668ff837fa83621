//! "Did you mean …?"

/// The one of `known` that `word` was probably meant to be.
#[cfg(feature = "pipeline")]
fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).clamp(1, 6);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&word.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// "; did you mean …?" if there is a similar name, else nothing.
#[cfg(feature = "pipeline")]
pub(crate) fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// Nothing: comparing names takes a crate that a program which only emits does not need.
#[cfg(not(feature = "pipeline"))]
pub(crate) fn suggestion<'a>(_: &str, _: impl IntoIterator<Item = &'a str>) -> String {
    String::new()
}

#[cfg(all(test, feature = "pipeline"))]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["entityType", "entityUrn", "aspectName"];

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        assert_eq!(nearest("entityURN", NAMES), Some("entityUrn"));
        assert_eq!(nearest("aspctName", NAMES), Some("aspectName"));
        assert_eq!(nearest("domainProperties", NAMES), None);
        assert_eq!(suggestion("entityTyp", NAMES), "; did you mean `entityType`?");
        assert_eq!(suggestion("x", NAMES), "");
    }
}
