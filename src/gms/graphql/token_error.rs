//! Errors of GMS about access tokens. GMS has the same message for every missing privilege.

use super::{AccessTokenDuration, GraphqlError, Me};
use crate::diagnosis::{AccessTokenOperation, Code, Diagnosis, Evidence, Fix, Privilege, Summary};
use crate::{Error, ErrorKind};

/// The requested operation.
#[derive(Debug)]
pub(super) enum TokenOperation<'a> {
    Create { actor: &'a str, duration: AccessTokenDuration },
    List,
    Revoke { id: &'a str },
}

/// The error for the errors in GMS's response to a request of `me`.
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
        // Newer servers allow only `ACCESS_TOKEN_ALLOWED_DURATIONS`, and their message lists them.
        (Some(400), TokenOperation::Create { duration: AccessTokenDuration::NoExpiry, .. }) => Error::new(
            ErrorKind::Input,
            format!(
                "GMS at {server} does not issue tokens without an expiry time, unless ACCESS_TOKEN_ALLOW_NO_EXPIRY=true is \
                 set there: choose a duration, for example ONE_YEAR ({words})"
            ),
        ),
        (Some(400), TokenOperation::Create { duration, .. }) => Error::new(
            ErrorKind::Input,
            format!(
                "GMS at {server} refused to issue the token, perhaps because of the duration {duration}: {words}"
            ),
        ),
        (None, TokenOperation::Create { duration, .. }) if errors.iter().any(GraphqlError::is_of_schema) => {
            Error::new(
                ErrorKind::Input,
                format!("this version of GMS at {server} does not know the duration {duration}: {words}"),
            )
        }
        // `RevokeAccessTokenResolver` has no specific code for an unknown token.
        (Some(404 | 500), TokenOperation::Revoke { id }) if words.contains("no longer exists") => Error::new(
            ErrorKind::NotFound,
            format!("GMS at {server} has no token with the id {id}: it was revoked, or has expired"),
        ),
        _ => Error::new(ErrorKind::Rejected, format!("GMS at {server} could not do this: {words}")),
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
