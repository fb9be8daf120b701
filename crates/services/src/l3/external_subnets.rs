//! A new subnet of an external network: gateways there get an address of it, unless they have one
//! of its IP version already (`update_router_gw_ports`).

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Registry, Resource, Subscriber};
use neutrino_db::routers::{self as rows, Router};
use neutrino_ml2::models::subnet::{self, Subnet};
use neutrino_types::{ApiResult, Attrs, Context, constants::device_owner, request};
use serde_json::{Value, json};

use super::{Inner, gateway};

pub(super) fn subscribe(inner: &Arc<Inner>, registry: &Registry) {
    let this = Arc::new(Gateways(Arc::clone(inner)));
    registry.subscribe(Resource::Subnet, Phase::After, Action::Create, this);
}

struct Gateways(Arc<Inner>);

#[async_trait]
impl Subscriber for Gateways {
    fn name(&self) -> &'static str {
        "gateways of routers"
    }

    async fn after(&self, _: Resource, _: Action, payload: &Payload<'_>) -> ApiResult<()> {
        let Some(new) = payload.current else { return Ok(()) };
        if request::flag(new, "router:external") != Some(true) {
            return Ok(());
        }
        let admin = Context::admin();
        let network = request::text(new, "network_id").unwrap_or_default();
        let conn = self.0.db.read().await?;
        let routers = rows::with_gateway_on(&conn, network).await?;
        if routers.is_empty() {
            return Ok(());
        }
        let subnets = subnet::by_networks(&conn, &[network]).await?;
        drop(conn);
        let Some(new) = subnets.iter().find(|s| s.id == payload.id) else { return Ok(()) };
        for router in routers.iter().filter(|router| wants(router, new, &subnets)) {
            let info = extended(router, new);
            match gateway::set(&self.0, &admin, &router.id, &info, &Attrs::new()).await {
                Err(error) if error.kind == "RouterNotFound" => {
                    tracing::debug!(router_id = router.id, subnet = new.id, "the router is gone");
                }
                done => done?,
            }
        }
        Ok(())
    }
}

/// Whether the router's gateway lacks an address of the new subnet's IP version. Addresses that
/// ports make from their MAC come by themselves, and count for nothing here.
fn wants(router: &Router, new: &Subnet, subnets: &[Subnet]) -> bool {
    let types = &new.service_types;
    let serves_gateways =
        types.is_empty() || types.iter().any(|t| t == device_owner::ROUTER_GATEWAY);
    if new.is_auto_address() || !serves_gateways {
        return false;
    }
    let addresses = router.gateway.iter().flat_map(|gateway| &gateway.fixed_ips);
    let is_auto = |id: &str| subnets.iter().any(|s| s.id == id && s.is_auto_address());
    let mut stateful = addresses.filter(|ip| !is_auto(&ip.subnet_id));
    !stateful.any(|ip| ip.ip_address.is_ipv4() == (new.ip_version() == 4))
}

/// `external_gateway_info` of the router with an address of `new` besides.
fn extended(router: &Router, new: &Subnet) -> Value {
    let mut ips: Vec<Value> = router
        .gateway
        .iter()
        .flat_map(|gateway| &gateway.fixed_ips)
        .map(|ip| json!({ "subnet_id": ip.subnet_id, "ip_address": ip.ip_address }))
        .collect();
    ips.push(json!({ "subnet_id": new.id }));
    json!({
        "network_id": new.network_id,
        "enable_snat": router.enable_snat,
        "external_fixed_ips": ips,
    })
}
