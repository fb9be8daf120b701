//! Ports with all that may hang on them.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{
    BLUE, GREEN, RED,
    groups::Groups,
    networks::{Networks, by_name},
    with,
};
use crate::import::http::{Api, id};

pub async fn create(api: &Api, nets: &Networks, groups: &Groups) -> HashMap<String, Value> {
    let mut ports = by_name(api.create_all("ports", "ports", plain(nets)).await);
    ports.extend(by_name(api.create_all("ports", "ports", bound(nets)).await));
    ports.extend(by_name(api.create_all("ports", "ports", special(nets, groups)).await));
    let tags = json!({"tags": ["db", "blue"]});
    api.put(&format!("ports/{}/tags", id(&ports["pairs"])), &tags).await;
    // A port that has been changed: its revision says so.
    let renamed = json!({"port": {"description": "changed", "binding:host_id": "compute1",
        "device_owner": "compute:nova", "device_id": "d0000000-0000-4000-8000-0000000000aa"}});
    api.put(&format!("ports/{}", id(&ports["changed"])), &renamed).await;
    ports
}

fn plain(nets: &Networks) -> Vec<Value> {
    (0..36)
        .map(|n| {
            let network = nets.network(&format!("tenant{}", n % 12 + 1));
            json!({"name": format!("plain-{n}"), "network_id": network,
                "project_id": ([RED, BLUE, GREEN][(n % 12 + 1) % 3])})
        })
        .collect()
}

fn bound(nets: &Networks) -> Vec<Value> {
    let names = ["main", "vlan", "gre", "geneve", "shared", "tenant1", "tenant2", "multi"];
    (0..24)
        .map(|n| {
            let host = ["compute1", "compute2"][n / 8 % 2];
            json!({"name": format!("bound-{n}"), "network_id": nets.network(names[n % 8]),
                "project_id": ([RED, BLUE][n % 2]), "binding:host_id": host,
                "device_owner": "compute:nova",
                "device_id": format!("d0000000-0000-4000-8000-0000000000{n:02}")})
        })
        .collect()
}

fn special(nets: &Networks, groups: &Groups) -> Vec<Value> {
    let main = |name: &str, more: Value| {
        let body = json!({"name": name, "network_id": nets.network("main"), "project_id": RED});
        with(body, more)
    };
    let dhcp_option = |name: &str, value: &str, version: i32| json!({"opt_name": name, "opt_value": value, "ip_version": version});
    vec![
        main(
            "pairs",
            json!({"allowed_address_pairs": [{"ip_address": "10.2.0.240"},
            {"ip_address": "10.9.0.0/16", "mac_address": "fa:16:3e:aa:bb:cc"},
            {"ip_address": "2001:db8:9::/64"}]}),
        ),
        main(
            "options",
            json!({"extra_dhcp_opts": [dhcp_option("bootfile-name", "pxelinux.0", 4),
            dhcp_option("domain-search", "a.example, b.example", 4),
            dhcp_option("dns-server", "2001:db8::53", 6)]}),
        ),
        main("grouped", json!({"security_groups": [groups.web, groups.backend]})),
        main("stateless", json!({"security_groups": [groups.stateless]})),
        main("open", json!({"port_security_enabled": false, "security_groups": []})),
        main("no-groups", json!({"security_groups": []})),
        main("no-addresses", json!({"fixed_ips": []})),
        main(
            "addresses",
            json!({"fixed_ips": [{"ip_address": "10.2.0.50"},
            {"ip_address": "10.2.0.51"}, {"subnet_id": nets.subnet("stateful")},
            {"subnet_id": nets.subnet("nomode"), "ip_address": "2001:db8:4:0:0:0:0:10"}]}),
        ),
        main("named", json!({"dns_name": "named", "description": "with a name"})),
        main("down", json!({"admin_state_up": false, "mac_address": "FA:16:3E:00:11:22"})),
        main("direct", json!({"binding:vnic_type": "direct"})),
        main("no-agent", json!({"binding:host_id": "compute9", "device_owner": "compute:nova"})),
        main(
            "blocked-1",
            json!({"binding:host_id": "compute2", "device_owner": "compute:nova",
            "device_id": "d0000000-0000-4000-8000-0000000000bb"}),
        ),
        main(
            "dhcp",
            json!({"device_owner": "network:dhcp", "binding:host_id": "network1",
            "device_id": "dhcp-network1"}),
        ),
        main("changed", json!({})),
        main("forwarded", json!({"fixed_ips": [{"subnet_id": nets.subnet("main")}]})),
        json!({"name": "unsafe", "network_id": nets.network("unsafe"), "project_id": RED}),
        json!({"name": "empty-group", "network_id": nets.network("vlan-outside")}),
        json!({"name": "trunk-parent", "network_id": nets.network("tenant3"), "project_id": RED}),
    ]
}
