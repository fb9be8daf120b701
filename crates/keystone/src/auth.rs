//! Our own token: fetched when it is needed, renewed before it ends.

use std::{sync::Arc, time::Instant};

use chrono::{TimeDelta, Utc};
use reqwest::{Method, StatusCode, header::HeaderMap};
use tokio::sync::Mutex;

use crate::{
    catalog::Catalog,
    session::{NoAnswer, Request, Session},
    settings::AuthSettings,
    token::TokenInfo,
};

/// How long before its end a token is renewed, in seconds: it must outlive the request it is
/// sent with.
const RENEWED_BEFORE_SECS: i64 = 120;

/// Why there is no token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthError {
    /// The Identity service gave no answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// It answered something else than a token.
    #[error("the Identity service at {url} gave us no token: {status} {answer}")]
    Refused {
        /// Where it is.
        url: String,
        /// Status of the answer.
        status: StatusCode,
        /// What it says, shortened, or what is wrong with it.
        answer: String,
    },
}

/// A token of ours.
#[derive(Debug)]
pub struct Access {
    /// The token; `None` with `auth_type = none`.
    pub token: Option<String>,
    /// Where every service is, when the configuration says so.
    pub fixed_endpoint: Option<String>,
    /// Where services are otherwise.
    pub catalog: Catalog,
    expires_at: Option<chrono::DateTime<Utc>>,
}

/// What is known of our token. The lock is held while one is fetched: all who need it wait for
/// the same.
#[derive(Debug, Default)]
struct State {
    current: Option<Arc<Access>>,
    /// The last failure, for those who were waiting for the same attempt.
    failed: Option<(Instant, AuthError)>,
}

/// Authenticates one service to the Identity service.
#[derive(Debug)]
pub struct Auth {
    session: Session,
    settings: AuthSettings,
    state: Mutex<State>,
}

impl Auth {
    /// Nothing is sent until a token is needed.
    #[must_use]
    pub fn new(session: Session, settings: AuthSettings) -> Self {
        Self { session, settings, state: Mutex::default() }
    }

    /// A token that is good for two minutes at least.
    ///
    /// # Errors
    /// [`AuthError`] when none can be had. Those who waited for one attempt share its failure.
    pub async fn access(&self) -> Result<Arc<Access>, AuthError> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        let soon = Utc::now() + TimeDelta::seconds(RENEWED_BEFORE_SECS);
        if let Some(current) = &state.current
            && current.expires_at.is_none_or(|end| end > soon)
        {
            return Ok(current.clone());
        }
        if let Some((when, error)) = &state.failed
            && *when >= asked
        {
            return Err(error.clone());
        }
        match self.fetch().await {
            Ok(access) => {
                let access = Arc::new(access);
                *state = State { current: Some(access.clone()), failed: None };
                Ok(access)
            }
            Err(error) => {
                *state = State { current: None, failed: Some((Instant::now(), error.clone())) };
                Err(error)
            }
        }
    }

    /// Forgets `refused`, which a service did not accept.
    pub async fn invalidate(&self, refused: &Arc<Access>) {
        let mut state = self.state.lock().await;
        if state.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, refused)) {
            state.current = None;
        }
    }

    async fn fetch(&self) -> Result<Access, AuthError> {
        let (url, body) = match &self.settings {
            AuthSettings::Identity { url, request } => (format!("{url}/auth/tokens"), request),
            AuthSettings::Fixed { endpoint, token } => {
                return Ok(Access {
                    token: token.clone(),
                    fixed_endpoint: Some(endpoint.clone()),
                    catalog: Catalog::default(),
                    expires_at: None,
                });
            }
        };
        let request =
            Request { method: Method::POST, url, headers: HeaderMap::new(), body: Some(body) };
        let answer = self.session.send(&request).await?;
        let refused = |text| AuthError::Refused {
            url: request.url.clone(),
            status: answer.status,
            answer: text,
        };
        if answer.status != StatusCode::CREATED {
            return Err(refused(answer.excerpt()));
        }
        let token = answer.headers.get("x-subject-token").and_then(|value| value.to_str().ok());
        let token = token.ok_or_else(|| refused("no X-Subject-Token".to_string()))?;
        let info = TokenInfo::parse(&answer.body).map_err(refused)?;
        tracing::debug!(url = request.url, expires_at = %info.expires_at, "authenticated");
        Ok(Access {
            token: Some(token.to_string()),
            fixed_endpoint: None,
            catalog: info.catalog,
            expires_at: Some(info.expires_at),
        })
    }
}
