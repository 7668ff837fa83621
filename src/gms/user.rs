//! Whether GMS lets a user in.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::Value;

use super::Client;
use crate::Error;
use crate::auth::RequestKind;
use crate::metadata::Urn;

/// An aspect of a user has some hundred bytes.
const MAX_ASPECT_BYTES: usize = 1024 * 1024;

/// What GMS makes of a token's user (`StatelessTokenService.validateActor`): of those whom it knows not to be active it
/// makes tokens all the same, and refuses them ever after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserStatus {
    /// Is there, and may come in.
    Active,
    /// Is not there.
    Missing,
    /// Was deleted.
    Removed,
    /// Is suspended.
    Suspended,
    /// The caller may not see it.
    NotKnown,
}

impl Client {
    /// How a user stands.
    ///
    /// # Errors
    /// When GMS refuses the caller, or cannot be reached. A 403 is [`UserStatus::NotKnown`].
    pub async fn user_status(&self, user: &Urn) -> Result<UserStatus, Error> {
        // Of one who was never written GMS makes up the key everywhere but here.
        match self.user_aspect(user, "corpUserKey").await? {
            Seen::Nothing => return Ok(UserStatus::Missing),
            Seen::Forbidden => return Ok(UserStatus::NotKnown),
            Seen::Aspect(_) => {}
        }
        if let Seen::Aspect(status) = self.user_aspect(user, "status").await?
            && status.get("removed") == Some(&Value::Bool(true))
        {
            return Ok(UserStatus::Removed);
        }
        match self.user_aspect(user, "corpUserStatus").await? {
            Seen::Aspect(status) if status.get("status").and_then(Value::as_str) == Some("SUSPENDED") => {
                Ok(UserStatus::Suspended)
            }
            _ => Ok(UserStatus::Active),
        }
    }

    async fn user_aspect(&self, user: &Urn, aspect: &str) -> Result<Seen, Error> {
        let urn = utf8_percent_encode(user.as_str(), NON_ALPHANUMERIC);
        let line = self.request_line(Method::GET, &format!("/aspects/{urn}?aspect={aspect}&version=0"));
        let line = line.with_kind(RequestKind::Read);
        let sent = self.send(&line, None, MAX_ASPECT_BYTES).await;
        let reply = sent.map_err(|fault| self.diagnose_send_error(&line, &fault, 1))?;
        let api = reply.is_json_or_empty();
        match reply.status.as_u16() {
            // {"aspect": {"com.linkedin.common.Status": {…}}, "version": 0}
            200 if api => {
                let mut answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
                let value = answer.get_mut("aspect").and_then(Value::as_object_mut);
                let value = value.and_then(|value| value.values_mut().next()).map(Value::take);
                Ok(Seen::Aspect(value.unwrap_or_default()))
            }
            404 if api => Ok(Seen::Nothing),
            403 => Ok(Seen::Forbidden),
            _ => Err(self.diagnose(&line, &reply).into()),
        }
    }
}

enum Seen {
    Aspect(Value),
    Nothing,
    Forbidden,
}
