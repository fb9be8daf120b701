//! What an agent needs to know to reach its server.

use std::time::Duration;

use neutrino_conf::{Conf, opts};
use neutrino_rpc::{
    RpcError,
    client::Timeouts,
    objects::catalog::PORT_FORWARDING,
    topics,
    transport::{
        bus::{AgentBus, BusConfigError},
        embedded::ClientConfig,
    },
};

/// An agent cannot be configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The system does not tell its host name.
    #[error("reading the system's host name; set [DEFAULT] host instead")]
    HostName(#[source] std::io::Error),
    /// The bus's options cannot be used.
    #[error(transparent)]
    Bus(#[from] BusConfigError),
}

/// How one agent reaches its server.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// `[DEFAULT] host`: the agent's name in bindings and in `agent list`.
    pub host: String,
    /// `agent_id` of RPC calls, e.g. `ovs-agent-compute0`.
    pub agent_id: String,
    /// How the server is reached.
    pub bus: AgentBus,
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
        topics::PORT_BINDING_ACTIVATE,
        topics::PORT_BINDING_DEACTIVATE,
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

/// `[DEFAULT] host`, or the system's host name.
pub fn host_name(conf: &Conf) -> Result<String, ConfigError> {
    if let Some(host) = conf.get(&opts::default::HOST) {
        return Ok(host);
    }
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    Ok(name.map_err(ConfigError::HostName)?.trim().to_string())
}

impl AgentConfig {
    /// The Open vSwitch agent's configuration.
    pub fn ovs_from_conf(conf: &Conf) -> Result<Self, ConfigError> {
        let topics = l2_topics(conf.get(&opts::agent::L2_POPULATION));
        Self::from_conf(conf, "neutron-openvswitch-agent", "ovs-agent", topics)
    }

    /// The DHCP agent's configuration.
    pub fn dhcp_from_conf(conf: &Conf) -> Result<Self, ConfigError> {
        let topics = vec![topics::DHCP_AGENT.to_string()];
        Self::from_conf(conf, "neutron-dhcp-agent", "dhcp-agent", topics)
    }

    /// The L3 agent's configuration. Networks are heard of for their MTU, port forwardings as
    /// versioned objects.
    pub fn l3_from_conf(conf: &Conf) -> Result<Self, ConfigError> {
        let mut topics: Vec<String> =
            [topics::L3_AGENT, topics::NETWORK_UPDATE].map(str::to_string).into();
        topics.push(PORT_FORWARDING.topic(PORT_FORWARDING.version));
        Self::from_conf(conf, "neutron-l3-agent", "l3-agent", topics)
    }

    /// The configuration of the agent called `binary`, notified on `topics`; its `agent_id` is
    /// `id_prefix` and the host.
    pub fn from_conf(
        conf: &Conf,
        binary: &str,
        id_prefix: &str,
        topics: Vec<String>,
    ) -> Result<Self, ConfigError> {
        let host = host_name(conf)?;
        let bus = AgentBus::from_conf(conf, binary, &host)?;
        let mut out = Self::with_bus(&host, bus, binary);
        out.agent_id = format!("{id_prefix}-{host}");
        out.topics = topics;
        out.timeouts = Timeouts {
            initial: secs(conf.get(&opts::default::RPC_RESPONSE_TIMEOUT)),
            max: secs(conf.get(&opts::default::RPC_RESPONSE_MAX_TIMEOUT)),
        };
        // A report every 50 ms is the least that makes any sense, also in tests.
        let interval = conf.get(&opts::agent::REPORT_INTERVAL).clamp(0.05, 86_400.0);
        out.report_interval = Duration::from_secs_f64(interval);
        out.processing_step =
            usize::try_from(conf.get(&opts::default::RPC_RESOURCES_PROCESSING_STEP)).unwrap_or(20);
        Ok(out)
    }

    /// Neutron's defaults for an Open vSwitch agent on `host` with `transport_url`
    /// (`embedded://server:9697`) and the bus's shared secret.
    pub fn ovs(host: &str, transport_url: &str, secret: &str) -> Result<Self, RpcError> {
        let mut out = Self::new(host, transport_url, secret, "neutron-openvswitch-agent")?;
        out.agent_id = format!("ovs-agent-{host}");
        out.topics = l2_topics(true);
        Ok(out)
    }

    /// Neutron's defaults for the agent called `binary`, without notifications, over the embedded
    /// bus at `transport_url`.
    pub fn new(
        host: &str,
        transport_url: &str,
        secret: &str,
        binary: &str,
    ) -> Result<Self, RpcError> {
        let bus = ClientConfig::from_url(transport_url, secret, &format!("{binary}@{host}"))?;
        Ok(Self::with_bus(host, AgentBus::Embedded(bus), binary))
    }

    fn with_bus(host: &str, bus: AgentBus, binary: &str) -> Self {
        Self {
            host: host.into(),
            agent_id: format!("{binary}-{host}"),
            bus,
            timeouts: Timeouts::default(),
            report_interval: Duration::from_secs(30),
            processing_step: 20,
            topics: Vec::new(),
        }
    }
}

fn secs(value: i64) -> Duration {
    Duration::from_secs(u64::try_from(value).unwrap_or(0))
}
