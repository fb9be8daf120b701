//! Requests that lost a race or the database are done again, before anybody is answered.

use std::{fmt, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use neutrino_db::{Retriable, Retries};
use neutrino_types::ApiError;

use super::error::{HttpError, log};
use crate::http::read_body;

/// Mark on an answer whose error may not come again; [`HttpError`] sets it instead of logging.
#[derive(Clone)]
pub(super) struct Lost(pub(super) Arc<ApiError>);

/// An answer that is not to be given unless the tries are used up.
struct Refused {
    answer: Response,
    error: Arc<ApiError>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error.cause {
            Some(cause) => cause.fmt(f),
            None => self.error.fmt(f),
        }
    }
}

impl Retriable for Refused {
    fn is_retriable(&self) -> bool {
        true
    }

    fn exhausted(self) -> Self {
        self
    }
}

/// Passes the request on, again if need be.
pub async fn layer(State(retries): State<Retries>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = match parts.method {
        Method::GET | Method::HEAD => Bytes::new(),
        _ => match read_body(body).await {
            Ok(body) => body,
            Err(error) => return HttpError::from(error).into_response(),
        },
    };
    let attempt = || async {
        let request = Request::from_parts(parts.clone(), Body::from(body.clone()));
        let mut answer = next.clone().run(request).await;
        match answer.extensions_mut().remove::<Lost>() {
            Some(Lost(error)) => Err(Refused { answer, error }),
            None => Ok(answer),
        }
    };
    retries.run(attempt).await.unwrap_or_else(|Refused { answer, error }| {
        log(&error);
        answer
    })
}
