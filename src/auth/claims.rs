//! The claims in a token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::display_text::display_text;

/// Longer parts are not read; those of GMS have some 250 bytes.
const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// The longest claim that is kept, in characters.
const MAX_CLAIM_CHARS: usize = 200;

/// The claims of a JWT that GMS issued or might accept (`TokenClaims.java`). The signature is not checked:
/// the claims explain a refusal, and prove nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// The name of the user, for example `datahub`; not a URN.
    pub actor_id: Option<String>,
    /// `PERSONAL`, `SESSION` or `SERVICE_ACCOUNT`.
    pub kind: Option<String>,
    /// `exp`; a token without it never expires.
    pub expires_at: Option<Timestamp>,
    /// `nbf`; GMS writes none, identity providers do.
    pub not_before: Option<Timestamp>,
    /// `iss`; in tokens of GMS `datahub-metadata-service`.
    pub issuer: Option<String>,
    /// The first `aud`; GMS writes none, identity providers do.
    pub audience: Option<String>,
    /// `version`: `1` for a token that GMS does not store, such as that of a session, `2` for one that it
    /// stores.
    pub version: Option<String>,
    /// `alg` of the header; GMS signs with `HS256` and accepts nothing else.
    pub algorithm: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "actorId")]
    actor_id: Option<Value>,
    #[serde(rename = "type")]
    kind: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iss: Option<Value>,
    sub: Option<Value>,
    aud: Option<Value>,
    version: Option<Value>,
}

#[derive(Deserialize)]
struct Header {
    alg: Option<Value>,
}

impl Claims {
    /// The claims of `token`, if it has the form of a JWT.
    pub fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(_signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let payload: Payload = part(payload)?;
        let header: Option<Header> = part(header);
        let audience = match payload.aud {
            Some(Value::Array(all)) => all.into_iter().next(),
            one => one,
        };
        Some(Self {
            actor_id: text(payload.actor_id).or(text(payload.sub)),
            kind: text(payload.kind),
            expires_at: time(payload.exp.as_ref()),
            not_before: time(payload.nbf.as_ref()),
            issuer: text(payload.iss),
            audience: text(audience),
            version: text(payload.version),
            algorithm: text(header.and_then(|header| header.alg)),
        })
    }

    /// The URN of the token's user.
    pub fn actor_urn(&self) -> Option<String> {
        self.actor_id
            .as_ref()
            .map(|id| if id.starts_with("urn:li:") { id.clone() } else { format!("urn:li:corpuser:{id}") })
    }
}

/// A part of a JWT.
fn part<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    if text.len() > MAX_PAYLOAD_BYTES {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// A claim as text that can be shown.
fn text(claim: Option<Value>) -> Option<String> {
    match claim? {
        Value::String(text) => Some(display_text(&text, MAX_CLAIM_CHARS)),
        _ => None,
    }
}

fn time(claim: Option<&Value>) -> Option<Timestamp> {
    let claim = claim?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a NumericDate may have a fraction, which is not needed"
    )]
    let seconds = claim.as_i64().or_else(|| claim.as_f64().map(|seconds| seconds as i64))?;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("eyJhbGciOiJIUzI1NiJ9.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn reads_the_claims_of_gms() {
        let token = jwt(
            r#"{"actorType":"USER","actorId":"loader","type":"PERSONAL","version":"2","jti":"x","sub":"loader","exp":1790000000,"iss":"datahub-metadata-service"}"#,
        );
        let claims = Claims::read(&token).unwrap();
        assert_eq!(claims.actor_urn().as_deref(), Some("urn:li:corpuser:loader"));
        assert_eq!(claims.kind.as_deref(), Some("PERSONAL"));
        assert_eq!(claims.expires_at, Timestamp::from_second(1_790_000_000).ok());
        assert_eq!(claims.issuer.as_deref(), Some("datahub-metadata-service"));
        assert_eq!(claims.not_before, None);
        assert_eq!((claims.version.as_deref(), claims.algorithm.as_deref()), (Some("2"), Some("HS256")));
    }

    #[test]
    fn a_text_that_is_not_a_jwt_has_no_claims() {
        for token in ["", "opaque", "a.b", "a.b.c.d", "a.!!.c", &jwt("[1]"), &jwt("not json")] {
            assert_eq!(Claims::read(token), None, "{token}");
        }
    }

    #[test]
    fn claims_of_other_types_and_times_out_of_range_are_ignored() {
        let claims =
            Claims::read(&jwt(r#"{"actorId":7,"exp":1e300,"nbf":"soon","sub":"a\u001b[31mb"}"#)).unwrap();
        let algorithm = Some("HS256".into());
        assert_eq!(claims, Claims { actor_id: Some("a [31mb".into()), algorithm, ..Claims::default() });
    }
}
