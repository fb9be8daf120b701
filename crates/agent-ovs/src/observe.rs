//! What Open vSwitch's database says about this host, in the agent's terms.
//!
//! Owns the reading of rows; writes nothing and decides nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use neutrino_dataplane::{names, view::Segment};
use neutrino_ovsdb::{BridgeView, Datum, InterfaceView, PortView, Replica};
use neutrino_types::{MacAddr, NetworkType, constants::DEAD_VLAN};
use uuid::Uuid;

use crate::local_vlans::NetworkKey;

/// A bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bridge {
    /// `datapath_id`, once ovs-vswitchd has set it.
    pub datapath_id: Option<u64>,
    /// `datapath_type`.
    pub datapath_type: String,
    /// `fail_mode`.
    pub fail_mode: String,
    /// `protocols`.
    pub protocols: BTreeSet<String>,
    /// `other_config`.
    pub other_config: BTreeMap<String, String>,
    /// `mcast_snooping_enable`.
    pub mcast_snooping: bool,
    /// Controllers.
    pub controllers: Vec<Controller>,
    /// Ports by name.
    pub ports: BTreeMap<String, Port>,
}

/// A controller of a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// The row.
    pub row: Uuid,
    /// `target`.
    pub target: String,
    /// `inactivity_probe` in milliseconds.
    pub inactivity_probe: Option<i64>,
    /// `max_backoff` in milliseconds.
    pub max_backoff: Option<i64>,
}

/// A port with its (first) interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Row of `Port`.
    pub row: Uuid,
    /// Row of `Interface`.
    pub interface: Uuid,
    /// Name of the interface; differs from the port's for bonds.
    pub interface_name: String,
    /// `ofport`, if ovs-vswitchd has given one.
    pub ofport: Option<u32>,
    /// Why it has none.
    pub error: Option<String>,
    /// `type`.
    pub kind: String,
    /// `options`.
    pub options: BTreeMap<String, String>,
    /// `external_ids` of the interface.
    pub external_ids: BTreeMap<String, String>,
    /// `tag`.
    pub tag: Option<u16>,
    /// Whether `vlan_mode` or `trunks` is set.
    pub trunk: bool,
    /// `other_config` of the port.
    pub other_config: BTreeMap<String, String>,
}

/// A port somebody plugged for a Neutron port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vif {
    /// `iface-id`: the Neutron port.
    pub port_id: String,
    /// `attached-mac`.
    pub mac: MacAddr,
    /// Name on br-int.
    pub name: String,
    /// The row.
    pub port: Port,
}

/// A tunnel port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Name on br-tun.
    pub name: String,
    /// gre, vxlan or geneve.
    pub network_type: NetworkType,
    /// `options:remote_ip`.
    pub remote_ip: IpAddr,
    /// The row.
    pub port: Port,
}

/// The bridges called `names` that exist.
#[must_use]
pub fn bridges<'a>(
    replica: &Replica,
    names: impl IntoIterator<Item = &'a str>,
) -> BTreeMap<String, Bridge> {
    let wanted: BTreeSet<&str> = names.into_iter().collect();
    replica
        .bridges()
        .filter(|view| wanted.contains(view.name()))
        .map(|view| (view.name().to_string(), bridge(&view)))
        .collect()
}

fn bridge(view: &BridgeView<'_>) -> Bridge {
    let text = |column: &str| view.column(column).as_str().unwrap_or("").to_string();
    Bridge {
        datapath_id: view.datapath_id(),
        datapath_type: text("datapath_type"),
        fail_mode: text("fail_mode"),
        protocols: view.column("protocols").strings().map(str::to_string).collect(),
        other_config: view.other_config(),
        mcast_snooping: view.column("mcast_snooping_enable").as_bool().unwrap_or(false),
        controllers: view
            .controllers()
            .map(|c| Controller {
                row: c.id,
                target: c.target().to_string(),
                inactivity_probe: c.column("inactivity_probe").as_int(),
                max_backoff: c.column("max_backoff").as_int(),
            })
            .collect(),
        ports: view
            .ports()
            .filter_map(|p| Some((p.name().to_string(), port(&p, &p.interfaces().next()?))))
            .collect(),
    }
}

fn port(port: &PortView<'_>, interface: &InterfaceView<'_>) -> Port {
    Port {
        row: port.id,
        interface: interface.id,
        interface_name: interface.name().to_string(),
        ofport: interface.ofport(),
        error: interface.error().map(str::to_string),
        kind: interface.kind().to_string(),
        options: interface.options(),
        external_ids: interface.external_ids(),
        tag: port.tag(),
        trunk: [port.column("vlan_mode"), port.column("trunks")]
            .into_iter()
            .any(|d: &Datum| !d.atoms().is_empty()),
        other_config: port.other_config(),
    }
}

impl Port {
    /// Whether flows of the agent refer to the port by number.
    #[must_use]
    pub fn in_flows(&self) -> bool {
        matches!(self.kind.as_str(), "patch" | "vxlan" | "gre" | "ip6gre" | "geneve")
            || self.external_ids.contains_key("iface-id")
    }
}

impl Bridge {
    /// The ofport of the port called `name`.
    #[must_use]
    pub fn ofport(&self, name: &str) -> Option<u32> {
        self.ports.get(name)?.ofport
    }

    /// The VIF ports, by Neutron port. Of two interfaces with one `iface-id` (a live migration
    /// gone wrong) the one with a port number wins.
    #[must_use]
    pub fn vifs(&self) -> BTreeMap<String, Vif> {
        let mut out: BTreeMap<String, Vif> = BTreeMap::new();
        for (name, port) in &self.ports {
            let Some(vif) = vif(name, port) else { continue };
            let better = out
                .get(&vif.port_id)
                .is_none_or(|other| other.port.ofport.is_none() && port.ofport.is_some());
            if better {
                out.insert(vif.port_id.clone(), vif);
            }
        }
        out
    }

    /// The tunnel ports that bear the names Neutron gives them; others are somebody else's.
    #[must_use]
    pub fn tunnels(&self) -> Vec<Tunnel> {
        self.ports.iter().filter_map(|(name, port)| tunnel(name, port)).collect()
    }
}

fn vif(name: &str, port: &Port) -> Option<Vif> {
    // Our own ports and the bridge's internal port carry no external ids.
    let port_id = port.external_ids.get("iface-id")?;
    let mac = port.external_ids.get("attached-mac")?.parse().ok()?;
    Some(Vif { port_id: port_id.clone(), mac, name: name.to_string(), port: port.clone() })
}

fn tunnel(name: &str, port: &Port) -> Option<Tunnel> {
    let network_type = match port.kind.as_str() {
        "gre" | "ip6gre" => NetworkType::Gre,
        "vxlan" => NetworkType::Vxlan,
        "geneve" => NetworkType::Geneve,
        _ => return None,
    };
    let remote_ip = port.options.get("remote_ip")?.parse().ok()?;
    if name != names::tunnel_port(network_type, remote_ip) {
        return None;
    }
    Some(Tunnel { name: name.to_string(), network_type, remote_ip, port: port.clone() })
}

impl Vif {
    /// The network and local VLAN a previous run wrote to the row; none when it wrote none, or
    /// the dead VLAN.
    #[must_use]
    pub fn adoptable(&self) -> Option<(NetworkKey, u16, Segment)> {
        let vlan = self.port.tag.filter(|tag| *tag != DEAD_VLAN && *tag != 0)?;
        let config = &self.port.other_config;
        let network_id = config.get("net_uuid")?;
        let segment = Segment {
            network_type: config.get("network_type")?.parse().ok()?,
            // Neutron writes Python's None.
            physical_network: config
                .get("physical_network")
                .filter(|name| name.as_str() != "None")
                .cloned(),
            segmentation_id: config.get("segmentation_id").and_then(|id| id.parse().ok()),
        };
        Some((NetworkKey::new(network_id, &segment), vlan, segment))
    }
}
