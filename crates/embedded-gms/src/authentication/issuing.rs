//! Issues and revokes tokens, and logs users in.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Authentication, SESSION_LIFETIME, look_up};
use crate::error::{Error, ErrorKind};
use crate::failure::Failure;
use crate::store::access;
use crate::store::row::AuditStamp;
use crate::sync::lock;
use crate::token_info::{self, AccessTokenInfo, TokenInfo};
use crate::tokens::{self, TokenType, Version};
use crate::{actor, password};

/// How long a token lasts that is made without an expiry time: the default of DataHub's page.
pub(crate) const TOKEN_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A token that is to be issued.
#[derive(Debug)]
pub(crate) struct TokenRequest {
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
    /// Issues a token and stores its record. The user need not exist yet.
    ///
    /// # Errors
    /// If it cannot be signed or stored.
    pub(crate) async fn issue(&self, draft: TokenRequest) -> Result<(String, TokenInfo), Error> {
        let actor_id = actor::name_of(&draft.actor);
        let token = self.tokens.sign(actor_id, draft.r#type, Version::Stateful, draft.expires)?;
        let time = tokens::milliseconds(SystemTime::now());
        let info = TokenInfo {
            id: self.tokens.id(&token),
            info: AccessTokenInfo {
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
                let stamp = AuditStamp { actor: stored.info.owner_urn.clone(), time };
                token_info::store(connection, &stored, &stamp)
            })
            .await
            .map_err(|failure| Error::new(ErrorKind::Disk, failure.message().to_owned()))?;
        Ok((token, info))
    }

    /// Issues a personal token for this process. It is not listed, and becomes invalid when the process ends.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub(crate) fn issue_for_process(&self, actor: &str) -> Result<String, Error> {
        let expires = Some(SystemTime::now() + TOKEN_LIFETIME);
        let token =
            self.tokens.sign(actor::name_of(actor), TokenType::Personal, Version::Stateful, expires)?;
        lock(&self.process_tokens).insert(self.tokens.id(&token));
        Ok(token)
    }

    /// Whether a token is valid, is stored under that name, and belongs to that user.
    pub(crate) async fn is_valid_for(&self, token: &str, name: &str, actor: &str) -> bool {
        if self.authenticate(token).await.is_err() {
            return false;
        }
        let id = self.tokens.id(token);
        let stored = self.store.read(move |connection| token_info::get(connection, &id)).await;
        matches!(stored, Ok(Some(token)) if token.info.name == name && token.info.actor_urn == actor)
    }

    /// Issues a token that is not stored and cannot be revoked.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub(crate) fn issue_stateless(
        &self,
        actor: &str,
        r#type: TokenType,
        expires: Option<SystemTime>,
    ) -> Result<String, Error> {
        self.tokens.sign(actor::name_of(actor), r#type, Version::Stateless, expires)
    }

    /// Logs a user in: returns a token for 24 hours, or `None` for a wrong password, an unknown user or an
    /// inactive one.
    ///
    /// # Errors
    /// If the store fails, or the token cannot be signed.
    pub(crate) async fn log_in(&self, name: &str, password: String) -> Result<Option<String>, Failure> {
        let urn = actor::user_urn(name);
        let (hash, active) = self
            .store
            .read(move |connection| {
                Ok((access::password(connection, &urn)?, look_up(connection, None, Some(&urn))?.is_ok()))
            })
            .await?;
        let turn = self.logins.acquire().await.map_err(|_| Failure::stopped())?;
        let passwords = Arc::clone(&self.passwords);
        let verify = move || password::matches(&*passwords, &password, hash.as_deref());
        let matches = tokio::task::spawn_blocking(verify).await.map_err(|_| Failure::stopped())?;
        drop(turn);
        if !(matches && active) {
            return Ok(None);
        }
        let token = self.issue_stateless(
            &actor::user_urn(name),
            TokenType::Session,
            Some(SystemTime::now() + SESSION_LIFETIME),
        );
        token.map(Some).map_err(|error| Failure::internal(format!("java.lang.RuntimeException: {error}")))
    }

    /// The id under which a token is stored.
    pub(crate) fn id(&self, token: &str) -> String {
        self.tokens.id(token)
    }

    /// Deletes the record of a token, so that it is refused. Returns whether it was stored.
    pub(crate) async fn revoke_id(&self, id: &str) -> Result<bool, Failure> {
        let own = lock(&self.process_tokens).remove(id);
        let id = id.to_owned();
        let deleted = self.store.write(move |connection| token_info::delete(connection, &id)).await;
        self.invalidate();
        deleted.map(|stored| stored || own)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use argon2::password_hash::phc::PasswordHash;
    use serde_json::json;
    use tokio::runtime::Handle;

    use super::*;
    use crate::authentication::{AuthFilter, AuthenticationSettings};
    use crate::password::{Argon2Verifier, VerifyPassword};
    use crate::refusal::RefusalForm;
    use crate::store::{Location, Store, write};
    use crate::tokens::Tokens;
    use crate::{system_metadata, user};

    /// Records the algorithm and the parameters of each hash that is verified.
    #[derive(Debug, Default)]
    struct RecordingVerifier(Mutex<Vec<String>>);

    impl VerifyPassword for RecordingVerifier {
        fn verify(&self, password: &[u8], hash: &PasswordHash) -> bool {
            let text = hash.to_string();
            // `$argon2id$v=19$m=…,t=…,p=…$salt$hash`
            let cost: Vec<_> = text.split('$').take(4).collect();
            lock(&self.0).push(cost.join("$"));
            Argon2Verifier::default().verify(password, hash)
        }
    }

    #[tokio::test]
    async fn every_log_in_does_the_same_work() {
        let (store, secrets) = Store::open(&Location::Memory, Handle::current()).unwrap();
        let store = Arc::new(store);
        let hash = password::hash("secret").unwrap();
        store
            .write(move |connection| {
                let stamp = AuditStamp { actor: actor::user_urn("datahub"), time: 0 };
                for name in ["jdoe", "nopassword", "suspended"] {
                    user::ensure(connection, name, &stamp)?;
                    if name != "nopassword" {
                        access::set_password(connection, &actor::user_urn(name), &hash)?;
                    }
                }
                let urn = actor::user_urn("suspended");
                let status = json!({"status": "SUSPENDED"}).to_string();
                write::put(connection, &urn, "corpUserStatus", &status, &system_metadata::default(0), &stamp)
            })
            .await
            .unwrap();
        let settings = AuthenticationSettings {
            enabled: true,
            filter: AuthFilter::New,
            form: RefusalForm::default(),
            system_client: None,
        };
        let recorder = Arc::new(RecordingVerifier::default());
        let mut authentication = Authentication::new(settings, Tokens::new(&secrets), store);
        authentication.passwords = Arc::clone(&recorder) as Arc<dyn VerifyPassword>;
        let too_long = "x".repeat(2000);
        let attempts = [
            ("jdoe", "secret", true),
            ("jdoe", "wrong", false),
            ("jdoe", too_long.as_str(), false),
            ("nopassword", "secret", false),
            ("nobody", "secret", false),
            ("suspended", "secret", false),
        ];
        for (name, password, accepted) in attempts {
            let token = authentication.log_in(name, password.to_owned()).await.unwrap();
            assert_eq!(token.is_some(), accepted, "{name}");
            let verified = std::mem::take(&mut *lock(&recorder.0));
            assert_eq!(verified, ["$argon2id$v=19$m=19456,t=2,p=1"], "{name}");
        }
    }
}
