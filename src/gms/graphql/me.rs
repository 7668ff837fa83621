//! The caller, as GMS sees it, and its privileges for tokens.

use serde::Deserialize;
use serde_json::{Value, json};

use super::GraphqlAnswer;
use crate::gms::Client;
use crate::{Error, ErrorKind};

/// Asks for no other field of `PlatformPrivileges`, because a GMS that does not know one refuses the whole
/// request.
const ME: &str =
    "query me { me { corpUser { urn } platformPrivileges { generatePersonalAccessTokens manageTokens } } }";

/// The caller, as GMS sees it (`AuthenticatedUser`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Me {
    /// The user's URN. With authentication off it is that of GMS itself.
    pub urn: String,
    /// The privilege *Generate Personal Access Tokens*: may create tokens for this user.
    pub generate_tokens: bool,
    /// The privilege *Manage All Access Tokens*: may create, see and revoke tokens of every user.
    pub manage_tokens: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthenticatedUser {
    corp_user: CorpUser,
    #[serde(default)]
    platform_privileges: PlatformPrivileges,
}

#[derive(Deserialize)]
struct CorpUser {
    urn: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlatformPrivileges {
    #[serde(default)]
    generate_personal_access_tokens: bool,
    #[serde(default)]
    manage_tokens: bool,
}

impl Client {
    /// The caller. `None` if GMS does not tell: it answers with an error, or does not know the query.
    ///
    /// # Errors
    /// The errors of [`graphql`](Self::graphql), for example for a refused token.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request, which changes nothing on the server.
    pub async fn me(&self) -> Result<Option<Me>, Error> {
        Ok(Me::read(&self.ask_me().await?))
    }

    /// The caller, for operations that need to know it.
    ///
    /// # Errors
    /// The errors of [`graphql`](Self::graphql), and [`ErrorKind::Rejected`] if GMS does not tell who the
    /// caller is.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request, which changes nothing on the server.
    pub async fn require_me(&self) -> Result<Me, Error> {
        let answer = self.ask_me().await?;
        match (Me::read(&answer), answer) {
            (Some(me), _) => Ok(me),
            (None, GraphqlAnswer::NotKnown(diagnosis)) => Err((*diagnosis).into()),
            (None, GraphqlAnswer::Errors(errors)) => {
                let words = errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join("; ");
                Err(self.unreadable(&format!("who the caller is: {words}")))
            }
            (None, GraphqlAnswer::Data(_)) => Err(self.unreadable("who the caller is")),
        }
    }

    /// The response itself, for a caller that reports why it does not name a user.
    pub(crate) async fn ask_me(&self) -> Result<GraphqlAnswer, Error> {
        self.graphql(ME, &json!({})).await
    }

    pub(super) fn unreadable(&self, what: &str) -> Error {
        Error::new(ErrorKind::Rejected, format!("GMS at {} does not tell {what}", self.server()))
    }
}

impl Me {
    pub(crate) fn read(answer: &GraphqlAnswer) -> Option<Self> {
        let GraphqlAnswer::Data(data) = answer else { return None };
        let user = AuthenticatedUser::deserialize(data.get("me").unwrap_or(&Value::Null)).ok()?;
        let privileges = user.platform_privileges;
        Some(Self {
            urn: user.corp_user.urn,
            generate_tokens: privileges.generate_personal_access_tokens,
            manage_tokens: privileges.manage_tokens,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_without_me_names_no_user() {
        let read = |data: Value| Me::read(&GraphqlAnswer::Data(data));
        let me = read(json!({"me": {"corpUser": {"urn": "urn:li:corpuser:loader"},
            "platformPrivileges": {"generatePersonalAccessTokens": true, "manageTokens": false}}}));
        let expected =
            Me { urn: "urn:li:corpuser:loader".into(), generate_tokens: true, manage_tokens: false };
        assert_eq!(me, Some(expected));
        for other in [json!({}), json!({"me": null}), json!({"me": {"corpUser": null}}), json!({"me": 7})] {
            assert_eq!(read(other.clone()), None, "{other}");
        }
        assert_eq!(Me::read(&GraphqlAnswer::Errors(Vec::new())), None);
    }
}
