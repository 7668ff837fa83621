//! Passwords, stored as salted Argon2id hashes.

use std::fmt;
use std::sync::LazyLock;

use crate::error::{Error, ErrorKind};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

/// The longest password, in bytes; it bounds the time that hashing takes.
const MAX_BYTES: usize = 1024;

/// The characters of generated passwords, without those that look alike.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Verified where there is no hash, so that a log-in takes as long for an unknown user.
static HASH_OF_NO_USER: LazyLock<Option<String>> = LazyLock::new(|| hash("nobody's").ok());

/// Hashes a password. Takes about 20 ms.
///
/// # Errors
/// [`ErrorKind::Input`] for an empty password or one of more than 1,024 bytes; [`ErrorKind::Internal`] if the
/// system provides no random numbers.
pub(super) fn hash(password: &str) -> Result<String, Error> {
    if password.is_empty() || password.len() > MAX_BYTES {
        return Err(Error::new(ErrorKind::Input, format!("a password has 1 to {MAX_BYTES} bytes")));
    }
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(no_random_numbers)?;
    let hash: PasswordHash =
        Argon2::default().hash_password_with_salt(password.as_bytes(), &salt).map_err(|error| {
            Error::new(ErrorKind::Internal, format!("the embedded GMS cannot hash a password: {error}"))
        })?;
    Ok(hash.to_string())
}

/// Verifies a password against a hash: the expensive operation of a log-in.
pub(crate) trait VerifyPassword: fmt::Debug + Send + Sync {
    /// Whether `password` is the one that was hashed.
    fn verify(&self, password: &[u8], hash: &PasswordHash) -> bool;
}

/// Argon2id, with the parameters that the hash names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Argon2Verifier;

impl VerifyPassword for Argon2Verifier {
    fn verify(&self, password: &[u8], hash: &PasswordHash) -> bool {
        Argon2::default().verify_password(password, hash).is_ok()
    }
}

/// Whether the password is the one that was hashed. Without a hash, that of no user is verified: the response
/// time must not tell whether a user exists.
pub(crate) fn matches(verifier: &dyn VerifyPassword, password: &str, hash: Option<&str>) -> bool {
    let stored = hash.or(HASH_OF_NO_USER.as_deref());
    let Some(parsed) = stored.and_then(|text| PasswordHash::new(text).ok()) else { return false };
    let password = if password.len() > MAX_BYTES { "" } else { password };
    verifier.verify(password.as_bytes(), &parsed) && hash.is_some()
}

/// Generates a password of 20 characters, with 100 bits of entropy.
///
/// # Errors
/// [`ErrorKind::Internal`] if the system provides no random numbers.
pub(super) fn generate() -> Result<String, Error> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).map_err(no_random_numbers)?;
    // 256 is a multiple of 32, so every character is equally likely.
    Ok(bytes
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)))
        .map(|&character| char::from(character))
        .collect())
}

fn no_random_numbers(error: getrandom::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("the system provides no random numbers: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_matches_only_its_password() {
        let (one, other) = (hash("secret").unwrap(), hash("secret").unwrap());
        assert!(one.starts_with("$argon2id$") && !one.contains("secret"));
        assert_ne!(one, other, "each has its own salt");
        assert!(
            matches(&Argon2Verifier, "secret", Some(&one))
                && matches(&Argon2Verifier, "secret", Some(&other))
        );
        assert!(
            !matches(&Argon2Verifier, "Secret", Some(&one))
                && !matches(&Argon2Verifier, "", Some(&one))
                && !matches(&Argon2Verifier, "secret", None)
        );
        assert!(!matches(&Argon2Verifier, "nobody's", None));
        assert!(!matches(&Argon2Verifier, "secret", Some("no hash")));
        assert_eq!(hash("").unwrap_err().kind(), ErrorKind::Input);
        assert_eq!(hash(&"x".repeat(1025)).unwrap_err().kind(), ErrorKind::Input);
    }

    #[test]
    fn generated_passwords_are_long_and_differ() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_eq!(one.len(), 20);
        assert_ne!(one, other);
    }
}
