//! `/v2.0/ports/<id>/bindings`: the bindings of a port, one per host (`binding-extended`).

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::IntoResponse,
    routing::{get, put},
};
use neutrino_api_defs::{PORT_BINDINGS, query, validate};
use neutrino_ml2::Ml2Plugin;
use neutrino_policy::{Target, not_found};
use neutrino_types::{ApiResult, Attrs, Context};
use serde_json::Value;

use super::{
    refuse_head,
    view::{self, View},
};
use crate::{
    authorize::Authorizer,
    http::{json_object, query_params, read_body},
    middleware::{
        auth::Caller,
        error::{HttpResult, bad_request, json},
    },
};

/// State of the handlers here.
struct Controller {
    ml2: Ml2Plugin,
    authorizer: Arc<Authorizer>,
}

type This = State<Arc<Controller>>;

/// The routes under `/v2.0/ports/<id>/bindings`.
pub fn routes(ml2: Ml2Plugin, authorizer: Arc<Authorizer>) -> Router {
    let item = get(show).put(update).delete(delete);
    Router::new()
        .route("/v2.0/ports/{id}/bindings", refuse_head(get(list).post(create)))
        .route("/v2.0/ports/{id}/bindings/{host}", refuse_head(item))
        .route("/v2.0/ports/{id}/bindings/{host}/activate", put(activate))
        .with_state(Arc::new(Controller { ml2, authorizer }))
}

impl Controller {
    /// The request's resource, or 400 as Neutron words it.
    fn body(body: &[u8]) -> ApiResult<Value> {
        json_object(body)?
            .filter(|map| map.contains_key("binding") || map.contains_key("bindings"))
            .map(Value::Object)
            .ok_or_else(|| bad_request("Unable to find 'binding' in request body"))
    }

    fn answer(&self, ctx: &Context, status: StatusCode, item: &Attrs) -> HttpResult {
        let policy = self.authorizer.view(&PORT_BINDINGS, ctx);
        let view = View { fields: &[], hidden: policy.hidden(&Target::new(item)) };
        Ok(json(status, view::single("binding", item, &view)?))
    }
}

async fn list(
    State(this): This,
    Extension(ctx): Caller,
    Path(port): Path<String>,
    uri: Uri,
) -> HttpResult {
    let query = query::parse(&PORT_BINDINGS, &query_params(&uri), None)?;
    let items = this.ml2.port_bindings(&port).list(&ctx, &query).await?;
    let policy = this.authorizer.view(&PORT_BINDINGS, &ctx);
    let seen = this.authorizer.seen(&PORT_BINDINGS, &policy, items).await?;
    let view = View { fields: &query.fields, hidden: seen.hidden };
    Ok(json(StatusCode::OK, view::list("bindings", &seen.items, &view, None)?))
}

async fn show(
    State(this): This,
    Extension(ctx): Caller,
    Path((port, host)): Path<(String, String)>,
) -> HttpResult {
    let item = this.ml2.port_bindings(&port).get(&ctx, &host).await?;
    if !this.authorizer.view(&PORT_BINDINGS, &ctx).shows(&Target::new(&item)) {
        return Err(not_found().into());
    }
    this.answer(&ctx, StatusCode::OK, &item)
}

async fn create(
    State(this): This,
    Extension(ctx): Caller,
    Path(port): Path<String>,
    body: Body,
) -> HttpResult {
    let body = Controller::body(&read_body(body).await?)?;
    let request = validate::create_body(&PORT_BINDINGS, body, &ctx)?;
    for attrs in &request.items {
        this.authorizer.create(&ctx, &PORT_BINDINGS, std::slice::from_ref(attrs)).await?;
    }
    // Several at once were refused above.
    let made = this.ml2.port_bindings(&port).create(&ctx, request.items).await?;
    match made.first() {
        Some(made) => this.answer(&ctx, StatusCode::CREATED, made),
        None => Err(bad_request("Resources required").into()),
    }
}

async fn update(
    State(this): This,
    Extension(ctx): Caller,
    Path((port, host)): Path<(String, String)>,
    body: Body,
) -> HttpResult {
    let body = Controller::body(&read_body(body).await?)?;
    let changes = validate::update_body(&PORT_BINDINGS, body, &ctx)?;
    let current = this.ml2.port_bindings(&port).get(&ctx, &host).await?;
    let owner = this.ml2.ports().get(&ctx.elevated(), &port).await?;
    let target = Target::new(&current).with_changes(&changes).with_parent(&owner);
    this.authorizer.enforcer().authorize_update(&PORT_BINDINGS, &changes, &target, &ctx)?;
    let item = this.ml2.port_bindings(&port).update(&ctx, &host, changes, None).await?;
    this.answer(&ctx, StatusCode::OK, &item)
}

async fn delete(
    State(this): This,
    Extension(ctx): Caller,
    Path((port, host)): Path<(String, String)>,
) -> HttpResult {
    let current = this.ml2.port_bindings(&port).get(&ctx, &host).await?;
    let target = Target::new(&current);
    this.authorizer.enforcer().authorize_delete(&PORT_BINDINGS, &target, &ctx)?;
    this.ml2.port_bindings(&port).delete(&ctx, &host, None).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn activate(
    State(this): This,
    Extension(ctx): Caller,
    Path((port, host)): Path<(String, String)>,
) -> HttpResult {
    let current = this.ml2.port_bindings(&port).get(&ctx, &host).await?;
    // Neutron asks no rule here; the rule it defines for this is asked, and administrators pass.
    if !ctx.is_admin {
        this.authorizer.enforcer().authorize("activate", &Target::new(&current), &ctx)?;
    }
    let item = this.ml2.activate_port_binding(&ctx, &port, &host).await?;
    // A member action: Neutron answers the binding without a key around it.
    Ok(json(StatusCode::OK, view::object(&item)?))
}
