//! Changes of routers, floating IPs, ports, subnets and agents as messages to L3 agents, the same
//! that Neutron sends (`L3AgentNotifyAPI`).

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Registry, Resource, Subscriber};
use neutrino_db::l3_bindings;
use neutrino_rpc::methods;
use neutrino_types::{
    ApiResult, Attrs,
    constants::{agent_type, device_owner},
};
use serde_json::{Value, json};

use super::scheduler::L3Scheduler;
use crate::scheduling::admin_state_change;

pub(super) fn subscribe(scheduler: &L3Scheduler, registry: &Registry) {
    use Action::{Create, Delete, Update};
    let this = Arc::new(Notifications(scheduler.clone()));
    for (resource, actions) in [
        (Resource::Router, &[Create, Update, Delete][..]),
        (Resource::RouterInterface, &[Create, Delete]),
        (Resource::FloatingIp, &[Create, Update, Delete]),
        (Resource::Port, &[Update]),
        (Resource::Subnet, &[Update]),
        (Resource::SubnetPoolAddressScope, &[Update]),
        (Resource::Agent, &[Update]),
    ] {
        for action in actions {
            registry.subscribe(resource, Phase::After, *action, this.clone());
        }
    }
}

struct Notifications(L3Scheduler);

#[async_trait]
impl Subscriber for Notifications {
    fn name(&self) -> &'static str {
        "l3 agents"
    }

    async fn after(
        &self,
        resource: Resource,
        action: Action,
        payload: &Payload<'_>,
    ) -> ApiResult<()> {
        self.after_all(resource, action, std::slice::from_ref(payload)).await
    }

    async fn after_all(
        &self,
        resource: Resource,
        action: Action,
        payloads: &[Payload<'_>],
    ) -> ApiResult<()> {
        match (resource, action) {
            (Resource::Router, Action::Delete) => {
                for payload in payloads {
                    let args = json!({ "router_id": payload.id });
                    self.0.notifier().fanout(methods::ROUTER_DELETED, args).await;
                }
                Ok(())
            }
            (Resource::Agent, _) => {
                for payload in payloads {
                    self.agent_updated(payload).await;
                }
                Ok(())
            }
            (Resource::Subnet, _) => {
                let moved: Vec<&str> =
                    payloads.iter().filter(|p| changed(p, "gateway_ip")).map(|p| p.id).collect();
                self.gateways_moved(&moved).await
            }
            (Resource::SubnetPoolAddressScope, _) => {
                let pools: Vec<&str> = payloads.iter().map(|p| p.id).collect();
                self.rescoped(&pools).await
            }
            _ => {
                let mut seen = HashSet::new();
                let routers = payloads.iter().flat_map(|p| concerned(resource, action, p));
                let routers: Vec<&str> = routers.filter(|id| seen.insert(*id)).collect();
                match resource {
                    // The hosts of instances hear of theirs (see `super::dvr`).
                    Resource::FloatingIp => self.0.centres_updated(&routers).await,
                    _ => self.0.routers_updated(&routers).await,
                }
            }
        }
    }
}

impl Notifications {
    async fn agent_updated(&self, payload: &Payload<'_>) {
        if let Some((host, up)) = admin_state_change(payload, agent_type::L3) {
            let args = json!({ "payload": { "admin_state_up": up } });
            self.0.notifier().cast(host, methods::L3_AGENT_UPDATED, args).await;
        }
    }

    /// Subnet pools are in other address scopes: routers translate between other networks now.
    async fn rescoped(&self, pools: &[&str]) -> ApiResult<()> {
        let conn = self.0.0.db.read().await?;
        let routers = l3_bindings::with_ports_from(&conn, pools).await?;
        drop(conn);
        let routers: Vec<&str> = routers.iter().map(String::as_str).collect();
        self.0.routers_updated(&routers).await
    }

    /// The gateways of subnets changed: routers with an address there have another next hop.
    async fn gateways_moved(&self, subnets: &[&str]) -> ApiResult<()> {
        if subnets.is_empty() {
            return Ok(());
        }
        let conn = self.0.0.db.read().await?;
        let routers = l3_bindings::with_gateway_on(&conn, subnets).await?;
        drop(conn);
        let routers: Vec<&str> = routers.iter().map(String::as_str).collect();
        self.0.routers_updated(&routers).await
    }
}

fn text<'a>(attrs: Option<&'a Attrs>, key: &str) -> Option<&'a str> {
    attrs?.get(key)?.as_str().filter(|text| !text.is_empty())
}

fn changed(payload: &Payload<'_>, key: &str) -> bool {
    let value = |attrs: Option<&Attrs>| attrs.and_then(|a| a.get(key)).cloned();
    value(payload.original) != value(payload.current)
}

/// The routers whose agents hear of a change.
fn concerned<'a>(resource: Resource, action: Action, payload: &Payload<'a>) -> Vec<&'a str> {
    match (resource, action) {
        // Without a gateway there is nothing to do for it yet.
        (Resource::Router, Action::Create) => {
            let gateway = payload.current.and_then(|r| r.get("external_gateway_info"));
            let has_gateway = gateway.is_some_and(Value::is_object);
            has_gateway.then_some(payload.id).into_iter().collect()
        }
        (Resource::Router | Resource::RouterInterface, _) => vec![payload.id],
        (Resource::FloatingIp, _) => [payload.original, payload.current]
            .into_iter()
            .filter_map(|floating| text(floating, "router_id"))
            .collect(),
        (Resource::Port, _) => {
            let is_gateway =
                text(payload.original, "device_owner") == Some(device_owner::ROUTER_GATEWAY);
            let moved = is_gateway && changed(payload, "fixed_ips");
            text(payload.current, "device_id").filter(|_| moved).into_iter().collect()
        }
        _ => Vec::new(),
    }
}
