//! Changes of networks, subnets, ports and agents as notifications (`DhcpAgentNotifyAPI`).

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Registry, Resource, Subscriber};
use neutrino_db::agent_bindings;
use neutrino_rpc::methods::{self, Method};
use neutrino_types::{
    ApiResult, Attrs,
    constants::{agent_type, device_id},
};
use rand::RngExt as _;
use serde_json::{Value, json};

use super::{DhcpScheduler, Scheduled, priority};
use crate::scheduling::admin_state_change;

/// The attributes of a port that a DHCP agent serves by.
const OF_CONCERN: [&str; 6] =
    ["fixed_ips", "mac_address", "extra_dhcp_opts", "dns_name", "dns_assignment", "dns_domain"];

pub(super) fn subscribe(scheduler: &DhcpScheduler, registry: &Registry) {
    let this = Arc::new(Notifications(scheduler.clone()));
    for resource in [Resource::Network, Resource::Subnet, Resource::Port] {
        for action in [Action::Create, Action::Update, Action::Delete] {
            // A network without subnets has nothing to serve.
            if (resource, action) != (Resource::Network, Action::Create) {
                registry.subscribe(resource, Phase::After, action, this.clone());
            }
        }
    }
    for action in [Action::Update, Action::Delete] {
        registry.subscribe(Resource::Agent, Phase::After, action, this.clone());
    }
}

struct Notifications(DhcpScheduler);

/// One notification to the agents of a network.
struct Notice {
    network_id: String,
    method: Method,
    payload: Value,
    /// Whether the network is given the agents it lacks first.
    schedules: bool,
}

#[async_trait]
impl Subscriber for Notifications {
    fn name(&self) -> &'static str {
        "dhcp agents"
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
            (Resource::Network, Action::Delete) => {
                for payload in payloads {
                    self.network_deleted(payload.id).await;
                }
                Ok(())
            }
            (Resource::Agent, Action::Update) => {
                for payload in payloads {
                    self.agent_updated(payload).await;
                }
                Ok(())
            }
            (Resource::Agent, _) => {
                for payload in payloads.iter().filter_map(|p| p.original) {
                    self.0.agent_deleted(payload).await?;
                }
                Ok(())
            }
            _ => {
                let notices = payloads.iter().filter_map(|p| notice(resource, action, p));
                self.tell(notices.collect()).await
            }
        }
    }
}

impl Notifications {
    async fn network_deleted(&self, id: &str) {
        // Its agents are not known any more.
        let payload = json!({ "network_id": id, "priority": priority::NETWORK_DELETE });
        self.0.0.notifier.fanout(methods::NETWORK_DELETE_END, payload).await;
    }

    async fn agent_updated(&self, payload: &Payload<'_>) {
        if let Some((host, up)) = admin_state_change(payload, agent_type::DHCP) {
            let payload = json!({ "admin_state_up": up });
            self.0.0.notifier.cast(host, methods::DHCP_AGENT_UPDATED, payload).await;
        }
    }

    /// Sends notices, scheduling their networks first where that is due. However many they are,
    /// they cost the same statements.
    async fn tell(&self, notices: Vec<Notice>) -> ApiResult<()> {
        if notices.is_empty() {
            return Ok(());
        }
        let networks = |schedules: bool| -> Vec<&str> {
            let mut seen = HashSet::new();
            let of = notices.iter().filter(|n| n.schedules == schedules);
            of.map(|n| n.network_id.as_str()).filter(|id| seen.insert(*id)).collect()
        };
        let to_schedule = networks(true);
        let scheduled = if to_schedule.is_empty() {
            let conn = self.0.0.db.read().await?;
            let hosting = agent_bindings::DHCP.hosting(&conn, &networks(false)).await?;
            Scheduled { hosting, new: Vec::new() }
        } else {
            self.0.schedule(&to_schedule).await?
        };
        self.0.announce(&scheduled).await;
        for notice in &notices {
            self.send(notice, &scheduled).await;
        }
        Ok(())
    }

    async fn send(&self, notice: &Notice, scheduled: &Scheduled) {
        let agents = self.0.told(&scheduled.hosting, &notice.network_id);
        if agents.is_empty() {
            tracing::debug!(
                network = notice.network_id,
                method = notice.method.name,
                "no DHCP agent serves this network"
            );
            return;
        }
        // One agent, another each time, takes a new port up first: so many new ports are shared
        // out among a network's agents.
        let first = (notice.method == methods::PORT_CREATE_END)
            .then(|| rand::rng().random_range(0..agents.len()));
        for (at, agent) in agents.iter().enumerate() {
            let mut payload = notice.payload.clone();
            if first == Some(at) {
                payload["priority"] = priority::PORT_CREATE_HIGH.into();
            }
            self.0.0.notifier.cast(&agent.host, notice.method, payload).await;
        }
    }
}

/// What the agents of a network are told of a change; nothing when it does not concern them.
fn notice(resource: Resource, action: Action, payload: &Payload<'_>) -> Option<Notice> {
    let latest = payload.latest()?;
    let text = |key: &str| latest.get(key).and_then(Value::as_str);
    let network_id = match resource {
        Resource::Network => text("id")?,
        _ => text("network_id")?,
    };
    let (method, content, schedules) = match (resource, action) {
        (Resource::Network, _) => {
            let content = json!({ "network": latest, "priority": priority::NETWORK_UPDATE });
            (methods::NETWORK_UPDATE_END, content, false)
        }
        (Resource::Subnet, Action::Delete) => {
            let content = json!({
                "subnet_id": payload.id, "network_id": network_id,
                "priority": priority::SUBNET_DELETE,
            });
            (methods::SUBNET_DELETE_END, content, false)
        }
        (Resource::Subnet, _) => {
            let is_new = action == Action::Create;
            let method =
                if is_new { methods::SUBNET_CREATE_END } else { methods::SUBNET_UPDATE_END };
            let content = json!({ "subnet": latest, "priority": priority::SUBNET_UPDATE });
            (method, content, is_new || turned_on(payload))
        }
        (_, Action::Delete) => {
            let content = json!({
                "port_id": payload.id, "network_id": network_id,
                "fixed_ips": latest.get("fixed_ips"), "priority": priority::PORT,
            });
            (methods::PORT_DELETE_END, content, false)
        }
        (_, Action::Update) => {
            if !concerns_agents(payload.original, latest) {
                return None;
            }
            let content = json!({ "port": latest, "priority": priority::PORT });
            (methods::PORT_UPDATE_END, content, false)
        }
        (_, Action::Create) => {
            let reserved = text("device_id") == Some(device_id::RESERVED_DHCP_PORT);
            let content = json!({ "port": latest, "priority": priority::PORT });
            (methods::PORT_CREATE_END, content, !reserved)
        }
    };
    Some(Notice { network_id: network_id.to_string(), method, payload: content, schedules })
}

/// Whether a subnet has DHCP now and had not before.
fn turned_on(payload: &Payload<'_>) -> bool {
    let has = |subnet: Option<&Attrs>| {
        subnet.and_then(|s| s.get("enable_dhcp")).and_then(Value::as_bool).unwrap_or(false)
    };
    has(payload.current) && !has(payload.original)
}

/// Whether a port's update changes what DHCP agents serve.
fn concerns_agents(original: Option<&Attrs>, port: &Attrs) -> bool {
    original
        .is_none_or(|original| OF_CONCERN.iter().any(|key| original.get(*key) != port.get(*key)))
}
