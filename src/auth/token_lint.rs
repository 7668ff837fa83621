//! Mistakes in a token's text that are visible before it is sent.

use super::Token;
use crate::diagnosis::{Code, Diagnosis, Evidence, Fix, Summary, TokenMistake, TokenSource};

impl Token {
    /// The mistake for which every GMS would refuse this token, if its text shows one. An empty token is not
    /// a mistake: a server without authentication needs none.
    ///
    /// ```
    /// use datahub_emitter::auth::{Token, TokenSource};
    ///
    /// let token = Token::new("Bearer abc.def.ghi", TokenSource::Program);
    /// let diagnosis = token.lint().expect("a scheme before the token");
    /// assert_eq!(diagnosis.code.as_str(), "auth.token-doubled-bearer");
    /// assert_eq!(Token::new("abc.def.ghi", TokenSource::Program).lint(), None);
    /// ```
    pub fn lint(&self) -> Option<Diagnosis> {
        let text = self.expose();
        let diagnosis = if text.contains("${") || text.starts_with("$(") {
            unexpanded(self)
        } else if begins_with_scheme(self) {
            with_scheme(self)
        } else {
            malformed(self, mistake_in(text)?)
        };
        let token = Evidence::TokenText {
            source: self.source().clone(),
            fingerprint: self.fingerprint(),
            chars: text.chars().count(),
        };
        Some(diagnosis.with_evidence([token, Evidence::NothingSent]))
    }
}

fn unexpanded(token: &Token) -> Diagnosis {
    let source = token.source().clone();
    let fix = match &source {
        TokenSource::File(path) => Fix::WriteTokenItself(path.clone()),
        TokenSource::Environment(name) => Fix::ExpandVariable(name.clone()),
        _ => Fix::RemoveEscape,
    };
    Diagnosis::new(Code::TokenUnexpanded, Summary::TokenUnexpanded(source)).with_fixes([fix])
}

fn begins_with_scheme(token: &Token) -> bool {
    let first_word = token.expose().split_whitespace().next().unwrap_or_default();
    *token.source() != TokenSource::SystemClient
        && (first_word.eq_ignore_ascii_case("Bearer") || first_word.eq_ignore_ascii_case("Basic"))
        && token.expose().len() > first_word.len()
}

fn with_scheme(token: &Token) -> Diagnosis {
    let source = token.source().clone();
    Diagnosis::new(Code::TokenDoubledBearer, Summary::TokenWithScheme(source.clone()))
        .with_fixes([Fix::RemoveScheme(source)])
}

/// The first thing in `text` that no token contains.
fn mistake_in(text: &str) -> Option<TokenMistake> {
    let quoted = |quote| text.starts_with(quote) || text.ends_with(quote);
    if text.contains(['\n', '\r']) {
        Some(TokenMistake::LineBreak)
    } else if text.chars().any(char::is_control) {
        Some(TokenMistake::ControlCharacter)
    } else if !text.is_ascii() {
        Some(TokenMistake::NotAscii)
    } else if quoted('"') || quoted('\'') {
        Some(TokenMistake::Quotes)
    } else {
        None
    }
}

fn malformed(token: &Token, mistake: TokenMistake) -> Diagnosis {
    let source = token.source().clone();
    let can_be_inspected = matches!(source, TokenSource::File(_) | TokenSource::Environment(_));
    Diagnosis::new(Code::TokenNotAHeader, Summary::TokenMalformed { source: source.clone(), mistake })
        .with_fixes([Fix::CopyTokenAgain(source.clone())])
        .with_fixes(can_be_inspected.then_some(Fix::InspectToken(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str, source: TokenSource) -> Option<&'static str> {
        Token::new(text, source).lint().map(|diagnosis| diagnosis.code.as_str())
    }

    #[test]
    fn each_mistake_has_its_diagnosis() {
        for (text, expected) in [
            ("eyJhbGciOiJIUzI1NiJ9.e30.c2ln", None),
            ("", None),
            ("opaque-token", None),
            ("Bearer", None),
            ("${DATAHUB_GMS_TOKEN}", Some("auth.token-unexpanded")),
            ("$(cat token)", Some("auth.token-unexpanded")),
            ("Bearer abc.def.ghi", Some("auth.token-doubled-bearer")),
            ("bearer abc.def.ghi", Some("auth.token-doubled-bearer")),
            ("Basic aWQ6c2VjcmV0", Some("auth.token-doubled-bearer")),
            ("abc\ndef", Some("auth.token-not-a-header")),
            ("abc\u{7}", Some("auth.token-not-a-header")),
            ("caf\u{e9}", Some("auth.token-not-a-header")),
            ("\"abc\"", Some("auth.token-not-a-header")),
            ("'abc'", Some("auth.token-not-a-header")),
        ] {
            assert_eq!(code(text, TokenSource::Recipe), expected, "{text:?}");
        }
        assert_eq!(code("Basic x:y", TokenSource::SystemClient), None);
    }

    #[test]
    fn a_diagnosis_names_the_source_and_not_the_token() {
        for text in [
            "${s3cr3t-0123456789",
            "Bearer s3cr3t-0123456789",
            "s3cr3t-0123456789\u{1}",
            "'s3cr3t-0123456789",
        ] {
            let diagnosis = Token::new(text, TokenSource::File("/run/token".into())).lint().unwrap();
            let all = format!("{diagnosis:?}\n{diagnosis}");
            assert!(!all.contains("s3cr3t"), "{all}");
            assert!(diagnosis.fixes[0].to_string().contains("/run/token"), "{all}");
        }
    }
}
