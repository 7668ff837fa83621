//! Passwords, stored as salted Argon2id hashes.

use std::fmt;
use std::sync::{LazyLock, Mutex};

use crate::error::{Error, ErrorKind};
use crate::sync::lock;
use argon2::password_hash::PasswordHasher as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq as _;

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

/// Argon2id, with the parameters that the hash names. Its memory, 19 MiB for each verification at the same
/// time, is reused: the allocator would keep several times as much for later.
#[derive(Default)]
pub(crate) struct Argon2Verifier {
    buffers: Mutex<Vec<Vec<Block>>>,
}

impl fmt::Debug for Argon2Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argon2Verifier").finish_non_exhaustive()
    }
}

impl Argon2Verifier {
    /// `None` if the stored hash is not one of Argon2.
    fn verify_reusing(&self, password: &[u8], stored: &PasswordHash) -> Option<bool> {
        let algorithm = Algorithm::try_from(stored.algorithm.as_str()).ok()?;
        let version = stored.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
        let params = Params::try_from(stored).ok()?;
        let (salt, expected) = (stored.salt?, stored.hash?);
        let blocks = params.block_count();
        let mut found = vec![0; expected.as_bytes().len()];
        let mut buffer = lock(&self.buffers).pop().unwrap_or_default();
        buffer.resize(blocks, Block::default());
        let hashed = Argon2::new(algorithm, version, params).hash_password_into_with_memory(
            password,
            salt.as_ref(),
            &mut found,
            &mut buffer,
        );
        lock(&self.buffers).push(buffer);
        hashed.ok()?;
        Some(found.ct_eq(expected.as_bytes()).into())
    }
}

impl VerifyPassword for Argon2Verifier {
    fn verify(&self, password: &[u8], hash: &PasswordHash) -> bool {
        self.verify_reusing(password, hash).unwrap_or(false)
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
            matches(&Argon2Verifier::default(), "secret", Some(&one))
                && matches(&Argon2Verifier::default(), "secret", Some(&other))
        );
        assert!(
            !matches(&Argon2Verifier::default(), "Secret", Some(&one))
                && !matches(&Argon2Verifier::default(), "", Some(&one))
                && !matches(&Argon2Verifier::default(), "secret", None)
        );
        assert!(!matches(&Argon2Verifier::default(), "nobody's", None));
        assert!(!matches(&Argon2Verifier::default(), "secret", Some("no hash")));
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
