//! Password hashes (argon2id, PHC strings) of the local identity's users.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

/// A password could not be hashed, or a stored hash is no PHC string.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Hashing failed (the operating system gave no randomness, or the password is too long).
    #[error("hashing a password: {0}")]
    Hash(String),
    /// The stored text is not an argon2 PHC string.
    #[error("reading a stored password hash: {0}")]
    Parse(String),
}

/// The argon2id hash of `password` with a fresh salt, as it goes into the identity file.
///
/// # Errors
/// [`PasswordError::Hash`] when no salt can be drawn.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    let hash: PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|e| PasswordError::Hash(e.to_string()))?;
    Ok(hash.to_string())
}

/// Checks that `hash` is something [`verify`] can work with.
pub(super) fn check(hash: &str) -> Result<(), PasswordError> {
    PasswordHash::new(hash).map(|_| ()).map_err(|e| PasswordError::Parse(e.to_string()))
}

/// Whether `password` belongs to `hash`. Costs tens of milliseconds of CPU: keep it off the
/// threads that serve requests.
pub(super) fn verify(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|h| Argon2::default().verify_password(password.as_bytes(), &h).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_verifies_only_its_password() {
        let hash = hash_password("secret").expect("hash");
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify("secret", &hash) && !verify("Secret", &hash) && !verify("secret", "x"));
        assert!(check(&hash).is_ok() && check("plain").is_err());
    }
}
