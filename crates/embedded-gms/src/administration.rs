//! Users, policies and tokens, for the one who runs the server.

use std::time::SystemTime;

use super::authentication::Draft;
use super::authorization::{self, Policy};
use super::change;
use super::failure::Failure;
use super::seed::Seed;
use super::store::access;
use super::store::write::Stamp;
use super::token_info::{self, TokenInfo};
use super::tokens::{self, TokenType};
use super::user::{self, User};
use super::{Gms, SYSTEM_ACTOR, password};
use crate::{Error, ErrorKind};

/// The name of a token that was asked for without one.
const UNNAMED: &str = "embedded GMS";

fn disk(failure: &Failure) -> Error {
    Error::new(ErrorKind::Disk, failure.message().to_owned())
}

fn system_stamp() -> Stamp {
    Stamp { actor: user::urn(SYSTEM_ACTOR), time: tokens::milliseconds(SystemTime::now()) }
}

impl Gms {
    /// Makes a personal token for the user of that name (`jdoe`, not a URN), good for 30 days. A user who is not there
    /// yet is made, with `corpUserKey` and `corpUserInfo`; what he may do is a matter of policies.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for a name that no user can have, [`ErrorKind::Disk`] when the token cannot be stored.
    pub async fn create_token(&self, actor_id: &str) -> Result<String, Error> {
        self.create_token_until(actor_id, Some(SystemTime::now() + super::TOKEN_LIFETIME)).await
    }

    /// Makes a personal token as [`create_token`](Self::create_token) does, which is good until `expires`, to the
    /// second; with `None` for ever. A time that has passed makes a token that is refused.
    ///
    /// # Errors
    /// As [`create_token`](Self::create_token).
    pub async fn create_token_until(
        &self,
        actor_id: &str,
        expires: Option<SystemTime>,
    ) -> Result<String, Error> {
        Ok(self.create_named_token(UNNAMED, actor_id, expires).await?.0)
    }

    /// Makes a personal token with a name, and says what is stored of it, by which it can be revoked.
    ///
    /// # Errors
    /// As [`create_token`](Self::create_token).
    pub async fn create_named_token(
        &self,
        name: &str,
        actor_id: &str,
        expires: Option<SystemTime>,
    ) -> Result<(String, TokenInfo), Error> {
        let actor = user::urn(actor_id);
        change::checked_urn(&actor).map_err(|failure| {
            let message = format!("cannot make a token for user {actor_id:?}: {}", failure.message());
            Error::new(ErrorKind::Input, message)
        })?;
        let user = actor_id.to_owned();
        let ensured =
            self.server.store.write(move |connection| user::ensure(connection, &user, &system_stamp()));
        ensured.await.map_err(|failure| disk(&failure))?;
        self.server.access_may_have_changed();
        let draft = Draft {
            name: name.to_owned(),
            description: None,
            owner: actor.clone(),
            actor,
            r#type: TokenType::Personal,
            expires,
        };
        self.server.authentication.issue(draft).await
    }

    /// The tokens that are stored, in the order of their ids.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`] when they cannot be read.
    pub async fn tokens(&self) -> Result<Vec<TokenInfo>, Error> {
        self.server.store.read(token_info::all).await.map_err(|failure| disk(&failure))
    }

    /// Revokes a token: it is refused from now on. Returns whether there was such a token.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`] when that cannot be stored.
    pub async fn revoke(&self, token: &str) -> Result<bool, Error> {
        self.revoke_id(&self.server.authentication.id(token)).await
    }

    /// Revokes the token of that id.
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke).
    pub async fn revoke_id(&self, id: &str) -> Result<bool, Error> {
        self.server.authentication.revoke_id(id).await.map_err(|failure| disk(&failure))
    }

    /// Treats a token as if its time were over, from now on until the server stops; what the token itself says does
    /// not change. For a token whose own time is over, see [`create_token_until`](Self::create_token_until).
    pub fn expire_token(&self, token: &str) {
        self.server.authentication.expire(token);
    }

    /// The names of all users, in their order.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`] when they cannot be read.
    pub async fn users(&self) -> Result<Vec<String>, Error> {
        self.server.store.read(user::all).await.map_err(|failure| disk(&failure))
    }

    /// Sets a user up, as [`Builder::user`](super::Builder::user) does.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for a name that no user can have, a password that is empty or too long, or an unknown
    /// privilege; [`ErrorKind::Disk`] when that cannot be stored.
    pub async fn set_user(&self, user: User) -> Result<(), Error> {
        self.plant(Seed { users: vec![user], ..Seed::default() }).await
    }

    /// Makes a password up for a user who has none, and returns it; `None` for one who has a password. It is a secret,
    /// and cannot be read again.
    ///
    /// # Errors
    /// As [`set_user`](Self::set_user).
    pub async fn make_password(&self, name: &str) -> Result<Option<String>, Error> {
        let urn = user::urn(name);
        let known = self.server.store.read(move |connection| access::password(connection, &urn)).await;
        if known.map_err(|failure| disk(&failure))?.is_some() {
            return Ok(None);
        }
        let made = password::make()?;
        let (urn, hash) = (user::urn(name), password::hash(&made)?);
        let stored =
            self.server.store.write(move |connection| Ok(access::set_password(connection, &urn, &hash)?));
        stored.await.map_err(|failure| disk(&failure))?;
        Ok(Some(made))
    }

    /// Removes a user with all that is known of him, his password and his own privileges. His tokens are refused from
    /// now on. Returns whether he was there.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`] when that cannot be stored.
    pub async fn remove_user(&self, name: &str) -> Result<bool, Error> {
        let name = name.to_owned();
        let removed = self.server.store.write(move |connection| user::remove(connection, &name)).await;
        self.server.access_may_have_changed();
        removed.map_err(|failure| disk(&failure))
    }

    /// The policies, by name.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`] when they cannot be read.
    pub async fn policies(&self) -> Result<Vec<Policy>, Error> {
        self.server.store.read(authorization::list).await.map_err(|failure| disk(&failure))
    }

    /// Sets a policy up, in place of one of the same name.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] when it has no name, or a privilege that DataHub does not know; [`ErrorKind::Disk`] when it
    /// cannot be stored.
    pub async fn set_policy(&self, policy: Policy) -> Result<(), Error> {
        self.plant(Seed { policies: vec![policy], ..Seed::default() }).await
    }

    /// Removes the policy of that name. Returns whether there was one.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`] when that cannot be stored.
    pub async fn remove_policy(&self, name: &str) -> Result<bool, Error> {
        let name = name.to_owned();
        let removed = self.server.store.write(move |connection| Policy::delete(connection, &name)).await;
        self.server.access_may_have_changed();
        removed.map_err(|failure| disk(&failure))
    }

    async fn plant(&self, seed: Seed) -> Result<(), Error> {
        let planted = seed.plant(&self.server.store, &self.server.authentication).await;
        self.server.access_may_have_changed();
        planted
    }
}
