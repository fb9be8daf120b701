//! Security groups, their rules, address groups, and the template of default rules.

use serde_json::{Value, json};

use super::{BLUE, GREEN, RED, with};
use crate::import::http::{Api, id};

/// Ids of security groups of project RED.
pub struct Groups {
    pub web: String,
    pub backend: String,
    pub stateless: String,
}

pub async fn create(api: &Api) -> Groups {
    let shared = address_groups(api).await;
    default_rules(api).await;
    let mut ids = Vec::new();
    for body in [
        json!({"name": "web", "project_id": RED, "description": "the front"}),
        json!({"name": "backend", "project_id": RED}),
        json!({"name": "stateless", "project_id": RED, "stateful": false}),
        json!({"name": "web", "project_id": BLUE}),
    ] {
        let group = api.create("security-groups", "security_group", body).await;
        ids.push(id(&group).to_string());
    }
    // A request may be about one group only.
    for rules in rules(&ids[0], &ids[1], &shared) {
        api.create_all("security-group-rules", "security_group_rules", rules).await;
    }
    for (object_type, object, target) in [
        ("security_group", ids[0].as_str(), BLUE),
        ("security_group", ids[1].as_str(), "*"),
        ("address_group", shared.as_str(), GREEN),
    ] {
        let body = json!({"object_type": object_type, "object_id": object,
            "action": "access_as_shared", "target_tenant": target});
        api.create("rbac-policies", "rbac_policy", body).await;
    }
    let tags = json!({"tags": ["front", "blue"]});
    api.put(&format!("security-groups/{}/tags", ids[0]), &tags).await;
    let [web, backend, stateless, _] = <[String; 4]>::try_from(ids).expect("four groups");
    Groups { web, backend, stateless }
}

/// Answers the id of one that others may use.
async fn address_groups(api: &Api) -> String {
    let offices = json!({"name": "offices", "project_id": RED, "description": "where people sit",
        "addresses": ["192.0.2.0/25", "198.51.100.7/32", "2001:db8:aa::/48"]});
    let offices = api.create("address-groups", "address_group", offices).await;
    let empty = json!({"name": "empty", "project_id": BLUE, "addresses": []});
    api.create("address-groups", "address_group", empty).await;
    id(&offices).to_string()
}

async fn default_rules(api: &Api) {
    let rules = [
        json!({"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
            "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "192.0.2.0/24",
            "used_in_default_sg": true, "used_in_non_default_sg": false,
            "description": "administrators"}),
        json!({"direction": "ingress", "ethertype": "IPv6", "protocol": "icmpv6",
            "used_in_default_sg": false, "used_in_non_default_sg": true}),
    ];
    for rule in rules {
        let (collection, member) = ("default-security-group-rules", "default_security_group_rule");
        api.create(collection, member, rule).await;
    }
}

fn rules(web: &str, backend: &str, addresses: &str) -> [Vec<Value>; 2] {
    let rule = |group: &str, more: Value| {
        let body = json!({"security_group_id": group, "direction": "ingress",
            "project_id": RED});
        with(body, more)
    };
    let of_web = vec![
        rule(web, json!({"protocol": "tcp", "port_range_min": 80, "port_range_max": 80})),
        rule(
            web,
            json!({"protocol": "tcp", "port_range_min": 443, "port_range_max": 443,
            "remote_ip_prefix": "10.0.0.5/24", "description": "host bits set"}),
        ),
        rule(web, json!({"protocol": "icmp", "port_range_min": 8, "port_range_max": 0})),
        rule(web, json!({"protocol": "ipv6-icmp", "ethertype": "IPv6", "port_range_min": 128})),
        rule(web, json!({"protocol": "vrrp"})),
        rule(web, json!({"protocol": "47"})),
        rule(
            web,
            json!({"remote_address_group_id": addresses, "protocol": "tcp",
            "port_range_min": 1000, "port_range_max": 2000}),
        ),
        rule(
            web,
            json!({"direction": "egress", "protocol": "udp", "port_range_min": 53,
            "port_range_max": 53, "remote_ip_prefix": "2001:db8::/32", "ethertype": "IPv6"}),
        ),
    ];
    let mut of_backend = vec![
        rule(
            backend,
            json!({"remote_group_id": web, "protocol": "tcp", "port_range_min": 5432,
            "port_range_max": 5432}),
        ),
        rule(backend, json!({"remote_group_id": backend})),
        rule(backend, json!({"protocol": "sctp", "port_range_min": 1, "port_range_max": 65535})),
    ];
    of_backend.extend((0..20).map(|n| {
        let port = 10_000 + n;
        rule(backend, json!({"protocol": "udp", "port_range_min": port, "port_range_max": port}))
    }));
    [of_web, of_backend]
}
