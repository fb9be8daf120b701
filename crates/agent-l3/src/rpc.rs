//! What the agent asks of the server, in the terms of the data plane.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use neutrino_agent::ServerApi;
use neutrino_dataplane::{
    dhcp::view::Ipv6Mode,
    l3::view::{
        self, AddressPair, AddressScopes, ExtraRoute, FixedIp, FloatingIp, Port, PortForwarding,
        Subnet, SubnetAddress, SubnetPort,
    },
};
use neutrino_rpc::{
    RpcError, methods,
    objects::catalog::PORT_FORWARDING,
    shapes::l3::{self, L3FloatingIp, L3Port, L3PortForwarding, L3Router, L3Subnet},
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
    /// The server made no port for this host.
    #[error("the server gave this host no port on the external network {0}")]
    NoGateway(String),
}

impl ApiError {
    /// Whether the server did not answer in time: less may be asked at a time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Rpc(RpcError::Timeout { .. }))
    }
}

/// Result of calls.
pub type Result<T> = std::result::Result<T, ApiError>;

/// A router as the server told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Router {
    /// What its namespaces are made from.
    pub view: view::Router,
    /// Highly available.
    pub ha: bool,
    /// The external network it has a gateway on.
    pub external_network: Option<String>,
    /// Its floating IPs and what the server believes of them.
    pub statuses: BTreeMap<String, String>,
}

impl Router {
    /// The networks it has ports on.
    pub fn networks(&self) -> impl Iterator<Item = &str> {
        let ports = self.view.interfaces.iter().chain(&self.view.gw_port);
        ports.map(|port| port.network_id.as_str())
    }
}

/// The server's side of routing. Cheap to clone.
#[derive(Clone)]
pub struct L3Api(ServerApi);

impl L3Api {
    /// Calls through `api`.
    #[must_use]
    pub fn new(api: ServerApi) -> Self {
        Self(api)
    }

    /// Ids of the routers this host is to have.
    ///
    /// # Errors
    /// The call failed.
    pub async fn router_ids(&self) -> Result<Vec<String>> {
        Ok(self.0.call(methods::GET_ROUTER_IDS, json!({ "host": self.0.host() })).await?)
    }

    /// Those of `router_ids` that this host is to have, and routers that are concerned with them,
    /// by id, with their port forwardings; one that makes no sense does not hide the others.
    ///
    /// # Errors
    /// The call failed.
    pub async fn routers(&self, router_ids: &[String]) -> Result<Vec<(String, Result<Router>)>> {
        let args = json!({ "host": self.0.host(), "router_ids": router_ids });
        let answer: Vec<Value> = self.0.call(methods::SYNC_ROUTERS, args).await?;
        let mut forwardings = self.forwardings(&answer).await?;
        let router = |value: Value| {
            let id = value.get("id").and_then(Value::as_str)?.to_string();
            let of_router = forwardings.remove(&id).unwrap_or_default();
            Some((id, decode(value, of_router)))
        };
        Ok(answer.into_iter().filter_map(router).collect())
    }

    /// The port forwardings of the floating IPs of `routers` that have any, by router.
    async fn forwardings(
        &self,
        routers: &[Value],
    ) -> Result<BTreeMap<String, Vec<L3PortForwarding>>> {
        let of_router = |router: &Value| router.get("_pf_floatingips")?.as_array().cloned();
        let floating_ips: Vec<Value> = routers
            .iter()
            .filter_map(of_router)
            .flatten()
            .filter_map(|floating_ip| floating_ip.get("id").cloned())
            .collect();
        let mut out: BTreeMap<String, Vec<L3PortForwarding>> = BTreeMap::new();
        if floating_ips.is_empty() {
            return Ok(out);
        }
        let filters = json!({ "floatingip_id": floating_ips });
        for object in self.0.bulk_pull(&PORT_FORWARDING, filters).await? {
            let read = object.map_err(|error| error.to_string()).and_then(|object| {
                serde_json::from_value::<L3PortForwarding>(Value::Object(object.attributes))
                    .map_err(|error| error.to_string())
            });
            match read {
                Ok(forwarding) => {
                    out.entry(forwarding.router_id.clone()).or_default().push(forwarding);
                }
                Err(error) => tracing::error!(error, "a port forwarding is not understood"),
            }
        }
        Ok(out)
    }

    /// Tells how far the agent got with a router's floating IPs.
    ///
    /// # Errors
    /// The call failed.
    pub async fn update_statuses(
        &self,
        router_id: &str,
        statuses: &BTreeMap<String, &'static str>,
    ) -> Result<()> {
        let args = json!({ "router_id": router_id, "fip_statuses": statuses });
        let method = methods::UPDATE_FLOATINGIP_STATUSES;
        Ok(self.0.call::<Value>(method, args).await.map(drop)?)
    }

    /// Who is on a subnet.
    ///
    /// # Errors
    /// The call failed, or its answer makes no sense.
    pub async fn subnet_ports(&self, subnet_id: &str) -> Result<Vec<SubnetPort>> {
        let args = json!({ "host": self.0.host(), "subnet_id": subnet_id });
        let answer: Vec<l3::SubnetPort> = self.0.call(methods::GET_PORTS_BY_SUBNET, args).await?;
        answer.into_iter().map(subnet_port).collect()
    }

    /// This host's port on an external network, made if need be.
    ///
    /// # Errors
    /// The call failed, or the server made none.
    pub async fn agent_gateway(&self, network_id: &str) -> Result<Port> {
        let args = json!({ "host": self.0.host(), "network_id": network_id });
        let answer: Option<L3Port> = self.0.call(methods::GET_AGENT_GATEWAY_PORT, args).await?;
        port(answer.ok_or_else(|| ApiError::NoGateway(network_id.to_string()))?)
    }
}

fn decode(value: Value, forwardings: Vec<L3PortForwarding>) -> Result<Router> {
    let shape: L3Router = serde_json::from_value(value)
        .map_err(|e| ApiError::Shape { what: "router", value: e.to_string() })?;
    router(shape, forwardings)
}

fn parse<T: std::str::FromStr>(what: &'static str, value: &str) -> Result<T> {
    value.parse().map_err(|_| ApiError::Shape { what, value: value.to_string() })
}

fn router(shape: L3Router, forwardings: Vec<L3PortForwarding>) -> Result<Router> {
    let ports = |list: Vec<L3Port>| list.into_iter().map(port).collect::<Result<Vec<_>>>();
    let status = |fip: &L3FloatingIp| (fip.id.clone(), fip.status.clone().unwrap_or_default());
    let statuses =
        shape.floating_ips.iter().chain(&shape.forwarded_floating_ips).map(status).collect();
    let routes = shape.routes.iter().map(|route| {
        Ok(ExtraRoute {
            destination: parse("destination", &route.destination)?,
            nexthop: parse("next hop", &route.nexthop)?,
        })
    });
    let floating_ips =
        shape.floating_ips.into_iter().filter_map(|fip| floating_ip(fip).transpose());
    let forwardings = forwardings.into_iter().map(port_forwarding);
    let view = view::Router {
        distributed: shape.distributed,
        enable_snat: shape.enable_snat.unwrap_or(true),
        gw_port: shape.gw_port.map(port).transpose()?,
        gw_port_host: shape.gw_port_host,
        routes: routes.collect::<Result<_>>()?,
        interfaces: ports(shape.interfaces)?,
        snat_interfaces: ports(shape.snat_interfaces)?,
        floating_ips: floating_ips.collect::<Result<_>>()?,
        agent_gateways: ports(shape.agent_gateways)?,
        port_forwardings: forwardings.collect::<Result<_>>()?,
        id: shape.id,
    };
    let external_network = shape.external_gateway_info.and_then(|info| info.network_id);
    Ok(Router { view, ha: shape.ha, external_network, statuses })
}

fn port(shape: L3Port) -> Result<Port> {
    let prefixes: BTreeMap<&str, u8> = shape
        .subnets
        .iter()
        .filter_map(|subnet| Some((subnet.id.as_str(), prefix_of(&subnet.cidr)?)))
        .collect();
    let fixed_ips = shape.fixed_ips.iter().map(|ip| {
        let ip_address: IpAddr = parse("address", &ip.ip_address)?;
        let host = if ip_address.is_ipv4() { 32 } else { 128 };
        let known = ip.prefixlen.or_else(|| prefixes.get(ip.subnet_id.as_str()).copied());
        let prefixlen = known.unwrap_or(host).min(host);
        Ok(FixedIp { subnet_id: ip.subnet_id.clone(), ip_address, prefixlen })
    });
    let fixed_ips = fixed_ips.collect::<Result<_>>()?;
    let subnets = |list: Vec<L3Subnet>| list.into_iter().map(subnet).collect::<Result<Vec<_>>>();
    let scope = |version: &str| shape.address_scopes.get(version).cloned().flatten();
    Ok(Port {
        mac_address: parse("MAC", &shape.mac_address)?,
        admin_state_up: shape.admin_state_up,
        mtu: shape.mtu.unwrap_or(0),
        fixed_ips,
        subnets: subnets(shape.subnets)?,
        extra_subnets: subnets(shape.extra_subnets)?,
        address_scopes: AddressScopes { v4: scope("4"), v6: scope("6") },
        id: shape.id,
        network_id: shape.network_id,
    })
}

fn prefix_of(cidr: &str) -> Option<u8> {
    cidr.split_once('/')?.1.parse().ok()
}

fn subnet(shape: L3Subnet) -> Result<Subnet> {
    let mode = |name: &str| -> Result<Ipv6Mode> {
        serde_json::from_value(Value::from(name))
            .map_err(|_| ApiError::Shape { what: "IPv6 mode", value: name.to_string() })
    };
    Ok(Subnet {
        cidr: parse("CIDR", &shape.cidr)?,
        gateway_ip: shape.gateway_ip.as_deref().map(|ip| parse("gateway", ip)).transpose()?,
        ipv6_ra_mode: shape.ipv6_ra_mode.as_deref().map(mode).transpose()?,
        dns_nameservers: shape
            .dns_nameservers
            .iter()
            .map(|ip| parse("DNS server", ip))
            .collect::<Result<_>>()?,
        id: shape.id,
    })
}

/// None for one that leads nowhere.
fn floating_ip(shape: L3FloatingIp) -> Result<Option<FloatingIp>> {
    let Some(fixed) = shape.fixed_ip_address else { return Ok(None) };
    Ok(Some(FloatingIp {
        floating_ip_address: parse("floating IP", &shape.floating_ip_address)?,
        floating_network_id: shape.floating_network_id,
        fixed_ip_address: parse::<Ipv4Addr>("fixed address", &fixed)?,
        fixed_ip_address_scope: shape.fixed_ip_address_scope,
        host: shape.host,
        dest_host: shape.dest_host,
        dvr_snat_bound: shape.dvr_snat_bound,
        id: shape.id,
    }))
}

fn port_forwarding(shape: L3PortForwarding) -> Result<PortForwarding> {
    let range = |text: &str| -> Result<(u16, u16)> {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        Ok((parse("port", first)?, parse("port", last)?))
    };
    Ok(PortForwarding {
        floating_ip_address: parse("floating IP", &shape.floating_ip_address)?,
        external_ports: range(&shape.external_port_range)?,
        internal_ip_address: parse("address", &shape.internal_ip_address)?,
        internal_ports: range(&shape.internal_port_range)?,
        protocol: shape.protocol,
        id: shape.id,
    })
}

fn subnet_port(shape: l3::SubnetPort) -> Result<SubnetPort> {
    let fixed_ips = shape.fixed_ips.into_iter().map(|ip| {
        Ok(SubnetAddress { ip_address: parse("address", &ip.ip_address)?, subnet_id: ip.subnet_id })
    });
    let pairs = shape.allowed_address_pairs.iter().map(|pair| {
        let net = match pair.ip_address.contains('/') {
            true => parse("address pair", &pair.ip_address)?,
            false => parse::<IpAddr>("address pair", &pair.ip_address)?.into(),
        };
        Ok(AddressPair { ip_address: net, mac_address: parse("MAC", &pair.mac_address)? })
    });
    Ok(SubnetPort {
        mac_address: parse("MAC", &shape.mac_address)?,
        fixed_ips: fixed_ips.collect::<Result<_>>()?,
        allowed_address_pairs: pairs.collect::<Result<_>>()?,
        device_owner: shape.device_owner,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the server's own test says it answers, with MACs that are some.
    const ANSWER: &str = include_str!("../../server/tests/cases/sync_routers.json");

    fn answer() -> Vec<Value> {
        let mut text = ANSWER.to_string();
        for n in (0..100).rev() {
            text = text.replace(&format!("\"mac-{n}\""), &format!("\"fa:16:3e:00:00:{n:02x}\""));
        }
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn routers_of_the_server_are_understood() {
        for value in answer() {
            let told = value.clone();
            let router = decode(value, Vec::new()).expect("understood");
            assert_eq!(router.view.id, told["id"]);
            let count = |key: &str| told[key].as_array().map_or(0, Vec::len);
            assert_eq!(router.view.interfaces.len(), count("_interfaces"));
            assert_eq!(router.view.floating_ips.len(), count("_floatingips"));
            assert_eq!(router.statuses.len(), count("_floatingips") + count("_pf_floatingips"));
            assert_eq!(router.view.routes.len(), count("routes"));
            let gateway = told.get("gw_port").filter(|port| !port.is_null());
            assert_eq!(router.view.gw_port.is_some(), gateway.is_some());
            assert_eq!(router.external_network.is_some(), gateway.is_some());
            for port in &router.view.interfaces {
                assert!(port.mtu > 0 && !port.fixed_ips.is_empty() && !port.subnets.is_empty());
                assert!(port.fixed_ips.iter().all(|ip| ip.prefixlen < 128));
            }
        }
    }

    /// Calls `damage` with every value inside `value`, one after the other.
    fn each(value: &Value, at: &str, damage: &mut dyn FnMut(&str)) {
        damage(at);
        match value {
            Value::Object(map) => {
                map.iter().for_each(|(key, inner)| each(inner, &format!("{at}/{key}"), damage));
            }
            Value::Array(list) => {
                let inner = list.iter().enumerate();
                inner.for_each(|(n, inner)| each(inner, &format!("{at}/{n}"), damage));
            }
            _ => {}
        }
    }

    #[test]
    fn damaged_answers_are_no_panic() {
        let hostile = [
            json!(null),
            json!(-1),
            json!(1e300),
            json!(true),
            json!(""),
            json!("::/0"),
            json!("0.0.0.0/99"),
            json!("0:70000"),
            json!([[]]),
            json!({"4": {}}),
        ];
        for router in answer() {
            each(&router, "", &mut |at| {
                for value in &hostile {
                    let mut damaged = router.clone();
                    if let Some(place) = damaged.pointer_mut(at) {
                        *place = value.clone();
                    }
                    let _ = decode(damaged, Vec::new());
                }
            });
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let port = json!({"id": "p", "mac_address": "none"});
        let error = decode(json!({"id": "r", "gw_port": port}), Vec::new()).expect_err("no MAC");
        assert_eq!(error.to_string(), "the server's MAC 'none' is not understood");
        let floating = json!({"id": "f", "floating_ip_address": "192.0.2.1"});
        let router = json!({"id": "r", "_floatingips": [floating]});
        let router = decode(router, Vec::new()).expect("understood");
        assert!(router.view.floating_ips.is_empty(), "it leads nowhere");
    }

    #[test]
    fn ranges_of_forwarded_ports_are_read() {
        let shape = json!({"id": "f", "floatingip_id": "i", "floating_ip_address": "192.0.2.1",
                           "router_id": "r", "protocol": "udp", "internal_ip_address": "10.0.0.1",
                           "internal_port_range": "53:53", "external_port_range": "5300:5310"});
        let forwarding = serde_json::from_value(shape).expect("understood");
        let router = decode(json!({"id": "r"}), vec![forwarding]).expect("understood");
        let forwarding = &router.view.port_forwardings[0];
        assert_eq!(forwarding.external_ports, (5300, 5310));
        assert_eq!(forwarding.internal_ports, (53, 53));
    }
}
