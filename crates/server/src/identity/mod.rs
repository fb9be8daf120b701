//! Who is asking: turning request headers into a [`Context`].
//!
//! [`Authenticator`] is the seam: `keystone`, `noauth` and the built-in `local` identity stand
//! behind it. This module owns no policy: what a caller may do is decided by the policy enforcer.

mod keystone;
pub mod local;
mod noauth;

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderName, Method};
use neutrino_types::Context;

pub use keystone::{Keystone, KeystoneError};

pub use local::password::{PasswordError, hash_password};
pub use noauth::NoAuth;

/// Header that carries the caller's token.
pub const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// Why a request carries no usable identity.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No token, or one that is malformed, expired or revoked.
    #[error("the request needs authentication")]
    Unauthorized,
    /// The identity service could not be asked.
    #[error("the identity service is not available: {0}")]
    Unavailable(String),
}

/// What an authenticator looks at.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'r> {
    /// What is to be done.
    pub method: &'r Method,
    /// With what: the path without query.
    pub path: &'r str,
    /// Where tokens are.
    pub headers: &'r HeaderMap,
}

/// Validates the credentials of one request.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// The identity behind a request. `request_id` becomes part of the context.
    ///
    /// # Errors
    /// [`AuthError`] when the caller stays unknown.
    async fn authenticate(
        &self,
        asked: Asked<'_>,
        request_id: String,
    ) -> Result<Context, AuthError>;

    /// Value of `WWW-Authenticate` on a 401: where a client finds the identity service.
    fn challenge(&self) -> String {
        "Keystone uri=\"\"".to_string()
    }
}

/// The value of header `name`, when it is there, is text and is not empty.
pub(crate) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|v| !v.is_empty())
}
