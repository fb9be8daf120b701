//! What an L3 agent is told of a router (`sync_routers`).
//!
//! The server sends whole API objects with what belongs to them; these shapes name what an agent
//! reads and ignore the rest. Whatever a server may leave out or null has a default.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::AddressPair;

/// A router with everything that concerns it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct L3Router {
    /// The router.
    pub id: String,
    /// Whether its namespaces are on every host that needs it.
    #[serde(default, deserialize_with = "or_default")]
    pub distributed: bool,
    /// Whether it is highly available.
    #[serde(default, deserialize_with = "or_default")]
    pub ha: bool,
    /// Whether the router's address stands in for its networks' outside; none is yes.
    #[serde(default)]
    pub enable_snat: Option<bool>,
    /// Its gateway as the API shows it.
    #[serde(default)]
    pub external_gateway_info: Option<ExternalGatewayInfo>,
    /// The port on the external network.
    #[serde(default)]
    pub gw_port: Option<L3Port>,
    /// Host of the centralised part.
    #[serde(default)]
    pub gw_port_host: Option<String>,
    /// Further routes.
    #[serde(default, deserialize_with = "or_default")]
    pub routes: Vec<ExtraRoute>,
    /// Ports on internal networks.
    #[serde(rename = "_interfaces", default, deserialize_with = "or_default")]
    pub interfaces: Vec<L3Port>,
    /// Ports of the centralised part on internal networks.
    #[serde(rename = "_snat_router_interfaces", default, deserialize_with = "or_default")]
    pub snat_interfaces: Vec<L3Port>,
    /// Floating IPs.
    #[serde(rename = "_floatingips", default, deserialize_with = "or_default")]
    pub floating_ips: Vec<L3FloatingIp>,
    /// Ports of hosts on external networks.
    #[serde(rename = "_floatingip_agent_interfaces", default, deserialize_with = "or_default")]
    pub agent_gateways: Vec<L3Port>,
    /// Floating IPs whose ports are forwarded one by one.
    #[serde(rename = "_pf_floatingips", default, deserialize_with = "or_default")]
    pub forwarded_floating_ips: Vec<L3FloatingIp>,
}

/// `external_gateway_info`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExternalGatewayInfo {
    /// The external network.
    #[serde(default)]
    pub network_id: Option<String>,
}

/// `routes` entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraRoute {
    /// CIDR.
    pub destination: String,
    /// Address.
    pub nexthop: String,
}

/// A port of a router.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct L3Port {
    /// The port.
    pub id: String,
    /// Its network.
    #[serde(default)]
    pub network_id: String,
    /// MAC.
    pub mac_address: String,
    /// Whether it carries traffic.
    #[serde(default = "yes")]
    pub admin_state_up: bool,
    /// MTU in bytes; 0 or null when unknown.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// Addresses with the prefix lengths of their subnets.
    #[serde(default, deserialize_with = "or_default")]
    pub fixed_ips: Vec<L3FixedIp>,
    /// Subnets of the addresses.
    #[serde(default, deserialize_with = "or_default")]
    pub subnets: Vec<L3Subnet>,
    /// Further subnets of the network.
    #[serde(default, deserialize_with = "or_default")]
    pub extra_subnets: Vec<L3Subnet>,
    /// `"4"` and `"6"` to the address scope.
    #[serde(default, deserialize_with = "or_default")]
    pub address_scopes: BTreeMap<String, Option<String>>,
}

/// `fixed_ips` entry of a router's port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct L3FixedIp {
    /// Subnet.
    pub subnet_id: String,
    /// Address.
    pub ip_address: String,
    /// Prefix length of the subnet; unknown for a subnet that is about to go.
    #[serde(default)]
    pub prefixlen: Option<u8>,
}

/// A subnet of a router's port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct L3Subnet {
    /// The subnet.
    pub id: String,
    /// CIDR.
    pub cidr: String,
    /// Gateway.
    #[serde(default)]
    pub gateway_ip: Option<String>,
    /// `ipv6_ra_mode`.
    #[serde(default)]
    pub ipv6_ra_mode: Option<String>,
    /// DNS servers, in order.
    #[serde(default, deserialize_with = "or_default")]
    pub dns_nameservers: Vec<String>,
}

/// A floating IP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct L3FloatingIp {
    /// The floating IP.
    pub id: String,
    /// Its address.
    pub floating_ip_address: String,
    /// Its network.
    #[serde(default)]
    pub floating_network_id: String,
    /// The instance's address.
    #[serde(default)]
    pub fixed_ip_address: Option<String>,
    /// Address scope of the instance's address.
    #[serde(default)]
    pub fixed_ip_address_scope: Option<String>,
    /// `ACTIVE`, `DOWN` or `ERROR`, as the server believes.
    #[serde(default)]
    pub status: Option<String>,
    /// Host of the instance.
    #[serde(default)]
    pub host: Option<String>,
    /// Host the instance migrates to.
    #[serde(default)]
    pub dest_host: Option<String>,
    /// Whether a distributed router serves it in its centralised part.
    #[serde(default, deserialize_with = "or_default")]
    pub dvr_snat_bound: bool,
}

/// A port forwarding: what of the versioned object an L3 agent needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct L3PortForwarding {
    /// The port forwarding.
    pub id: String,
    /// Its floating IP.
    pub floatingip_id: String,
    /// Address of the floating IP.
    pub floating_ip_address: String,
    /// The router that forwards.
    pub router_id: String,
    /// `tcp`, `udp`, ...
    pub protocol: String,
    /// Address of the instance.
    pub internal_ip_address: String,
    /// First and last port of the instance, as `80:81`.
    pub internal_port_range: String,
    /// First and last port of the floating IP, as `8080:8081`.
    pub external_port_range: String,
}

/// A port on a subnet of a distributed router (`get_ports_by_subnet`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SubnetPort {
    /// MAC.
    pub mac_address: String,
    /// `device_owner`.
    #[serde(default)]
    pub device_owner: String,
    /// Addresses.
    #[serde(default, deserialize_with = "or_default")]
    pub fixed_ips: Vec<super::FixedIp>,
    /// Further addresses.
    #[serde(default, deserialize_with = "or_default")]
    pub allowed_address_pairs: Vec<AddressPair>,
}

const fn yes() -> bool {
    true
}

/// Null is as good as missing.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_out_or_null_has_a_default() {
        let bare: L3Router = serde_json::from_value(json!({"id": "r"})).expect("valid");
        let nulls = json!({"id": "r", "distributed": null, "routes": null, "gw_port": null,
                           "external_gateway_info": null, "_interfaces": null, "status": 7});
        assert_eq!(serde_json::from_value::<L3Router>(nulls).expect("valid"), bare);
        let port: L3Port =
            serde_json::from_value(json!({"id": "p", "mac_address": "m"})).expect("valid");
        assert!(port.admin_state_up && port.mtu.is_none());
    }
}
