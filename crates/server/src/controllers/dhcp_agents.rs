//! `/v2.0/agents/<id>/dhcp-networks` and `/v2.0/networks/<id>/dhcp-agents`
//! (`dhcp_agent_scheduler`).

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{delete, get},
};
use neutrino_policy::Target;
use neutrino_services::DhcpScheduler;
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

/// State of the handlers here.
struct Controller {
    scheduler: DhcpScheduler,
    authorizer: Arc<Authorizer>,
}

type This = State<Arc<Controller>>;

/// The routes of DHCP scheduling.
pub fn routes(scheduler: DhcpScheduler, authorizer: Arc<Authorizer>) -> Router {
    let networks = get(list_networks).post(add_network);
    Router::new()
        .route("/v2.0/agents/{id}/dhcp-networks", refuse_head(networks))
        .route("/v2.0/agents/{id}/dhcp-networks/{network}", delete(remove_network))
        .route("/v2.0/networks/{id}/dhcp-agents", refuse_head(get(list_agents)))
        .with_state(Arc::new(Controller { scheduler, authorizer }))
}

impl Controller {
    /// The rules here are about no particular resource.
    fn check(&self, ctx: &Context, rule: &str) -> ApiResult<()> {
        self.authorizer.enforcer().authorize(rule, &Target::new(&Attrs::new()), ctx)
    }
}

async fn list_networks(
    State(this): This,
    Extension(ctx): Caller,
    Path(agent): Path<String>,
) -> HttpResult {
    this.check(&ctx, "get_dhcp-networks")?;
    let networks = this.scheduler.list_networks(&ctx, &agent).await?;
    Ok(json(StatusCode::OK, view::list("networks", &networks, &View::default(), None)?))
}

async fn list_agents(
    State(this): This,
    Extension(ctx): Caller,
    Path(network): Path<String>,
) -> HttpResult {
    this.check(&ctx, "get_dhcp-agents")?;
    let agents = this.scheduler.list_agents(&ctx, &network).await?;
    Ok(json(StatusCode::OK, view::list("agents", &agents, &View::default(), None)?))
}

async fn add_network(
    State(this): This,
    Extension(ctx): Caller,
    Path(agent): Path<String>,
    body: Body,
) -> HttpResult {
    let body = json_object(&read_body(body).await?)?;
    this.check(&ctx, "create_dhcp-network")?;
    let network = body.as_ref().and_then(|b| b.get("network_id")).and_then(Value::as_str);
    let network =
        network.ok_or_else(|| bad_request("Unable to find 'network_id' in request body"))?;
    this.scheduler.add_network(&agent, network).await?;
    Ok(json(StatusCode::CREATED, b"null".to_vec()))
}

async fn remove_network(
    State(this): This,
    Extension(ctx): Caller,
    Path((agent, network)): Path<(String, String)>,
) -> HttpResult {
    this.check(&ctx, "delete_dhcp-network")?;
    this.scheduler.remove_network(&agent, &network).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
