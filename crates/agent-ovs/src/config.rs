//! What the agent needs to know of its configuration, checked once at start.
//!
//! Owns the refusal of settings this release cannot honour: an agent that cannot enforce what it
//! was asked for must not come up and advertise it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, UdpSocket},
    time::Duration,
};

use neutrino_conf::{Conf, opts};
use neutrino_dataplane::{firewall::Driver, tables::tun};
use neutrino_types::NetworkType;

/// The firewall drivers by the names Neutron accepts: aliases and classes. Its driver `iptables`
/// filters ports of Linux bridges only.
const DRIVERS: [(Driver, &[&str]); 3] = [
    (Driver::Noop, &["noop", "neutron.agent.firewall.NoopFirewallDriver"]),
    (
        Driver::IptablesHybrid,
        &[
            "iptables_hybrid",
            "neutron.agent.linux.iptables_firewall.OVSHybridIptablesFirewallDriver",
        ],
    ),
    (
        Driver::Openvswitch,
        &[
            "openvswitch",
            "neutron.agent.linux.openvswitch_firewall.OVSFirewallDriver",
            "neutron.agent.linux.openvswitch_firewall.firewall.OVSFirewallDriver",
        ],
    ),
];

/// See [`Config::confirmation`].
const CONFIRMATION: Duration = Duration::from_secs(10);

/// A setting the agent cannot start with. The text says what to change.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// `tunnel_types` without `local_ip`.
    #[error("[agent] tunnel_types is set but [ovs] local_ip is not: tunnels need a local address")]
    NoLocalIp,
    /// `local_ip` is no address.
    #[error("[ovs] local_ip '{0}' is not an IP address")]
    BadLocalIp(String),
    /// `local_ip` belongs to another host.
    #[error("[ovs] local_ip {0} is on no interface of this host: tunnels cannot start there")]
    ForeignLocalIp(IpAddr),
    /// An unknown tunnel type.
    #[error("[agent] tunnel_types has '{0}'; known are gre, vxlan and geneve")]
    BadTunnelType(String),
    /// A firewall driver that is none, or one that cannot filter ports of Open vSwitch.
    #[error(
        "[securitygroup] firewall_driver '{0}' is not known to this agent; use noop, \
         iptables_hybrid or openvswitch"
    )]
    FirewallDriver(String),
    /// Direct egress, which only the firewall of Open vSwitch does.
    #[error("[agent] explicitly_egress_direct needs [securitygroup] firewall_driver = openvswitch")]
    EgressDirect,
    /// An EtherType that is none.
    #[error(
        "[securitygroup] permitted_ethertypes has '{0}'; write EtherTypes in hexadecimal, e.g. \
         0x4008"
    )]
    BadEthertype(String),
    /// A bridge that carries two physical networks.
    #[error("[ovs] bridge_mappings has bridge {0} twice: each physical network needs its own")]
    BridgeTwice(String),
    /// DVR with tunnels, but without the server saying where MACs are.
    #[error(
        "[agent] enable_distributed_routing with tunnel_types needs [agent] l2_population = true"
    )]
    DistributedRouting,
    /// An extension of a later release.
    #[error("[agent] extensions has '{0}', which is not in this release; leave it out")]
    Extension(String),
}

/// Options of the interfaces of tunnel ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelOptions {
    /// UDP port of VXLAN.
    pub vxlan_udp_port: u16,
    /// Whether outer packets carry DF.
    pub dont_fragment: bool,
    /// Whether outer UDP or GRE is checksummed.
    pub csum: bool,
    /// The `tos` option of the interface, if any.
    pub tos: Option<String>,
}

/// The agent's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of this host.
    pub host: String,
    /// `integration_bridge`.
    pub integration_bridge: String,
    /// `tunnel_bridge`.
    pub tunnel_bridge: String,
    /// br-int's patch port to br-tun.
    pub int_peer_patch_port: String,
    /// br-tun's patch port to br-int.
    pub tun_peer_patch_port: String,
    /// Physical network to bridge.
    pub bridge_mappings: BTreeMap<String, String>,
    /// `system` or `netdev`.
    pub datapath_type: String,
    /// `tunnel_types`, in configured order.
    pub tunnel_types: Vec<NetworkType>,
    /// Address of this host's end of all tunnels.
    pub local_ip: Option<IpAddr>,
    /// Interface options of tunnel ports.
    pub tunnel: TunnelOptions,
    /// `l2_population`.
    pub l2_population: bool,
    /// `arp_responder`, already combined with `l2_population` and [`Self::distributed`].
    pub arp_responder: bool,
    /// `enable_distributed_routing`.
    pub distributed: bool,
    /// Firewall driver; [`Driver::Noop`] also when security groups are off.
    pub firewall: Driver,
    /// `explicitly_egress_direct`.
    pub explicitly_egress_direct: bool,
    /// `permitted_ethertypes`.
    pub permitted_ethertypes: BTreeSet<u16>,
    /// `enable_ipset`.
    pub ipset: bool,
    /// `comment_iptables_rules`.
    pub comment_iptables_rules: bool,
    /// Where OVSDB listens.
    pub ovsdb_connection: String,
    /// Where the OpenFlow controller listens, `address:port`.
    pub of_listen: String,
    /// Controller target written to the bridges.
    pub controller_target: String,
    /// How long the switch may take to answer.
    pub of_request_timeout: Duration,
    /// Seconds of silence before the switch probes us, and we it.
    pub of_inactivity_probe_secs: u64,
    /// Size of the bridges' MAC tables.
    pub bridge_mac_table_size: u64,
    /// IGMP snooping switches of br-int.
    pub igmp: Igmp,
    /// How often the switch is looked at when nothing happens.
    pub polling_interval: Duration,
    /// How often the agent reports its state.
    pub report_interval: Duration,
    /// `log_agent_heartbeats`.
    pub log_heartbeats: bool,
    /// `vhostuser_socket_dir`.
    pub vhostuser_socket_dir: String,
    /// How long nothing must have been heard of forwarding entries after a complete sync before
    /// those the server did not confirm go. They arrive beside the answers that complete the sync.
    pub confirmation: Duration,
    /// `drop_flows_on_start`.
    pub drop_flows_on_start: bool,
}

/// `[ovs] igmp_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Igmp {
    /// `mcast_snooping_enable` of br-int.
    pub snooping: bool,
    /// `mcast-snooping-flood` of the patch ports.
    pub flood: bool,
    /// `mcast-snooping-flood-reports` of the patch ports.
    pub flood_reports: bool,
    /// Negated `mcast-snooping-disable-flood-unregistered` of br-int.
    pub flood_unregistered: bool,
}

impl Config {
    /// Reads and checks the configuration of the agent called `host`; does not look at the host.
    ///
    /// # Errors
    /// A setting this release cannot honour.
    pub fn from_conf(host: &str, conf: &Conf) -> Result<Self, ConfigError> {
        refuse_unsupported(conf)?;
        let tunnel_types = tunnel_types(&conf.get(&opts::agent::TUNNEL_TYPES))?;
        let local_ip = match conf.get(&opts::ovs::LOCAL_IP) {
            Some(text) => Some(text.parse().map_err(|_| ConfigError::BadLocalIp(text))?),
            None => None,
        };
        if !tunnel_types.is_empty() && local_ip.is_none() {
            return Err(ConfigError::NoLocalIp);
        }
        let bridge_mappings = conf.get(&opts::ovs::BRIDGE_MAPPINGS);
        let mut bridges = BTreeSet::new();
        if let Some(bridge) = bridge_mappings.values().find(|bridge| !bridges.insert(*bridge)) {
            return Err(ConfigError::BridgeTwice(bridge.clone()));
        }
        let firewall = firewall(conf)?;
        let explicitly_egress_direct = conf.get(&opts::agent::EXPLICITLY_EGRESS_DIRECT);
        if explicitly_egress_direct && firewall != Driver::Openvswitch {
            return Err(ConfigError::EgressDirect);
        }
        let l2_population = conf.get(&opts::agent::L2_POPULATION);
        let distributed = conf.get(&opts::agent::ENABLE_DISTRIBUTED_ROUTING);
        // The routers of all hosts share a MAC, which tunnels must not learn nor ARP tell of.
        let routed_tunnels = distributed && !tunnel_types.is_empty();
        if routed_tunnels && !l2_population {
            return Err(ConfigError::DistributedRouting);
        }
        let arp_responder = conf.get(&opts::agent::ARP_RESPONDER) || routed_tunnels;
        let address = conf.get(&opts::ovs::OF_LISTEN_ADDRESS);
        let port = conf.get(&opts::ovs::OF_LISTEN_PORT);
        let of_listen = socket_text(&address, port);
        Ok(Self {
            host: host.to_string(),
            integration_bridge: conf.get(&opts::ovs::INTEGRATION_BRIDGE),
            tunnel_bridge: conf.get(&opts::ovs::TUNNEL_BRIDGE),
            int_peer_patch_port: conf.get(&opts::ovs::INT_PEER_PATCH_PORT),
            tun_peer_patch_port: conf.get(&opts::ovs::TUN_PEER_PATCH_PORT),
            bridge_mappings,
            datapath_type: conf.get(&opts::ovs::DATAPATH_TYPE),
            tunnel_types,
            local_ip,
            tunnel: tunnel_options(conf),
            l2_population,
            arp_responder: l2_population && arp_responder,
            distributed,
            firewall,
            explicitly_egress_direct,
            permitted_ethertypes: permitted_ethertypes(conf)?,
            ipset: conf.get(&opts::securitygroup::ENABLE_IPSET),
            comment_iptables_rules: conf.get(&opts::agent::COMMENT_IPTABLES_RULES),
            ovsdb_connection: conf.get(&opts::ovs::OVSDB_CONNECTION),
            controller_target: format!("tcp:{of_listen}"),
            of_listen,
            of_request_timeout: Duration::from_secs(
                unsigned(conf.get(&opts::ovs::OF_REQUEST_TIMEOUT)).max(1),
            ),
            of_inactivity_probe_secs: unsigned(conf.get(&opts::ovs::OF_INACTIVITY_PROBE)),
            bridge_mac_table_size: unsigned(conf.get(&opts::ovs::BRIDGE_MAC_TABLE_SIZE)),
            igmp: Igmp {
                snooping: conf.get(&opts::ovs::IGMP_SNOOPING_ENABLE),
                flood: conf.get(&opts::ovs::IGMP_FLOOD),
                flood_reports: conf.get(&opts::ovs::IGMP_FLOOD_REPORTS),
                flood_unregistered: conf.get(&opts::ovs::IGMP_FLOOD_UNREGISTERED),
            },
            polling_interval: seconds(conf.get(&opts::agent::POLLING_INTERVAL), 2.0),
            report_interval: seconds(conf.get(&opts::agent::REPORT_INTERVAL), 30.0),
            log_heartbeats: conf.get(&opts::agent::LOG_AGENT_HEARTBEATS),
            vhostuser_socket_dir: conf.get(&opts::ovs::VHOSTUSER_SOCKET_DIR),
            confirmation: CONFIRMATION,
            drop_flows_on_start: conf.get(&opts::agent::DROP_FLOWS_ON_START),
        })
    }

    /// Checks what only this host can tell: that the tunnel address is its own.
    ///
    /// # Errors
    /// It is not.
    pub fn check_host(&self) -> Result<(), ConfigError> {
        match self.local_ip {
            // An address can be bound exactly when it is on a local interface.
            Some(ip) if self.tunnelling() && UdpSocket::bind((ip, 0)).is_err() => {
                Err(ConfigError::ForeignLocalIp(ip))
            }
            _ => Ok(()),
        }
    }

    /// Whether this host takes part in tunnels.
    #[must_use]
    pub fn tunnelling(&self) -> bool {
        !self.tunnel_types.is_empty()
    }

    /// Whether ports are filtered by their security groups.
    #[must_use]
    pub fn security_groups(&self) -> bool {
        self.firewall != Driver::Noop
    }

    /// The `agent_id` argument of RPC calls.
    #[must_use]
    pub fn agent_id(&self) -> String {
        format!("ovs-agent-{}", self.host)
    }
}

/// What this agent cannot do must not seem to be done.
fn refuse_unsupported(conf: &Conf) -> Result<(), ConfigError> {
    match conf.get(&opts::agent::EXTENSIONS).into_iter().next() {
        Some(first) => Err(ConfigError::Extension(first)),
        None => Ok(()),
    }
}

fn tunnel_types(names: &[String]) -> Result<Vec<NetworkType>, ConfigError> {
    let mut out = Vec::new();
    for name in names.iter().filter(|n| !n.is_empty()) {
        let known = name.parse::<NetworkType>().ok().filter(|t| tun::tun_to_lv(*t).is_some());
        let network_type = known.ok_or_else(|| ConfigError::BadTunnelType(name.clone()))?;
        if !out.contains(&network_type) {
            out.push(network_type);
        }
    }
    Ok(out)
}

fn tunnel_options(conf: &Conf) -> TunnelOptions {
    // DSCP sits in the upper six bits of the TOS octet.
    let dscp = conf.get(&opts::agent::DSCP).map(|dscp| (dscp << 2).to_string());
    let inherit = conf.get(&opts::agent::DSCP_INHERIT).then(|| "inherit".to_string());
    TunnelOptions {
        vxlan_udp_port: u16::try_from(conf.get(&opts::agent::VXLAN_UDP_PORT)).unwrap_or(4789),
        dont_fragment: conf.get(&opts::agent::DONT_FRAGMENT),
        csum: conf.get(&opts::agent::TUNNEL_CSUM),
        tos: inherit.or(dscp).filter(|tos| tos != "0"),
    }
}

fn firewall(conf: &Conf) -> Result<Driver, ConfigError> {
    if !conf.get(&opts::securitygroup::ENABLE_SECURITY_GROUP) {
        return Ok(Driver::Noop);
    }
    match conf.get(&opts::securitygroup::FIREWALL_DRIVER).as_deref() {
        None | Some("") => Ok(Driver::Noop),
        Some(name) => DRIVERS
            .iter()
            .find(|(_, names)| names.contains(&name))
            .map(|(driver, _)| *driver)
            .ok_or_else(|| ConfigError::FirewallDriver(name.to_string())),
    }
}

fn permitted_ethertypes(conf: &Conf) -> Result<BTreeSet<u16>, ConfigError> {
    let texts = conf.get(&opts::securitygroup::PERMITTED_ETHERTYPES);
    let ethertype = |text: String| {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let number = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        // Smaller numbers are lengths.
        number.filter(|number| *number >= 0x600).ok_or(ConfigError::BadEthertype(text))
    };
    texts.into_iter().filter(|text| !text.is_empty()).map(ethertype).collect()
}

/// `address:port` with IPv6 in brackets.
fn socket_text(address: &str, port: i64) -> String {
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    if bare.contains(':') { format!("[{bare}]:{port}") } else { format!("{bare}:{port}") }
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn seconds(value: f64, default: f64) -> Duration {
    Duration::try_from_secs_f64(value)
        .ok()
        .filter(|d| !d.is_zero())
        .unwrap_or(Duration::from_secs_f64(default))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, ConfigError> {
        Config::from_conf("h1", &Conf::parse_str(text).expect("valid INI"))
    }

    #[test]
    fn defaults_are_neutrons() {
        let c = config("").expect("valid");
        assert_eq!(c.integration_bridge, "br-int");
        assert_eq!(c.controller_target, "tcp:127.0.0.1:6633");
        assert_eq!(c.agent_id(), "ovs-agent-h1");
        assert_eq!(c.firewall, Driver::Noop);
        assert!(!c.tunnelling());
    }

    #[test]
    fn arp_responder_needs_l2_population() {
        assert!(!config("[agent]\narp_responder = true\n").expect("valid").arp_responder);
        let both = "[agent]\narp_responder = true\nl2_population = true\n";
        assert!(config(both).expect("valid").arp_responder);
    }

    #[test]
    fn distributed_routing_over_tunnels_answers_arp_here() {
        let lines = "[agent]\nenable_distributed_routing = true\nl2_population = true\n";
        let c = config(lines).expect("valid");
        assert!(c.distributed && !c.arp_responder, "no tunnels");
        let tunnels = format!("{lines}tunnel_types = gre\n[ovs]\nlocal_ip = 127.0.0.1\n");
        assert!(config(&tunnels).expect("valid").arp_responder);
    }

    #[test]
    fn what_this_release_cannot_do_is_refused() {
        let driver = config("[securitygroup]\nfirewall_driver = iptables\n");
        assert_eq!(driver.err(), Some(ConfigError::FirewallDriver("iptables".into())));
        let ethertype = config("[securitygroup]\npermitted_ethertypes = 4008\n");
        assert_eq!(ethertype.err(), Some(ConfigError::BadEthertype("4008".into())));
        let dvr = config(
            "[agent]\nenable_distributed_routing = true\ntunnel_types = vxlan\n\
             [ovs]\nlocal_ip = 127.0.0.1\n",
        );
        assert_eq!(dvr.err(), Some(ConfigError::DistributedRouting));
        let tunnels = config("[agent]\ntunnel_types = vxlan\n");
        assert_eq!(tunnels.err(), Some(ConfigError::NoLocalIp));
        let twice = config("[ovs]\nbridge_mappings = a:br-x,b:br-x\n");
        assert_eq!(twice.err(), Some(ConfigError::BridgeTwice("br-x".into())));
        let unknown = config("[agent]\ntunnel_types = stt\n[ovs]\nlocal_ip = 127.0.0.1\n");
        assert_eq!(unknown.err(), Some(ConfigError::BadTunnelType("stt".into())));
    }

    #[test]
    fn firewall_drivers_are_known_by_alias_and_class() {
        let firewall =
            |lines: &str| config(&format!("[securitygroup]\n{lines}")).expect("valid").firewall;
        assert_eq!(firewall("firewall_driver = openvswitch\n"), Driver::Openvswitch);
        let class = "firewall_driver = \
                     neutron.agent.linux.iptables_firewall.OVSHybridIptablesFirewallDriver\n";
        assert_eq!(firewall(class), Driver::IptablesHybrid);
        let off = "firewall_driver = openvswitch\nenable_security_group = false\n";
        assert_eq!(firewall(off), Driver::Noop);
        let c = config("[securitygroup]\npermitted_ethertypes = 0x4008, 0x8915\n");
        assert_eq!(c.expect("valid").permitted_ethertypes, [0x4008, 0x8915].into());
    }

    #[test]
    fn tunnel_address_of_another_host_is_refused() {
        let text = "[agent]\ntunnel_types = vxlan\n[ovs]\nlocal_ip = 192.0.2.77\n";
        let c = config(text).expect("valid");
        assert!(matches!(c.check_host(), Err(ConfigError::ForeignLocalIp(_))));
    }

    #[test]
    fn ipv6_controller_is_bracketed() {
        let c = config("[ovs]\nof_listen_address = ::1\n").expect("valid");
        assert_eq!(c.controller_target, "tcp:[::1]:6633");
    }
}
