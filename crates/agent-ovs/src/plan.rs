//! What the rows of Open vSwitch's database should become: pure, printable, tested.
//!
//! Owns the wanted bridges, patch ports, tunnel ports and VLAN tags. The flows are the data
//! plane crate's business, writing is [`crate::apply`]'s.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use neutrino_dataplane::{diff::Removal, firewall::Driver, names, view::Segment};
use neutrino_types::{NetworkType, constants::DEAD_VLAN};
use uuid::Uuid;

use crate::{
    config::Config,
    observe::{Bridge, Tunnel, Vif},
};

/// OpenFlow versions every bridge of the agent speaks.
const PROTOCOLS: [&str; 3] = ["OpenFlow10", "OpenFlow13", "OpenFlow14"];

/// Longest pause between attempts of a bridge to reach the agent. Open vSwitch's own default of
/// eight seconds is how long a restarted agent would have to wait for it.
pub const MAX_BACKOFF_MS: i64 = 1000;

/// Key of br-int's `other_config`: no rules of iptables_hybrid are left.
const IPTABLES_CLEANED: &str = "iptables_cleaned";

/// Options of tunnel interfaces that are the agent's business.
const TUNNEL_OPTIONS: [&str; 10] = [
    "csum",
    "df_default",
    "dst_port",
    "egress_pkt_mark",
    "in_key",
    "local_ip",
    "out_key",
    "packet_type",
    "remote_ip",
    "tos",
];

/// One change of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DbChange {
    /// Make a bridge.
    AddBridge {
        /// Name.
        bridge: String,
        /// Its `other_config`.
        other_config: BTreeMap<String, String>,
    },
    /// Change `datapath_type`.
    SetDatapathType {
        /// Bridge.
        bridge: String,
    },
    /// `fail_mode=secure`: without an agent the switch keeps its flows and learns nothing.
    SetSecure {
        /// Bridge.
        bridge: String,
    },
    /// Add to `protocols`.
    AddProtocols {
        /// Bridge.
        bridge: String,
    },
    /// Set keys of a bridge's `other_config`.
    SetBridgeConfig {
        /// Bridge.
        bridge: String,
        /// Keys and values.
        pairs: BTreeMap<String, String>,
    },
    /// `mcast_snooping_enable`.
    SetSnooping {
        /// Bridge.
        bridge: String,
        /// Value.
        enable: bool,
    },
    /// Point the bridge at this agent.
    SetController {
        /// Bridge.
        bridge: String,
    },
    /// Set the inactivity probe and the longest pause between connection attempts.
    TuneController {
        /// Row of `Controller`.
        controller: Uuid,
    },
    /// Make a patch port.
    AddPatch {
        /// Bridge.
        bridge: String,
        /// Port.
        name: String,
        /// `options:peer`.
        peer: String,
        /// `other_config` of the port.
        other_config: BTreeMap<String, String>,
    },
    /// Set keys of a port's `other_config`.
    SetPortConfig {
        /// Row of `Port`.
        port: Uuid,
        /// Keys and values.
        pairs: BTreeMap<String, String>,
    },
    /// Connect a patch port.
    SetPeer {
        /// Row of `Interface`.
        interface: Uuid,
        /// `options:peer`.
        peer: String,
    },
    /// Make a tunnel port.
    AddTunnel {
        /// Name.
        name: String,
        /// Interface type.
        kind: &'static str,
        /// Interface options.
        options: BTreeMap<String, String>,
    },
    /// Change a tunnel port's interface options, e.g. after `local_ip` changed.
    SetTunnelOptions {
        /// Row of `Interface`.
        interface: Uuid,
        /// Interface options.
        options: BTreeMap<String, String>,
    },
    /// Remove a port.
    DelPort {
        /// Name.
        name: String,
    },
    /// Put a VIF into its network's local VLAN.
    BindPort {
        /// Row of `Port`.
        port: Uuid,
        /// Local VLAN.
        tag: u16,
        /// Keys of `other_config` that let a later run adopt the port.
        pairs: BTreeMap<String, String>,
        /// Whether `vlan_mode` and `trunks` are to be cleared.
        clear_trunk: bool,
    },
    /// Put a VIF on the dead VLAN.
    KillPort {
        /// Row of `Port`.
        port: Uuid,
    },
}

impl DbChange {
    /// Whether it changes what a VIF can reach.
    #[must_use]
    pub fn concerns_vif(&self) -> bool {
        matches!(self, Self::BindPort { .. } | Self::KillPort { .. })
    }
}

/// The name and role of every bridge the agent works with: br-int, br-tun if the host tunnels,
/// and the physical ones.
#[must_use]
pub fn bridge_names(config: &Config) -> BTreeSet<&str> {
    let mut all: BTreeSet<&str> = config.bridge_mappings.values().map(String::as_str).collect();
    all.insert(&config.integration_bridge);
    if config.tunnelling() {
        all.insert(&config.tunnel_bridge);
    }
    all
}

/// The bridges of `bridge_mappings` that do not exist: nobody but the operator can make them.
#[must_use]
pub fn missing_physical<'c>(
    config: &'c Config,
    seen: &BTreeMap<String, Bridge>,
) -> Vec<(&'c str, &'c str)> {
    config
        .bridge_mappings
        .iter()
        .filter(|(_, bridge)| !seen.contains_key(*bridge))
        .map(|(network, bridge)| (network.as_str(), bridge.as_str()))
        .collect()
}

/// What the bridges themselves lack.
#[must_use]
pub fn bridges(config: &Config, seen: &BTreeMap<String, Bridge>) -> Vec<DbChange> {
    let mut out = Vec::new();
    for name in bridge_names(config) {
        let own = name == config.integration_bridge
            || config.tunnelling() && name == config.tunnel_bridge;
        match seen.get(name) {
            Some(bridge) => existing_bridge(config, name, bridge, &mut out),
            None if own => {
                let bridge = name.to_string();
                out.push(DbChange::AddBridge {
                    bridge: bridge.clone(),
                    other_config: bridge_config(config, name),
                });
                out.push(DbChange::SetSecure { bridge: bridge.clone() });
                out.push(DbChange::AddProtocols { bridge: bridge.clone() });
                out.push(DbChange::SetController { bridge });
            }
            None => {}
        }
    }
    distinct_datapath_ids(config, seen, &mut out);
    out
}

/// Gives physical bridges that share a datapath id (bridges on one bond do) ids of their own:
/// the number of ids seen before goes into the upper bits, as Neutron does.
fn distinct_datapath_ids(
    config: &Config,
    seen: &BTreeMap<String, Bridge>,
    out: &mut Vec<DbChange>,
) {
    let mut ids = BTreeSet::new();
    for name in config.bridge_mappings.values() {
        let Some(id) = seen.get(name).and_then(|b| b.datapath_id) else { continue };
        if !ids.insert(id) {
            let fresh = id.wrapping_add((ids.len() as u64) << 48);
            let pairs = BTreeMap::from([("datapath-id".to_string(), format!("{fresh:016x}"))]);
            out.push(DbChange::SetBridgeConfig { bridge: name.clone(), pairs });
            ids.insert(fresh);
        }
    }
}

fn bridge_config(config: &Config, name: &str) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::from([
        ("disable-in-band".to_string(), "true".to_string()),
        ("mac-table-size".to_string(), config.bridge_mac_table_size.to_string()),
    ]);
    if name == config.integration_bridge {
        pairs.insert(
            "mcast-snooping-disable-flood-unregistered".to_string(),
            (!config.igmp.flood_unregistered).to_string(),
        );
    }
    pairs
}

/// The pairs of `wanted` that `current` lacks or has otherwise.
fn missing_pairs(
    wanted: BTreeMap<String, String>,
    current: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    wanted.into_iter().filter(|(key, value)| current.get(key) != Some(value)).collect()
}

fn existing_bridge(config: &Config, name: &str, bridge: &Bridge, out: &mut Vec<DbChange>) {
    let named = || name.to_string();
    if bridge.datapath_type != config.datapath_type
        // An empty type means "system".
        && !(bridge.datapath_type.is_empty() && config.datapath_type == "system")
    {
        out.push(DbChange::SetDatapathType { bridge: named() });
    }
    if bridge.fail_mode != "secure" {
        out.push(DbChange::SetSecure { bridge: named() });
    }
    if PROTOCOLS.iter().any(|p| !bridge.protocols.contains(*p)) {
        out.push(DbChange::AddProtocols { bridge: named() });
    }
    let pairs = missing_pairs(bridge_config(config, name), &bridge.other_config);
    if !pairs.is_empty() {
        out.push(DbChange::SetBridgeConfig { bridge: named(), pairs });
    }
    if name == config.integration_bridge && bridge.mcast_snooping != config.igmp.snooping {
        out.push(DbChange::SetSnooping { bridge: named(), enable: config.igmp.snooping });
    }
    let probe = i64::try_from(config.of_inactivity_probe_secs.saturating_mul(1000)).ok();
    match bridge.controllers.iter().find(|c| c.target == config.controller_target) {
        None => out.push(DbChange::SetController { bridge: named() }),
        Some(c) if c.inactivity_probe != probe || c.max_backoff != Some(MAX_BACKOFF_MS) => {
            out.push(DbChange::TuneController { controller: c.row });
        }
        Some(_) => {}
    }
}

/// What the patch ports lack. Physical patch ports come up unconnected; they are connected by
/// [`connect_physical`] once both bridges drop what nobody translated.
#[must_use]
pub fn patches(config: &Config, seen: &BTreeMap<String, Bridge>) -> Vec<DbChange> {
    let mut out = Vec::new();
    let flood = patch_config(config);
    if config.tunnelling() {
        let (int, tun) = (&config.int_peer_patch_port, &config.tun_peer_patch_port);
        patch(seen, &config.integration_bridge, int, tun, Some(&flood), &mut out);
        patch(seen, &config.tunnel_bridge, tun, int, None, &mut out);
        for (bridge, name, peer) in
            [(&config.integration_bridge, int, tun), (&config.tunnel_bridge, tun, int)]
        {
            connect(seen.get(bridge), name, peer, &mut out);
        }
    }
    for bridge in config.bridge_mappings.values() {
        if !seen.contains_key(bridge) {
            continue;
        }
        let (int, phys) = (names::int_patch(bridge), names::phys_patch(bridge));
        let nobody = names::NONEXISTENT_PEER;
        patch(seen, &config.integration_bridge, &int, nobody, Some(&flood), &mut out);
        patch(seen, bridge, &phys, nobody, None, &mut out);
    }
    out
}

fn patch_config(config: &Config) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("mcast-snooping-flood-reports".to_string(), config.igmp.flood_reports.to_string()),
        ("mcast-snooping-flood".to_string(), config.igmp.flood.to_string()),
    ])
}

fn patch(
    seen: &BTreeMap<String, Bridge>,
    bridge: &str,
    name: &str,
    peer: &str,
    flood: Option<&BTreeMap<String, String>>,
    out: &mut Vec<DbChange>,
) {
    let flood = flood.cloned().unwrap_or_default();
    match seen.get(bridge).and_then(|b| b.ports.get(name)) {
        None => out.push(DbChange::AddPatch {
            bridge: bridge.to_string(),
            name: name.to_string(),
            peer: peer.to_string(),
            other_config: flood,
        }),
        Some(port) => {
            let pairs = missing_pairs(flood, &port.other_config);
            if !pairs.is_empty() {
                out.push(DbChange::SetPortConfig { port: port.row, pairs });
            }
        }
    }
}

fn connect(bridge: Option<&Bridge>, name: &str, peer: &str, out: &mut Vec<DbChange>) {
    if let Some(port) = bridge.and_then(|b| b.ports.get(name))
        && port.options.get("peer").map(String::as_str) != Some(peer)
    {
        out.push(DbChange::SetPeer { interface: port.interface, peer: peer.to_string() });
    }
}

/// Connects the patch pair of a physical bridge; to be called once its drop flows are in place.
#[must_use]
pub fn connect_physical(
    config: &Config,
    seen: &BTreeMap<String, Bridge>,
    bridge: &str,
) -> Vec<DbChange> {
    let (int, phys) = (names::int_patch(bridge), names::phys_patch(bridge));
    let mut out = Vec::new();
    connect(seen.get(&config.integration_bridge), &int, &phys, &mut out);
    connect(seen.get(bridge), &phys, &int, &mut out);
    out
}

/// Tunnel ports to make, those whose options are outdated and, when removals are allowed, to remove.
#[must_use]
pub fn tunnels(
    config: &Config,
    seen: &[Tunnel],
    wanted: &BTreeSet<(NetworkType, IpAddr)>,
    removal: Removal,
) -> Vec<DbChange> {
    let Some(local) = config.local_ip else { return Vec::new() };
    let present: BTreeSet<_> = seen.iter().map(|t| (t.network_type, t.remote_ip)).collect();
    let mut out: Vec<DbChange> = wanted
        .iter()
        .filter(|tunnel| !present.contains(*tunnel))
        // Tunnels do not cross IP versions.
        .filter(|(_, remote)| remote.is_ipv4() == local.is_ipv4())
        .map(|(network_type, remote)| DbChange::AddTunnel {
            name: names::tunnel_port(*network_type, *remote),
            kind: tunnel_kind(*network_type, *remote),
            options: tunnel_options(config, *network_type, local, *remote),
        })
        .collect();
    for tunnel in seen.iter().filter(|t| wanted.contains(&(t.network_type, t.remote_ip))) {
        let mut options = tunnel_options(config, tunnel.network_type, local, tunnel.remote_ip);
        // What somebody else set (IPsec does) stays.
        let foreign = |key: &String| !TUNNEL_OPTIONS.contains(&key.as_str());
        let others = tunnel.port.options.iter().filter(|(key, _)| foreign(key));
        options.extend(others.map(|(key, value)| (key.clone(), value.clone())));
        if tunnel.port.options != options {
            out.push(DbChange::SetTunnelOptions { interface: tunnel.port.interface, options });
        }
    }
    if removal == Removal::Stale {
        out.extend(
            seen.iter()
                .filter(|t| !wanted.contains(&(t.network_type, t.remote_ip)))
                .map(|t| DbChange::DelPort { name: t.name.clone() }),
        );
    }
    out
}

fn tunnel_kind(network_type: NetworkType, remote: IpAddr) -> &'static str {
    match network_type {
        NetworkType::Gre if remote.is_ipv6() => "ip6gre",
        other => other.as_str(),
    }
}

fn tunnel_options(
    config: &Config,
    network_type: NetworkType,
    local: IpAddr,
    remote: IpAddr,
) -> BTreeMap<String, String> {
    let options = &config.tunnel;
    let mut out = BTreeMap::from([
        ("df_default".to_string(), options.dont_fragment.to_string()),
        ("remote_ip".to_string(), remote.to_string()),
        ("local_ip".to_string(), local.to_string()),
        ("in_key".to_string(), "flow".to_string()),
        ("out_key".to_string(), "flow".to_string()),
        ("egress_pkt_mark".to_string(), "0".to_string()),
    ]);
    if network_type == NetworkType::Vxlan && options.vxlan_udp_port != 4789 {
        out.insert("dst_port".to_string(), options.vxlan_udp_port.to_string());
    }
    if options.csum {
        out.insert("csum".to_string(), "true".to_string());
    }
    if let Some(tos) = &options.tos {
        out.insert("tos".to_string(), tos.clone());
    }
    if tunnel_kind(network_type, remote) == "ip6gre" {
        out.insert("packet_type".to_string(), "legacy_l2".to_string());
    }
    out
}

/// What the row of a bound VIF lacks.
#[must_use]
pub fn bind(vif: &Vif, network_id: &str, segment: &Segment, vlan: u16) -> Option<DbChange> {
    let mut wanted = BTreeMap::from([
        ("net_uuid".to_string(), network_id.to_string()),
        ("network_type".to_string(), segment.network_type.to_string()),
        (
            "physical_network".to_string(),
            // Neutron writes Python's None, and an adopting Neutron agent expects it.
            segment.physical_network.clone().unwrap_or_else(|| "None".to_string()),
        ),
        ("tag".to_string(), vlan.to_string()),
    ]);
    if let Some(id) = segment.segmentation_id {
        wanted.insert("segmentation_id".to_string(), id.to_string());
    }
    let pairs = missing_pairs(wanted, &vif.port.other_config);
    if vif.port.tag == Some(vlan) && !vif.port.trunk && pairs.is_empty() {
        return None;
    }
    Some(DbChange::BindPort { port: vif.port.row, tag: vlan, pairs, clear_trunk: vif.port.trunk })
}

/// What br-int's row is to say of rules the driver iptables_hybrid left: when ports plugged for it
/// are filtered by the switch now, that they are gone, and when it filters again, that there are
/// some. None when that is so already.
#[must_use]
pub fn iptables_cleaned(config: &Config, int: Option<&Bridge>) -> Option<DbChange> {
    let int = int?;
    let said = int.other_config.get(IPTABLES_CLEANED).is_some_and(|value| value == "true");
    let hybrid = |name: &String| name.starts_with(names::HYBRID_OVS_SIDE_PREFIX);
    let value = match config.firewall {
        Driver::Openvswitch if !said && int.ports.keys().any(hybrid) => "true",
        Driver::IptablesHybrid if said => "false",
        _ => return None,
    };
    let pairs = BTreeMap::from([(IPTABLES_CLEANED.to_string(), value.to_string())]);
    Some(DbChange::SetBridgeConfig { bridge: config.integration_bridge.clone(), pairs })
}

/// What the row of a VIF that must not talk lacks.
#[must_use]
pub fn kill(vif: &Vif) -> Option<DbChange> {
    (vif.port.tag != Some(DEAD_VLAN)).then_some(DbChange::KillPort { port: vif.port.row })
}

#[cfg(test)]
mod tests;
