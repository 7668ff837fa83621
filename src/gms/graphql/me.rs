//! Who the caller is, and what he may do with tokens.

use serde::Deserialize;
use serde_json::{Value, json};

use super::GraphqlAnswer;
use crate::Error;
use crate::gms::Client;

/// No other field of `PlatformPrivileges`: a GMS that lacks one that is asked for refuses the whole question.
const ME: &str =
    "query me { me { corpUser { urn } platformPrivileges { generatePersonalAccessTokens manageTokens } } }";

/// Who GMS takes the caller for (`AuthenticatedUser`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Me {
    /// The user's URN. With authentication off it is that of GMS itself.
    pub urn: String,
    /// Generate Personal Access Tokens: may make tokens for himself.
    pub generate_tokens: bool,
    /// Manage All Access Tokens: may make, see and revoke everyone's.
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
    /// Asks who the caller is. `None` where GMS does not tell: it answers with an error, or has no such question.
    ///
    /// # Errors
    /// As [`graphql`](Self::graphql) has them: a refused token is among them.
    pub async fn me(&self) -> Result<Option<Me>, Error> {
        Ok(Me::read(&self.ask_me().await?))
    }

    /// The question alone, for whoever has to say why there is no answer.
    pub(crate) async fn ask_me(&self) -> Result<GraphqlAnswer, Error> {
        self.graphql(ME, &json!({})).await
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
    fn an_answer_without_me_tells_nothing() {
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
