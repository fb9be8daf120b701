//! GET of everything through two servers.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use serde_json::Value;

use super::{
    exceptions::{self, Exception},
    http::Api,
};

/// The collections: path and key of the list.
const COLLECTIONS: &[(&str, &str)] = &[
    ("networks", "networks"),
    ("subnets", "subnets"),
    ("ports", "ports"),
    ("subnetpools", "subnetpools"),
    ("address-scopes", "address_scopes"),
    ("address-groups", "address_groups"),
    ("routers", "routers"),
    ("floatingips", "floatingips"),
    ("security-groups", "security_groups"),
    ("security-group-rules", "security_group_rules"),
    ("default-security-group-rules", "default_security_group_rules"),
    ("rbac-policies", "rbac_policies"),
    ("agents", "agents"),
];

/// What hangs on single resources: the collection they are in, the path after their id. The tags
/// of the others are among their attributes as well.
const BELOW: &[(&str, &str)] = &[
    ("networks", "tags"),
    ("networks", "dhcp-agents"),
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

/// Requests under way at once.
const AT_ONCE: usize = 4;

/// Everything a server says: path to kind of what is there, status and body.
pub type Said = BTreeMap<String, (String, u16, Value)>;

/// Asks for every list.
pub async fn lists(api: &Api) -> Said {
    let lists = COLLECTIONS.iter().map(|(path, _)| *path).chain(PLAIN.iter().copied());
    ask(api, lists.map(|path| (path.to_string(), path.to_string())).collect()).await
}

/// Asks for every list, every resource, and all that hangs on them.
pub async fn everything(api: &Api) -> Said {
    let mut said = lists(api).await;
    let mut single = Vec::new();
    for (path, key) in COLLECTIONS {
        for resource in said[*path].2[*key].as_array().into_iter().flatten() {
            let one = format!("{path}/{}", resource["id"].as_str().unwrap_or_default());
            let below = BELOW.iter().filter(|(collection, _)| collection == path);
            single.extend(below.map(|(_, b)| (format!("{one}/{b}"), format!("{path}/{b}"))));
            single.push((one, format!("{path}/")));
        }
    }
    said.extend(ask(api, single).await);
    said
}

async fn ask(api: &Api, paths: Vec<(String, String)>) -> Said {
    let one = async |(path, kind): (String, String)| {
        let (status, body) = api.try_get(&path).await;
        (path, (kind, status, body))
    };
    stream::iter(paths).map(one).buffer_unordered(AT_ONCE).collect().await
}

/// Every difference that is no exception, one line each.
pub fn differences(theirs: &Said, ours: &Said) -> Vec<String> {
    let mut out = Vec::new();
    for path in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
        // What one of them lacks is said by the lists, where it is an exception or not.
        if let (Some((kind, a, left)), Some((_, b, right))) = (theirs.get(path), ours.get(path)) {
            if a != b {
                out.push(format!("{path}: HTTP {a} and {b}: {left} and {right}"));
            }
            differ(path, kind, left, right, &mut out);
        }
    }
    out
}

/// Compares two values, `kind` saying what they are.
fn differ(what: &str, kind: &str, left: &Value, right: &Value, out: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let (a, b) = (a.get(key), b.get(key));
                if exceptions::of(kind, key).any(|exception| exception.allows(a, b)) {
                    continue;
                }
                let (what, kind) = (format!("{what}.{key}"), format!("{kind}.{key}"));
                match (a, b) {
                    (Some(a), Some(b)) => differ(&what, &kind, a, b, out),
                    (a, b) => out.push(format!("{what}: {a:?} and {b:?}")),
                }
            }
        }
        // Order says something in this list only; elsewhere it is that of Neutron's database.
        (Value::Array(a), Value::Array(b)) if !kind.ends_with(".dns_nameservers") => {
            let (a, b) = (by_name(a), by_name(b));
            for name in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let what = format!("{what}[{name}]");
                match (a.get(name), b.get(name)) {
                    (Some(a), Some(b)) => differ(&what, kind, a, b, out),
                    (Some(a), None) if exceptions::is_left(kind, a) => {}
                    (Some(_), None) => out.push(format!("{what}: only theirs")),
                    _ => out.push(format!("{what}: only ours")),
                }
            }
        }
        (a, b) if a == b => {}
        (a, b) => out.push(format!("{what}: {a} and {b}")),
    }
}

/// The items of a list by what tells them apart.
fn by_name(items: &[Value]) -> BTreeMap<String, &Value> {
    let name = |item: &Value| {
        let known = ["id", "host", "project_id", "name"].iter().find_map(|key| item[*key].as_str());
        known.map_or_else(|| item.to_string(), str::to_string)
    };
    items.iter().map(|item| (name(item), item)).collect()
}

/// How many resources each collection has.
pub fn count(said: &Said) -> BTreeMap<&'static str, usize> {
    let count = |(path, key): &(&'static str, &str)| {
        (*path, said[*path].2[*key].as_array().map_or(0, Vec::len))
    };
    COLLECTIONS.iter().map(count).collect()
}

impl Exception {
    /// Whether it allows that an attribute is `theirs` there and `ours` here.
    fn allows(self, theirs: Option<&Value>, ours: Option<&Value>) -> bool {
        match self {
            Self::Lacking => theirs.is_some() && ours.is_none(),
            Self::Ours => theirs.is_none() && ours.is_some(),
            Self::Unsaid => theirs.is_some_and(Value::is_null) && ours.is_some(),
            Self::NoLonger(was, is) => {
                let is_text = |value: Option<&Value>, text: &str| {
                    let written = |v: &Value| serde_json::to_string(v).is_ok_and(|w| w == text);
                    value.is_some_and(|v| v.as_str() == Some(text) || written(v))
                };
                is_text(theirs, was) && is_text(ours, is)
            }
        }
    }
}
