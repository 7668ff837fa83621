//! Credentials in text of unknown origin.
//!
//! A token may be anywhere by mistake: in a key, an address or a comment. So a text is not shown merely
//! because it is not known to be a secret. It is shown because it consists of plain words and short numbers,
//! as names, paths, addresses and settings do.

use crate::suggest::edit_distance;

use super::MASK;

/// The characters of tokens, keys and signatures.
fn is_token_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_.-+/=~".contains(character)
}

/// A run of token characters of at least this length that does not consist of words is treated as a
/// credential.
const TOKEN_LENGTH: usize = 16;

/// Masks possible credentials in a text of unknown origin, such as a server's response: JSON Web Tokens, user
/// information and queries of URLs, the word after `Bearer`, the value in `password=…` and `"token": "…"`,
/// and long runs of characters that are not words.
///
/// ```
/// use datahub_emitter::mask_credentials;
///
/// assert_eq!(
///     mask_credentials("password=hunter2 at https://me:pw@gms:8080"),
///     "password=******** at https://********@gms:8080"
/// );
/// assert_eq!(mask_credentials("expected a number from 1 to 200"), "expected a number from 1 to 200");
/// ```
pub fn mask_credentials(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    // The word before the next one announces a secret.
    let mut secret_follows = false;
    while let Some(first) = rest.chars().next() {
        if !is_token_character(first) {
            masked.push(first);
            let (_, after) = rest.split_at(first.len_utf8());
            secret_follows &= matches!(first, ':' | '"' | '\'' | ' ' | '\t');
            if first == ':'
                && let Some(authority) = after.strip_prefix("//")
            {
                secret_follows = false;
                masked.push_str("//");
                rest = authority;
                let end = authority
                    .find(|character: char| character.is_whitespace() || "/?#\"'`<>)".contains(character))
                    .unwrap_or(authority.len());
                let (host, _) = authority.split_at(end);
                if let Some(at) = host.rfind('@') {
                    masked.push_str(MASK);
                    (_, rest) = authority.split_at(at);
                }
            } else if first == '?'
                && after.split(char::is_whitespace).next().is_some_and(|query| query.contains('='))
            {
                let end = after
                    .find(|character: char| character.is_whitespace() || "\"'`<>)".contains(character))
                    .unwrap_or(after.len());
                masked.push_str(MASK);
                (_, rest) = after.split_at(end);
            } else {
                rest = after;
            }
            continue;
        }
        let end = rest.find(|character| !is_token_character(character)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        let scheme = run.eq_ignore_ascii_case("bearer") || run.eq_ignore_ascii_case("basic");
        let noun = |run: &str| {
            [
                "token",
                "tokens",
                "auth",
                "authentication",
                "authorization",
                "string",
                "header",
                "scheme",
                "credentials",
            ]
            .contains(&run)
        };
        if secret_follows && !scheme && !noun(run) {
            let quote = masked.chars().last().filter(|last| matches!(last, '"' | '\''));
            masked.push_str(MASK);
            rest = after_value(rest, quote);
            secret_follows = false;
        } else if let Some((name, value)) = run.split_once('=')
            && !value.is_empty()
            && is_secret_key(name)
        {
            masked.push_str(name);
            masked.push('=');
            masked.push_str(MASK);
            rest = after_value(after, None);
        } else {
            rest = after;
            let credential =
                run.contains("eyJ") && run.len() >= 9 || run.len() >= TOKEN_LENGTH && !is_plain(run);
            masked.push_str(if credential { MASK } else { run });
            let names_a_secret = is_secret_key(run.trim_end_matches('=')) && {
                let after = after.trim_start_matches(['"', '\'']).trim_start();
                after.starts_with(':') || run.ends_with('=')
            };
            secret_follows = scheme || names_a_secret;
        }
    }
    masked
}

/// The text after a value: from the closing quote on, or from the end of an unquoted value.
fn after_value(text: &str, quote: Option<char>) -> &str {
    let end = text.find(|character: char| match quote {
        Some(quote) => character == quote,
        None => character.is_whitespace() || "\"',;&})]".contains(character),
    });
    text.split_at(end.unwrap_or(text.len())).1
}

/// Whether a text consists of plain words and short numbers only.
pub(crate) fn is_plain(text: &str) -> bool {
    let words = || text.split(|character: char| !character.is_alphanumeric());
    let digits = text.chars().filter(char::is_ascii_digit).count();
    // `k8s` is a word; several of its kind are pieces of a token.
    let irregular = words().filter(|word| has_letter_behind_digit(word)).count();
    text.len() <= 256 && digits <= 16 && irregular <= 1 && !text.contains("eyJ") && words().all(is_plain_word)
}

/// A word, a short number, or a word with a short number behind it.
fn is_plain_word(word: &str) -> bool {
    if word.len() <= 3 {
        return true;
    }
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return word.len() <= 8;
    }
    let stem = word.trim_end_matches(|character: char| character.is_ascii_digit());
    word.len() - stem.len() <= 3
        && stem.chars().count() <= 24
        && stem.chars().all(char::is_alphabetic)
        && has_regular_case(stem)
        && is_pronounceable(stem)
}

fn has_letter_behind_digit(word: &str) -> bool {
    let stem = word.trim_end_matches(|character: char| character.is_ascii_digit());
    stem.contains(|character: char| character.is_ascii_digit())
}

/// `word`, `WORD`, `Word` or `camelCase`, as opposed to random upper and lower case.
fn has_regular_case(word: &str) -> bool {
    if !word.chars().any(char::is_lowercase) || !word.chars().any(char::is_uppercase) {
        return true;
    }
    let mut humps = 1;
    let mut previous_upper = true;
    let mut first = true;
    for character in word.chars() {
        let upper = character.is_uppercase();
        if upper && previous_upper && !first {
            return false;
        }
        if upper && !first {
            humps += 1;
        }
        previous_upper = upper;
        first = false;
    }
    word.chars().count() >= 4 * humps - 1
}

/// Long words have vowels.
fn is_pronounceable(word: &str) -> bool {
    word.chars().count() < 12
        || word
            .split(|character: char| !character.is_ascii() || "aeiouyAEIOUY".contains(character))
            .all(|consonants| consonants.len() < 6)
}

/// A key or a name for a message: masked unless it is short and plain.
pub(crate) fn show_word(word: &str) -> String {
    let plain = word.chars().count() <= 60 && is_plain(word) && !word.contains(char::is_control);
    if plain { word.to_owned() } else { MASK.to_owned() }
}

/// Whether the value of this key is a secret. Keys with a typing error count as well.
pub(crate) fn is_secret_key(key: &str) -> bool {
    const PARTS: &[&str] = &[
        "token",
        "password",
        "passwd",
        "passphrase",
        "secret",
        "credential",
        "authorization",
        "bearer",
        "cookie",
        "apikey",
        "accesskey",
        "privatekey",
        "signature",
        "signingkey",
        "sasl",
        "connectionstring",
        "datahubtofile",
        "recipeyaml",
    ];
    const WHOLE: &[&str] =
        &["auth", "jwt", "pat", "pin", "pwd", "pw", "pass", "headers", "extraheaders", "key"];
    const HARMLESS_ENDINGS: &[&str] =
        &["file", "path", "endpoint", "url", "uri", "type", "env", "method", "mechanism"];
    let folded = fold(key);
    if HARMLESS_ENDINGS.iter().any(|ending| folded.ends_with(ending)) && !folded.starts_with("datahubtofile")
    {
        return false;
    }
    let near = |part: &str| {
        folded.len().abs_diff(part.len()) <= 2 && {
            let distance = edit_distance(&folded, part);
            distance <= 1 || distance == 2 && part.len() >= 8
        }
    };
    PARTS.iter().any(|part| folded.contains(part) || near(part))
        || WHOLE.contains(&folded.as_str())
        || folded.ends_with("key") && key.len() > folded.len()
        || folded.ends_with("headers")
}

/// Whether everything in a mapping of this name is secret. The mapping `auth` is not: it contains its type.
pub(crate) fn hides_below(key: &str) -> bool {
    is_secret_key(key) && fold(key) != "auth"
}

fn fold(key: &str) -> String {
    key.chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .take(64)
        .collect()
}

/// Whether a text is just a reference to an environment variable: the name of a secret, and not the secret.
pub(crate) fn is_reference(text: &str) -> bool {
    let text = text.trim_matches(['"', '\'']);
    let Some(name) = text.strip_prefix('$') else {
        return false;
    };
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    let identifier = |character: char| character.is_ascii_alphanumeric() || character == '_';
    !name.is_empty() && name.len() <= 64 && name.chars().all(identifier) && is_plain(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::holds_jwt;

    #[test]
    fn names_and_settings_are_plain_and_credentials_are_not() {
        for plain in [
            "soon",
            "ASYNC_BATCH",
            "datahub-rest",
            "http://gms.example.com:8080/api/gms",
            "./metadata/orders.json.gz",
            "s3://bucket/key",
            "192.168.0.10:8080",
            "urn:li:corpuser:datahub",
            "k8s_oidc",
            "DATAHUB_GMS_TOKEN_2",
            "maxThreads",
            "2026-11-23",
            "expected a number from 1 to 200",
            "größe",
            "sha256",
            "{\"a\": 1.5}",
        ] {
            assert!(is_plain(plain), "{plain}");
        }
        for odd in [
            "eyJhbGciOiJIUzI1NiJ9",
            "hunter2hunter2",
            "s3cret!pass#word$123",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "AKIAIOSFODNN7EXAMPLE",
            "xK9fQ2",
            "aGVsbG8gd29ybGQ",
            "550e8400-e29b-41d4-a716-446655440000",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "1234567890123",
            "qWeRtYuIoP",
        ] {
            assert!(!is_plain(odd), "{odd}");
        }
    }

    #[test]
    fn secret_keys_are_recognised_in_any_case_and_with_a_typing_error() {
        for key in [
            "token",
            "Token",
            "tokn",
            "toekn",
            "tokens",
            "access-token",
            "TOKEN",
            "password",
            "pasword",
            "passwrod",
            "client_secret",
            "api_key",
            "apiKey",
            "x-api-key",
            "Authorization",
            "authorisation",
            "credentials",
            "extra_headers",
            "auth",
            "private_key",
            "__DATAHUB_TO_FILE_ca",
            "sasl.password",
        ] {
            assert!(is_secret_key(key), "{key}");
        }
        for key in [
            "server",
            "type",
            "max_threads",
            "token_file",
            "client_key_path",
            "path",
            "mode",
            "monkey",
            "config",
            "token_endpoint",
        ] {
            assert!(!is_secret_key(key), "{key}");
        }
        assert!(hides_below("extra_headers") && !hides_below("auth"));
    }

    #[test]
    fn free_text_keeps_its_words_and_loses_its_credentials() {
        for (text, expected) in [
            ("Authorization: Bearer abc123", "Authorization: Bearer ********"),
            ("sent Bearer abc123 twice", "sent Bearer ******** twice"),
            ("{\"token\": \"abc\", \"mode\": \"SYNC\"}", "{\"token\": \"********\", \"mode\": \"SYNC\"}"),
            ("client_secret=swordfish&mode=a", "client_secret=********&mode=a"),
            ("http://u:p@h/x?sig=abc&y=z ok", "http://********@h/x?******** ok"),
            ("password='a b!c' x", "password='********' x"),
            ("pwd=s3cret!pass#word&x=1", "pwd=********&x=1"),
            ("invalid token", "invalid token"),
            ("send a Bearer token", "send a Bearer token"),
            ("found eyJhbGciOiJIUzI1NiJ9.e30.x", "found ********"),
            ("at line 3 column 14", "at line 3 column 14"),
            (
                "(urn:li:dataPlatform:hive,fct_users_created,PROD)",
                "(urn:li:dataPlatform:hive,fct_users_created,PROD)",
            ),
        ] {
            assert_eq!(mask_credentials(text), expected, "{text}");
        }
    }

    #[test]
    fn a_jwt_is_recognised_by_its_two_objects() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJsb2FkZXIifQ.c2ln";
        assert!(holds_jwt(jwt) && holds_jwt(&format!("http://host/{jwt}/x")));
        for other in
            ["", "eyJ", "eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJIUzI1NiJ9.json", "metadata/eyJ.eyJ.json", "ä.eyJ"]
        {
            assert!(!holds_jwt(other), "{other}");
        }
    }

    #[test]
    fn a_reference_is_a_whole_variable() {
        assert!(is_reference("${GMS_TOKEN}") && is_reference("\"$GMS_TOKEN\""));
        assert!(
            !is_reference("${A:-swordfish}") && !is_reference("${x9Kq2Lw8Zz0}") && !is_reference("x${A}")
        );
    }
}
