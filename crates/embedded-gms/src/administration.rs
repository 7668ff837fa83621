//! Administration of users, policies and tokens.

use std::time::SystemTime;

use crate::actor::{self, SYSTEM_ACTOR};
use crate::authentication::issuing::{TOKEN_LIFETIME, TokenRequest};
use crate::authorization::{self, Policy};
use crate::error::{Error, ErrorKind};
use crate::failure::Failure;
use crate::gms::Gms;
use crate::seed::Seed;
use crate::store::row::AuditStamp;
use crate::store::{access, write};
use crate::token_info::{self, TokenInfo};
use crate::tokens::{self, TokenType};
use crate::user::{self, User};
use crate::{change, password};
use rusqlite::Connection;

/// The name of a token that is created without one.
const UNNAMED: &str = "embedded GMS";

fn disk(failure: &Failure) -> Error {
    Error::new(ErrorKind::Disk, failure.message().to_owned())
}

fn system_stamp() -> AuditStamp {
    AuditStamp { actor: actor::user_urn(SYSTEM_ACTOR), time: tokens::milliseconds(SystemTime::now()) }
}

/// Removes a user and the policy that holds the user's own privileges. Returns whether the user existed.
fn remove_user(connection: &Connection, name: &str) -> Result<bool, Failure> {
    authorization::delete_policy(connection, &Policy::of_user(name, &[]).name)?;
    Ok(write::delete_entity(connection, &actor::user_urn(name))?.rows > 0)
}

impl Gms {
    /// Creates a personal access token for a user (`jdoe`, not a URN) that lasts 30 days. A user that does
    /// not exist is created, with `corpUserKey` and `corpUserInfo`. Policies decide what the user may do.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if the name is not valid; [`ErrorKind::Disk`] if the token cannot be stored.
    pub async fn create_token(&self, actor_id: &str) -> Result<String, Error> {
        self.create_token_until(actor_id, Some(SystemTime::now() + TOKEN_LIFETIME)).await
    }

    /// Like [`create_token`](Self::create_token), with an expiry time, rounded down to the second. `None`
    /// means that the token does not expire. A time in the past gives a token that is refused.
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

    /// Creates a personal access token with a name. The [`TokenInfo`] has the id by which it can be revoked.
    ///
    /// # Errors
    /// As [`create_token`](Self::create_token).
    pub async fn create_named_token(
        &self,
        name: &str,
        actor_id: &str,
        expires: Option<SystemTime>,
    ) -> Result<(String, TokenInfo), Error> {
        let actor = actor::user_urn(actor_id);
        change::checked_urn(&actor).map_err(|failure| {
            let message = format!("cannot make a token for user {actor_id:?}: {}", failure.message());
            Error::new(ErrorKind::Input, message)
        })?;
        let user = actor_id.to_owned();
        let ensured =
            self.server.store.write(move |connection| user::ensure(connection, &user, &system_stamp()));
        ensured.await.map_err(|failure| disk(&failure))?;
        self.server.access_may_have_changed();
        let draft = TokenRequest {
            name: name.to_owned(),
            description: None,
            owner: actor.clone(),
            actor,
            r#type: TokenType::Personal,
            expires,
        };
        self.server.authentication.issue(draft).await
    }

    /// The stored tokens, ordered by id.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`] if they cannot be read.
    pub async fn tokens(&self) -> Result<Vec<TokenInfo>, Error> {
        self.server.store.read(token_info::all).await.map_err(|failure| disk(&failure))
    }

    /// Revokes a token: from now on it is refused. Returns whether it existed.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`] if the change cannot be stored.
    pub async fn revoke(&self, token: &str) -> Result<bool, Error> {
        self.revoke_id(&self.server.authentication.id(token)).await
    }

    /// Revokes a token by its id. Returns whether it existed.
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke).
    pub async fn revoke_id(&self, id: &str) -> Result<bool, Error> {
        self.server.authentication.revoke_id(id).await.map_err(|failure| disk(&failure))
    }

    /// Treats a token as expired until the server stops, although its claims say otherwise. For a token with
    /// an expiry time of its own, see [`create_token_until`](Self::create_token_until).
    pub fn expire_token(&self, token: &str) {
        self.server.authentication.expire(token);
    }

    /// The names of all users, in alphabetical order.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`] if they cannot be read.
    pub async fn users(&self) -> Result<Vec<String>, Error> {
        self.server.store.read(user::all).await.map_err(|failure| disk(&failure))
    }

    /// Creates or updates a user, as [`GmsBuilder::user`](crate::GmsBuilder::user) does.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if the name is not valid, the password is empty or too long, or a privilege is
    /// unknown; [`ErrorKind::Disk`] if the user cannot be stored.
    pub async fn set_user(&self, user: User) -> Result<(), Error> {
        self.apply(Seed { users: vec![user], ..Seed::default() }).await
    }

    /// Generates a password for a user without one, and returns it. `None` means that the user already has a
    /// password. The password is a secret and cannot be read again.
    ///
    /// # Errors
    /// As [`set_user`](Self::set_user).
    pub async fn generate_password(&self, name: &str) -> Result<Option<String>, Error> {
        let urn = actor::user_urn(name);
        let known = self.server.store.read(move |connection| access::password(connection, &urn)).await;
        if known.map_err(|failure| disk(&failure))?.is_some() {
            return Ok(None);
        }
        let made = password::generate()?;
        let (urn, hash) = (actor::user_urn(name), password::hash(&made)?);
        let stored =
            self.server.store.write(move |connection| Ok(access::set_password(connection, &urn, &hash)?));
        stored.await.map_err(|failure| disk(&failure))?;
        Ok(Some(made))
    }

    /// Removes a user with all aspects, the password and the user's own privileges. The user's tokens are
    /// refused from now on. Returns whether the user existed.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`] if the change cannot be stored.
    pub async fn remove_user(&self, name: &str) -> Result<bool, Error> {
        let name = name.to_owned();
        let removed = self.server.store.write(move |connection| remove_user(connection, &name)).await;
        self.server.access_may_have_changed();
        removed.map_err(|failure| disk(&failure))
    }

    /// All policies, ordered by name.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`] if they cannot be read.
    pub async fn policies(&self) -> Result<Vec<Policy>, Error> {
        self.server.store.read(authorization::list).await.map_err(|failure| disk(&failure))
    }

    /// Creates a policy, or replaces the one of the same name.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if the policy has no name or an unknown privilege; [`ErrorKind::Disk`] if it
    /// cannot be stored.
    pub async fn set_policy(&self, policy: Policy) -> Result<(), Error> {
        self.apply(Seed { policies: vec![policy], ..Seed::default() }).await
    }

    /// Removes a policy. Returns whether it existed.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`] if the change cannot be stored.
    pub async fn remove_policy(&self, name: &str) -> Result<bool, Error> {
        let name = name.to_owned();
        let removed =
            self.server.store.write(move |connection| authorization::delete_policy(connection, &name)).await;
        self.server.access_may_have_changed();
        removed.map_err(|failure| disk(&failure))
    }

    async fn apply(&self, seed: Seed) -> Result<(), Error> {
        let applied = seed.apply(&self.server.store, &self.server.authentication).await;
        self.server.access_may_have_changed();
        applied
    }
}
