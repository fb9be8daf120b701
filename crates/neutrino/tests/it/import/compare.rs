//! GET of everything through both servers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    exceptions::{self, Exception},
    http::Api,
};

/// The collections: path and key of the list, key of one resource.
const COLLECTIONS: &[(&str, &str, &str)] = &[
    ("networks", "networks", "network"),
    ("subnets", "subnets", "subnet"),
    ("ports", "ports", "port"),
    ("subnetpools", "subnetpools", "subnetpool"),
    ("address-scopes", "address_scopes", "address_scope"),
    ("address-groups", "address_groups", "address_group"),
    ("routers", "routers", "router"),
    ("floatingips", "floatingips", "floatingip"),
    ("security-groups", "security_groups", "security_group"),
    ("security-group-rules", "security_group_rules", "security_group_rule"),
    ("default-security-group-rules", "default_security_group_rules", "default_security_group_rule"),
    ("rbac-policies", "rbac_policies", "rbac_policy"),
    ("agents", "agents", "agent"),
];

/// What hangs on single resources: the collection they are in, the path after their id.
const BELOW: &[(&str, &str)] = &[
    ("networks", "tags"),
    ("networks", "dhcp-agents"),
    ("subnets", "tags"),
    ("ports", "tags"),
    ("ports", "bindings"),
    ("subnetpools", "tags"),
    ("routers", "tags"),
    ("routers", "l3-agents"),
    ("floatingips", "tags"),
    ("floatingips", "port_forwardings"),
    ("security-groups", "tags"),
    ("agents", "dhcp-networks"),
    ("agents", "l3-routers"),
];

/// What is no list of resources.
const PLAIN: &[&str] = &["quotas", "availability_zones", "service-providers"];

/// Every difference, one line each.
pub async fn all(theirs: &Api, ours: &Api) -> Vec<String> {
    let mut out = Vec::new();
    for (path, list, member) in COLLECTIONS {
        let (left, right) = tokio::join!(theirs.get(path), ours.get(path));
        let (left, right) = (by_id(&left[*list]), by_id(&right[*list]));
        println!("{path}: {} and {}", left.len(), right.len());
        for id in left.keys().chain(right.keys()).collect::<BTreeSet<_>>() {
            match (left.get(id), right.get(id)) {
                (Some(a), Some(b)) => {
                    differ(&format!("{path} {id} (list)"), path, a, b, &mut out);
                    show(theirs, ours, path, id, member, &mut out).await;
                }
                (a, b) if exceptions::is_left(path, a.or(b)) => {}
                (a, _) => out.push(format!(
                    "{path} {id}: only {}",
                    if a.is_some() { "theirs" } else { "ours" }
                )),
            }
        }
    }
    for path in PLAIN {
        let (left, right) = tokio::join!(theirs.get(path), ours.get(path));
        differ(path, path, &left, &right, &mut out);
    }
    out
}

/// One resource, and what hangs on it.
async fn show(theirs: &Api, ours: &Api, path: &str, id: &str, member: &str, out: &mut Vec<String>) {
    let one = format!("{path}/{id}");
    let (left, right) = tokio::join!(theirs.get(&one), ours.get(&one));
    differ(&format!("{path} {id}"), path, &left[member], &right[member], out);
    for (_, below) in BELOW.iter().filter(|(collection, _)| collection == &path) {
        let sub = format!("{one}/{below}");
        let (left, right) = tokio::join!(theirs.try_get(&sub), ours.try_get(&sub));
        if left.0 != right.0 {
            out.push(format!("{sub}: HTTP {} and {}: {} and {}", left.0, right.0, left.1, right.1));
        } else {
            differ(&sub, &format!("{path}/{below}"), &left.1, &right.1, out);
        }
    }
}

fn by_id(list: &Value) -> BTreeMap<String, Value> {
    let all = list.as_array().into_iter().flatten();
    all.map(|r| (r["id"].as_str().unwrap_or_default().to_string(), r.clone())).collect()
}

/// Compares two values, `kind` saying what they are; what may differ is looked up.
fn differ(what: &str, kind: &str, left: &Value, right: &Value, out: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let (a, b) = (a.get(key), b.get(key));
                let exception = exceptions::of(kind, key);
                match (a, b) {
                    _ if exception == Some(Exception::Any) => {}
                    (Some(_), None) if exception == Some(Exception::Lacking) => {}
                    (Some(a), Some(b)) => differ(&format!("{what}.{key}"), kind, a, b, out),
                    (a, b) => out.push(format!("{what}.{key}: {a:?} and {b:?}")),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            // Neutron's order of most lists is that of its database, which is none.
            let (a, b) = (sorted(what, a), sorted(what, b));
            for (n, (a, b)) in a.iter().zip(&b).enumerate() {
                differ(&format!("{what}[{n}]"), kind, a, b, out);
            }
        }
        (a, b) if a == b => {}
        (a, b) => out.push(format!("{what}: {a} and {b}")),
    }
}

/// The items of a list in an order of their own, unless the order says something.
fn sorted(what: &str, items: &[Value]) -> Vec<Value> {
    let mut out = items.to_vec();
    if !what.ends_with(".dns_nameservers") {
        out.sort_by_key(|item| {
            let id =
                ["id", "destination", "start", "host"].iter().find_map(|key| item[*key].as_str());
            id.map_or_else(|| item.to_string(), str::to_string)
        });
    }
    out
}
