//! Tokens: JWTs with GMS's claims (`StatelessTokenService`, `TokenClaims`).

use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, ErrorKind};
use crate::store::Secrets;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::errors::ErrorKind as JwtError;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const ISSUER: &str = "datahub-metadata-service";

/// The entity type of stored tokens.
pub(super) const ENTITY_TYPE: &str = "dataHubAccessToken";

/// Signs and verifies tokens.
pub(super) struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    salt: String,
    sessions: Sessions,
}

/// Signs and verifies the frontend's session cookies. They have a different key, so that a token is not
/// accepted as a cookie or a cookie as a token.
struct Sessions {
    signing: EncodingKey,
    verifying: DecodingKey,
}

/// The claims of a session cookie, as in Play.
#[derive(Debug, Serialize, Deserialize)]
struct SessionClaims {
    data: Session,
    exp: i64,
}

/// The user of a session.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Session {
    /// The user's token at GMS.
    pub(super) token: String,
    /// The user's URN.
    pub(super) actor: String,
}

/// The claims of a token, in GMS's order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claims {
    actor_type: ActorType,
    /// A user's name, not a URN.
    pub(super) actor_id: String,
    r#type: TokenType,
    /// "1" or "2": see [`Version`].
    version: String,
    jti: String,
    sub: String,
    /// Seconds since 1970; `None` for a token that does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    iss: String,
}

/// The type of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum TokenType {
    Personal,
    ServiceAccount,
    /// The token of a session.
    Session,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ActorType {
    User,
}

/// Whether a token is valid by itself or only while it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Valid by itself: it is not stored and cannot be revoked.
    Stateless,
    /// Valid while it is stored.
    Stateful,
}

impl Version {
    fn text(self) -> &'static str {
        match self {
            Self::Stateless => "1",
            Self::Stateful => "2",
        }
    }
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenRefusal {
    /// Not a token of this server.
    Invalid,
    /// A token of this server that has expired.
    Expired,
}

impl Tokens {
    pub(super) fn new(secrets: &Secrets) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // A token without `exp` does not expire; one with it is refused from that second on.
        validation.required_spec_claims.clear();
        validation.leeway = 0;
        // GMS writes `iss` and no `aud`, and checks neither.
        validation.validate_aud = false;
        Self {
            signing: EncodingKey::from_secret(secrets.signing_key.as_bytes()),
            verifying: DecodingKey::from_secret(secrets.signing_key.as_bytes()),
            validation,
            salt: secrets.salt.clone(),
            sessions: Sessions::new(secrets),
        }
    }

    /// Signs a session cookie that expires at `expires`.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub(super) fn sign_session(&self, session: Session, expires: SystemTime) -> Result<String, Error> {
        let exp = milliseconds(expires).div_euclid(1000);
        let claims = SessionClaims { data: session, exp };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sessions.signing).map_err(
            |error| {
                Error::new(ErrorKind::Internal, format!("the embedded GMS cannot sign a session: {error}"))
            },
        )
    }

    /// Verifies a session cookie and returns its session.
    pub(super) fn session(&self, cookie: &str) -> Option<Session> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        let read = jsonwebtoken::decode::<SessionClaims>(cookie, &self.sessions.verifying, &validation);
        read.ok().map(|read| read.claims.data)
    }

    /// Signs a token for a user.
    ///
    /// # Errors
    /// If the system provides no random numbers, or the token cannot be signed.
    pub(super) fn sign(
        &self,
        actor_id: &str,
        r#type: TokenType,
        version: Version,
        expires: Option<SystemTime>,
    ) -> Result<String, Error> {
        let failed = |error: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Internal, format!("the embedded GMS cannot make a token: {error}"))
        };
        let claims = Claims {
            actor_type: ActorType::User,
            actor_id: actor_id.to_owned(),
            r#type,
            version: version.text().to_owned(),
            jti: random_uuid().map_err(|error| failed(&error))?,
            sub: actor_id.to_owned(),
            exp: expires.map(|time| milliseconds(time).div_euclid(1000)),
            iss: ISSUER.to_owned(),
        };
        let mut header = Header::new(Algorithm::HS256);
        header.typ = None;
        jsonwebtoken::encode(&header, &claims, &self.signing).map_err(|error| failed(&error))
    }

    /// The id under which a token is stored.
    pub(super) fn id(&self, token: &str) -> String {
        STANDARD.encode(Sha256::new().chain_update(token).chain_update(&self.salt).finalize())
    }

    /// Verifies a token of this server.
    pub(super) fn verify(&self, token: &str) -> Result<(Claims, Version), TokenRefusal> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation)
            .map_err(|error| match error.kind() {
                JwtError::ExpiredSignature => TokenRefusal::Expired,
                _ => TokenRefusal::Invalid,
            })?
            .claims;
        let version =
            [Version::Stateless, Version::Stateful].into_iter().find(|known| claims.version == known.text());
        match version {
            Some(version) if !claims.actor_id.is_empty() => Ok((claims, version)),
            _ => Err(TokenRefusal::Invalid),
        }
    }
}

impl Sessions {
    fn new(secrets: &Secrets) -> Self {
        let key = Sha256::new().chain_update("PLAY_SESSION ").chain_update(&secrets.signing_key).finalize();
        Self { signing: EncodingKey::from_secret(&key), verifying: DecodingKey::from_secret(&key) }
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// The URN of a stored token.
pub(super) fn urn(id: &str) -> String {
    format!("urn:li:{ENTITY_TYPE}:{id}")
}

/// Milliseconds since 1970, negative before.
pub(super) fn milliseconds(time: SystemTime) -> i64 {
    let milliseconds =
        |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => milliseconds(after),
        Err(before) => -milliseconds(before.duration()),
    }
}

/// A version 4 UUID.
fn random_uuid() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    let value = u128::from_be_bytes(bytes);
    let value = value & !(0xF << 76) | (0x4 << 76);
    let value = value & !(0x3 << 62) | (0x2 << 62);
    let hex = format!("{value:032x}");
    let mut uuid = String::with_capacity(36);
    for (index, digit) in hex.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            uuid.push('-');
        }
        uuid.push(digit);
    }
    Ok(uuid)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn tokens(key: &str) -> Tokens {
        Tokens::new(&Secrets { signing_key: key.into(), salt: "salt".into() })
    }

    fn payload(token: &str) -> serde_json::Value {
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    fn personal(key: &str, expires: Option<SystemTime>) -> String {
        tokens(key).sign("jdoe", TokenType::Personal, Version::Stateful, expires).unwrap()
    }

    #[test]
    fn a_token_has_the_claims_of_gms() {
        let expires = UNIX_EPOCH + Duration::from_millis(4_000_000_000_500);
        let claims = payload(&personal("key", Some(expires)));
        assert_eq!(claims["actorType"], "USER");
        assert_eq!(claims["actorId"], "jdoe");
        assert_eq!(claims["type"], "PERSONAL");
        assert_eq!(claims["version"], "2");
        assert_eq!(claims["sub"], "jdoe");
        assert_eq!(claims["iss"], "datahub-metadata-service");
        assert_eq!(claims["exp"], 4_000_000_000_u64);
        assert_eq!(claims["jti"].as_str().unwrap().len(), 36);
        assert_eq!(claims.as_object().unwrap().len(), 8);
        let endless = personal("key", None);
        assert!(payload(&endless).get("exp").is_none());
        assert!(tokens("key").verify(&endless).is_ok());
        let session = tokens("key").sign("jdoe", TokenType::Session, Version::Stateless, None).unwrap();
        assert_eq!(
            (&payload(&session)["type"], &payload(&session)["version"]),
            (&"SESSION".into(), &"1".into())
        );
        assert_eq!(tokens("key").verify(&session).unwrap().1, Version::Stateless);
    }

    #[test]
    fn only_tokens_of_this_server_are_accepted() {
        let token = personal("key", None);
        assert_eq!(tokens("key").verify(&token).unwrap().0.actor_id, "jdoe");
        assert_eq!(tokens("other").verify(&token).unwrap_err(), TokenRefusal::Invalid);
        let (head, signature) = token.rsplit_once('.').unwrap();
        for broken in ["", "a.b.c", head, &format!("{head}."), &format!("{head}.{signature}x")] {
            assert_eq!(tokens("key").verify(broken).unwrap_err(), TokenRefusal::Invalid, "{broken}");
        }
    }

    #[test]
    fn no_other_algorithm_is_accepted_even_with_the_right_key() {
        let token = personal("key", None);
        let claims = token.split('.').nth(1).unwrap();
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"None"}"#, r#"{"alg":"NONE","typ":"JWT"}"#, "{}"] {
            for signature in ["", token.rsplit('.').next().unwrap()] {
                let forged = format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode(header));
                assert_eq!(tokens("key").verify(&forged).unwrap_err(), TokenRefusal::Invalid, "{header}");
            }
        }
        let claims = payload(&token);
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            let key = EncodingKey::from_secret(b"key");
            let forged = jsonwebtoken::encode(&Header::new(algorithm), &claims, &key).unwrap();
            assert_eq!(tokens("key").verify(&forged).unwrap_err(), TokenRefusal::Invalid, "{algorithm:?}");
        }
        // An HMAC declared as a signature.
        let hmac =
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(b"key"));
        let hmac = hmac.unwrap();
        assert!(tokens("key").verify(&hmac).is_ok());
        let rest = hmac.split_once('.').unwrap().1;
        for algorithm in ["RS256", "ES256", "PS256", "EdDSA"] {
            let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{algorithm}"}}"#)));
            assert_eq!(tokens("key").verify(&forged).unwrap_err(), TokenRefusal::Invalid, "{algorithm}");
        }
    }

    #[test]
    fn claims_that_gms_does_not_write_are_refused() {
        let claims = payload(&personal("key", None));
        let signed = |member: &str, value: serde_json::Value| {
            let mut claims = claims.clone();
            claims[member] = value;
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(b"key"))
                .unwrap()
        };
        assert!(tokens("key").verify(&signed("jti", "other".into())).is_ok());
        for (member, value) in [
            ("version", "3".into()),
            ("version", 2.into()),
            ("type", "ADMIN".into()),
            ("actorType", "SYSTEM".into()),
            ("actorId", "".into()),
            ("actorId", serde_json::Value::Null),
        ] {
            let refused = tokens("key").verify(&signed(member, value.clone())).unwrap_err();
            assert_eq!(refused, TokenRefusal::Invalid, "{member} {value}");
        }
    }

    #[test]
    fn a_session_is_not_a_token_nor_a_token_a_session() {
        let tokens = tokens("key");
        let session = || Session { token: "t".into(), actor: "urn:li:corpuser:jdoe".into() };
        let cookie = tokens.sign_session(session(), SystemTime::now() + Duration::from_secs(60)).unwrap();
        assert_eq!(tokens.session(&cookie).unwrap().actor, "urn:li:corpuser:jdoe");
        assert_eq!(tokens.verify(&cookie).unwrap_err(), TokenRefusal::Invalid);
        assert!(tokens.session(&personal("key", None)).is_none());
        assert!(super::tests::tokens("other").session(&cookie).is_none());
        let over = tokens.sign_session(session(), SystemTime::now() - Duration::from_secs(5)).unwrap();
        assert!(tokens.session(&over).is_none());
    }

    #[test]
    fn an_expired_token_is_distinguished_from_a_forged_one() {
        let token = personal("key", Some(SystemTime::now() - Duration::from_secs(5)));
        assert_eq!(tokens("key").verify(&token).unwrap_err(), TokenRefusal::Expired);
        assert_eq!(tokens("other").verify(&token).unwrap_err(), TokenRefusal::Invalid);
    }

    #[test]
    fn the_id_is_the_salted_digest() {
        // SHA-256 of "abc".
        let tokens = Tokens::new(&Secrets { signing_key: "key".into(), salt: "c".into() });
        assert_eq!(tokens.id("ab"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }
}
