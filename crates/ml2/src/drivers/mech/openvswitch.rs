//! `openvswitch`: binds ports on hosts with a live Open vSwitch agent.

use async_trait::async_trait;
use neutrino_db::agents::Agent;
use neutrino_types::{
    ApiResult, Attrs, NetworkType,
    constants::{BOUND_DRIVERS, agent_type, vif_type},
};
use serde_json::Value;

use super::{BindingContext, Bound, MechanismDriver};
use crate::{config::Ml2Config, models::segment::Segment};

/// The kinds of virtual NIC it binds.
const VNIC_TYPES: [&str; 4] = ["normal", "direct", "smart-nic", "vdpa"];

/// The Open vSwitch mechanism driver.
pub struct OpenvSwitch {
    _private: (),
}

impl OpenvSwitch {
    /// A driver.
    #[must_use]
    pub fn new(_config: &Ml2Config) -> Self {
        Self { _private: () }
    }
}

/// Whether an agent's host carries the segment.
fn carries(agent: &Agent, segment: &Segment) -> bool {
    let mappings = || agent.configurations.get("bridge_mappings").and_then(Value::as_object);
    match segment.network_type {
        NetworkType::Local => true,
        NetworkType::Flat | NetworkType::Vlan => segment
            .physical_network
            .as_ref()
            .is_some_and(|name| mappings().is_some_and(|m| m.contains_key(name))),
        tunnel => tunnel_types(agent).any(|t| t == tunnel.as_str()),
    }
}

/// `tunnel_types` of an agent's report.
pub(super) fn tunnel_types(agent: &Agent) -> impl Iterator<Item = &str> {
    agent
        .configurations
        .get("tunnel_types")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// `binding:vif_details`, in the order Neutron answers them.
fn vif_details(agent: &Agent, level: &str) -> Attrs {
    let config = |key: &str| agent.configurations.get(key).cloned();
    let mut out = Attrs::new();
    out.insert("connectivity".into(), "l2".into());
    out.insert("port_filter".into(), true.into());
    out.insert("ovs_hybrid_plug".into(), config("ovs_hybrid_plug").unwrap_or(Value::Bool(false)));
    out.insert("datapath_type".into(), config("datapath_type").unwrap_or_else(|| "system".into()));
    if let Some(bridge) = config("integration_bridge").filter(|b| b.as_str() != Some("")) {
        out.insert("bridge_name".into(), bridge);
    }
    let mut drivers = Attrs::new();
    drivers.insert("0".into(), level.into());
    out.insert(BOUND_DRIVERS.into(), drivers.into());
    out
}

#[async_trait]
impl MechanismDriver for OpenvSwitch {
    fn name(&self) -> &'static str {
        "openvswitch"
    }

    fn agent_type(&self) -> Option<&'static str> {
        Some(agent_type::OVS)
    }

    async fn bind_port(&self, context: &BindingContext<'_>) -> ApiResult<Option<Bound>> {
        if !VNIC_TYPES.contains(&context.binding.vnic_type.as_str()) {
            return Ok(None);
        }
        for agent in context.agents.iter().filter(|a| a.agent_type == agent_type::OVS) {
            if let Some(segment) = context.segments.iter().find(|s| carries(agent, s)) {
                return Ok(Some(Bound::Final {
                    segment_id: segment.id.clone(),
                    vif_type: vif_type::OVS,
                    vif_details: vif_details(agent, self.name()),
                }));
            }
        }
        Ok(None)
    }
}
