//! Users' tokens: what Keystone says of them, remembered for a while.
//!
//! Those who ask for the same token at the same time share one request, few requests are under way
//! at a time, and nobody waits for longer than the session's patience and its repeated connecting.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, HeaderValue},
};
use tokio::sync::{OnceCell, Semaphore};

use crate::{
    cache::Cache,
    catalog::Catalog,
    service::{Call, Service, ServiceError},
    session::secret,
    token::TokenInfo,
};

/// Most tokens remembered: some 2 kB each.
const CACHE_LIMIT: usize = 10_000;

/// Most validations under way. Keystone needs milliseconds for each, so more would only queue there.
const AT_ONCE: usize = 32;

/// Why a token is not known to be valid.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ValidateError {
    /// Keystone does not know it, or no longer.
    #[error("the token is not valid")]
    Invalid,
    /// Keystone cannot be asked.
    #[error("{0}")]
    Unavailable(String),
}

impl From<ServiceError> for ValidateError {
    fn from(error: ServiceError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// How tokens are validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokensSettings {
    /// How long a valid token is remembered; zero for not at all.
    pub cache_time: Duration,
    /// Whether the catalog is asked for with each token.
    pub with_catalog: bool,
    /// Longest wait for the turn to ask.
    pub patience: Duration,
}

type Outcome = Result<Arc<TokenInfo>, ValidateError>;
/// Token, and whether it may be expired.
type Key = (Box<str>, bool);

/// Validates tokens with the Identity service.
#[derive(Debug)]
pub struct Tokens {
    identity: Service,
    settings: TokensSettings,
    cache: Cache<TokenInfo>,
    /// Validations under way, for whoever asks for the same.
    asked: Mutex<HashMap<Key, Arc<OnceCell<Outcome>>>>,
    turns: Semaphore,
    /// The last time Keystone could not be asked: who was waiting for a turn then does not try, or
    /// all would wait for what does not come, one after the other.
    failed: Mutex<Option<(Instant, ValidateError)>>,
}

impl Tokens {
    /// Validates with the Identity service behind `identity`.
    #[must_use]
    pub fn new(identity: Service, settings: TokensSettings) -> Self {
        Self {
            identity,
            settings,
            cache: Cache::new(settings.cache_time, CACHE_LIMIT),
            asked: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
            failed: Mutex::default(),
        }
    }

    /// What `token` stands for. With `allow_expired`, also of one that ended not too long ago
    /// (Keystone's `allow_expired_window`). What is remembered may have ended meanwhile, also
    /// without: whoever asks compares the time.
    ///
    /// # Errors
    /// [`ValidateError`].
    pub async fn validate(&self, token: &str, allow_expired: bool) -> Outcome {
        if let Some(known) = self.cache.get(token, Instant::now()) {
            return Ok(known);
        }
        let joined = Joined::new(self, (token.into(), allow_expired));
        joined.cell.get_or_init(|| self.ask(token, allow_expired)).await.clone()
    }

    /// Asks, when it is our turn, and remembers the answer.
    async fn ask(&self, token: &str, allow_expired: bool) -> Outcome {
        let asked = Instant::now();
        let turn = tokio::time::timeout(self.settings.patience, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(ValidateError::Unavailable(
                "too many tokens wait to be validated".to_string(),
            ));
        };
        if let Some((when, error)) = locked(&self.failed).as_ref()
            && *when >= asked
        {
            return Err(error.clone());
        }
        let fetched = self.fetch(token, allow_expired).await;
        if let Err(error @ ValidateError::Unavailable(_)) = &fetched {
            *locked(&self.failed) = Some((Instant::now(), error.clone()));
        }
        let info = Arc::new(fetched?);
        self.cache.put(token, info.clone(), Instant::now());
        Ok(info)
    }

    async fn fetch(&self, token: &str, allow_expired: bool) -> Result<TokenInfo, ValidateError> {
        let mut headers = HeaderMap::new();
        headers.insert("x-subject-token", secret(token).ok_or(ValidateError::Invalid)?);
        // We hold requests against the rules of application credentials; without this Keystone
        // does not tell of tokens that have some.
        headers.insert("openstack-identity-access-rules", HeaderValue::from_static("1"));
        let path = match (self.settings.with_catalog, allow_expired) {
            (true, false) => "/auth/tokens",
            (true, true) => "/auth/tokens?allow_expired=1",
            (false, false) => "/auth/tokens?nocatalog",
            (false, true) => "/auth/tokens?nocatalog&allow_expired=1",
        };
        let answer =
            self.identity.send(&Call { method: Method::GET, path, headers, body: None }).await?;
        match answer.status {
            StatusCode::OK => read(&answer.body),
            StatusCode::NOT_FOUND => Err(ValidateError::Invalid),
            status => Err(ValidateError::Unavailable(format!(
                "Keystone does not validate tokens for us: {status} {}",
                answer.excerpt()
            ))),
        }
    }
}

/// The answer to a validation. The catalog is kept only where access rules are held against it.
fn read(body: &[u8]) -> Result<TokenInfo, ValidateError> {
    let mut info = TokenInfo::parse(body).map_err(|problem| {
        ValidateError::Unavailable(format!("Keystone's answer about a token: {problem}"))
    })?;
    if info.access_rules.is_none() {
        info.catalog = Catalog::default();
    }
    Ok(info)
}

/// Each change of what is locked here is one call, so a panic elsewhere leaves it whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One who waits for a validation under way. When whoever asks gives up, the next one asks; the last
/// one who leaves takes the entry away.
struct Joined<'t> {
    tokens: &'t Tokens,
    key: Key,
    cell: Arc<OnceCell<Outcome>>,
}

impl<'t> Joined<'t> {
    fn new(tokens: &'t Tokens, key: Key) -> Self {
        let cell = locked(&tokens.asked).entry(key.clone()).or_default().clone();
        Self { tokens, key, cell }
    }
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        let mut asked = locked(&self.tokens.asked);
        // Answered validations are not joined any more: the answer is of the past.
        let ours = asked.get(&self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        if ours && (self.cell.initialized() || Arc::strong_count(&self.cell) <= 2) {
            asked.remove(&self.key);
        }
    }
}
