//! The one place where an [`ApiError`] becomes an HTTP answer, and is logged.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use neutrino_types::ApiError;
use serde::Serialize;

use super::retry::Lost;

/// Result of a handler.
pub type HttpResult = Result<Response, HttpError>;

/// An [`ApiError`] on its way to the client.
#[derive(Debug)]
pub struct HttpError(pub Box<ApiError>);

impl From<ApiError> for HttpError {
    fn from(error: ApiError) -> Self {
        Self(Box::new(error))
    }
}

/// `NeutronError` of a body; `detail` is always there and always empty.
#[derive(Serialize)]
struct ErrorBody<'e> {
    #[serde(rename = "type")]
    kind: &'e str,
    message: &'e str,
    detail: &'static str,
}

#[derive(Serialize)]
struct Envelope<'e> {
    #[serde(rename = "NeutronError")]
    error: ErrorBody<'e>,
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let error = *self.0;
        if !error.retriable {
            log(&error);
        }
        let status =
            StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let shown = ErrorBody { kind: error.kind, message: &error.message, detail: "" };
        // Two strings and a constant always serialise.
        let body = serde_json::to_vec(&Envelope { error: shown }).unwrap_or_default();
        let mut answer = json(status, body);
        if error.retriable {
            answer.extensions_mut().insert(Lost(Arc::new(error)));
        }
        answer
    }
}

/// Logs what the client is told, and what is behind it.
pub(super) fn log(error: &ApiError) {
    if error.status >= 500 {
        let cause = error.cause.as_deref().map(|e| chain(e)).unwrap_or_default();
        tracing::error!(
            kind = error.kind, status = error.status, message = %error.message, cause,
            "request failed"
        );
    } else {
        // A user's message may be as long as the request that caused it.
        let reason: String = error.message.chars().take(400).collect();
        tracing::info!(kind = error.kind, status = error.status, reason, "request refused");
    }
}

/// An error and its sources in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(next) = source {
        out.push_str(": ");
        out.push_str(&next.to_string());
        source = next.source();
    }
    out
}

/// An answer with a JSON body.
#[must_use]
pub fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// 404 of the routing layer and of resources a caller must not know about.
#[must_use]
pub fn not_found() -> ApiError {
    ApiError::not_found("HTTPNotFound", "The resource could not be found.")
}

/// 405 with webob's text, which is what Neutron's users see.
#[must_use]
pub fn method_not_allowed() -> ApiError {
    let text = "The server could not comply with the request since it is either malformed or \
                otherwise incorrect.";
    ApiError::new("HTTPMethodNotAllowed", 405, text)
}

/// 400 of the framework.
#[must_use]
pub fn bad_request(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("HTTPBadRequest", message)
}

/// 413: the body is larger than the server reads.
#[must_use]
pub fn too_large() -> ApiError {
    let text = "The body of your request was too large for this server.";
    ApiError::new("HTTPRequestEntityTooLarge", 413, text)
}

/// 408: the body did not arrive in time.
#[must_use]
pub fn too_slow() -> ApiError {
    let text = "The server has waited too long for the request to be sent by the client.";
    ApiError::new("HTTPRequestTimeout", 408, text)
}

/// Handler of unknown paths.
pub async fn answer_not_found() -> HttpError {
    not_found().into()
}

/// Handler of known paths with the wrong method.
pub async fn answer_method_not_allowed() -> HttpError {
    method_not_allowed().into()
}
