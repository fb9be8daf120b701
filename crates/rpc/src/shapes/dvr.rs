//! Shapes of distributed routing between server and L2 agents.

use neutrino_types::MacAddr;
use serde::{Deserialize, Serialize};

use super::FixedIp;

/// One host's routers: answer to `get_dvr_mac_address_by_host`, element of the answer to
/// `get_dvr_mac_address_list` and of `dvr_mac_address_update`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DvrMac {
    /// The host.
    #[serde(default)]
    pub host: String,
    /// Under which its routers send to other hosts.
    pub mac_address: MacAddr,
}

/// Arguments of `get_subnet_for_dvr`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetForDvr {
    /// The subnet.
    pub subnet: String,
    /// The address of the router's port there, when it is not the gateway's that counts.
    #[serde(default)]
    pub fixed_ips: Option<Vec<FixedIp>>,
}

/// Answer to `get_subnet_for_dvr`: the subnet as the API shows it, with the MAC of the port that
/// was asked for. Nothing is set when the server knows no such port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DvrSubnet {
    /// Its addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
    /// Gateway of its ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_ip: Option<String>,
    /// MAC of the port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_mac: Option<MacAddr>,
}
