//! `/v2.0/floatingips/<id>/port_forwardings` (`floating-ip-port-forwarding`).

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::IntoResponse,
    routing::get,
};
use neutrino_api_defs::{PORT_FORWARDINGS, query, validate};
use neutrino_policy::{Target, not_found};
use neutrino_services::L3;
use neutrino_types::{ApiResult, Attrs, Context};
use serde_json::Value;

use super::{
    refuse_head,
    resource::Limits,
    view::{self, View},
};
use crate::{
    authorize::Authorizer,
    http::{
        PageRequest, Paging, base_url, if_match, json_object, page_links, query_params, read_body,
    },
    middleware::{
        auth::Caller,
        error::{HttpResult, bad_request, json},
    },
};

/// State of the handlers here.
struct Controller {
    l3: L3,
    authorizer: Arc<Authorizer>,
    limits: Limits,
}

type This = State<Arc<Controller>>;

/// The routes under `/v2.0/floatingips/<id>/port_forwardings`.
pub fn routes(l3: L3, authorizer: Arc<Authorizer>, limits: Limits) -> Router {
    let item = get(show).put(update).delete(delete);
    Router::new()
        .route("/v2.0/floatingips/{id}/port_forwardings", refuse_head(get(list).post(create)))
        .route("/v2.0/floatingips/{id}/port_forwardings/{forwarding}", refuse_head(item))
        .with_state(Arc::new(Controller { l3, authorizer, limits }))
}

impl Controller {
    /// The request's resource, or 400 as Neutron words it.
    fn body(body: &[u8]) -> ApiResult<Value> {
        json_object(body)?
            .filter(|map| {
                let names = [PORT_FORWARDINGS.member, PORT_FORWARDINGS.collection];
                names.iter().any(|name| map.contains_key(*name))
            })
            .map(Value::Object)
            .ok_or_else(|| bad_request("Unable to find 'port_forwarding' in request body"))
    }

    /// The floating IP, whose owner the rules ask about.
    async fn floating_ip(&self, ctx: &Context, id: &str) -> ApiResult<Attrs> {
        self.l3.floating_ips().get(ctx, id).await
    }

    fn answer(status: StatusCode, item: &Attrs, fields: &[String]) -> HttpResult {
        let view = View { fields, hidden: Vec::new() };
        Ok(json(status, view::single(PORT_FORWARDINGS.member, item, &view)?))
    }
}

async fn list(
    State(this): This,
    Extension(ctx): Caller,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> HttpResult {
    let params = query_params(&uri);
    let query = query::parse(&PORT_FORWARDINGS, &params, this.limits.page)?;
    let (fields, mut wanted) = (query.fields.clone(), query);
    // The links of a page name its first and last.
    wanted.fields.clear();
    let floating_ip = this.floating_ip(&ctx, &id).await?;
    let mut items = this.l3.port_forwardings(&id).list(&ctx, &wanted).await?;
    let target = Target::default().with_parent(&floating_ip);
    if !this.authorizer.view(&PORT_FORWARDINGS, &ctx).shows(&target) {
        items.clear();
    }
    let url = format!("{}{}", base_url(&headers), uri.path());
    let request = PageRequest { url, params: &params, paging: Paging::of(&wanted) };
    let name = |item: Option<&Attrs>| item?.get("id")?.as_str().map(str::to_string);
    let (first, last) = (name(items.first()), name(items.last()));
    let links = page_links(&request, items.len(), first.as_deref(), last.as_deref());
    let view = View { fields: &fields, hidden: Vec::new() };
    let body = view::list(PORT_FORWARDINGS.collection, &items, &view, links.as_ref())?;
    Ok(json(StatusCode::OK, body))
}

async fn show(
    State(this): This,
    Extension(ctx): Caller,
    Path((id, forwarding)): Path<(String, String)>,
    uri: Uri,
) -> HttpResult {
    let fields = query::parse(&PORT_FORWARDINGS, &query_params(&uri), None)?.fields;
    let floating_ip = this.floating_ip(&ctx, &id).await?;
    let item = this.l3.port_forwardings(&id).get(&ctx, &forwarding).await?;
    let target = Target::new(&item).with_parent(&floating_ip);
    if !this.authorizer.view(&PORT_FORWARDINGS, &ctx).shows(&target) {
        return Err(not_found().into());
    }
    Controller::answer(StatusCode::OK, &item, &fields)
}

async fn create(
    State(this): This,
    Extension(ctx): Caller,
    Path(id): Path<String>,
    body: Body,
) -> HttpResult {
    let body = Controller::body(&read_body(body).await?)?;
    let request = validate::create_body(&PORT_FORWARDINGS, body, &ctx)?;
    // Whoever owns the floating IP: the rule decides.
    let floating_ip = this.floating_ip(&ctx.elevated(), &id).await?;
    for attrs in &request.items {
        let target = Target::new(attrs).with_parent(&floating_ip);
        let enforcer = this.authorizer.enforcer();
        enforcer.authorize_create(&PORT_FORWARDINGS, attrs, &target, &ctx)?;
    }
    let made = this.l3.port_forwardings(&id).create(&ctx, request.items).await?;
    match made.first() {
        Some(made) => Controller::answer(StatusCode::CREATED, made, &[]),
        None => Err(bad_request("Resources required").into()),
    }
}

async fn update(
    State(this): This,
    Extension(ctx): Caller,
    Path((id, forwarding)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> HttpResult {
    let body = Controller::body(&read_body(body).await?)?;
    let changes = validate::update_body(&PORT_FORWARDINGS, body, &ctx)?;
    let if_match = if_match(&headers)?;
    let floating_ip = this.floating_ip(&ctx, &id).await?;
    let current = this.l3.port_forwardings(&id).get(&ctx, &forwarding).await?;
    let target = Target::new(&current).with_changes(&changes).with_parent(&floating_ip);
    let enforcer = this.authorizer.enforcer();
    enforcer.authorize_update(&PORT_FORWARDINGS, &changes, &target, &ctx)?;
    let item = this.l3.port_forwardings(&id).update(&ctx, &forwarding, changes, if_match).await?;
    Controller::answer(StatusCode::OK, &item, &[])
}

async fn delete(
    State(this): This,
    Extension(ctx): Caller,
    Path((id, forwarding)): Path<(String, String)>,
    headers: HeaderMap,
) -> HttpResult {
    let if_match = if_match(&headers)?;
    let floating_ip = this.floating_ip(&ctx, &id).await?;
    let current = this.l3.port_forwardings(&id).get(&ctx, &forwarding).await?;
    let target = Target::new(&current).with_parent(&floating_ip);
    this.authorizer.enforcer().authorize_delete(&PORT_FORWARDINGS, &target, &ctx)?;
    this.l3.port_forwardings(&id).delete(&ctx, &forwarding, if_match).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
