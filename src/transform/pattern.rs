//! Patterns with the meaning of Python's module `re`.
//!
//! A pattern is translated to the dialect of Rust's regular expressions ([`translate`]), and compiled once. A
//! pattern with look-around or back references is matched by backtracking, as in Python; the others are
//! matched in linear time.

mod literals;
mod replacement;
mod translate;

pub(super) use literals::Candidates;
pub(super) use replacement::Replacement;

/// How many steps a match by backtracking may take. Python has no limit, and may never return.
const MAX_STEPS: usize = 10_000_000;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// Finds a match at any place.
    search: fancy_regex::Regex,
    /// Finds a match at the start of the text only.
    anchored: fancy_regex::Regex,
    /// Literal texts without which there is no match.
    literals: Vec<String>,
}

/// A match by backtracking took too many steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern takes too long to match")]
pub(super) struct TooSlow;

impl From<TooSlow> for super::TransformError {
    fn from(error: TooSlow) -> Self {
        Self::new(error.to_string())
    }
}

impl Pattern {
    /// Compiles a pattern of Python's.
    ///
    /// # Errors
    /// Why it is not one.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        let translated = translate::translate(pattern)?;
        // A comment of a verbose pattern ends with its line.
        let end = if is_verbose(pattern) { "\n" } else { "" };
        let anchored = format!(r"\A(?:{translated}{end})");
        let compile = |text: &str| {
            fancy_regex::RegexBuilder::new(text)
                .backtrack_limit(MAX_STEPS)
                .build()
                .map_err(|error| format!("it is not a regular expression: {error}"))
        };
        let literals = literals::required(&anchored);
        Ok(Self { search: compile(&translated)?, anchored: compile(&anchored)?, literals })
    }

    /// Literal texts without which there is no match, for [`Candidates`].
    pub(super) fn literals(&self) -> &[String] {
        &self.literals
    }

    /// The number of groups.
    pub(super) fn groups(&self) -> usize {
        self.search.captures_len().saturating_sub(1)
    }

    /// The names of the groups, in order; `None` for one without a name.
    pub(super) fn group_names(&self) -> impl Iterator<Item = Option<&str>> {
        self.search.capture_names().skip(1)
    }

    /// Whether `text` begins with a match (`re.match`).
    pub(super) fn matches_start(&self, text: &str) -> Result<bool, TooSlow> {
        self.anchored.is_match(text).map_err(|_| TooSlow)
    }

    /// The first match anywhere in `text` (`re.search`).
    pub(super) fn search<'t>(&self, text: &'t str) -> Result<Option<fancy_regex::Captures<'t>>, TooSlow> {
        self.search.captures(text).map_err(|_| TooSlow)
    }

    /// Replaces every match in `text` (`re.sub`).
    pub(super) fn replace_all(&self, text: &str, replacement: &Replacement) -> Result<String, TooSlow> {
        let mut out = String::with_capacity(text.len());
        let (mut copied, mut from) = (0, 0);
        // An empty match behind another match counts in Python, so the matches are not those of an iterator.
        while from <= text.len() {
            let captures = self.search.captures_from_pos(text, from).map_err(|_| TooSlow)?;
            let Some((captures, whole)) = captures.and_then(|found| found.get(0).map(|whole| (found, whole)))
            else {
                break;
            };
            out.push_str(text.get(copied..whole.start()).unwrap_or_default());
            replacement.expand(&captures, &mut out);
            copied = whole.end();
            let next = text.get(copied..).and_then(|rest| rest.chars().next());
            from = if whole.start() == copied { copied + next.map_or(1, char::len_utf8) } else { copied };
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        Ok(out)
    }
}

/// Whether a pattern begins with the flag for white space and comments.
fn is_verbose(pattern: &str) -> bool {
    let flags = pattern.strip_prefix("(?").and_then(|rest| rest.split_once(')'));
    flags.is_some_and(|(flags, _)| flags.contains('x') && flags.bytes().all(|flag| flag.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(pattern: &str, text: &str) -> Option<String> {
        let found = Pattern::new(pattern).unwrap().search(text).unwrap()?;
        Some(found.get(0)?.as_str().to_owned())
    }

    /// Each line was run with Python 3.11.
    #[test]
    fn patterns_mean_what_they_mean_in_python() {
        for (pattern, text, found) in [
            (r"b+", "abbc", Some("bb")),
            (r"(?<=a)b(?!c)", "abc ab", Some("b")),
            (r"(?P<x>.)(?P=x)", "abccd", Some("cc")),
            (r"(.)\1", "abccd", Some("cc")),
            (r"(?i)SALES", "the sales", Some("sales")),
            (r"a\Z", "ba", Some("a")),
            (r"a$", "a\nb", None),
            (r"[[]x", "a[x", Some("[x")),
            (r"[a&&b]+", "b&&a", Some("b&&a")),
            (r"a{,2}b", "aaab", Some("aab")),
            (r"x{", "x{", Some("x{")),
            (r"{}", "a{}", Some("{}")),
            (r"x{a}", "x{a}", Some("x{a}")),
            (r"\<b\>", "a<b>", Some("<b>")),
            (r"\/\:\-\_", "/:-_", Some("/:-_")),
            (r"[]a]+", "a]", Some("a]")),
            (r"[^]a]+", "a]b", Some("b")),
            (r"(?s)a.b", "a\nb", Some("a\nb")),
            (r"a.b", "a\nb", None),
            (r"(?x) a  b # comment", "ab", Some("ab")),
            (r"\d+", "x٣4", Some("٣4")),
            (r"\x41\u0042", "AB", Some("AB")),
            (r"(a)|b", "b", Some("b")),
            (r"(?:a|ab)(?:c|bcd)(d*)", "abcd", Some("abcd")),
            (r"[\w.-]+@", "x a.b-c@", Some("a.b-c@")),
            (r"(?a)\w+", "aé", Some("a")),
            (r"(?a)\W+", "aé", Some("é")),
            (r"(?a)[^\D3]+", "3٣4", Some("4")),
            (r"a++a", "aaa", None),
            (r"(?>a|ab)c", "abc", None),
            (r"(a)?(?(1)b|c)", "xc", Some("c")),
        ] {
            assert_eq!(search(pattern, text).as_deref(), found, "{pattern:?} in {text:?}");
        }
    }

    #[test]
    fn what_is_no_pattern_in_python_is_refused() {
        for pattern in ["(", "[a", "*a", "(?P<n", r"a\", "(?P=x)", r"\y", "a**"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern:?}");
        }
    }

    #[test]
    fn a_match_at_the_start_need_not_reach_the_end() {
        let pattern = Pattern::new("urn:li|x").unwrap();
        assert!(pattern.matches_start("urn:li:tag:a").unwrap());
        assert!(!pattern.matches_start("a urn:li").unwrap());
    }

    #[test]
    fn replacements_are_those_of_python() {
        for (pattern, replacement, text, expected) in [
            ("a", "b", "banana", "bbnbnb"),
            (r"(\w+)@(\w+)", r"\2.\1", "me@home", "home.me"),
            (r"(?P<n>x+)", r"<\g<n>>", "axxb", "a<xx>b"),
            (r"(x)", r"\g<1>0", "x", "x0"),
            (r"x", r"$1", "x", "$1"),
            (r"x", r"a\nb\\", "x", "a\nb\\"),
            (r"(a)|b", r"[\1]", "ab", "[a][]"),
            (r"x*", "-", "axb", "-a--b-"),
        ] {
            let pattern = Pattern::new(pattern).unwrap();
            let replacement = Replacement::new(replacement, &pattern).unwrap();
            assert_eq!(pattern.replace_all(text, &replacement).unwrap(), expected);
        }
    }

    #[test]
    fn a_replacement_that_python_refuses_is_refused() {
        let pattern = Pattern::new("(a)").unwrap();
        for replacement in [r"\2", r"\g<2>", r"\g<x>", r"\g<1", r"\q", r"a\"] {
            assert!(Replacement::new(replacement, &pattern).is_err(), "{replacement}");
        }
    }
}
