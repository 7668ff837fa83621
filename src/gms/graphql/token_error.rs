//! Why GMS does not do what was asked about a token. GMS has one sentence for every lack of a privilege.

use super::{AccessTokenDuration, GraphqlError, Me};
use crate::diagnosis::{AccessTokenOperation, Code, Diagnosis, Evidence, Fix, Privilege, Summary};
use crate::{Error, ErrorKind};

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
        (Some(403), _) => forbidden(server, operation, me, words).into(),
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

/// GMS has the same message for every missing privilege, so the privilege is derived from the operation.
fn forbidden(server: &str, operation: &TokenOperation<'_>, me: &Me, message: String) -> Diagnosis {
    let (operation, privilege) = match operation {
        TokenOperation::Create { actor, .. } if *actor == me.urn => {
            (AccessTokenOperation::CreateOwn, Privilege::GeneratePersonalAccessTokens)
        }
        TokenOperation::Create { actor, .. } => {
            (AccessTokenOperation::CreateFor((*actor).to_owned()), Privilege::ManageAllAccessTokens)
        }
        TokenOperation::List => (AccessTokenOperation::List, Privilege::GeneratePersonalAccessTokens),
        TokenOperation::Revoke { id } => {
            (AccessTokenOperation::Revoke((*id).to_owned()), Privilege::ManageAllAccessTokens)
        }
    };
    let actor = me.urn.clone();
    Diagnosis::new(
        Code::Forbidden,
        Summary::AccessTokenForbidden { actor: actor.clone(), operation, privilege },
    )
    .with_evidence([
        Evidence::GraphqlMessage { server: server.to_owned(), message },
        Evidence::AccessTokenPrivileges {
            actor: actor.clone(),
            generate: me.generate_tokens,
            manage: me.manage_tokens,
        },
    ])
    .with_fixes([Fix::GrantPlatformPrivilege { actor, privilege }, Fix::ActAsPrivilegedUser])
}
