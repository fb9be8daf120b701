//! `/v2.0/<collection>/<id>/tags` of every collection with standard attributes.

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
    routing::get,
};
use neutrino_api_defs::Resource;
use neutrino_services::{TagService, tags::parse_body};
use neutrino_types::{ApiResult, Context, ResourcePlugin};
use serde_json::Value;

use super::{refuse_head, view};
use crate::{
    authorize::Authorizer,
    http::read_body,
    middleware::{
        auth::Caller,
        error::{HttpResult, bad_request, json},
    },
};

/// Serves the tags of one collection.
pub struct Controller {
    /// The collection.
    pub resource: &'static Resource,
    /// Its plugin, asked for the resource that rules look at.
    pub plugin: Arc<dyn ResourcePlugin>,
    /// The tags.
    pub tags: TagService,
    /// Who may do what.
    pub authorizer: Arc<Authorizer>,
}

impl std::fmt::Debug for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller").field("resource", &self.resource.collection).finish()
    }
}

type This = State<Arc<Controller>>;

impl Controller {
    /// The routes under the collection's members.
    pub fn routes(self) -> Router {
        let path = format!("/v2.0/{}/{{id}}/tags", self.resource.path);
        let all = get(list).post(add).put(replace).delete(remove_all);
        let one = get(check).put(add_one).delete(remove_one);
        Router::new()
            .route(&path, refuse_head(all))
            .route(&format!("{path}/{{tag}}"), refuse_head(one))
            .with_state(Arc::new(self))
    }

    /// Asks `<action>_<member>:tags`. Neutron answers a denial with 403 even when the caller may
    /// not see the resource.
    async fn authorize(&self, ctx: &Context, action: &str, id: &str) -> ApiResult<()> {
        let rule = format!("{action}_{}:tags", self.resource.member);
        if ctx.is_admin && self.authorizer.enforcer().check(&rule, &Default::default(), ctx) {
            return Ok(());
        }
        let item = match self.plugin.get(&ctx.elevated(), id).await {
            Ok(item) => item,
            // The tag service words the absence of the resource.
            Err(e) if e.status == 404 => {
                return self.tags.list(self.resource.collection, id).await.map(|_| ());
            }
            Err(e) => return Err(e),
        };
        self.authorizer.rule(ctx, self.resource, &rule, &item).await
    }

    fn collection(&self) -> &'static str {
        self.resource.collection
    }
}

async fn body_value(body: Body) -> ApiResult<Value> {
    let body = read_body(body).await?;
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&body).map_err(|_| bad_request("Body contains invalid data"))
}

async fn list(State(this): This, Extension(ctx): Caller, Path(id): Path<String>) -> HttpResult {
    this.authorize(&ctx, "get", &id).await?;
    answer(StatusCode::OK, &this.tags.list(this.collection(), &id).await?)
}

fn answer(status: StatusCode, body: &neutrino_types::Attrs) -> HttpResult {
    let body = view::object(body)?;
    Ok(json(status, body))
}

async fn check(
    State(this): This,
    Extension(ctx): Caller,
    Path((id, tag)): Path<(String, String)>,
) -> HttpResult {
    this.authorize(&ctx, "get", &id).await?;
    this.tags.check(this.collection(), &id, &tag).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn add(
    State(this): This,
    Extension(ctx): Caller,
    Path(id): Path<String>,
    body: Body,
) -> HttpResult {
    let body = body_value(body).await?;
    parse_body(&body)?;
    this.authorize(&ctx, "create", &id).await?;
    answer(StatusCode::CREATED, &this.tags.add(this.collection(), &id, &body).await?)
}

async fn replace(
    State(this): This,
    Extension(ctx): Caller,
    Path(id): Path<String>,
    body: Body,
) -> HttpResult {
    let body = body_value(body).await?;
    parse_body(&body)?;
    this.authorize(&ctx, "update", &id).await?;
    answer(StatusCode::OK, &this.tags.replace(this.collection(), &id, &body).await?)
}

async fn add_one(
    State(this): This,
    Extension(ctx): Caller,
    Path((id, tag)): Path<(String, String)>,
) -> HttpResult {
    this.authorize(&ctx, "update", &id).await?;
    this.tags.add_one(this.collection(), &id, &tag).await?;
    // Neutron renders the absent result of this call as JSON.
    Ok(json(StatusCode::CREATED, b"null".to_vec()))
}

async fn remove_one(
    State(this): This,
    Extension(ctx): Caller,
    Path((id, tag)): Path<(String, String)>,
) -> HttpResult {
    this.authorize(&ctx, "delete", &id).await?;
    this.tags.remove_one(this.collection(), &id, &tag).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove_all(
    State(this): This,
    Extension(ctx): Caller,
    Path(id): Path<String>,
) -> HttpResult {
    this.authorize(&ctx, "delete", &id).await?;
    this.tags.remove_all(this.collection(), &id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
