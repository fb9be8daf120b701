//! Networks of all types, their subnets, subnet pools, address scopes; who else may use them.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{BLUE, GREEN, RED, with};
use crate::import::http::{Api, id};

/// Networks and subnets by name.
pub struct Networks {
    pub networks: HashMap<String, Value>,
    pub subnets: HashMap<String, Value>,
}

impl Networks {
    /// Id of a network.
    pub fn network(&self, name: &str) -> &str {
        id(&self.networks[name])
    }

    /// Id of a subnet.
    pub fn subnet(&self, name: &str) -> &str {
        id(&self.subnets[name])
    }
}

pub async fn create(api: &Api) -> Networks {
    let pools = pools(api).await;
    let networks = by_name(api.create_all("networks", "networks", networks()).await);
    let of = |name: &str| id(&networks[name]).to_string();
    let subnets = api.create_all("subnets", "subnets", subnets(&of, &pools)).await;
    Networks { subnets: by_name(subnets), networks }
}

pub fn by_name(all: Vec<Value>) -> HashMap<String, Value> {
    all.into_iter().map(|r| (r["name"].as_str().unwrap_or_default().to_string(), r)).collect()
}

/// Ids of pools by name.
async fn pools(api: &Api) -> HashMap<&'static str, String> {
    let mut out = HashMap::new();
    let create = |body: Value| api.create("address-scopes", "address_scope", body);
    let v4 = create(json!({"name": "scope4", "ip_version": 4, "shared": true})).await;
    let v6 = create(json!({"name": "scope6", "ip_version": 6, "project_id": RED})).await;
    create(json!({"name": "unused", "ip_version": 4, "project_id": BLUE})).await;
    let pools = [
        (
            "pool4",
            json!({"name": "pool4", "prefixes": ["10.64.0.0/12", "10.96.0.0/16"],
            "default_prefixlen": 24, "min_prefixlen": 20, "shared": true, "is_default": true,
            "address_scope_id": v4["id"], "description": "the default one"}),
        ),
        (
            "pool6",
            json!({"name": "pool6", "prefixes": ["2001:db8:100::/40"],
            "default_prefixlen": 64, "project_id": RED, "address_scope_id": v6["id"]}),
        ),
        (
            "limited",
            json!({"name": "limited", "prefixes": ["172.20.0.0/16"], "project_id": RED,
            "default_prefixlen": 26, "max_prefixlen": 28, "default_quota": 4096}),
        ),
        ("empty", json!({"name": "empty", "prefixes": ["198.18.0.0/15"], "project_id": BLUE})),
    ];
    for (name, body) in pools {
        let pool = api.create("subnetpools", "subnetpool", body).await;
        out.insert(name, id(&pool).to_string());
    }
    for (object_type, object) in
        [("address_scope", id(&v6)), ("subnetpool", out["limited"].as_str())]
    {
        let body = json!({"object_type": object_type, "object_id": object,
            "action": "access_as_shared", "target_tenant": BLUE});
        api.create("rbac-policies", "rbac_policy", body).await;
    }
    out
}

fn networks() -> Vec<Value> {
    let mut out: Vec<Value> = (1..=14)
        .map(|n| {
            let project = [RED, BLUE, GREEN][n % 3];
            json!({"name": format!("tenant{n}"), "project_id": project})
        })
        .collect();
    out.extend([
        json!({"name": "main", "project_id": RED, "description": "Grüße, \"quoted\" and it's",
            "dns_domain": "main.example.org.", "mtu": 1400}),
        json!({"name": "unsafe", "project_id": RED, "port_security_enabled": false}),
        json!({"name": "down", "project_id": BLUE, "admin_state_up": false}),
        json!({"name": "zoned", "project_id": BLUE, "availability_zone_hints": ["nova"]}),
        json!({"name": "shared", "shared": true}),
        json!({"name": "vlan", "provider:network_type": "vlan",
            "provider:physical_network": "physnet1"}),
        json!({"name": "vlan-outside", "provider:network_type": "vlan",
            "provider:physical_network": "physnet1", "provider:segmentation_id": 3000}),
        json!({"name": "gre", "provider:network_type": "gre"}),
        json!({"name": "geneve", "provider:network_type": "geneve", "project_id": RED}),
        json!({"name": "vxlan-outside", "provider:network_type": "vxlan",
            "provider:segmentation_id": 100_000}),
        json!({"name": "local", "provider:network_type": "local"}),
        json!({"name": "flat", "provider:network_type": "flat",
            "provider:physical_network": "physnet3"}),
        json!({"name": "multi", "segments": [
            {"provider:network_type": "vlan", "provider:physical_network": "physnet1",
                "provider:segmentation_id": 150},
            {"provider:network_type": "vxlan", "provider:segmentation_id": 900}]}),
        json!({"name": "public", "router:external": true, "is_default": true, "shared": true,
            "provider:network_type": "flat", "provider:physical_network": "physnet2"}),
        json!({"name": "private-external", "router:external": true, "project_id": GREEN,
            "provider:network_type": "vlan", "provider:physical_network": "physnet1"}),
        json!({"name": "empty", "project_id": GREEN}),
        json!({"name": "pooled", "project_id": RED}),
    ]);
    out
}

fn subnets(of: &dyn Fn(&str) -> String, pools: &HashMap<&str, String>) -> Vec<Value> {
    let mut out: Vec<Value> = (1..=14)
        .map(|n| {
            json!({"name": format!("tenant{n}"), "network_id": of(&format!("tenant{n}")),
                "project_id": ([RED, BLUE, GREEN][n % 3]), "ip_version": 4,
                "cidr": format!("10.1.{n}.0/24")})
        })
        .collect();
    let v4 = |name: &str, network: &str, cidr: &str| json!({"name": name, "network_id": of(network), "ip_version": 4, "cidr": cidr});
    let v6 = |name: &str, cidr: &str, more: Value| {
        let body = json!({"name": name, "network_id": of("main"), "ip_version": 6, "cidr": cidr});
        with(body, more)
    };
    out.extend([
        with(
            v4("main", "main", "10.2.0.0/24"),
            json!({"project_id": RED,
            "dns_nameservers": ["9.9.9.9", "1.1.1.1", "8.8.8.8"], "description": "with everything",
            "host_routes": [{"destination": "10.200.0.0/16", "nexthop": "10.2.0.9"},
                {"destination": "0.0.0.0/0", "nexthop": "10.2.0.254"}],
            "allocation_pools": [{"start": "10.2.0.10", "end": "10.2.0.99"},
                {"start": "10.2.0.150", "end": "10.2.0.200"}]}),
        ),
        with(
            v4("main-typed", "main", "10.2.1.0/24"),
            json!({"project_id": RED,
            "service_types": ["compute:special", "network:dhcp"], "gateway_ip": null}),
        ),
        v6(
            "slaac",
            "2001:db8:1::/64",
            json!({"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}),
        ),
        v6(
            "stateless",
            "2001:db8:2::/64",
            json!({"ipv6_ra_mode": "dhcpv6-stateless", "ipv6_address_mode": "dhcpv6-stateless"}),
        ),
        v6(
            "stateful",
            "2001:DB8:3:0::/64",
            json!({"ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful"}),
        ),
        v6("nomode", "2001:db8:4::/64", json!({"gateway_ip": "2001:db8:4::ffff"})),
        v4("unsafe", "unsafe", "10.3.0.0/24"),
        with(v4("down", "down", "10.4.0.0/24"), json!({"enable_dhcp": false})),
        v4("zoned", "zoned", "10.5.0.0/24"),
        v4("shared", "shared", "10.6.0.0/22"),
        v4("vlan", "vlan", "10.7.0.0/24"),
        v4("gre", "gre", "10.8.0.0/24"),
        v4("geneve", "geneve", "10.10.0.0/24"),
        v4("flat", "flat", "10.11.0.0/30"),
        v4("multi", "multi", "10.12.0.0/24"),
        with(
            v4("public", "public", "203.0.113.0/24"),
            json!({"enable_dhcp": false,
            "gateway_ip": "203.0.113.254"}),
        ),
        with(v4("public2", "public", "198.51.100.0/24"), json!({"enable_dhcp": false})),
        with(
            v4("private-external", "private-external", "192.0.2.0/24"),
            json!({"enable_dhcp": false, "project_id": GREEN}),
        ),
        json!({"name": "pooled", "network_id": of("local"), "ip_version": 4,
            "subnetpool_id": pools["pool4"]}),
        json!({"name": "pooled2", "network_id": of("vlan-outside"), "ip_version": 4,
            "subnetpool_id": pools["pool4"], "prefixlen": 22}),
        json!({"name": "pooled6", "network_id": of("vlan-outside"), "ip_version": 6,
            "subnetpool_id": pools["pool6"], "project_id": RED,
            "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}),
        json!({"name": "pooled-limited", "network_id": of("pooled"), "ip_version": 4,
            "subnetpool_id": pools["limited"], "project_id": RED}),
    ]);
    out
}

/// What is done to networks when everything else is there.
pub async fn finish(api: &Api, nets: &Networks) {
    let policies = [
        ("network", nets.network("main"), "access_as_shared", BLUE),
        ("network", nets.network("main"), "access_as_shared", GREEN),
        ("network", nets.network("vlan"), "access_as_external", GREEN),
    ];
    for (object_type, object_id, action, target) in policies {
        let body = json!({"object_type": object_type, "object_id": object_id, "action": action,
            "target_tenant": target});
        api.create("rbac-policies", "rbac_policy", body).await;
    }
    for (project, limits) in [
        (RED, json!({"network": 40, "port": 1000, "floatingip": -1})),
        (BLUE, json!({"subnet": 70, "security_group_rule": 900})),
    ] {
        api.put(&format!("quotas/{project}"), &json!({"quota": limits})).await;
    }
    for (collection, resource, tags) in [
        ("networks", nets.network("main"), json!(["blue", "a,b".replace(',', ";"), "Ümlaut"])),
        ("subnets", nets.subnet("main"), json!(["blue"])),
        ("networks", nets.network("public"), json!(["blue", "green"])),
    ] {
        api.put(&format!("{collection}/{resource}/tags"), &json!({"tags": tags})).await;
    }
    for (agent, network) in [(1, "main"), (2, "main"), (1, "shared"), (2, "vlan"), (2, "empty")] {
        let bound = format!("agents/a0000000-0000-4000-8000-00000000001{agent}/dhcp-networks");
        api.post(&bound, &json!({"network_id": nets.network(network)})).await;
    }
}
