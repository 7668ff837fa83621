//! Passwords. What is kept is an Argon2id hash with a salt of its own, from which none can be read back.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

use crate::{Error, ErrorKind};

/// The longest password, in bytes: hashing takes time by its length.
const LONGEST: usize = 1024;

/// No two of these are taken for each other.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// What a password is held against where there is none, so that a user who is not there takes as long as one who is.
static NOBODYS: LazyLock<Option<String>> = LazyLock::new(|| hash("nobody's").ok());

/// Hashes a password. Takes some 20 ms.
///
/// # Errors
/// [`ErrorKind::Input`] when it is empty or over 1,024 bytes, [`ErrorKind::Internal`] when there are no random numbers.
pub(super) fn hash(password: &str) -> Result<String, Error> {
    if password.is_empty() || password.len() > LONGEST {
        return Err(Error::new(ErrorKind::Input, format!("a password has 1 to {LONGEST} bytes")));
    }
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(no_random_numbers)?;
    let hash: PasswordHash =
        Argon2::default().hash_password_with_salt(password.as_bytes(), &salt).map_err(|error| {
            Error::new(ErrorKind::Internal, format!("the embedded GMS cannot hash a password: {error}"))
        })?;
    Ok(hash.to_string())
}

/// Whether the password is the one that was hashed. Takes as long where there is no hash.
pub(super) fn matches(password: &str, hash: Option<&str>) -> bool {
    let known = hash.or(NOBODYS.as_deref());
    let Some(parsed) = known.and_then(|text| PasswordHash::new(text).ok()) else { return false };
    let password = if password.len() > LONGEST { "" } else { password };
    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && hash.is_some()
}

/// Makes a password up: 20 letters and digits, 100 bits.
///
/// # Errors
/// [`ErrorKind::Internal`] when there are no random numbers.
pub(super) fn make() -> Result<String, Error> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).map_err(no_random_numbers)?;
    // 256 is a multiple of 32, so every letter is as likely as the next.
    Ok(bytes
        .iter()
        .filter_map(|byte| LETTERS.get(usize::from(byte % 32)))
        .map(|&letter| char::from(letter))
        .collect())
}

fn no_random_numbers(error: getrandom::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("there are no random numbers: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let (one, other) = (hash("secret").unwrap(), hash("secret").unwrap());
        assert!(one.starts_with("$argon2id$") && !one.contains("secret"));
        assert_ne!(one, other, "each has its own salt");
        assert!(matches("secret", Some(&one)) && matches("secret", Some(&other)));
        assert!(!matches("Secret", Some(&one)) && !matches("", Some(&one)) && !matches("secret", None));
        assert!(!matches("nobody's", None));
        assert!(!matches("secret", Some("no hash")));
        assert_eq!(hash("").unwrap_err().kind(), ErrorKind::Input);
        assert_eq!(hash(&"x".repeat(1025)).unwrap_err().kind(), ErrorKind::Input);
    }

    #[test]
    fn made_up_passwords_are_long_and_differ() {
        let (one, other) = (make().unwrap(), make().unwrap());
        assert_eq!(one.len(), 20);
        assert_ne!(one, other);
    }
}
