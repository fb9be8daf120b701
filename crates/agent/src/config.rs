//! What an agent needs to know to reach its server.

use std::time::Duration;

use neutrino_rpc::{RpcError, client::Timeouts, topics, transport::embedded::ClientConfig};

/// How one agent reaches its server.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// `[DEFAULT] host`: the agent's name in bindings and in `agent list`.
    pub host: String,
    /// `agent_id` of RPC calls, e.g. `ovs-agent-compute0`.
    pub agent_id: String,
    /// The server's bus.
    pub bus: ClientConfig,
    /// `rpc_response_timeout` and its maximum.
    pub timeouts: Timeouts,
    /// `[AGENT] report_interval`.
    pub report_interval: Duration,
    /// `rpc_resources_processing_step`: devices per call.
    pub processing_step: usize,
    /// Topics the agent is notified on.
    pub topics: Vec<String>,
}

/// Topics an Open vSwitch agent is notified on; `l2_population` adds the forwarding entries.
#[must_use]
pub fn l2_topics(l2_population: bool) -> Vec<String> {
    let mut out: Vec<String> = [
        topics::PORT_UPDATE,
        topics::PORT_DELETE,
        topics::NETWORK_UPDATE,
        topics::NETWORK_DELETE,
        topics::TUNNEL_UPDATE,
        topics::TUNNEL_DELETE,
    ]
    .map(str::to_string)
    .into();
    if l2_population {
        out.push(topics::L2POPULATION_UPDATE.into());
    }
    out
}

impl AgentConfig {
    /// Neutron's defaults for an Open vSwitch agent on `host` with `transport_url`
    /// (`embedded://server:9697`) and the bus's shared secret.
    pub fn ovs(host: &str, transport_url: &str, secret: &str) -> Result<Self, RpcError> {
        Ok(Self {
            host: host.into(),
            agent_id: format!("ovs-agent-{host}"),
            bus: ClientConfig::from_url(
                transport_url,
                secret,
                &format!("neutron-openvswitch-agent@{host}"),
            )?,
            timeouts: Timeouts::default(),
            report_interval: Duration::from_secs(30),
            processing_step: 20,
            topics: l2_topics(true),
        })
    }
}
