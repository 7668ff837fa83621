//! Makes tokens, takes them back, and logs users in.

use std::time::SystemTime;

use super::{Authentication, SESSION, lock, look_up};
use crate::failure::Failure;
use crate::store::access;
use crate::store::write::Stamp;
use crate::token_info::{self, Info, TokenInfo};
use crate::tokens::{self, TokenType, Version};
use crate::{Error, ErrorKind};
use crate::{TOKEN_LIFETIME, password, user};

/// A token that is to be made.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// A URN.
    pub(crate) actor: String,
    /// A URN.
    pub(crate) owner: String,
    pub(crate) r#type: TokenType,
    pub(crate) expires: Option<SystemTime>,
}

impl Authentication {
    /// Makes a token and stores what is to be known of it. Whether its user is there makes no difference yet.
    ///
    /// # Errors
    /// When it cannot be made or stored.
    pub(crate) async fn issue(&self, draft: Draft) -> Result<(String, TokenInfo), Error> {
        let actor_id = user::name_of(&draft.actor);
        let token = self.tokens.sign(actor_id, draft.r#type, Version::Stateful, draft.expires)?;
        let time = tokens::milliseconds(SystemTime::now());
        let info = TokenInfo {
            id: self.tokens.id(&token),
            info: Info {
                name: draft.name,
                description: draft.description,
                actor_urn: draft.actor,
                owner_urn: draft.owner,
                created_at: time,
                expires_at: draft.expires.map(tokens::milliseconds),
            },
        };
        let stored = info.clone();
        self.store
            .write(move |connection| {
                let stamp = Stamp { actor: stored.info.owner_urn.clone(), time };
                token_info::store(connection, &stored, &stamp)
            })
            .await
            .map_err(|failure| Error::new(ErrorKind::Disk, failure.message().to_owned()))?;
        Ok((token, info))
    }

    /// Makes a personal token for the process itself: it is in no list, and ends with the process.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn issue_own(&self, actor: &str) -> Result<String, Error> {
        let expires = Some(SystemTime::now() + TOKEN_LIFETIME);
        let token =
            self.tokens.sign(user::name_of(actor), TokenType::Personal, Version::Stateful, expires)?;
        lock(&self.own).insert(self.tokens.id(&token));
        Ok(token)
    }

    /// Whether a token is good, stored under that name, and that user's.
    pub(crate) async fn is_good(&self, token: &str, name: &str, actor: &str) -> bool {
        if self.recognise(token).await.is_err() {
            return false;
        }
        let id = self.tokens.id(token);
        let stored = self.store.read(move |connection| token_info::get(connection, &id)).await;
        matches!(stored, Ok(Some(token)) if token.info.name == name && token.info.actor_urn == actor)
    }

    /// Makes a token that is stored nowhere, and cannot be revoked.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn issue_stateless(
        &self,
        actor: &str,
        r#type: TokenType,
        expires: Option<SystemTime>,
    ) -> Result<String, Error> {
        self.tokens.sign(user::name_of(actor), r#type, Version::Stateless, expires)
    }

    /// Logs a user in who has that password: a token for 24 hours, or `None` for everyone who may not come in.
    ///
    /// # Errors
    /// When the store fails, or the token cannot be made.
    pub(crate) async fn log_in(&self, name: &str, password: String) -> Result<Option<String>, Failure> {
        let urn = user::urn(name);
        let (hash, active) = self
            .store
            .read(move |connection| {
                Ok((access::password(connection, &urn)?, look_up(connection, None, Some(&urn))?.is_ok()))
            })
            .await?;
        let turn = self.logins.acquire().await.map_err(|_| Failure::stopped())?;
        let matches = tokio::task::spawn_blocking(move || password::matches(&password, hash.as_deref()))
            .await
            .map_err(|_| Failure::stopped())?;
        drop(turn);
        if !(matches && active) {
            return Ok(None);
        }
        let token =
            self.issue_stateless(&user::urn(name), TokenType::Session, Some(SystemTime::now() + SESSION));
        token.map(Some).map_err(|error| Failure::internal(format!("java.lang.RuntimeException: {error}")))
    }

    /// The id under which a token is stored.
    pub(crate) fn id(&self, token: &str) -> String {
        self.tokens.id(token)
    }

    /// Deletes what is stored of a token, so that it is not taken any more. Returns whether it was stored.
    pub(crate) async fn revoke_id(&self, id: &str) -> Result<bool, Failure> {
        let own = lock(&self.own).remove(id);
        let id = id.to_owned();
        let deleted = self.store.write(move |connection| token_info::delete(connection, &id)).await;
        self.doubt();
        deleted.map(|stored| stored || own)
    }
}
