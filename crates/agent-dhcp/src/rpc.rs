//! What the agent asks of the server, in the terms of the data plane.

use std::collections::BTreeSet;

use neutrino_agent::ServerApi;
use neutrino_dataplane::dhcp::{
    device::WantedIp,
    view::{DnsAssignment, ExtraDhcpOpt, FixedIp, HostRoute, Ipv6Mode, Network, Port, Subnet},
};
use neutrino_rpc::{
    RpcError, methods,
    shapes::dhcp::{DhcpNetwork, DhcpPort, DhcpSubnet},
};
use serde_json::{Value, json};

/// A call failed, or its answer makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The call.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// Something in the answer.
    #[error("the server's {what} '{value}' is not understood")]
    Shape {
        /// What it should be.
        what: &'static str,
        /// What it is.
        value: String,
    },
    /// The server did not make or change the port.
    #[error("the server gave no DHCP port on network {0}")]
    NoPort(String),
}

impl ApiError {
    /// Whether the network has no address left for the agent: nothing to try again before the
    /// network changes.
    #[must_use]
    pub fn is_out_of_addresses(&self) -> bool {
        let Self::Rpc(error) = self else { return false };
        error.known_class().is_some_and(|class| class.starts_with("IpAddressGenerationFailure"))
    }
}

/// Result of calls.
pub type Result<T> = std::result::Result<T, ApiError>;

/// The server's side of DHCP. Cheap to clone.
#[derive(Clone)]
pub struct DhcpApi(ServerApi);

impl DhcpApi {
    /// Calls through `api`.
    #[must_use]
    pub fn new(api: ServerApi) -> Self {
        Self(api)
    }

    /// Every network this agent serves, by id; one that makes no sense does not hide the others.
    ///
    /// # Errors
    /// The call failed.
    pub async fn active_networks(&self) -> Result<Vec<(String, Result<Network>)>> {
        let args = json!({ "host": self.0.host(), "enable_dhcp_filter": false });
        let answer: Vec<Value> = self.0.call(methods::GET_ACTIVE_NETWORKS_INFO, args).await?;
        let id = |value: &Value| value.get("id").and_then(Value::as_str).map(str::to_string);
        Ok(answer.into_iter().filter_map(|value| Some((id(&value)?, decode(value)))).collect())
    }

    /// One network; none when it is gone.
    ///
    /// # Errors
    /// The call failed, or its answer makes no sense.
    pub async fn network(&self, network_id: &str) -> Result<Option<Network>> {
        let args = json!({ "network_id": network_id, "host": self.0.host() });
        let answer: Value = self.0.call(methods::GET_NETWORK_INFO, args).await?;
        // Python's empty dictionary stands for none, too.
        let none = answer.is_null() || answer.as_object().is_some_and(serde_json::Map::is_empty);
        if none { Ok(None) } else { decode(answer).map(Some) }
    }

    /// Makes the agent's port.
    ///
    /// # Errors
    /// The call failed, or the server made none.
    pub async fn create_port(
        &self,
        network: &Network,
        device_id: &str,
        fixed_ips: &[WantedIp],
    ) -> Result<Port> {
        let port = json!({
            "name": "",
            "admin_state_up": true,
            "device_id": device_id,
            "network_id": network.id,
            "project_id": network.project_id,
            "fixed_ips": fixed_ips_json(fixed_ips),
        });
        let args = json!({ "port": { "port": port }, "host": self.0.host() });
        let answer: Option<DhcpPort> = self.0.call(methods::CREATE_DHCP_PORT, args).await?;
        port_of(network, answer)
    }

    /// Changes the addresses of the agent's port.
    ///
    /// # Errors
    /// The call failed, or there is no such port any more.
    pub async fn update_port(
        &self,
        network: &Network,
        port_id: &str,
        fixed_ips: &[WantedIp],
    ) -> Result<Port> {
        let change = json!({"network_id": network.id, "fixed_ips": fixed_ips_json(fixed_ips)});
        self.change_port(network, port_id, change).await
    }

    /// Makes a port that was set aside the agent's.
    ///
    /// # Errors
    /// The call failed, or there is no such port any more.
    pub async fn take_port(
        &self,
        network: &Network,
        port_id: &str,
        device_id: &str,
    ) -> Result<Port> {
        let change = json!({"network_id": network.id, "device_id": device_id});
        self.change_port(network, port_id, change).await
    }

    async fn change_port(&self, network: &Network, port_id: &str, change: Value) -> Result<Port> {
        let args = json!({
            "port_id": port_id, "port": { "port": change }, "host": self.0.host(),
        });
        let answer: Option<DhcpPort> = self.0.call(methods::UPDATE_DHCP_PORT, args).await?;
        port_of(network, answer)
    }

    /// Deletes the agent's port; no such port is fine.
    ///
    /// # Errors
    /// The call failed.
    pub async fn release_port(&self, network_id: &str, device_id: &str) -> Result<()> {
        let args = json!({
            "network_id": network_id, "device_id": device_id, "host": self.0.host(),
        });
        Ok(self.0.call::<Value>(methods::RELEASE_DHCP_PORT, args).await.map(drop)?)
    }

    /// Tells that the addresses of these ports are served.
    ///
    /// # Errors
    /// The call failed.
    pub async fn ready_on_ports(&self, port_ids: &BTreeSet<String>) -> Result<()> {
        let args = json!({ "port_ids": port_ids });
        Ok(self.0.call::<Value>(methods::DHCP_READY_ON_PORTS, args).await.map(drop)?)
    }
}

fn fixed_ips_json(wanted: &[WantedIp]) -> Vec<Value> {
    wanted
        .iter()
        .map(|ip| match ip.ip_address {
            Some(address) => json!({"subnet_id": ip.subnet_id, "ip_address": address}),
            None => json!({"subnet_id": ip.subnet_id}),
        })
        .collect()
}

fn port_of(network: &Network, answer: Option<DhcpPort>) -> Result<Port> {
    port(answer.ok_or_else(|| ApiError::NoPort(network.id.clone()))?)
}

fn decode(value: Value) -> Result<Network> {
    let shape: DhcpNetwork = serde_json::from_value(value)
        .map_err(|e| ApiError::Shape { what: "network", value: e.to_string() })?;
    network(shape)
}

fn parse<T: std::str::FromStr>(what: &'static str, value: &str) -> Result<T> {
    value.parse().map_err(|_| ApiError::Shape { what, value: value.to_string() })
}

fn network(shape: DhcpNetwork) -> Result<Network> {
    let subnets = |list: Vec<DhcpSubnet>| list.into_iter().map(subnet).collect::<Result<_>>();
    Ok(Network {
        id: shape.id,
        project_id: shape.project_id,
        admin_state_up: shape.admin_state_up,
        mtu: shape.mtu.unwrap_or(0),
        subnets: subnets(shape.subnets)?,
        non_local_subnets: subnets(shape.non_local_subnets)?,
        ports: shape.ports.into_iter().map(port).collect::<Result<_>>()?,
    })
}

fn subnet(shape: DhcpSubnet) -> Result<Subnet> {
    let host_routes = shape.host_routes.iter().map(|route| {
        Ok(HostRoute {
            destination: parse("host route", &route.destination)?,
            nexthop: parse("next hop", &route.nexthop)?,
        })
    });
    Ok(Subnet {
        cidr: parse("CIDR", &shape.cidr)?,
        gateway_ip: shape.gateway_ip.as_deref().map(|ip| parse("gateway", ip)).transpose()?,
        enable_dhcp: shape.enable_dhcp,
        dns_nameservers: shape
            .dns_nameservers
            .iter()
            .map(|ip| parse("DNS server", ip))
            .collect::<Result<_>>()?,
        host_routes: host_routes.collect::<Result<_>>()?,
        ipv6_ra_mode: shape.ipv6_ra_mode.as_deref().map(ipv6_mode).transpose()?,
        ipv6_address_mode: shape.ipv6_address_mode.as_deref().map(ipv6_mode).transpose()?,
        segment_id: shape.segment_id,
        id: shape.id,
    })
}

fn ipv6_mode(name: &str) -> Result<Ipv6Mode> {
    serde_json::from_value(Value::from(name))
        .map_err(|_| ApiError::Shape { what: "IPv6 mode", value: name.to_string() })
}

fn port(shape: DhcpPort) -> Result<Port> {
    let fixed_ips = shape.fixed_ips.into_iter().map(|ip| {
        Ok(FixedIp { ip_address: parse("address", &ip.ip_address)?, subnet_id: ip.subnet_id })
    });
    let options = shape.extra_dhcp_opts.unwrap_or_default().into_iter().filter_map(|opt| {
        let opt_value = opt.opt_value?;
        Some(ExtraDhcpOpt { opt_name: opt.opt_name, opt_value, ip_version: opt.ip_version })
    });
    let names = shape.dns_assignment.unwrap_or_default().into_iter().map(|name| {
        Ok(DnsAssignment {
            ip_address: parse("address", &name.ip_address)?,
            hostname: name.hostname,
            fqdn: name.fqdn,
        })
    });
    Ok(Port {
        mac_address: parse("MAC", &shape.mac_address)?,
        fixed_ips: fixed_ips.collect::<Result<_>>()?,
        extra_dhcp_opts: options.collect(),
        dns_assignment: names.collect::<Result<_>>()?,
        id: shape.id,
        device_id: shape.device_id,
        device_owner: shape.device_owner,
    })
}
