//! A few hundred resources of every kind, created through the API of a Neutron.

mod groups;
mod networks;
mod ports;
mod routers;

use serde_json::{Value, json};

use super::http::{Api, id};

/// Projects; ids as Keystone gives them.
pub const RED: &str = "1111111111114111811111111111111a";
pub const BLUE: &str = "2222222222224222822222222222222b";
pub const GREEN: &str = "3333333333334333833333333333333c";

/// Creates everything.
pub async fn create(api: &Api) {
    let (nets, groups) = tokio::join!(networks::create(api), groups::create(api));
    let ports = ports::create(api, &nets, &groups).await;
    routers::create(api, &nets, &ports).await;
    networks::finish(api, &nets).await;
}

/// Changes some of it: something is new, different, gone; two floating IPs change places.
pub async fn change(api: &Api) {
    let network = api.create("networks", "network", json!({"name": "later"})).await;
    let more = json!({"name": "later", "network_id": network["id"]});
    let port = api.create("ports", "port", more).await;
    let renamed = json!({"port": {"name": "renamed"}});
    api.put(&format!("ports/{}", id(&port)), &renamed).await;
    let (_, ports) = api.try_get("ports?name=plain-5&name=plain-6").await;
    for port in ports["ports"].as_array().into_iter().flatten() {
        api.delete(&format!("ports/{}", id(port))).await;
    }
    let (_, floating) = api.try_get("floatingips").await;
    let bound = |f: &&Value| f["port_id"].is_string() && f["fixed_ip_address"] != "10.2.0.51";
    let all = floating["floatingips"].as_array().cloned().unwrap_or_default();
    let routed = |f: &&Value| {
        f["router_id"] == all.iter().find(bound).map_or(Value::Null, |f| f["router_id"].clone())
    };
    let bound: Vec<_> = all.iter().filter(bound).filter(routed).collect();
    let to = |port: &Value| json!({"floatingip": {"port_id": port}});
    for floating in &bound {
        api.put(&format!("floatingips/{}", id(floating)), &to(&Value::Null)).await;
    }
    for (floating, other) in bound.iter().zip(bound.iter().rev()) {
        api.put(&format!("floatingips/{}", id(floating)), &to(&other["port_id"])).await;
    }
}

/// `body` with `more` attributes.
fn with(mut body: Value, more: Value) -> Value {
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    body
}
