//! Requests to a service of the catalog, with our token.

use std::sync::Arc;

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;

use crate::{
    auth::{Access, Auth, AuthError},
    session::{Answer, NoAnswer, Request, Session, secret},
};

/// Which of the catalog's URLs is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Type of the service, e.g. `compute`.
    pub kind: &'static str,
    /// `public`, `internal` or `admin`.
    pub interface: String,
    /// Region; any when `None`.
    pub region: Option<String>,
}

/// Why a request got no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServiceError {
    /// We have no token.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The catalog does not say where the service is.
    #[error("the catalog has no {} endpoint of {}{}", .0.interface, .0.kind, region(.0))]
    NoEndpoint(Endpoint),
    /// The service gave no answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

fn region(endpoint: &Endpoint) -> String {
    endpoint.region.as_ref().map(|region| format!(" in region {region}")).unwrap_or_default()
}

/// A call to a service: everything but where it is and who we are.
#[derive(Debug, Clone)]
pub struct Call<'c> {
    /// Method.
    pub method: Method,
    /// Path after the endpoint's URL, with query.
    pub path: &'c str,
    /// Headers besides our token.
    pub headers: HeaderMap,
    /// JSON body.
    pub body: Option<&'c Value>,
}

/// One service, as our user reaches it.
#[derive(Debug)]
pub struct Service {
    session: Session,
    auth: Arc<Auth>,
    endpoint: Endpoint,
}

impl Service {
    /// The service at `endpoint`, reached through `session` by the user of `auth`.
    #[must_use]
    pub fn new(session: Session, auth: Arc<Auth>, endpoint: Endpoint) -> Self {
        Self { session, auth, endpoint }
    }

    /// Sends `call`; once more with a new token when ours is refused (401).
    ///
    /// # Errors
    /// [`ServiceError`] when there is no answer. A status that says failure is an answer.
    pub async fn send(&self, call: &Call<'_>) -> Result<Answer, ServiceError> {
        let access = self.auth.access().await?;
        let answer = match self.send_as(call, &access).await {
            Err(error @ ServiceError::NoEndpoint(_)) => {
                // The next catalog may have one.
                self.auth.invalidate(&access).await;
                return Err(error);
            }
            answered => answered?,
        };
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.auth.invalidate(&access).await;
        let access = self.auth.access().await?;
        self.send_as(call, &access).await
    }

    async fn send_as(&self, call: &Call<'_>, access: &Access) -> Result<Answer, ServiceError> {
        let Endpoint { kind, interface, region } = &self.endpoint;
        let base = access.fixed_endpoint.as_deref();
        let base = base.or_else(|| access.catalog.find(kind, interface, region.as_deref()));
        let base = base.ok_or_else(|| ServiceError::NoEndpoint(self.endpoint.clone()))?;
        let url = match *kind {
            IDENTITY => crate::settings::v3(base),
            _ => base.to_string(),
        };
        let mut headers = call.headers.clone();
        if let Some(token) = access.token.as_deref().and_then(secret) {
            headers.insert("x-auth-token", token);
        }
        let url = format!("{url}{}", call.path);
        let request = Request { method: call.method.clone(), url, headers, body: call.body };
        Ok(self.session.send(&request).await?)
    }
}

/// Type of the Identity service.
pub const IDENTITY: &str = "identity";
