//! The URL tree of the network API.

use std::sync::Arc;

use axum::{Router, middleware::from_fn, routing::MethodRouter};

use crate::{
    identity::Authenticator,
    middleware::{
        auth,
        error::{answer_method_not_allowed, answer_not_found},
        request_id,
    },
    versions,
};

/// `GET` without the `HEAD` that axum would answer along with it: Neutron answers 405.
fn get_only<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: axum::handler::Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    axum::routing::get(handler).head(answer_method_not_allowed)
}

/// The router of the API listener.
pub fn router(authenticator: Arc<dyn Authenticator>) -> Router {
    let authenticated = Router::new()
        .route("/v2.0", get_only(versions::v2))
        .route("/v2.0/", get_only(versions::v2))
        .layer(axum::middleware::from_fn_with_state(authenticator, auth::layer));
    Router::new()
        .route("/", get_only(versions::root))
        .route("/healthcheck", get_only(versions::healthcheck))
        .merge(authenticated)
        .fallback(answer_not_found)
        .method_not_allowed_fallback(answer_method_not_allowed)
        .layer(from_fn(request_id::layer))
}
