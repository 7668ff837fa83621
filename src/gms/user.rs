//! Whether GMS accepts the tokens of a user.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::Value;

use super::Client;
use crate::Error;
use crate::auth::RequestKind;
use crate::metadata::Urn;

/// The read limit of an aspect, 1 MiB. An aspect of a user has some hundred bytes.
const MAX_ASPECT_BYTES: usize = 1024 * 1024;

/// Whether GMS accepts the tokens of a user (`StatelessTokenService.validateActor`). It issues tokens for a
/// user who may not authenticate, but refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserStatus {
    /// The user exists and may authenticate.
    Active,
    /// The user does not exist.
    Missing,
    /// The user was deleted.
    Removed,
    /// The user is suspended.
    Suspended,
    /// The caller may not read the user's status.
    Unknown,
}

impl Client {
    /// The status of a user.
    ///
    /// # Errors
    /// If GMS refuses the caller with something other than 403, or cannot be reached.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the requests, which change nothing on the server.
    pub async fn user_status(&self, user: &Urn) -> Result<UserStatus, Error> {
        // This is the only request for which GMS does not invent the key of a missing user.
        match self.user_aspect(user, "corpUserKey").await? {
            UserAspect::Nothing => return Ok(UserStatus::Missing),
            UserAspect::Forbidden => return Ok(UserStatus::Unknown),
            UserAspect::Aspect(_) => {}
        }
        if let UserAspect::Aspect(status) = self.user_aspect(user, "status").await?
            && status.get("removed") == Some(&Value::Bool(true))
        {
            return Ok(UserStatus::Removed);
        }
        match self.user_aspect(user, "corpUserStatus").await? {
            UserAspect::Aspect(status)
                if status.get("status").and_then(Value::as_str) == Some("SUSPENDED") =>
            {
                Ok(UserStatus::Suspended)
            }
            _ => Ok(UserStatus::Active),
        }
    }

    async fn user_aspect(&self, user: &Urn, aspect: &str) -> Result<UserAspect, Error> {
        let urn = utf8_percent_encode(user.as_str(), NON_ALPHANUMERIC);
        let line = self.request_line(Method::GET, &format!("/aspects/{urn}?aspect={aspect}&version=0"));
        let line = line.with_kind(RequestKind::Read);
        let sent = self.send(&line, None, MAX_ASPECT_BYTES).await;
        let response = sent.map_err(|fault| self.diagnose_send_error(&line, &fault, 1))?;
        let api = response.is_json_or_empty();
        match response.status.as_u16() {
            // {"aspect": {"com.linkedin.common.Status": {…}}, "version": 0}
            200 if api => {
                let mut answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
                let value = answer.get_mut("aspect").and_then(Value::as_object_mut);
                let value = value.and_then(|value| value.values_mut().next()).map(Value::take);
                Ok(UserAspect::Aspect(value.unwrap_or_default()))
            }
            404 if api => Ok(UserAspect::Nothing),
            403 => Ok(UserAspect::Forbidden),
            _ => Err(self.diagnose(&line, &response).into()),
        }
    }
}

enum UserAspect {
    Aspect(Value),
    Nothing,
    Forbidden,
}
