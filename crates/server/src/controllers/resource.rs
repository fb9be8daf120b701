//! The controller every collection shares: what `api-defs` says of a resource, checked by the
//! policy, done by its plugin.
//!
//! Checks come in Neutron's order, so that a request wrong in several ways gets the same answer:
//! body, `If-Match`, existence, policy, plugin.

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::{Body, HttpBody},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use neutrino_api_defs::{MemberAction, Resource, query, validate};
use neutrino_types::{ApiResult, Attrs, Context, ResourcePlugin, WrittenPage};
use serde_json::Value;

use super::{
    refuse_head,
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

/// What bounds list and bulk requests.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest page of a list.
    pub page: Option<u64>,
    /// Whether a create request may hold several resources.
    pub allow_bulk: bool,
}

/// Serves one collection.
pub struct Controller {
    /// What the collection is.
    pub resource: &'static Resource,
    /// Who owns it.
    pub plugin: Arc<dyn ResourcePlugin>,
    /// Who may do what.
    pub authorizer: Arc<Authorizer>,
    /// Bounds.
    pub limits: Limits,
}

impl std::fmt::Debug for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller").field("resource", &self.resource.collection).finish()
    }
}

type This = State<Arc<Controller>>;

impl Controller {
    /// The collection's routes under `/v2.0`.
    pub fn routes(self) -> Router {
        let path = format!("/v2.0/{}", self.resource.path);
        let offers = self.resource.operations;
        let mut collection: MethodRouter<Arc<Self>> = MethodRouter::new();
        if offers.list {
            collection = collection.merge(on(MethodFilter::GET, list));
        }
        if offers.create {
            collection = collection.merge(on(MethodFilter::POST, create));
        }
        let mut item: MethodRouter<Arc<Self>> = MethodRouter::new();
        if offers.show {
            item = item.merge(on(MethodFilter::GET, show));
        }
        if offers.update {
            item = item.merge(on(MethodFilter::PUT, update));
        }
        if offers.delete {
            item = item.merge(on(MethodFilter::DELETE, delete));
        }
        let mut router = Router::new().route(&path, refuse_head(collection));
        if offers.show || offers.update || offers.delete {
            router = router.route(&format!("{path}/{{id}}"), refuse_head(item));
        }
        for action in self.resource.actions {
            let handler = move |this: This, ctx: Caller, id: Path<String>, body: Body| {
                act(this, ctx, id, action, body)
            };
            let only = refuse_head(on(MethodFilter::PUT, handler));
            router = router.route(&format!("{path}/{{id}}/{}", action.name), only);
        }
        router.with_state(Arc::new(self))
    }

    /// The parameters of a list; those of pages are not there for collections without any.
    fn list_params(&self, uri: &Uri) -> Vec<(String, String)> {
        let mut params = query_params(uri);
        if !self.resource.pages {
            params.retain(|(key, _)| !matches!(key.as_str(), "limit" | "marker" | "page_reverse"));
        }
        params
    }

    async fn list(&self, ctx: &Context, uri: &Uri, headers: &HeaderMap) -> ApiResult<Vec<u8>> {
        let params = self.list_params(uri);
        let most = self.limits.page.filter(|_| self.resource.pages);
        let mut query = query::parse(self.resource, &params, most)?;
        let fields = query.fields.clone();
        let key = self.resource.primary_key();
        let policy = self.authorizer.view(self.resource, ctx);
        let page = Page { params: &params, uri, headers, paging: Paging::of(&query) };
        let name = self.resource.collection;
        if policy.is_all() {
            let mut out = view::open_list(name)?;
            if let Some(written) = self.plugin.write_list(ctx, &query, &mut out).await? {
                view::close_list(&mut out, name, page.links(&written).as_ref())?;
                return Ok(out);
            }
        }
        if policy.depends_on_target() {
            // Rules look at attributes that the caller did not ask for.
            query.fields.clear();
        } else if !fields.is_empty() && !fields.iter().any(|f| f == key) {
            query.fields.push(key.to_string());
        }
        let items = self.plugin.list(ctx, &query).await?;
        let seen = self.authorizer.seen(self.resource, &policy, items).await?;
        let id = |item: &Attrs| item.get(key).and_then(Value::as_str).map(str::to_string);
        let links = page.links(&WrittenPage {
            count: seen.items.len(),
            first: seen.items.first().and_then(id),
            last: seen.items.last().and_then(id),
        });
        let view = View { fields: &fields, hidden: seen.hidden };
        view::list(name, &seen.items, &view, links.as_ref())
    }

    async fn show(&self, ctx: &Context, id: &str, uri: &Uri) -> ApiResult<Option<Vec<u8>>> {
        let fields = if uri.query().is_some() {
            let params = query_params(uri);
            query::parse(self.resource, &params, self.limits.page)?.fields
        } else {
            Vec::new()
        };
        let item = self.plugin.get(ctx, id).await?;
        let policy = self.authorizer.view(self.resource, ctx);
        let Some(hidden) = self.authorizer.seen_one(self.resource, &policy, &item).await? else {
            return Ok(None);
        };
        view::single(self.resource.member, &item, &View { fields: &fields, hidden }).map(Some)
    }

    async fn create(&self, ctx: &Context, body: &[u8]) -> ApiResult<Vec<u8>> {
        let body = self.resource_body(body)?.ok_or_else(|| self.no_resource())?;
        let request = validate::create_body(self.resource, body, ctx)?;
        if request.bulk && !self.limits.allow_bulk {
            return Err(bad_request("Bulk operation not supported"));
        }
        self.authorizer.create(ctx, self.resource, &request.items).await?;
        let items = self.plugin.create(ctx, request.items).await?;
        let view = self.view_of_result(ctx, items.first()).await?;
        match items.as_slice() {
            [item] if !request.bulk => view::single(self.resource.member, item, &view),
            items => view::list(self.resource.collection, items, &view, None),
        }
    }

    /// What the caller may see of a resource it has just written.
    async fn view_of_result(&self, ctx: &Context, item: Option<&Attrs>) -> ApiResult<View<'_>> {
        let mut view = View::default();
        if let Some(item) = item {
            let policy = self.authorizer.view(self.resource, ctx);
            let hidden = self.authorizer.seen_one(self.resource, &policy, item).await?;
            // What was just written is answered, whatever the rule about reading says.
            view.hidden = hidden.unwrap_or_default();
        }
        Ok(view)
    }

    async fn update(
        &self,
        ctx: &Context,
        id: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> ApiResult<Vec<u8>> {
        let changes = match self.resource_body(body)? {
            Some(body) => Some(validate::update_body(self.resource, body, ctx)?),
            None => None,
        };
        let if_match = if_match(headers)?;
        let Some(changes) = changes else {
            // Neutron looks for the resource before it misses the body.
            self.plugin.get(ctx, id).await?;
            return Err(self.no_resource());
        };
        let plugin = self.plugin.as_ref();
        self.authorizer.update(ctx, self.resource, plugin, id, &changes).await?;
        let item = self.plugin.update(ctx, id, changes, if_match).await?;
        let view = self.view_of_result(ctx, Some(&item)).await?;
        view::single(self.resource.member, &item, &view)
    }

    async fn act(
        &self,
        ctx: &Context,
        id: &str,
        action: &MemberAction,
        body: &[u8],
    ) -> ApiResult<Vec<u8>> {
        let body = json_object(body)?.unwrap_or_default();
        if let Some(missing) = action.body.iter().find(|name| !body.contains_key(**name)) {
            return Err(bad_request(format!("Unable to find '{missing}' in request body")));
        }
        let plugin = self.plugin.as_ref();
        self.authorizer.action(ctx, self.resource, plugin, id, action.name).await?;
        let answer = self.plugin.act(ctx, id, action.name, body).await?;
        match answer.get(self.resource.member) {
            Some(Value::Object(item)) => {
                let view = self.view_of_result(ctx, Some(item)).await?;
                view::single(self.resource.member, item, &view)
            }
            _ => view::object(&answer),
        }
    }

    async fn delete(
        &self,
        ctx: &Context,
        id: &str,
        headers: &HeaderMap,
        has_body: bool,
    ) -> ApiResult<()> {
        let if_match = if_match(headers)?;
        self.authorizer.delete(ctx, self.resource, self.plugin.as_ref(), id).await?;
        if has_body {
            return Err(bad_request("Request body is not supported in DELETE."));
        }
        self.plugin.delete(ctx, id, if_match).await
    }

    /// The body when it holds this resource; `None` when it is empty or about something else.
    fn resource_body(&self, body: &[u8]) -> ApiResult<Option<Value>> {
        let named = |map: &Attrs| {
            map.contains_key(self.resource.member) || map.contains_key(self.resource.collection)
        };
        Ok(json_object(body)?.filter(named).map(Value::Object))
    }

    fn no_resource(&self) -> neutrino_types::ApiError {
        bad_request(format!("Unable to find '{}' in request body", self.resource.member))
    }
}

/// A list request, as far as its links depend on it.
struct Page<'r> {
    params: &'r [(String, String)],
    uri: &'r Uri,
    headers: &'r HeaderMap,
    paging: Paging,
}

impl Page<'_> {
    fn links(&self, items: &WrittenPage) -> Option<Value> {
        self.paging.limit?;
        let url = format!("{}{}", base_url(self.headers), self.uri.path());
        let request = PageRequest { url, params: self.params, paging: self.paging };
        page_links(&request, items.count, items.first.as_deref(), items.last.as_deref())
    }
}

/// 404 of a resource that policy hides: Neutron answers it without the `NeutronError` envelope.
fn hidden_resource() -> Response {
    let body =
        r#"{"type": "HTTPNotFound", "message": "The resource could not be found.", "detail": ""}"#;
    json(StatusCode::NOT_FOUND, body.into())
}

async fn list(
    State(this): This,
    Extension(ctx): Caller,
    uri: Uri,
    headers: HeaderMap,
) -> HttpResult {
    Ok(json(StatusCode::OK, this.list(&ctx, &uri, &headers).await?))
}

async fn show(
    State(this): This,
    Extension(ctx): Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> HttpResult {
    let body = this.show(&ctx, &id, &uri).await?;
    Ok(body.map_or_else(hidden_resource, |body| json(StatusCode::OK, body)))
}

async fn create(State(this): This, Extension(ctx): Caller, body: Body) -> HttpResult {
    let body = read_body(body).await?;
    Ok(json(StatusCode::CREATED, this.create(&ctx, &body).await?))
}

async fn update(
    State(this): This,
    Extension(ctx): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> HttpResult {
    let body = read_body(body).await?;
    Ok(json(StatusCode::OK, this.update(&ctx, &id, &headers, &body).await?))
}

async fn act(
    State(this): This,
    Extension(ctx): Caller,
    Path(id): Path<String>,
    action: &'static MemberAction,
    body: Body,
) -> HttpResult {
    let body = read_body(body).await?;
    Ok(json(StatusCode::OK, this.act(&ctx, &id, action, &body).await?))
}

async fn delete(
    State(this): This,
    Extension(ctx): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> HttpResult {
    let has_body = !body.is_end_stream() && !read_body(body).await?.is_empty();
    this.delete(&ctx, &id, &headers, has_body).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
