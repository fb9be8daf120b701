//! `/v2.0/quotas` and what lies under it.
//!
//! Rules are asked about the caller's own project, whoever's quota is meant: that is what
//! Neutron does, so a manager of one project reads and an admin sets the quota of any.

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
    routing::get,
};
use neutrino_api_defs::{QUOTAS, validate};
use neutrino_policy::Target;
use neutrino_services::Quotas;
use neutrino_types::{ApiError, ApiResult, Attrs, Context};
use serde_json::{Value, json};

use super::{
    refuse_head,
    view::{self, View},
};
use crate::{
    authorize::Authorizer,
    http::{json_object, read_body},
    middleware::{
        auth::Caller,
        error::{HttpResult, bad_request, json as json_answer},
    },
};

/// State of the handlers here.
#[derive(Debug)]
struct Controller {
    quotas: Quotas,
    authorizer: Arc<Authorizer>,
}

type This = State<Arc<Controller>>;

/// The routes under `/v2.0/quotas`.
pub fn routes(quotas: Quotas, authorizer: Arc<Authorizer>) -> Router {
    Router::new()
        .route("/v2.0/quotas", refuse_head(get(list).post(create)))
        .route("/v2.0/quotas/{project}", refuse_head(get(show).put(update).delete(delete)))
        .route("/v2.0/quotas/{project}/default", refuse_head(get(default)))
        .route("/v2.0/quotas/{project}/details", refuse_head(get(details)))
        .with_state(Arc::new(Controller { quotas, authorizer }))
}

impl Controller {
    fn check(&self, ctx: &Context, rule: &str) -> ApiResult<()> {
        let own: Attrs = [("project_id".to_string(), json!(ctx.project_id))].into_iter().collect();
        self.authorizer.enforcer().authorize(rule, &Target::new(&own), ctx)
    }

    /// One's own quota may always be read.
    fn check_read(&self, ctx: &Context, project: &str) -> ApiResult<()> {
        if ctx.project_id.as_deref() == Some(project) {
            return Ok(());
        }
        self.check(ctx, "get_quota")
    }
}

fn answer(member: &str, attrs: &Attrs) -> HttpResult {
    Ok(json_answer(StatusCode::OK, view::single(member, attrs, &View::default())?))
}

async fn list(State(this): This, Extension(ctx): Caller) -> HttpResult {
    this.check(&ctx, "get_quota")?;
    let all = this.quotas.list().await?;
    Ok(json_answer(StatusCode::OK, view::list("quotas", &all, &View::default(), None)?))
}

async fn create() -> HttpResult {
    let text = "POST requests are not supported on this resource.";
    Err(ApiError::new("HTTPNotImplemented", 501, text).into())
}

async fn show(
    State(this): This,
    Extension(ctx): Caller,
    Path(project): Path<String>,
) -> HttpResult {
    if let key @ ("tenant" | "project") = project.as_str() {
        return answer(key, &Quotas::own_project(&ctx, key)?);
    }
    this.check_read(&ctx, &project)?;
    answer("quota", &this.quotas.get(&project).await?)
}

async fn default(
    State(this): This,
    Extension(ctx): Caller,
    Path(project): Path<String>,
) -> HttpResult {
    this.check_read(&ctx, &project)?;
    answer("quota", &this.quotas.default_limits())
}

async fn details(
    State(this): This,
    Extension(ctx): Caller,
    Path(project): Path<String>,
) -> HttpResult {
    if ctx.project_id.as_deref() != Some(project.as_str()) && !ctx.is_admin {
        let text = "User does not have admin privileges: Only admin is authorized to access \
                    quotas for another project.";
        return Err(ApiError::new("AdminRequired", 403, text).into());
    }
    answer("quota", &this.quotas.details(&project).await?)
}

async fn update(
    State(this): This,
    Extension(ctx): Caller,
    Path(project): Path<String>,
    body: Body,
) -> HttpResult {
    let body = read_body(body).await?;
    this.check(&ctx, "update_quota")?;
    let mut body =
        json_object(&body)?.ok_or_else(|| bad_request("Unable to find 'quota' in request body"))?;
    let mut force = false;
    if let Some(Value::Object(quota)) = body.get_mut("quota") {
        force = quota.shift_remove("force") == Some(Value::Bool(true));
        // Once asked for a check that is now always made.
        quota.shift_remove("check_limit");
    }
    let changes = validate::update_body(&QUOTAS, Value::Object(body), &ctx)?;
    answer("quota", &this.quotas.update(&project, &changes, force).await?)
}

async fn delete(
    State(this): This,
    Extension(ctx): Caller,
    Path(project): Path<String>,
) -> HttpResult {
    this.check(&ctx, "delete_quota")?;
    this.quotas.delete(&project).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
