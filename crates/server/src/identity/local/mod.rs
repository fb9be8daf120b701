//! The identity service built into the server (`auth_strategy = local`).
//!
//! Owns users, projects and roles (read from a TOML file), password checks and signed tokens.
//! [`routes`] speaks as much of Identity API v3 as clients need to authenticate. Not a
//! replacement of Keystone: nothing can be changed through the API, there are no application
//! credentials, trusts or federation.

mod directory;
pub(super) mod password;
pub mod routes;
mod token;

use std::{
    collections::HashMap,
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use neutrino_types::Context;
use tokio::sync::Semaphore;

pub use directory::{Directory, DirectoryError, Named, Project, User};
pub use token::{Claims, Signer};

use super::{Asked, AuthError, Authenticator, X_AUTH_TOKEN};

/// Most tokens whose check is remembered; beyond that the memory starts anew.
const CACHE_LIMIT: usize = 4096;

/// Password checks at a time: each takes a core and 19 MiB for tens of milliseconds.
const CHECKS_AT_ONCE: usize = 2;

/// Where the built-in identity and its neighbours are reached.
#[derive(Debug, Clone, Default)]
pub struct LocalSettings {
    /// Region of the catalog's endpoints.
    pub region: String,
    /// Seconds a token is valid.
    pub token_expiration_secs: i64,
    /// Identity URL ending in `/v3`; made from the request's `Host` when absent.
    pub identity_endpoint: Option<String>,
    /// Network URL without `/v2.0`; made from the request's `Host` when absent.
    pub network_endpoint: Option<String>,
    /// Port of the network API, for URLs made from `Host`.
    pub network_port: u16,
}

/// What a valid token says, looked up in the directory.
#[derive(Debug, Clone)]
pub struct Session {
    /// The token's claims.
    pub claims: Claims,
    /// Role names in the token's project; empty when unscoped.
    pub roles: Vec<String>,
    context: Context,
}

/// The built-in identity service.
pub struct LocalIdentity {
    directory: Directory,
    signer: Signer,
    settings: LocalSettings,
    /// Hash checked when the user is unknown, so that both cases take the same time.
    decoy_hash: String,
    checks: Semaphore,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
    /// Audit ids of revoked tokens with their expiry (µs). Not kept over a restart: a token is
    /// short-lived, and users of long-lived secrets change the secret instead.
    revoked: Mutex<HashMap<String, i64>>,
}

impl std::fmt::Debug for LocalIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalIdentity").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl LocalIdentity {
    /// A service for the users of `directory`, signing tokens with `secret`.
    ///
    /// # Errors
    /// [`super::PasswordError`] when the system has no randomness.
    pub fn new(
        directory: Directory,
        secret: &[u8],
        settings: LocalSettings,
    ) -> Result<Self, super::PasswordError> {
        Ok(Self {
            directory,
            signer: Signer::new(secret),
            settings,
            decoy_hash: password::hash_password(&uuid::Uuid::new_v4().to_string())?,
            checks: Semaphore::new(CHECKS_AT_ONCE),
            sessions: Mutex::default(),
            revoked: Mutex::default(),
        })
    }

    /// The users, projects and roles served.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Catalog settings.
    #[must_use]
    pub fn settings(&self) -> &LocalSettings {
        &self.settings
    }

    /// Whether `password` is the password of `user`. An absent user costs as much time.
    pub async fn check_password(&self, user: Option<&User>, given: &str) -> bool {
        let hash = user.map_or(&self.decoy_hash, |u| &u.password_hash).clone();
        let given = given.to_string();
        // The semaphore is never closed; if it were, refusing is the safe answer.
        let Ok(_permit) = self.checks.acquire().await else { return false };
        let verified = tokio::task::spawn_blocking(move || password::verify(&given, &hash)).await;
        verified.unwrap_or(false) && user.is_some()
    }

    /// A token for `user`, scoped to `project` when given. `expires_us` caps its lifetime (a
    /// token made of another token never outlives it).
    #[must_use]
    pub fn issue(
        &self,
        user: &User,
        project: Option<&Project>,
        methods: Vec<String>,
        expires_us: Option<i64>,
    ) -> (String, Claims) {
        let now = now_us();
        let own = now + self.settings.token_expiration_secs.saturating_mul(1_000_000);
        let claims = Claims {
            user: user.id.clone(),
            project: project.map(|p| p.id.clone()),
            methods,
            issued_us: now,
            expires_us: expires_us.map_or(own, |cap| cap.min(own)),
            audit: uuid::Uuid::new_v4().simple().to_string(),
        };
        (self.signer.issue(&claims), claims)
    }

    /// What `token` stands for, or `None` when it is not valid (any more).
    #[must_use]
    pub fn session(&self, token: &str) -> Option<Arc<Session>> {
        let now = now_us();
        if let Some(known) = lock(&self.sessions).get(token) {
            return (known.claims.expires_us > now).then(|| known.clone());
        }
        let claims = self.signer.check(token, now)?;
        if lock(&self.revoked).contains_key(&claims.audit) {
            return None;
        }
        let session = Arc::new(self.build_session(claims)?);
        let mut sessions = lock(&self.sessions);
        if sessions.len() >= CACHE_LIMIT {
            sessions.clear();
        }
        sessions.insert(token.to_string(), session.clone());
        Some(session)
    }

    fn build_session(&self, claims: Claims) -> Option<Session> {
        let user = self.directory.user(&claims.user)?;
        let mut context = Context {
            user_id: Some(user.id.clone()),
            user_name: Some(user.name.clone()),
            ..Context::default()
        };
        let mut roles = Vec::new();
        if let Some(id) = &claims.project {
            let project = self.directory.project(id)?;
            roles = self.directory.roles_of(&user.id, id).to_vec();
            if roles.is_empty() {
                return None;
            }
            context.project_id = Some(project.id.clone());
            context.project_name = Some(project.name.clone());
            context.is_admin = roles.iter().any(|r| r == "admin");
            context.roles.clone_from(&roles);
        }
        Some(Session { claims, roles, context })
    }

    /// Makes `token` invalid until it would have expired.
    pub fn revoke(&self, token: &str) {
        let now = now_us();
        if let Some(claims) = self.signer.check(token, now) {
            let mut revoked = lock(&self.revoked);
            revoked.retain(|_, expires| *expires > now);
            revoked.insert(claims.audit, claims.expires_us);
        }
        lock(&self.sessions).remove(token);
    }
}

#[async_trait]
impl Authenticator for LocalIdentity {
    async fn authenticate(
        &self,
        asked: Asked<'_>,
        request_id: String,
    ) -> Result<Context, AuthError> {
        let token = asked
            .headers
            .get(X_AUTH_TOKEN)
            .and_then(|v| v.to_str().ok())
            .ok_or(AuthError::Unauthorized)?;
        let session = self.session(token).ok_or(AuthError::Unauthorized)?;
        Ok(Context { request_id, ..session.context.clone() })
    }

    fn challenge(&self) -> String {
        format!("Keystone uri=\"{}\"", self.settings.identity_endpoint.as_deref().unwrap_or(""))
    }
}

/// The signing key kept in `state_path`, made on first use and readable by its owner only.
///
/// # Errors
/// The directory or file cannot be made or read, or holds no key.
pub fn load_or_create_secret(state_path: &Path) -> std::io::Result<Vec<u8>> {
    let path = state_path.join("identity_secret");
    match fs::read(&path) {
        Ok(secret) if secret.len() >= 32 => return Ok(secret),
        Ok(_) => {
            let text = format!("{} holds fewer than 32 bytes; delete it", path.display());
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    fs::create_dir_all(state_path)?;
    let secret = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4(), uuid::Uuid::new_v4()]
        .iter()
        .map(|id| id.simple().to_string())
        .collect::<String>()
        .into_bytes();
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(&secret)?;
    Ok(secret)
}

/// Microseconds since the epoch.
fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

/// Both maps stay consistent at every step, so a panic elsewhere while holding one is harmless.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
