//! What an L3 agent is told of distributed routers beyond what it is told of centralised ones.

use std::collections::{BTreeSet, HashMap};

use neutrino_db::{
    Conn,
    agents::{self, Agent},
    dvr::{self, Gateways, PortHost},
};
use neutrino_ml2::{Ml2Plugin, l3::router_ports};
use neutrino_types::{
    ApiResult, Attrs,
    constants::{
        agent_mode, agent_type,
        device_owner::{DVR_INTERFACE, ROUTER_SNAT},
    },
    request,
};
use serde_json::Value;

/// The ports of a router on project networks.
const INTERFACES: &str = "_interfaces";
/// The ports of its centralised part.
const SNAT_INTERFACES: &str = "_snat_router_interfaces";
/// The ports by which the asking agent's host serves floating IPs.
const AGENT_GATEWAYS: &str = "_floatingip_agent_interfaces";
/// A router's floating IPs.
const FLOATING_IPS: &str = "_floatingips";

/// `host` of a floating IP that the centralised part serves.
const NEEDS_BINDING: &str = "FLOATING_IP_HOST_NEEDS_BINDING";
/// Set on a floating IP that the centralised part serves.
const SNAT_BOUND: &str = "dvr_snat_bound";

fn is_distributed(router: &Attrs) -> bool {
    request::flag(router, "distributed").unwrap_or(false)
}

/// Adds to the distributed ones of `routers`, as `agent` is to build them:
/// - with a gateway, the ports of the centralised part and the agent's own gateway ports;
/// - which of `_floatingips` this agent serves, `host` and `dest_host` of those on its host,
///   `dvr_snat_bound` for those the centralised part serves. The others are left out.
///
/// Costs the same statements for any number of routers, none when no router is distributed.
///
/// # Errors
/// What the database refused.
pub async fn extend(conn: &Conn, agent: &Agent, routers: &mut [Attrs]) -> ApiResult<()> {
    let ids: Vec<String> = routers
        .iter()
        .filter(|router| is_distributed(router))
        .map(|router| request::text_or_empty(router, "id"))
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut snat: HashMap<String, BTreeSet<String>> = HashMap::new();
    for port in dvr::interfaces(conn, &ids, ROUTER_SNAT).await? {
        snat.entry(port.router_id).or_default().insert(port.port_id);
    }
    let own = dvr::agent_gateways(conn, Gateways::OfAgent(&agent.id)).await?;
    let wanted = snat.values().flatten().chain(own.iter().map(|gateway| &gateway.port_id));
    let wanted: Vec<&str> = wanted.map(String::as_str).collect();
    let shown: HashMap<String, Value> = router_ports(conn, &wanted)
        .await?
        .into_iter()
        .map(|port| (request::text_or_empty(&port, "id"), Value::Object(port)))
        .collect();
    let gateways: Value = own.iter().filter_map(|g| shown.get(&g.port_id).cloned()).collect();
    let places = Places::load(conn, agent, routers).await?;
    for router in routers.iter_mut().filter(|router| is_distributed(router)) {
        if request::text(router, "gw_port_id").is_some() {
            let ports = snat.remove(&request::text_or_empty(router, "id")).unwrap_or_default();
            let ports: Value = ports.iter().filter_map(|port| shown.get(port).cloned()).collect();
            router.insert(SNAT_INTERFACES.into(), ports);
            router.insert(AGENT_GATEWAYS.into(), gateways.clone());
        }
        if let Some(Value::Array(mut floating_ips)) = router.remove(FLOATING_IPS) {
            floating_ips.retain_mut(|floating_ip| places.settle(floating_ip));
            if !floating_ips.is_empty() {
                router.insert(FLOATING_IPS.into(), floating_ips.into());
            }
        }
    }
    Ok(())
}

/// Where floating IPs are served, as one agent sees it.
struct Places<'a> {
    host: &'a str,
    mode: &'a str,
    ports: HashMap<String, PortHost>,
    /// Hosts whose agents have no external network.
    without_external: BTreeSet<String>,
}

impl<'a> Places<'a> {
    /// Two statements, none when no distributed router has floating IPs.
    async fn load(conn: &Conn, agent: &'a Agent, routers: &[Attrs]) -> ApiResult<Self> {
        let distributed = routers.iter().filter(|router| is_distributed(router));
        let ports: BTreeSet<&str> = distributed
            .flat_map(|router| request::list(router, FLOATING_IPS).unwrap_or_default())
            .filter_map(|floating_ip| floating_ip.get("port_id")?.as_str())
            .collect();
        let mut out = Self {
            host: &agent.host,
            mode: agent.config_str("agent_mode").unwrap_or(agent_mode::LEGACY),
            ports: HashMap::new(),
            without_external: BTreeSet::new(),
        };
        if ports.is_empty() {
            return Ok(out);
        }
        let ports: Vec<&str> = ports.into_iter().collect();
        out.ports = dvr::port_hosts(conn, &ports).await?;
        let hosts: BTreeSet<&str> = out.ports.values().map(|at| at.host.as_str()).collect();
        let hosts: Vec<&str> = hosts.into_iter().filter(|host| !host.is_empty()).collect();
        for found in agents::on_hosts(conn, agent_type::L3, &hosts).await? {
            if found.config_str("agent_mode") == Some(agent_mode::DVR_NO_EXTERNAL) {
                out.without_external.insert(found.host);
            }
        }
        Ok(out)
    }

    /// Writes where a floating IP is served into it; answers whether this agent is concerned.
    fn settle(&self, floating_ip: &mut Value) -> bool {
        let port = floating_ip.get("port_id").and_then(Value::as_str);
        let Some(at) = port.and_then(|port| self.ports.get(port)) else { return false };
        let is_here = at.host == self.host;
        let comes_here = at.migrating_to.as_deref() == Some(self.host);
        let without_external = self.without_external.contains(&at.host);
        let is_centre = self.mode == agent_mode::DVR_SNAT;
        if at.host.is_empty() {
            floating_ip["host"] = NEEDS_BINDING.into();
            floating_ip[SNAT_BOUND] = true.into();
            return is_centre || self.mode == agent_mode::DVR_NO_EXTERNAL;
        }
        let for_centre = without_external && is_centre;
        if !(is_here || comes_here || for_centre) {
            return false;
        }
        floating_ip["dest_host"] = at.migrating_to.clone().into();
        if without_external && !comes_here {
            floating_ip["host"] = NEEDS_BINDING.into();
            floating_ip[SNAT_BOUND] = true.into();
        } else {
            floating_ip["host"] = at.host.as_str().into();
        }
        true
    }
}

/// Binds the interfaces of the distributed ones of `routers`, as they were told to the agent on
/// `host`, to that host. One statement when all are bound already.
///
/// # Errors
/// What the database refused.
pub async fn bind(ml2: &Ml2Plugin, host: &str, routers: &[Attrs]) -> ApiResult<()> {
    let mut wanted = Vec::new();
    for router in routers.iter().filter(|router| is_distributed(router)) {
        let id = request::text(router, "id").unwrap_or_default();
        for port in request::list(router, INTERFACES).unwrap_or_default() {
            let text = |key: &str| port.get(key).and_then(Value::as_str);
            if text("device_owner") == Some(DVR_INTERFACE) {
                wanted.push((text("id").unwrap_or_default(), id));
            }
        }
    }
    ml2.bind_distributed(host, &wanted).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(host: &str, migrating_to: Option<&str>) -> PortHost {
        PortHost { host: host.into(), migrating_to: migrating_to.map(str::to_string) }
    }

    /// The floating IP as an agent on `host` sees it; none when it does not.
    fn seen(host: &str, mode: &str, port: PortHost) -> Option<Value> {
        let places = Places {
            host,
            mode,
            ports: HashMap::from([("p".to_string(), port)]),
            without_external: BTreeSet::from(["inner".to_string()]),
        };
        let mut floating_ip = json!({ "port_id": "p" });
        let concerned = places.settle(&mut floating_ip);
        floating_ip.as_object_mut().expect("object").remove("port_id");
        concerned.then_some(floating_ip)
    }

    #[test]
    fn a_bound_ports_floating_ip_is_on_its_host() {
        let here = json!({ "host": "c0", "dest_host": null });
        assert_eq!(seen("c0", "dvr", at("c0", None)), Some(here.clone()));
        assert_eq!(seen("c0", "dvr_snat", at("c0", None)), Some(here));
        assert_eq!(seen("c1", "dvr", at("c0", None)), None);
        assert_eq!(seen("net", "dvr_snat", at("c0", None)), None);
    }

    #[test]
    fn a_migrating_ports_floating_ip_is_on_both() {
        let both = json!({ "host": "c0", "dest_host": "c1" });
        for host in ["c0", "c1"] {
            assert_eq!(seen(host, "dvr", at("c0", Some("c1"))), Some(both.clone()), "{host}");
        }
        assert_eq!(seen("c2", "dvr", at("c0", Some("c1"))), None);
    }

    #[test]
    fn an_unbound_ports_floating_ip_is_centralised() {
        let central = json!({ "host": NEEDS_BINDING, "dvr_snat_bound": true });
        assert_eq!(seen("net", "dvr_snat", at("", None)), Some(central));
        assert_eq!(seen("c0", "dvr", at("", None)), None);
        assert_eq!(seen("c0", "legacy", at("", None)), None);
    }

    #[test]
    fn a_host_without_external_network_has_its_floating_ips_centralised() {
        let central = json!({ "host": NEEDS_BINDING, "dvr_snat_bound": true, "dest_host": null });
        assert_eq!(seen("net", "dvr_snat", at("inner", None)), Some(central.clone()));
        assert_eq!(seen("inner", "dvr_no_external", at("inner", None)), Some(central));
        assert_eq!(seen("c0", "dvr", at("inner", None)), None);
    }
}
