//! What may differ between Neutron's answers and ours on an imported database, and why.

use serde_json::Value;

/// How an attribute may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// We do not have it.
    Lacking,
    /// Only we have it.
    Ours,
    /// Theirs is null where ours has a value.
    Unsaid,
    /// Theirs is the first value, ours the second.
    NoLonger(&'static str, &'static str),
}

use Exception::{Lacking, NoLonger, Ours, Unsaid};

const QOS: &str = "there is no QoS here";
const SEGMENTS: &str = "there are no routed networks here";
const FLAVORS: &str = "there are no flavors here";
const TRUNKS: &str = "there are no trunks here";
const HA: &str = "an HA router becomes one without";
const ROW: &str = "Neutron shows all columns of its table here, not what its API defines";

/// Kind of what is shown (a path, then the attributes that lead there), attribute, what may be,
/// and why. A kind's list and its single resources are written alike.
const ALL: &[(&str, &str, Exception, &str)] = &[
    (
        "address-groups",
        "tenant_id",
        Ours,
        "Neutron leaves it out of the answer about one group at times; project_id says the same",
    ),
    ("networks", "qos_policy_id", Lacking, QOS),
    ("networks", "l2_adjacency", Lacking, SEGMENTS),
    ("subnets", "segment_id", Lacking, SEGMENTS),
    ("subnets", "service_types", Lacking, "the attribute is kept, but not offered yet"),
    ("ports", "qos_policy_id", Lacking, QOS),
    ("ports", "qos_network_policy_id", Lacking, QOS),
    ("ports", "resource_request", Lacking, QOS),
    ("ports", "ip_allocation", Lacking, SEGMENTS),
    ("ports", "trunk_details", Lacking, TRUNKS),
    (
        "ports",
        "device_owner",
        NoLonger("network:ha_router_replicated_interface", "network:router_interface"),
        HA,
    ),
    ("ports/bindings.bindings", "project_id", Ours, "policies of bindings look at it"),
    ("routers", "flavor_id", Lacking, FLAVORS),
    ("routers", "ha", NoLonger("true", "false"), HA),
    ("floatingips", "qos_policy_id", Lacking, QOS),
    ("security-groups.security_group_rules", "standard_attr_id", Lacking, ROW),
    ("security-groups.security_group_rules", "tags", Lacking, "rules have no tags here"),
    (
        "security-groups.security_group_rules",
        "belongs_to_default_sg",
        Unsaid,
        "Neutron leaves it null inside a list of groups",
    ),
    ("networks/dhcp-agents.agents", "resource_versions", Lacking, ROW),
    ("networks/dhcp-agents.agents", "ha_chassis_priority", Lacking, ROW),
    ("routers/l3-agents.agents", "resource_versions", Lacking, ROW),
    ("routers/l3-agents.agents", "ha_chassis_priority", Lacking, ROW),
    ("routers/l3-agents.agents", "ha_state", Lacking, HA),
    ("agents/dhcp-networks.networks", "standard_attr_id", Lacking, ROW),
    ("agents/dhcp-networks.networks", "vlan_transparent", Lacking, ROW),
    ("agents/dhcp-networks.networks", "qinq", Lacking, ROW),
    ("agents/dhcp-networks.networks", "qos_policy_id", Lacking, QOS),
    ("agents/dhcp-networks.networks", "l2_adjacency", Lacking, SEGMENTS),
    ("agents/l3-routers.routers", "ha", NoLonger("true", "false"), HA),
    ("agents/l3-routers.routers", "ha_vr_id", Lacking, HA),
    ("agents/l3-routers.routers", "gw_port_id", Lacking, ROW),
    ("agents/l3-routers.routers", "enable_snat", Lacking, ROW),
    ("agents/l3-routers.routers", "flavor_id", Lacking, FLAVORS),
    ("agents/l3-routers.routers", "enable_default_route_ecmp", Lacking, ROW),
    ("agents/l3-routers.routers", "enable_default_route_bfd", Lacking, ROW),
    ("quotas.quotas", "trunk", Lacking, TRUNKS),
];

/// Items of lists that only theirs has: kind, attribute, what its value begins with, and why.
const LEFT: &[(&str, &str, &str, &str)] = &[
    ("networks", "name", "HA network ", HA),
    ("subnets", "name", "HA subnet ", HA),
    ("ports", "device_owner", "network:router_ha_interface", HA),
    ("agents/dhcp-networks.networks", "name", "HA network ", HA),
    ("routers/l3-agents.agents", "ha_state", "", "an HA router has one agent now"),
    ("agents/l3-routers.routers", "name", "highly-available", "an HA router has one agent now"),
    ("service-providers.service_providers", "name", "ha", HA),
    ("service-providers.service_providers", "name", "dvrha", HA),
];

/// What may be with an attribute of `kind`.
pub fn of(kind: &str, attribute: &str) -> impl Iterator<Item = Exception> {
    let kind = plain(kind);
    ALL.iter().filter(move |(k, a, ..)| *k == kind && *a == attribute).map(|(_, _, e, _)| *e)
}

/// Whether theirs may have an item that ours has not.
pub fn is_left(kind: &str, item: &Value) -> bool {
    let kind = plain(kind);
    let of_kind = LEFT.iter().filter(|(k, ..)| *k == kind);
    of_kind.into_iter().any(|(_, attribute, start, _)| {
        item[*attribute].as_str().is_some_and(|value| value.starts_with(start))
    })
}

/// `kind` as it is written above: `ports.ports` of a list and `ports/.port` of one are `ports`.
fn plain(kind: &str) -> String {
    let mut parts = kind.split('.');
    let first = parts.next().unwrap_or_default();
    let is_single = first.ends_with('/');
    let is_list = !first.contains('/') && !matches!(first, "quotas" | "service-providers");
    if is_single || is_list {
        parts.next();
    }
    std::iter::once(first.trim_end_matches('/')).chain(parts).collect::<Vec<_>>().join(".")
}
