//! Argument and return shapes of the RPC methods between server and agents, field for field
//! as Neutron's (see `../shared/reference/rpc.md` §5 to §8).

pub mod dhcp;
pub mod dvr;
pub mod l3;
pub mod security_groups;

use std::collections::BTreeMap;

use neutrino_types::MacAddr;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `fixed_ips` entry of a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FixedIp {
    /// Subnet the address belongs to.
    pub subnet_id: String,
    /// The address in text form.
    pub ip_address: String,
}

/// `allowed_address_pairs` entry of a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AddressPair {
    /// MAC the address may be used with.
    pub mac_address: String,
    /// Address or CIDR.
    pub ip_address: String,
}

/// One element of the answer to `get_devices_details_list_and_failed_devices`.
///
/// For a device the server does not know only `device` is set; with `no_active_binding` the port
/// exists but is bound elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceDetails {
    /// The device as the agent asked for it.
    pub device: String,
    /// Port id; `None` when the server does not know the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_id: Option<String>,
    /// Set when the port has no active binding on the asking host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_active_binding: bool,
    /// The port's network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_id: Option<String>,
    /// The port's MAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// Administrative state of the port.
    #[serde(default)]
    pub admin_state_up: bool,
    /// `provider:network_type` of the bound segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_type: Option<String>,
    /// Segmentation id of the bound segment.
    #[serde(default)]
    pub segmentation_id: Option<u32>,
    /// Physical network of the bound segment.
    #[serde(default)]
    pub physical_network: Option<String>,
    /// MTU of the network in bytes.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// The port's addresses.
    #[serde(default)]
    pub fixed_ips: Vec<FixedIp>,
    /// `device_owner`.
    #[serde(default)]
    pub device_owner: String,
    /// Extra addresses the port may use.
    #[serde(default)]
    pub allowed_address_pairs: Vec<AddressPair>,
    /// Whether anti-spoofing applies.
    #[serde(default)]
    pub port_security_enabled: bool,
    /// QoS policy of the port.
    #[serde(default)]
    pub qos_policy_id: Option<String>,
    /// QoS policy of the network.
    #[serde(default)]
    pub network_qos_policy_id: Option<String>,
    /// `binding:profile`.
    #[serde(default)]
    pub profile: Value,
    /// `propagate_uplink_status`.
    #[serde(default)]
    pub propagate_uplink_status: bool,
}

/// Answer to `get_devices_details_list_and_failed_devices`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DevicesDetails {
    /// Details in the order asked.
    pub devices: Vec<DeviceDetails>,
    /// Devices the server failed on; to be asked for again.
    pub failed_devices: Vec<String>,
}

/// Answer to `update_device_list`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceListUpdate {
    /// Devices now up.
    pub devices_up: Vec<String>,
    /// Devices whose update failed.
    pub failed_devices_up: Vec<String>,
    /// Devices now down, with whether they still exist.
    pub devices_down: Vec<DeviceDown>,
    /// Devices whose update failed.
    pub failed_devices_down: Vec<String>,
}

/// One entry of [`DeviceListUpdate::devices_down`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceDown {
    /// The device.
    pub device: String,
    /// Whether the port still exists.
    pub exists: bool,
}

/// One tunnel endpoint in the answer to `tunnel_sync`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelEndpoint {
    /// Tunnel IP of the host.
    pub ip_address: String,
    /// The host.
    #[serde(default)]
    pub host: Option<String>,
    /// UDP port, VXLAN only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp_port: Option<u16>,
}

/// `[mac, ip]`: one l2population entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FdbPort(pub MacAddr, pub String);

impl FdbPort {
    /// The entry that asks for flooding to a host (`FLOODING_ENTRY`).
    #[must_use]
    pub fn flooding() -> Self {
        Self(MacAddr::ZERO, neutrino_types::constants::FLOODING_IP.to_string())
    }

    /// Whether this is the flooding entry.
    #[must_use]
    pub fn is_flooding(&self) -> bool {
        self.0 == MacAddr::ZERO && self.1 == neutrino_types::constants::FLOODING_IP
    }
}

/// One network's part of `add_fdb_entries` / `remove_fdb_entries`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FdbNetwork {
    /// Segmentation id of the tunnel segment.
    pub segment_id: u32,
    /// `vxlan`, `gre` or `geneve`.
    pub network_type: String,
    /// Tunnel IP of a host to its entries.
    pub ports: BTreeMap<String, Vec<FdbPort>>,
}

/// `fdb_entries` of add and remove: network id to entries.
pub type FdbEntries = BTreeMap<String, FdbNetwork>;

/// `fdb_entries` of `update_fdb_entries`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FdbUpdate {
    /// Network id to tunnel IP to changed entries.
    pub chg_ip: BTreeMap<String, BTreeMap<String, FdbChange>>,
}

/// Entries before and after a change of address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FdbChange {
    /// Entries to remove.
    #[serde(default)]
    pub before: Vec<FdbPort>,
    /// Entries to add.
    #[serde(default)]
    pub after: Vec<FdbPort>,
}

/// What an agent sends in `report_state` (see `../shared/reference/l2_agent.md` §5).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentState {
    /// e.g. `neutron-openvswitch-agent`.
    pub binary: String,
    /// The agent's host.
    pub host: String,
    /// e.g. `N/A` or `dhcp_agent`.
    pub topic: String,
    /// e.g. `Open vSwitch agent`.
    pub agent_type: String,
    /// Free-form configuration, per agent type.
    #[serde(default)]
    pub configurations: serde_json::Map<String, Value>,
    /// True until the first reconcile after start has finished.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub start_flag: bool,
    /// Availability zone, for DHCP and L3 agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// Versioned objects the agent understands, until the first report succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_versions: Option<Value>,
    /// Fresh per report.
    #[serde(default)]
    pub uuid: String,
}
