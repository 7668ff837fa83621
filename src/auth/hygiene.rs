//! What is wrong with a token can often be seen before it is sent.

use super::{Token, TokenSource};
use crate::diagnosis::{Code, Diagnosis};
use crate::shell;

/// Why `token` would be refused whatever GMS it goes to, if that can be seen. An empty token is no such case: an open
/// server needs none.
pub fn inspect(token: &Token) -> Option<Diagnosis> {
    let text = token.expose();
    let (code, summary, fixes) = if text.contains("${") || text.starts_with("$(") {
        unexpanded(token)
    } else if is_doubled(token) {
        doubled(token)
    } else {
        not_a_header(token, fault(text)?)
    };
    Some(Diagnosis {
        code,
        summary,
        evidence: vec![
            format!(
                "the token is from {}, {token}, {} characters long",
                token.source().place(),
                text.chars().count()
            ),
            "nothing was sent".into(),
        ],
        fixes,
    })
}

type Verdict = (Code, String, Vec<String>);

fn unexpanded(token: &Token) -> Verdict {
    let place = token.source().place();
    let fix = match token.source() {
        TokenSource::File(path) => format!(
            "write the token itself into {}; variables are expanded in recipes, and not in token files",
            path.display()
        ),
        TokenSource::Environment(name) => format!(
            "set it in double quotes or none, so that the shell puts the value in:  export {name}=\"$OTHER_VARIABLE\""
        ),
        _ => "take away the backslash or the second `$` before `{`, so that the variable is expanded"
            .to_owned(),
    };
    (
        Code::TokenUnexpanded,
        format!("the token from {place} is a reference to a variable that nobody has expanded"),
        vec![fix],
    )
}

fn is_doubled(token: &Token) -> bool {
    let scheme = token.expose().split_whitespace().next().unwrap_or_default();
    *token.source() != TokenSource::SystemClient
        && (scheme.eq_ignore_ascii_case("Bearer") || scheme.eq_ignore_ascii_case("Basic"))
        && token.expose().len() > scheme.len()
}

fn doubled(token: &Token) -> Verdict {
    let place = token.source().place();
    (
        Code::TokenDoubledBearer,
        format!("the token from {place} begins with the word that is put before it anyway"),
        vec![format!("take away `Bearer ` from the beginning of {place}, and leave the token alone")],
    )
}

/// What no token holds.
fn fault(text: &str) -> Option<&'static str> {
    let quoted = |quote| text.starts_with(quote) || text.ends_with(quote);
    if text.contains(['\n', '\r']) {
        Some("a line break")
    } else if text.chars().any(char::is_control) {
        Some("a control character")
    } else if !text.is_ascii() {
        Some("a letter beyond ASCII")
    } else if quoted('"') || quoted('\'') {
        Some("quotes around it")
    } else {
        None
    }
}

/// The command that says what is in a file or a variable, without showing it.
pub(super) fn look(source: &TokenSource) -> Option<String> {
    let command = match source {
        TokenSource::File(path) => {
            format!("datahub-emit token inspect {}", shell::word(&path.to_string_lossy()))
        }
        TokenSource::Environment(name) => format!("printenv {name} | datahub-emit token inspect"),
        _ => return None,
    };
    Some(format!("see what is in there:  {command}"))
}

fn not_a_header(token: &Token, fault: &str) -> Verdict {
    let place = token.source().place();
    (
        Code::TokenNotAHeader,
        format!("the token from {place} holds {fault}, which no token of DataHub's does"),
        [
            Some(format!(
                "copy the token into {place} again: it is one line of letters, digits, dots, `-` and `_`, without quotes"
            )),
            look(token.source()),
        ]
        .into_iter()
        .flatten()
        .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str, source: TokenSource) -> Option<&'static str> {
        inspect(&Token::new(text, source)).map(|diagnosis| diagnosis.code.as_str())
    }

    #[test]
    fn each_slip_has_its_diagnosis() {
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
    fn a_diagnosis_says_where_and_never_what() {
        for text in [
            "${s3cr3t-0123456789",
            "Bearer s3cr3t-0123456789",
            "s3cr3t-0123456789\u{1}",
            "'s3cr3t-0123456789",
        ] {
            let diagnosis = inspect(&Token::new(text, TokenSource::File("/run/token".into()))).unwrap();
            let all = format!("{diagnosis:?}");
            assert!(!all.contains("s3cr3t"), "{all}");
            assert!(diagnosis.fixes[0].contains("/run/token"), "{all}");
        }
    }
}
