//! What an L3 agent is told of routers, assembled from rows without I/O. The keys are Neutron's.

use std::collections::HashMap;

use neutrino_db::{floating_ips::FloatingIp, routers::Router};
use neutrino_types::{
    Attrs,
    constants::{device_owner, vif_type},
};
use serde_json::{Value, json};

use super::{floating_ips, view};

/// The ports of a router on project networks.
pub const INTERFACES: &str = "_interfaces";
/// A distributed router's ports of its centralised part.
pub const SNAT_INTERFACES: &str = "_snat_router_interfaces";

/// The floating IPs that lead to ports.
pub const FLOATING_IPS: &str = "_floatingips";

/// What is known of routers.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The routers, with all that hangs on them.
    pub(super) routers: Vec<Router>,
    /// (router, port): its ports on project networks.
    pub(super) interfaces: Vec<(String, String)>,
    /// Gateway ports and interfaces by id, as L3 agents see ports.
    pub(super) ports: HashMap<String, Attrs>,
    /// The host of the agent that has the router, by router.
    pub(super) hosts: HashMap<String, String>,
    /// Their floating IPs, with port forwardings.
    pub(super) floating_ips: Vec<FloatingIp>,
    /// Address scopes by network and IP version.
    pub(super) scopes: HashMap<(String, i64), String>,
}

/// Routers as L3 agents see them.
pub(super) fn assemble(rows: Rows) -> Vec<Attrs> {
    let Rows { routers, interfaces, mut ports, hosts, floating_ips, scopes } = rows;
    let mut floating_of: HashMap<String, Vec<FloatingIp>> = HashMap::new();
    for floating_ip in floating_ips {
        if let Some(router) = floating_ip.router_id.clone() {
            floating_of.entry(router).or_default().push(floating_ip);
        }
    }
    let mut of_router: HashMap<String, Vec<Value>> = HashMap::new();
    for (router, port) in interfaces {
        if let Some(port) = ports.remove(&port) {
            of_router.entry(router).or_default().push(port.into());
        }
    }
    let dict = |router: Router| {
        let mut out = view::event(&router);
        // Only HA routers have one.
        out.insert("ha_vr_id".into(), 0.into());
        if let Some(gateway) = &router.gateway {
            out.insert("gw_port_host".into(), json!(hosts.get(&router.id)));
            out.insert("enable_snat".into(), router.enable_snat.into());
            if let Some(port) = ports.remove(&gateway.port_id) {
                out.insert("gw_port".into(), port.into());
            }
        } else {
            out.insert("gw_port_host".into(), Value::Null);
        }
        if let Some(interfaces) = of_router.remove(&router.id) {
            out.insert(INTERFACES.into(), interfaces.into());
        }
        let mut of_router = floating_of.remove(&router.id).unwrap_or_default();
        of_router.sort_by_key(|f| f.address);
        translate(&of_router, &scopes, &mut out);
        forward(&of_router, &mut out);
        out
    };
    routers.into_iter().map(dict).collect()
}

/// The floating IPs that lead to ports, with the address scope of the address they lead to.
fn translate(
    floating_ips: &[FloatingIp],
    scopes: &HashMap<(String, i64), String>,
    out: &mut Attrs,
) {
    let leading = floating_ips.iter().filter_map(|f| Some((f, f.association.as_ref()?)));
    let shown = leading.map(|(f, association)| {
        let mut shown = floating_ips::shown(f);
        let scope = scopes.get(&(association.port.network_id.clone(), 4));
        shown.insert("fixed_ip_address_scope".into(), json!(scope));
        Value::Object(shown)
    });
    let list: Vec<Value> = shown.collect();
    if !list.is_empty() {
        out.insert(FLOATING_IPS.into(), list.into());
    }
}

/// The floating IPs whose ports are forwarded. The forwardings themselves agents pull as versioned
/// objects.
fn forward(floating_ips: &[FloatingIp], out: &mut Attrs) {
    let forwarding: Vec<&FloatingIp> =
        floating_ips.iter().filter(|f| !f.forwardings.is_empty()).collect();
    if forwarding.is_empty() {
        return;
    }
    let list = |each: &dyn Fn(&FloatingIp) -> Value| -> Value {
        forwarding.iter().map(|f| each(f)).collect()
    };
    out.insert("port_forwardings_fip_set".into(), list(&|f| json!(format!("{}/32", f.address))));
    out.insert("fip_managed_by_port_forwardings".into(), list(&|f| json!(f.id)));
    out.insert("_pf_floatingips".into(), list(&|f| floating_ips::shown(f).into()));
}

/// The ports of `routers` that are not where an agent on `host`, which asks for them, needs them,
/// with the host they are to be bound to; none (the empty text) where no agent has the centralised
/// part of a distributed router. Distributed ports are bound host by host in another way.
pub(super) fn misplaced<'a>(routers: &'a [Attrs], host: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut out = Vec::new();
    for router in routers {
        let list = |key: &str| router.get(key).and_then(Value::as_array).into_iter().flatten();
        let is_distributed = router.get("distributed").and_then(Value::as_bool).unwrap_or(false);
        let gateway = router.get("gw_port");
        let mut need = |port: &'a Value, host: &'a str| {
            let id = port["id"].as_str().unwrap_or_default();
            if is_misplaced(port, host) {
                out.push((id, host));
            }
        };
        if is_distributed {
            let centre = router.get("gw_port_host").and_then(Value::as_str).unwrap_or_default();
            let snat = list(SNAT_INTERFACES).filter(|_| gateway.is_some());
            gateway.into_iter().chain(snat).for_each(|port| need(port, centre));
        } else {
            gateway.into_iter().for_each(|port| need(port, host));
        }
        list(INTERFACES).for_each(|port| need(port, host));
    }
    out
}

fn is_misplaced(port: &Value, host: &str) -> bool {
    let is_unbound = || {
        let bound = port["binding:vif_type"].as_str().unwrap_or_default();
        [vif_type::UNBOUND, vif_type::BINDING_FAILED].contains(&bound)
    };
    port["device_owner"] != device_owner::DVR_INTERFACE
        && (port["binding:host_id"] != host || (!host.is_empty() && is_unbound()))
}
