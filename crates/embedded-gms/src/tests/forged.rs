//! Forged tokens.
//!
//! They have version 1, which is not stored, so that only the signature decides. A forged token of version 2
//! would be refused as unknown, whatever its signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};

use super::*;

/// A server and its signing key.
struct Target {
    gms: Gms,
    key: EncodingKey,
    _directory: tempfile::TempDir,
}

impl Target {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("gms.sqlite");
        let gms = Gms::builder().data(&data).start().await.unwrap();
        let database = rusqlite::Connection::open(&data).unwrap();
        let key: String = database
            .query_row("SELECT value FROM meta WHERE name = 'signing_key'", [], |row| row.get(0))
            .unwrap();
        Self { gms, key: EncodingKey::from_secret(key.as_bytes()), _directory: directory }
    }

    async fn status(&self, token: &str) -> u16 {
        let sent = client().get(format!("{}/entities/urn:li:corpuser:datahub", self.gms.url()));
        sent.bearer_auth(token).send().await.unwrap().status().as_u16()
    }
}

/// The signed text of a token.
fn message(header: &Value, changes: &Value) -> String {
    let mut claims = json!({
        "actorType": "USER", "actorId": "datahub", "type": "SESSION", "version": "1", "jti": "x", "sub": "datahub",
        "exp": 4_000_000_000_u64, "iss": "datahub-metadata-service",
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encoded(header), encoded(&claims))
}

fn signed(message: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    format!("{message}.{}", crypto::sign(message.as_bytes(), key, algorithm).unwrap())
}

#[tokio::test]
async fn only_the_right_signing_key_is_accepted() {
    let target = Target::new().await;
    let good = message(&json!({"alg": "HS256"}), &json!({}));
    // The others differ from this one in one point each.
    assert_eq!(target.status(&signed(&good, &target.key, Algorithm::HS256)).await, 200);
    let other = EncodingKey::from_secret(b"other");
    let signature = signed(&good, &target.key, Algorithm::HS256).rsplit_once('.').unwrap().1.to_owned();
    let raised = message(&json!({"alg": "HS256"}), &json!({"exp": 4_000_000_001_u64}));
    let key_of_its_own = json!({"alg": "HS256", "jwk": {"kty": "oct", "k": URL_SAFE_NO_PAD.encode("other")}});
    for forged in [
        signed(&good, &other, Algorithm::HS256),
        signed(&good, &EncodingKey::from_secret(b""), Algorithm::HS256),
        signed(&message(&key_of_its_own, &json!({})), &other, Algorithm::HS256),
        format!("{raised}.{signature}"),
        format!("{good}.{}", signature.get(..10).unwrap()),
        format!("{good}.{signature}A"),
        format!("{good}."),
        good.clone(),
        format!("{good}.{signature}.{signature}"),
    ] {
        assert_eq!(target.status(&forged).await, 401, "{forged}");
    }
}

#[tokio::test]
async fn no_algorithm_is_none() {
    let target = Target::new().await;
    for name in ["none", "None", "NONE", "nOnE", ""] {
        let message = message(&json!({"alg": name}), &json!({}));
        assert_eq!(target.status(&format!("{message}.")).await, 401, "{name}");
        assert_eq!(target.status(&message).await, 401, "{name}");
        assert_eq!(target.status(&signed(&message, &target.key, Algorithm::HS256)).await, 401, "{name}");
    }
    let unnamed = message(&json!({"typ": "JWT"}), &json!({}));
    assert_eq!(target.status(&signed(&unnamed, &target.key, Algorithm::HS256)).await, 401);
}

#[tokio::test]
async fn one_algorithm_is_not_taken_for_another() {
    let target = Target::new().await;
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        // Everything is valid, but GMS accepts only HS256.
        let message = message(&json!({"alg": algorithm}), &json!({}));
        assert_eq!(target.status(&signed(&message, &target.key, algorithm)).await, 401, "{algorithm:?}");
    }
    for name in ["HS384", "HS512", "RS256", "RS512", "PS256", "ES256", "EdDSA", "hs256"] {
        // The signature does not have the algorithm of the header.
        let message = message(&json!({"alg": name}), &json!({}));
        assert_eq!(target.status(&signed(&message, &target.key, Algorithm::HS256)).await, 401, "{name}");
    }
}

#[tokio::test]
async fn a_stateful_token_is_valid_only_while_it_is_stored() {
    let target = Target::new().await;
    let personal = json!({"type": "PERSONAL", "version": "2"});
    let message = message(&json!({"alg": "HS256"}), &personal);
    assert_eq!(target.status(&signed(&message, &target.key, Algorithm::HS256)).await, 401);
    let good = target.gms.create_token("datahub").await.unwrap();
    assert_eq!(target.status(&good).await, 200);
}
