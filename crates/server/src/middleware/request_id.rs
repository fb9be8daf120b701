//! `X-Openstack-Request-Id` on every answer, errors and panics included.

use std::panic::AssertUnwindSafe;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use neutrino_types::{ApiError, context::new_request_id};
use tracing::Instrument;

use super::{
    error::{HttpError, bad_request},
    path::is_text,
};

/// Response header that names the request.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

/// The id of the request elsewhere that this one serves: clients send theirs in [`X_REQUEST_ID`].
/// What is not of the form `req-<uuid>` is ignored.
#[must_use]
pub fn global_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    let uuid = id.strip_prefix("req-")?;
    let lower = !uuid.bytes().any(|b| b.is_ascii_uppercase());
    (uuid.len() == 36 && lower && uuid::Uuid::try_parse(uuid).is_ok()).then(|| id.to_string())
}

/// The id of the request being served.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Gives the request its id, answers 500 when its handler panics, and stamps the answer.
pub async fn layer(mut request: Request, next: Next) -> Response {
    let id = new_request_id();
    let stamp = HeaderValue::from_str(&id);
    let span = tracing::info_span!(
        "request", %id, method = %request.method(), path = request.uri().path()
    );
    request.extensions_mut().insert(RequestId(id));
    let answered = async {
        if is_text(request.uri().path()) {
            return next.run(request).await;
        }
        HttpError::from(bad_request("The URL is not UTF-8.")).into_response()
    };
    let guarded = AssertUnwindSafe(answered).catch_unwind();
    let mut answer = guarded.instrument(span).await.unwrap_or_else(|_| {
        HttpError::from(ApiError::internal("a request handler panicked")).into_response()
    });
    if let Ok(stamp) = stamp {
        answer.headers_mut().insert(X_REQUEST_ID, stamp);
    }
    answer
}
