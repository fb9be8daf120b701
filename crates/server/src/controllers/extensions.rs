//! `/v2.0/extensions` and the OpenAPI document: what the server says of itself.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::Path,
    http::StatusCode,
    routing::{MethodFilter, MethodRouter, on},
};
use bytes::Bytes;
use neutrino_api_defs::{extensions, openapi};
use neutrino_types::ApiError;
use serde_json::json;

use crate::middleware::error::{HttpResult, answer_not_found, json as json_answer};

/// Both documents are the same for every request.
static LIST: LazyLock<Bytes> = LazyLock::new(|| {
    let all: Vec<_> = extensions::all().iter().map(extensions::Extension::to_json).collect();
    json!({"extensions": all}).to_string().into()
});
static OPENAPI: LazyLock<Bytes> = LazyLock::new(|| openapi::document().to_string().into());

/// The routes of both. Neutron answers 404 to every method but GET here.
pub fn routes() -> Router {
    Router::new()
        .route("/v2.0/extensions", only(list))
        .route("/v2.0/extensions/{alias}", only(show))
        // The suffix `.json` is taken off every path before it gets here.
        .route("/v2.0/openapi", only(document))
}

fn only<H, T>(handler: H) -> MethodRouter
where
    H: axum::handler::Handler<T, ()>,
    T: 'static,
{
    on(MethodFilter::GET, handler).head(answer_not_found).fallback(answer_not_found)
}

fn document_answer(body: &Bytes) -> HttpResult {
    let mut answer = json_answer(StatusCode::OK, Vec::new());
    *answer.body_mut() = body.clone().into();
    Ok(answer)
}

async fn list() -> HttpResult {
    document_answer(&LIST)
}

async fn document() -> HttpResult {
    document_answer(&OPENAPI)
}

async fn show(Path(alias): Path<String>) -> HttpResult {
    let found = extensions::find(&alias).ok_or_else(|| {
        let text = format!("Extension with alias {alias} does not exist");
        ApiError::not_found("HTTPNotFound", text)
    })?;
    let body = json!({"extension": found.to_json()}).to_string();
    Ok(json_answer(StatusCode::OK, body.into_bytes()))
}
