//! What routers refuse to other resources, and what they do when one of their ports goes.

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Registry, Resource, Subscriber};
use neutrino_db::{
    Db, Tx,
    routers::{self, ports},
};
use neutrino_ml2::models::subnet;
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context,
    constants::device_owner::{
        AGENT_GATEWAY, DVR_INTERFACE, FLOATING_IP, HA_REPLICATED_INTERFACE, ROUTER_GATEWAY,
        ROUTER_INTERFACE, ROUTER_INTERFACES, ROUTER_SNAT,
    },
    request,
};

use super::{checks, gateway, interfaces};

/// Owners of ports that only routers and floating IPs may delete.
const PROTECTED: [&str; 7] = [
    HA_REPLICATED_INTERFACE,
    ROUTER_INTERFACE,
    ROUTER_GATEWAY,
    FLOATING_IP,
    DVR_INTERFACE,
    ROUTER_SNAT,
    AGENT_GATEWAY,
];

/// Subscribes to the events of ports.
pub(super) fn subscribe(db: &Db, registry: &Registry) {
    let this = Arc::new(Vetoes { db: db.clone() });
    registry.subscribe(Resource::Port, Phase::Before, Action::Delete, this.clone());
    for action in [Action::Create, Action::Update, Action::Delete] {
        registry.subscribe(Resource::Port, Phase::Precommit, action, this.clone());
    }
}

struct Vetoes {
    db: Db,
}

#[async_trait]
impl Subscriber for Vetoes {
    fn name(&self) -> &'static str {
        "routers"
    }

    /// Ports of routers and floating IPs go with these, not by themselves.
    async fn before(&self, _: Resource, _: Action, payload: &Payload<'_>) -> ApiResult<()> {
        let conn = self.db.read().await?;
        match ports::owner_in_use(&conn, payload.id).await? {
            Some(owner) if PROTECTED.contains(&owner.as_str()) => Err(ApiError::conflict(
                "ServicePortInUse",
                format!(
                    "Port {} cannot be deleted directly via the port API: has device owner {owner}.",
                    payload.id
                ),
            )),
            _ => Ok(()),
        }
    }

    async fn precommit(
        &self,
        tx: &mut Tx,
        _: Resource,
        action: Action,
        payload: &Payload<'_>,
    ) -> ApiResult<()> {
        let Some(port) = payload.current else { return Ok(()) };
        let owner = request::text(port, "device_owner").unwrap_or_default();
        match action {
            Action::Delete if PROTECTED.contains(&owner) => {
                ensure_unneeded(tx, port, owner).await?;
                tx.execute_batch(vec![ports::release(payload.id)]).await?;
                Ok(())
            }
            Action::Delete => Ok(()),
            Action::Create | Action::Update if !ROUTER_INTERFACES.contains(&owner) => Ok(()),
            Action::Create => check_device(tx, payload.ctx, port).await,
            Action::Update if names_device(payload.request) => {
                check_device(tx, payload.ctx, port).await
            }
            Action::Update => Ok(()),
        }
    }
}

/// Refuses to delete ports that floating IPs or routes are reached by: one may have come since the
/// request about the router was checked.
///
/// # Errors
/// `RouterExternalGatewayInUseByFloatingIp`, `RouterInterfaceInUseByFloatingIP`,
/// `RouterInterfaceInUseByRoute`.
async fn ensure_unneeded(tx: &Tx, port: &Attrs, owner: &str) -> ApiResult<()> {
    let router = request::text(port, "device_id").unwrap_or_default();
    if owner == ROUTER_GATEWAY {
        let network = request::text(port, "network_id").unwrap_or_default();
        return gateway::ensure_no_floating_ips(tx, router, network).await;
    }
    if !ROUTER_INTERFACES.contains(&owner) {
        return Ok(());
    }
    let ips = request::list(port, "fixed_ips").unwrap_or_default();
    let subnets: Vec<&str> = ips.iter().filter_map(|ip| ip.get("subnet_id")?.as_str()).collect();
    interfaces::ensure_no_floating_ips(tx, router, &subnets).await?;
    let routes = routers::routes(tx, &[router]).await?.remove(router).unwrap_or_default();
    if routes.is_empty() {
        return Ok(());
    }
    for subnet in subnet::by_ids(tx, &Context::admin(), &subnets).await? {
        checks::no_route_through(router, &routes, (&subnet.id, subnet.cidr))?;
    }
    Ok(())
}

fn names_device(request: Option<&Attrs>) -> bool {
    request.is_some_and(|r| r.contains_key("device_id") || r.contains_key("device_owner"))
}

/// Projects may make their ports interfaces of their own routers only.
///
/// # Errors
/// `DeviceIDNotOwnedByTenant`.
async fn check_device(tx: &Tx, ctx: &Context, port: &Attrs) -> ApiResult<()> {
    let device = request::text(port, "device_id").unwrap_or_default();
    if ctx.is_admin || device.is_empty() {
        return Ok(());
    }
    let owner = ports::project_of(tx, device).await?;
    if owner.is_none_or(|owner| Some(owner.as_str()) == request::text(port, "project_id")) {
        return Ok(());
    }
    Err(ApiError::conflict(
        "DeviceIDNotOwnedByTenant",
        format!(
            "The following device_id {device} is not owned by your project or matches another \
             project router."
        ),
    ))
}
