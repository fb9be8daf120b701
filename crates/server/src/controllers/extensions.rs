//! `/v2.0/extensions` and the OpenAPI document: what the server says of itself.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{MethodFilter, MethodRouter, on},
};
use bytes::Bytes;
use neutrino_api_defs::{Offer, extensions::Extension, openapi};
use neutrino_types::ApiError;
use serde_json::json;

use crate::middleware::error::{HttpResult, answer_not_found, json as json_answer};

/// What is said, the same for every request.
struct Documents {
    offer: Arc<Offer>,
    list: Bytes,
    openapi: Bytes,
}

type This = State<Arc<Documents>>;

/// The routes of both, about what `offer` holds. Neutron answers 404 to every method but GET here.
pub fn routes(offer: &Arc<Offer>) -> Router {
    let all: Vec<_> = offer.extensions().map(Extension::to_json).collect();
    let documents = Documents {
        list: json!({"extensions": all}).to_string().into(),
        openapi: openapi::document(offer).to_string().into(),
        offer: Arc::clone(offer),
    };
    Router::new()
        .route("/v2.0/extensions", only(list))
        .route("/v2.0/extensions/{alias}", only(show))
        // The suffix `.json` is taken off every path before it gets here.
        .route("/v2.0/openapi", only(document))
        .with_state(Arc::new(documents))
}

fn only<H, T>(handler: H) -> MethodRouter<Arc<Documents>>
where
    H: axum::handler::Handler<T, Arc<Documents>>,
    T: 'static,
{
    on(MethodFilter::GET, handler).head(answer_not_found).fallback(answer_not_found)
}

fn document_answer(body: &Bytes) -> HttpResult {
    let mut answer = json_answer(StatusCode::OK, Vec::new());
    *answer.body_mut() = body.clone().into();
    Ok(answer)
}

async fn list(State(this): This) -> HttpResult {
    document_answer(&this.list)
}

async fn document(State(this): This) -> HttpResult {
    document_answer(&this.openapi)
}

async fn show(State(this): This, Path(alias): Path<String>) -> HttpResult {
    let found = this.offer.extension(&alias).ok_or_else(|| {
        let text = format!("Extension with alias {alias} does not exist");
        ApiError::not_found("HTTPNotFound", text)
    })?;
    let body = json!({"extension": found.to_json()}).to_string();
    Ok(json_answer(StatusCode::OK, body.into_bytes()))
}
