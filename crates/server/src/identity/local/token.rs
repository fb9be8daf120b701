//! Tokens of the local identity: a signed statement that needs no storage to be checked.
//!
//! `base64url(claims as JSON) "." base64url(HMAC-SHA256(secret, first part))`. The claims name
//! user and project by id; roles are looked up when the token is used, so that an edited
//! identity file takes effect with the next server start.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// What a token states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// User id.
    #[serde(rename = "u")]
    pub user: String,
    /// Project id the token is scoped to; unscoped when absent.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Authentication methods used (`password`, `token`).
    #[serde(rename = "m")]
    pub methods: Vec<String>,
    /// Issued at, microseconds since the epoch.
    #[serde(rename = "i")]
    pub issued_us: i64,
    /// Valid until, microseconds since the epoch.
    #[serde(rename = "e")]
    pub expires_us: i64,
    /// Audit id: names this token in logs and in the revocation list.
    #[serde(rename = "a")]
    pub audit: String,
}

/// Signs and checks tokens with one secret.
#[derive(Clone)]
pub struct Signer {
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(..)")
    }
}

impl Signer {
    /// A signer with the given secret (any length; 32 random bytes are right).
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        // HMAC takes keys of any length (RFC 2104); the type cannot say so, hence the block.
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        let digest = <Sha256 as sha2::Digest>::digest(secret);
        block[..digest.len()].copy_from_slice(&digest);
        Self { mac: Hmac::new(&block) }
    }

    /// The token that states `claims`.
    #[must_use]
    pub fn issue(&self, claims: &Claims) -> String {
        let json = serde_json::to_vec(claims).unwrap_or_default();
        let mut out = URL_SAFE_NO_PAD.encode(json);
        let mut mac = self.mac.clone();
        mac.update(out.as_bytes());
        let tag = mac.finalize().into_bytes();
        out.push('.');
        URL_SAFE_NO_PAD.encode_string(tag, &mut out);
        out
    }

    /// The claims of `token`, if this signer issued it and it has not expired at `now_us`.
    #[must_use]
    pub fn check(&self, token: &str, now_us: i64) -> Option<Claims> {
        let (body, tag) = token.split_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let mut mac = self.mac.clone();
        mac.update(body.as_bytes());
        mac.verify_slice(&tag).ok()?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        (claims.expires_us > now_us).then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claims() -> Claims {
        Claims {
            user: "u".into(),
            project: Some("p".into()),
            methods: vec!["password".into()],
            issued_us: 1,
            expires_us: 100,
            audit: "a".into(),
        }
    }

    #[test]
    fn token_is_valid_until_it_expires() {
        let signer = Signer::new(b"secret");
        let token = signer.issue(&claims());
        assert_eq!(signer.check(&token, 99), Some(claims()));
        assert_eq!(signer.check(&token, 100), None);
        assert_eq!(Signer::new(b"other").check(&token, 1), None);
    }

    proptest! {
        #[test]
        fn altered_token_is_refused(at in 0usize..60, with in 33u8..127) {
            let signer = Signer::new(b"secret");
            let token = signer.issue(&claims());
            let mut bytes = token.clone().into_bytes();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != with);
            bytes[at] = with;
            let altered = String::from_utf8(bytes).expect("ascii");
            prop_assert_eq!(signer.check(&altered, 1), None);
        }

        #[test]
        fn any_text_is_answered(text in ".{0,80}") {
            prop_assert_eq!(Signer::new(b"secret").check(&text, 1), None);
        }
    }
}
