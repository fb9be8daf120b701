//! What agents serve: `/v2.0/agents/<id>/dhcp-networks` and `/v2.0/networks/<id>/dhcp-agents`
//! (`dhcp_agent_scheduler`), `/v2.0/agents/<id>/l3-routers` and `/v2.0/routers/<id>/l3-agents`
//! (`l3_agent_scheduler`).

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{delete, get},
};
use neutrino_policy::Target;
use neutrino_services::{DhcpScheduler, l3::L3Scheduler};
use neutrino_types::{ApiResult, Attrs, Context};
use serde_json::Value;

use super::{
    refuse_head,
    view::{self, View},
};
use crate::{
    authorize::Authorizer,
    http::{json_object, read_body},
    middleware::{
        auth::Caller,
        error::{HttpResult, bad_request, json},
    },
};

/// What is scheduled to a type of agents, and what the API calls it.
#[async_trait]
trait Scheduling: Send + Sync {
    /// The resource, e.g. `network`.
    const RESOURCE: &'static str;
    /// The resource of an agent, e.g. `dhcp-network`.
    const OF_AGENT: &'static str;
    /// The agents of a resource, e.g. `dhcp-agents`.
    const AGENTS: &'static str;

    async fn resources(&self, ctx: &Context, agent: &str) -> ApiResult<Vec<Attrs>>;
    async fn agents(&self, ctx: &Context, resource: &str) -> ApiResult<Vec<Attrs>>;
    async fn add(&self, agent: &str, resource: &str) -> ApiResult<()>;
    async fn remove(&self, agent: &str, resource: &str) -> ApiResult<()>;
}

#[async_trait]
impl Scheduling for DhcpScheduler {
    const RESOURCE: &'static str = "network";
    const OF_AGENT: &'static str = "dhcp-network";
    const AGENTS: &'static str = "dhcp-agents";

    async fn resources(&self, ctx: &Context, agent: &str) -> ApiResult<Vec<Attrs>> {
        self.list_networks(ctx, agent).await
    }

    async fn agents(&self, ctx: &Context, network: &str) -> ApiResult<Vec<Attrs>> {
        self.list_agents(ctx, network).await
    }

    async fn add(&self, agent: &str, network: &str) -> ApiResult<()> {
        self.add_network(agent, network).await
    }

    async fn remove(&self, agent: &str, network: &str) -> ApiResult<()> {
        self.remove_network(agent, network).await
    }
}

#[async_trait]
impl Scheduling for L3Scheduler {
    const RESOURCE: &'static str = "router";
    const OF_AGENT: &'static str = "l3-router";
    const AGENTS: &'static str = "l3-agents";

    async fn resources(&self, ctx: &Context, agent: &str) -> ApiResult<Vec<Attrs>> {
        self.list_routers(ctx, agent).await
    }

    async fn agents(&self, ctx: &Context, router: &str) -> ApiResult<Vec<Attrs>> {
        self.list_agents(ctx, router).await
    }

    async fn add(&self, agent: &str, router: &str) -> ApiResult<()> {
        self.add_router(agent, router).await
    }

    async fn remove(&self, agent: &str, router: &str) -> ApiResult<()> {
        self.remove_router(agent, router).await
    }
}

/// State of the handlers here.
struct Controller<S> {
    scheduler: S,
    authorizer: Arc<Authorizer>,
}

type This<S> = State<Arc<Controller<S>>>;

/// The routes of scheduling to DHCP agents and to L3 agents.
pub fn routes(dhcp: DhcpScheduler, l3: L3Scheduler, authorizer: &Arc<Authorizer>) -> Router {
    routes_of(dhcp, authorizer.clone()).merge(routes_of(l3, authorizer.clone()))
}

fn routes_of<S: Scheduling + 'static>(scheduler: S, authorizer: Arc<Authorizer>) -> Router {
    let of_agent = format!("/v2.0/agents/{{id}}/{}s", S::OF_AGENT);
    let one = format!("{of_agent}/{{resource}}");
    let agents = format!("/v2.0/{}s/{{id}}/{}", S::RESOURCE, S::AGENTS);
    Router::new()
        .route(&of_agent, refuse_head(get(list_resources::<S>).post(add::<S>)))
        .route(&one, delete(remove::<S>))
        .route(&agents, refuse_head(get(list_agents::<S>)))
        .with_state(Arc::new(Controller { scheduler, authorizer }))
}

impl<S> Controller<S> {
    /// The rules here are about no particular resource.
    fn check(&self, ctx: &Context, action: &str, what: &str) -> ApiResult<()> {
        let rule = format!("{action}_{what}");
        self.authorizer.enforcer().authorize(&rule, &Target::new(&Attrs::new()), ctx)
    }
}

async fn list_resources<S: Scheduling>(
    State(this): This<S>,
    Extension(ctx): Caller,
    Path(agent): Path<String>,
) -> HttpResult {
    this.check(&ctx, "get", &format!("{}s", S::OF_AGENT))?;
    let found = this.scheduler.resources(&ctx, &agent).await?;
    let collection = format!("{}s", S::RESOURCE);
    Ok(json(StatusCode::OK, view::list(&collection, &found, &View::default(), None)?))
}

async fn list_agents<S: Scheduling>(
    State(this): This<S>,
    Extension(ctx): Caller,
    Path(resource): Path<String>,
) -> HttpResult {
    this.check(&ctx, "get", S::AGENTS)?;
    let agents = this.scheduler.agents(&ctx, &resource).await?;
    Ok(json(StatusCode::OK, view::list("agents", &agents, &View::default(), None)?))
}

async fn add<S: Scheduling>(
    State(this): This<S>,
    Extension(ctx): Caller,
    Path(agent): Path<String>,
    body: Body,
) -> HttpResult {
    let body = json_object(&read_body(body).await?)?;
    this.check(&ctx, "create", S::OF_AGENT)?;
    let key = format!("{}_id", S::RESOURCE);
    let id = body.as_ref().and_then(|b| b.get(&key)).and_then(Value::as_str);
    let id = id.ok_or_else(|| bad_request(format!("Unable to find '{key}' in request body")))?;
    this.scheduler.add(&agent, id).await?;
    Ok(json(StatusCode::CREATED, b"null".to_vec()))
}

async fn remove<S: Scheduling>(
    State(this): This<S>,
    Extension(ctx): Caller,
    Path((agent, resource)): Path<(String, String)>,
) -> HttpResult {
    this.check(&ctx, "delete", S::OF_AGENT)?;
    this.scheduler.remove(&agent, &resource).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
