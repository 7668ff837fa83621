//! The text of a search: words, and after `/q` the operators of a structured query.

/// A parsed text. A word is split at its stars, and its pieces have to occur in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    /// Everything matches.
    All,
    Word(Vec<String>),
    /// A word in one field.
    Field(String, Vec<String>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
}

/// The prefix of a structured query.
const STRUCTURED: &str = "/q";

/// The greatest depth of parentheses; deeper ones are ignored.
const MAX_DEPTH: usize = 16;

/// The least length of a text that the index can look up, in characters.
const INDEXED_LENGTH: usize = 3;

impl Query {
    /// Parses a text. Every text is valid: an operator without operands is ignored, as in GMS.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim();
        match text.strip_prefix(STRUCTURED).filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t'])) {
            Some(structured) => {
                let tokens = tokens(structured);
                let mut parser = Parser { tokens: &tokens, depth: 0 };
                parser.any()
            }
            None => all(text.split_whitespace().map(word).collect()),
        }
    }

    /// Whether everything matches.
    pub(crate) fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// Whether a lower-case text matches. `field` says whether a value of a field contains a word.
    pub(crate) fn matches(&self, text: &str, field: &dyn Fn(&str, &[String]) -> bool) -> bool {
        match self {
            Self::All => true,
            Self::Word(pieces) => contains(text, pieces),
            Self::Field(name, pieces) => field(name, pieces),
            Self::And(parts) => parts.iter().all(|part| part.matches(text, field)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(text, field)),
            Self::Not(part) => !part.matches(text, field),
        }
    }

    /// Whether the text alone decides.
    pub(crate) fn is_of_text(&self) -> bool {
        match self {
            Self::All | Self::Word(_) => true,
            Self::Field(..) => false,
            Self::And(parts) | Self::Or(parts) => parts.iter().all(Self::is_of_text),
            Self::Not(part) => part.is_of_text(),
        }
    }

    /// A query of the index that finds at least everything that matches; `None` if the index cannot help.
    pub(crate) fn indexed(&self) -> Option<String> {
        match self {
            Self::All | Self::Field(..) | Self::Not(_) => None,
            Self::Word(pieces) => {
                let long = pieces.iter().filter(|piece| piece.chars().count() >= INDEXED_LENGTH);
                let quoted = long.map(|piece| format!("\"{}\"", piece.replace('"', "\"\"")));
                joined(&quoted.collect::<Vec<_>>(), " AND ")
            }
            Self::And(parts) => joined(&parts.iter().filter_map(Self::indexed).collect::<Vec<_>>(), " AND "),
            Self::Or(parts) => joined(&parts.iter().map(Self::indexed).collect::<Option<Vec<_>>>()?, " OR "),
        }
    }

    /// How well a name matches, from 0 to 4.
    pub(crate) fn relevance(&self, name: &str) -> u8 {
        match self {
            Self::Word(pieces) => match pieces.as_slice() {
                [only] if name == only => 4,
                [first, ..] if name.starts_with(first.as_str()) => 3,
                pieces if contains(name, pieces) => 2,
                _ => 0,
            },
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().map(|part| part.relevance(name)).max().unwrap_or(0)
            }
            Self::All | Self::Field(..) | Self::Not(_) => 0,
        }
    }
}

/// Whether all pieces occur in the text, in order.
pub(crate) fn contains(text: &str, pieces: &[String]) -> bool {
    let mut rest = Some(text);
    for piece in pieces {
        rest = rest.and_then(|rest| rest.split_once(piece.as_str())).map(|(_, rest)| rest);
    }
    rest.is_some()
}

fn joined(parts: &[String], operator: &str) -> Option<String> {
    (!parts.is_empty()).then(|| format!("({})", parts.join(operator)))
}

/// A word of stars only matches everything.
fn word(text: &str) -> Query {
    let pieces = pieces(text);
    if pieces.is_empty() { Query::All } else { Query::Word(pieces) }
}

fn pieces(text: &str) -> Vec<String> {
    text.split('*').filter(|piece| !piece.is_empty()).map(str::to_lowercase).collect()
}

fn all(mut parts: Vec<Query>) -> Query {
    parts.retain(|part| !part.is_all());
    match parts.len() {
        0 => Query::All,
        1 => parts.swap_remove(0),
        _ => Query::And(parts),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    Word(String),
    Phrase(String),
    /// The name of a field, before its value.
    Field(String),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return found };
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        match first {
            '(' => found.push(Token::Open),
            ')' => found.push(Token::Close),
            '+' => found.push(Token::And),
            '-' | '!' => found.push(Token::Not),
            '"' => {
                let (phrase, behind) = after.split_once('"').unwrap_or((after, ""));
                found.push(Token::Phrase(phrase.to_lowercase()));
                rest = behind;
                continue;
            }
            _ => {
                let end =
                    rest.find(|c: char| c.is_whitespace() || "()+\":".contains(c)).unwrap_or(rest.len());
                let (text, behind) = rest.split_at(end);
                // A URN has colons too.
                if text == "urn" && behind.starts_with(':') {
                    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                    let (urn, behind) = rest.split_at(end);
                    found.push(Token::Word(urn.to_owned()));
                    rest = behind;
                    continue;
                }
                found.push(match text {
                    "AND" | "&&" => Token::And,
                    "OR" | "||" | "|" => Token::Or,
                    "NOT" => Token::Not,
                    name if behind.starts_with(':') && !name.is_empty() => Token::Field(name.to_owned()),
                    word => Token::Word(word.to_owned()),
                });
                rest = behind.strip_prefix(':').unwrap_or(behind);
                continue;
            }
        }
        rest = after;
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    depth: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first.clone())
    }

    /// Alternatives, up to a closing parenthesis.
    fn any(&mut self) -> Query {
        let mut alternatives = Vec::new();
        let mut parts = Vec::new();
        let mut negated = false;
        while let Some(token) = self.next() {
            let part = match token {
                Token::Close if self.depth > 0 => break,
                Token::Close | Token::And | Token::Open
                    if token != Token::Open || self.depth >= MAX_DEPTH =>
                {
                    continue;
                }
                Token::Or => {
                    alternatives.push(all(std::mem::take(&mut parts)));
                    continue;
                }
                Token::Not => {
                    negated = !negated;
                    continue;
                }
                Token::Close | Token::And | Token::Open => {
                    self.depth += 1;
                    let inner = self.any();
                    self.depth -= 1;
                    inner
                }
                Token::Word(text) => word(&text),
                Token::Phrase(text) if text.trim().is_empty() => continue,
                Token::Phrase(text) => Query::Word(vec![text]),
                Token::Field(name) => match self.next() {
                    Some(Token::Word(text)) => Query::Field(name, pieces(&text)),
                    Some(Token::Phrase(text)) => Query::Field(name, vec![text]),
                    _ => continue,
                },
            };
            parts.push(if negated { Query::Not(Box::new(part)) } else { part });
            negated = false;
        }
        alternatives.push(all(parts));
        if alternatives.len() == 1 {
            return alternatives.swap_remove(0);
        }
        // An empty side is a mistake of the caller, and not an alternative that matches everything.
        alternatives.retain(|part| !part.is_all());
        if alternatives.is_empty() { Query::All } else { Query::Or(alternatives) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(question: &str, text: &str) -> bool {
        Query::parse(question)
            .matches(text, &|name, pieces| name == "tag" && contains("urn:li:tag:pii", pieces))
    }

    #[test]
    fn words_may_contain_stars() {
        let text = "urn:li:tag:pools\nlido pools";
        for question in ["", "*", " * ** ", "POOL", "lido*", "*l*do*ools", "pools lido", "urn:li:tag:pools"] {
            assert!(found(question, text), "{question}");
        }
        for question in ["pond", "lido pond", "lido*tag"] {
            assert!(!found(question, text), "{question}");
        }
    }

    #[test]
    fn structured_queries_have_operators() {
        let text = "point_of_sale_app_usage\nrevenue per quarter";
        for question in [
            "/q point+sale+app",
            "/q wizard OR sale",
            "/q reven*",
            "/q (sales OR revenue) AND quarter",
            "/q \"revenue per\"",
            "/q revenue NOT wizard",
            "/q revenue -wizard",
            "/q tag:PII",
            "/q *",
            "/q",
            "/q ( OR",
            "/q revenue OR",
            "/q \"unclosed",
        ] {
            assert_eq!(found(question, text), !question.contains("unclosed"), "{question}");
        }
        for question in [
            "/q point+wizard",
            "/q wizard OR pet",
            "/q NOT revenue",
            "/q \"per revenue\"",
            "/q tag:none",
            "/q (wizard OR pet) revenue",
        ] {
            assert!(!found(question, text), "{question}");
        }
        assert!(found("/q urn:li:tag:a", "urn:li:tag:a"));
        // Without the prefix there are no operators.
        assert!(!found("wizard OR sale", text));
    }

    #[test]
    fn names_rank_by_likeness() {
        let query = Query::parse("orders");
        let ranks = ["orders", "orders_daily", "all orders", "customers"].map(|name| query.relevance(name));
        assert_eq!(ranks, [4, 3, 2, 0]);
        assert_eq!(Query::parse("*").relevance("orders"), 0);
    }

    proptest! {
        /// Parsing never fails, and the query of the index is one that SQLite accepts.
        #[test]
        fn every_text_is_a_query(text in "(/q )?([a-c*\"():+! -]|AND |OR |NOT |é|urn:li:){0,20}") {
            let query = Query::parse(&text);
            query.matches("abc", &|_, _| false);
            if let Some(indexed) = query.indexed() {
                let connection = rusqlite::Connection::open_in_memory().unwrap();
                connection.execute_batch("CREATE VIRTUAL TABLE t USING fts5(body, tokenize='trigram')").unwrap();
                let found: Result<i64, _> =
                    connection.query_row("SELECT count(*) FROM t WHERE t MATCH ?1", [&indexed], |row| row.get(0));
                prop_assert!(found.is_ok(), "{text:?} {indexed:?} {found:?}");
            }
        }
    }
}
