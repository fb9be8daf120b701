//! Authentication of API requests: headers in, [`Context`] extension out.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use neutrino_types::Context;

use super::{
    error::{HttpError, HttpResult, json},
    request_id::{RequestId, global_id},
};
use crate::identity::{Asked, AuthError, Authenticator};

/// Keystone middleware's body of a 401.
const UNAUTHORIZED: &str = r#"{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}"#;

/// The caller's context, as handlers extract it.
pub type Caller = axum::Extension<Arc<Context>>;

/// Authenticates the request or answers 401 (503 when the identity service is away).
///
/// # Errors
/// 503 as above.
pub async fn layer(
    State(authenticator): State<Arc<dyn Authenticator>>,
    mut request: Request,
    next: Next,
) -> HttpResult {
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let asked =
        Asked { method: request.method(), path: request.uri().path(), headers: request.headers() };
    match authenticator.authenticate(asked, id).await {
        Ok(mut context) => {
            context.global_request_id = global_id(request.headers());
            request.extensions_mut().insert(Arc::new(context));
            Ok(next.run(request).await)
        }
        Err(AuthError::Unauthorized) => Ok(unauthorized(&authenticator.challenge())),
        Err(error @ AuthError::Unavailable(_)) => {
            let text = "The Keystone service is temporarily unavailable.";
            let api = neutrino_types::ApiError::new("ServiceUnavailable", 503, text);
            Err(HttpError::from(api.caused_by(error)))
        }
    }
}

fn unauthorized(challenge: &str) -> Response {
    let mut answer = json(StatusCode::UNAUTHORIZED, UNAUTHORIZED.into());
    if let Ok(value) = HeaderValue::from_str(challenge) {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    answer
}
