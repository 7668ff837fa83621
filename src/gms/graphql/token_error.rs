//! Why GMS does not do what was asked about a token. GMS has one sentence for every lack of a privilege.

use super::{AccessTokenDuration, GraphqlError, Me};
use crate::diagnosis::{Code, Diagnosis};
use crate::{Error, ErrorKind};

const GENERATE: &str = "Generate Personal Access Tokens";
const MANAGE: &str = "Manage All Access Tokens";

/// What was asked.
#[derive(Debug)]
pub(super) enum TokenOperation<'a> {
    Create { actor: &'a str, duration: AccessTokenDuration },
    List,
    Revoke { id: &'a str },
}

/// The error for GMS's answer to `me`.
pub(super) fn token_error(
    server: &str,
    operation: &TokenOperation<'_>,
    me: &Me,
    errors: &[GraphqlError],
) -> Error {
    let words: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    let words = words.join("; ");
    let code = errors.iter().find_map(|error| error.code);
    match (code, operation) {
        (Some(403), _) => forbidden(server, operation, me, &words).into(),
        // Newer servers have a list of what they allow, and their words name it (`ACCESS_TOKEN_ALLOWED_DURATIONS`).
        (Some(400), TokenOperation::Create { duration: AccessTokenDuration::NoExpiry, .. }) => Error::new(
            ErrorKind::Input,
            format!(
                "GMS at {server} makes no token that lasts for ever, unless ACCESS_TOKEN_ALLOW_NO_EXPIRY=true is set there: \
                 name another --duration, for example ONE_YEAR ({words})"
            ),
        ),
        (Some(400), TokenOperation::Create { duration, .. }) => Error::new(
            ErrorKind::Input,
            format!("GMS at {server} makes no such token, perhaps because of --duration {duration}: {words}"),
        ),
        (None, TokenOperation::Create { duration, .. }) if errors.iter().any(GraphqlError::is_of_schema) => {
            Error::new(
                ErrorKind::Input,
                format!("GMS at {server} is of a version that does not know --duration {duration}: {words}"),
            )
        }
        // `RevokeAccessTokenResolver` has no code of its own for it.
        (Some(404 | 500), TokenOperation::Revoke { id }) if words.contains("no longer exists") => Error::new(
            ErrorKind::NotFound,
            format!("GMS at {server} has no token of the id {id}: it was revoked, or has expired"),
        ),
        _ => Error::new(ErrorKind::Rejected, format!("GMS at {server} could not do it: {words}")),
    }
}

fn forbidden(server: &str, operation: &TokenOperation<'_>, me: &Me, words: &str) -> Diagnosis {
    let (what, privilege) = match operation {
        TokenOperation::Create { actor, .. } if *actor == me.urn => {
            ("make a token for himself".to_owned(), GENERATE)
        }
        TokenOperation::Create { actor, .. } => (format!("make a token for {actor}"), MANAGE),
        TokenOperation::List => ("list tokens".to_owned(), GENERATE),
        TokenOperation::Revoke { id } => (format!("revoke the token {id}, which he did not make"), MANAGE),
    };
    let holds = match (me.generate_tokens, me.manage_tokens) {
        (_, true) => format!("GMS says that he holds {MANAGE}"),
        (true, false) => format!("he holds {GENERATE}, and not {MANAGE}"),
        (false, false) => format!("he holds neither {GENERATE} nor {MANAGE}"),
    };
    Diagnosis {
        code: Code::Forbidden,
        summary: format!("{} may not {what}: the privilege {privilege} is missing", me.urn),
        evidence: vec![format!("GMS at {server} says: {words}"), format!("GMS takes the caller for {}; {holds}", me.urn)],
        fixes: vec![
            format!(
                "in DataHub under Settings > Permissions, give {} a platform policy with the privilege {privilege}",
                me.urn
            ),
            "or do it as a user who has that privilege: --user <name> --frontend <URL> with token create, --token-file <FILE> with the others".to_owned(),
        ],
    }
}
