//! Routers, their gateways, interfaces and routes; floating IPs and port forwardings; and resources
//! of kinds we lack.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{BLUE, RED, networks::Networks, with};
use crate::import::http::{Api, id};

pub async fn create(api: &Api, nets: &Networks, ports: &HashMap<String, Value>) {
    let routers = routers(api, nets).await;
    interfaces(api, nets, &routers).await;
    let routes = json!({"router": {"routes": [
        {"destination": "10.250.0.0/24", "nexthop": "10.2.0.77"},
        {"destination": "10.251.0.0/24", "nexthop": "10.2.0.78"}]}});
    api.put(&format!("routers/{}", id(&routers["legacy"])), &routes).await;
    let tags = json!({"tags": ["edge"]});
    api.put(&format!("routers/{}/tags", id(&routers["legacy"])), &tags).await;
    floating_ips(api, nets, ports).await;
    lacking(api, nets, ports).await;
}

async fn routers(api: &Api, nets: &Networks) -> HashMap<String, Value> {
    let public = json!({"network_id": nets.network("public")});
    let gateway = |more: Value| with(public.clone(), more);
    let bodies = [
        json!({"name": "legacy", "project_id": RED, "external_gateway_info": gateway(json!({
            "external_fixed_ips": [{"ip_address": "203.0.113.5"}]})), "description": "the first"}),
        json!({"name": "no-snat", "project_id": BLUE,
            "external_gateway_info": gateway(json!({"enable_snat": false}))}),
        json!({"name": "internal", "project_id": BLUE, "admin_state_up": false}),
        json!({"name": "zoned", "availability_zone_hints": ["nova"]}),
        json!({"name": "spread", "project_id": RED, "distributed": true,
            "external_gateway_info": gateway(json!({}))}),
        json!({"name": "spread-inside", "project_id": BLUE, "distributed": true}),
    ];
    let mut out = HashMap::new();
    for body in bodies {
        let router = api.create("routers", "router", body).await;
        out.insert(router["name"].as_str().unwrap_or_default().to_string(), router);
    }
    out
}

async fn interfaces(api: &Api, nets: &Networks, routers: &HashMap<String, Value>) {
    for (router, subnet) in [
        ("legacy", "main"),
        ("legacy", "slaac"),
        ("legacy", "tenant3"),
        ("no-snat", "tenant1"),
        ("internal", "shared"),
        ("spread", "geneve"),
        ("spread", "vlan"),
        ("spread-inside", "tenant4"),
    ] {
        let path = format!("routers/{}/add_router_interface", id(&routers[router]));
        api.put(&path, &json!({"subnet_id": nets.subnet(subnet)})).await;
    }
}

async fn floating_ips(api: &Api, nets: &Networks, ports: &HashMap<String, Value>) {
    let create = |more: Value| {
        let body =
            with(json!({"floating_network_id": nets.network("public"), "project_id": RED}), more);
        api.create("floatingips", "floatingip", body)
    };
    create(json!({"description": "kept for later"})).await;
    create(json!({"floating_ip_address": "203.0.113.77", "project_id": BLUE})).await;
    create(json!({"subnet_id": nets.subnet("public2")})).await;
    create(json!({"port_id": id(&ports["bound-0"])})).await;
    // On the distributed router.
    create(json!({"port_id": id(&ports["bound-3"])})).await;
    create(json!({"port_id": id(&ports["addresses"]), "fixed_ip_address": "10.2.0.51",
        "dns_name": "web", "dns_domain": "example.org."}))
    .await;
    let forwarding = create(json!({})).await;
    let (port, address) =
        (id(&ports["forwarded"]), &ports["forwarded"]["fixed_ips"][0]["ip_address"]);
    let path = format!("floatingips/{}/port_forwardings", id(&forwarding));
    for body in [
        json!({"protocol": "tcp", "external_port": 2222, "internal_port": 22,
            "description": "shell"}),
        json!({"protocol": "udp", "external_port_range": "5000:5009",
            "internal_port_range": "6000:6009"}),
        json!({"protocol": "tcp", "external_port": 8080, "internal_port": 80}),
    ] {
        let mut body = body;
        body["internal_port_id"] = json!(port);
        body["internal_ip_address"] = address.clone();
        api.create(&path, "port_forwarding", body).await;
    }
    let tags = json!({"tags": ["front"]});
    api.put(&format!("floatingips/{}/tags", id(&forwarding)), &tags).await;
}

/// Kinds of resources that we have none of.
async fn lacking(api: &Api, nets: &Networks, ports: &HashMap<String, Value>) {
    let gold = api.create("qos/policies", "policy", json!({"name": "gold"})).await;
    let limit = json!({"max_kbps": 1000, "max_burst_kbps": 100});
    let path = format!("qos/policies/{}/bandwidth_limit_rules", id(&gold));
    api.create(&path, "bandwidth_limit_rule", limit).await;
    let policy = json!({"port": {"qos_policy_id": gold["id"]}});
    api.put(&format!("ports/{}", id(&ports["plain-0"])), &policy).await;
    let tags = json!({"tags": ["slow"]});
    api.put(&format!("policies/{}/tags", id(&gold)), &tags).await;
    let trunk = json!({"name": "t", "port_id": id(&ports["trunk-parent"]), "project_id": RED});
    api.create("trunks", "trunk", trunk).await;
    api.create("metering/metering-labels", "metering_label", json!({"name": "m"})).await;
    let ha = json!({"name": "highly-available", "project_id": BLUE, "ha": true});
    let ha = api.create("routers", "router", ha).await;
    let path = format!("routers/{}/add_router_interface", id(&ha));
    api.put(&path, &json!({"subnet_id": nets.subnet("tenant7")})).await;
}
