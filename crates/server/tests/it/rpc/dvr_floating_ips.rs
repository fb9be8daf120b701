//! Floating IPs behind distributed routers: who serves them, and who is told when that changes.

use serde_json::{Value, json};

use super::dvr_routers::{AGENT_GATEWAY, Cloud, Host, removed};
use crate::support::server::{create, network, text};

/// A router with a gateway on a network whose instances are on c0 and c1, and a floating IP that
/// leads to the first.
struct Floating {
    c: Cloud,
    router: Value,
    first: Value,
    second: Value,
    floating_ip: Value,
}

impl Floating {
    async fn start() -> Self {
        let c = Cloud::start().await;
        let (blue, subnet) = network(&c.t.client, "blue", "10.0.0.0/24").await;
        let router = c.router(true).await;
        c.interface(&router, "add", &subnet).await;
        let first = c.instance(&blue, "c0").await;
        let second = c.instance(&blue, "c1").await;
        let body = json!({ "floating_network_id": c.external["id"], "port_id": first["id"] });
        let floating_ip = create(&c.t.client, "floatingips", body).await;
        Self { c, router, first, second, floating_ip }
    }

    async fn lead_to(&self, port: &Value) {
        let path = format!("/v2.0/floatingips/{}", text(&self.floating_ip, "id"));
        self.c.put(&path, json!({ "floatingip": { "port_id": port } })).await;
    }

    /// The floating IP as `host` is told of it: where it is served; null when it is not told.
    async fn seen(&self, host: &Host) -> Value {
        let synced = host.sync(&[&self.router]).await;
        let found = &synced.first().expect("its router")["_floatingips"][0];
        let mut out = json!({});
        for key in ["host", "dest_host", "dvr_snat_bound"] {
            if let Some(value) = found.get(key) {
                out[key] = value.clone();
            }
        }
        if found.is_null() { Value::Null } else { out }
    }
}

#[tokio::test]
async fn a_floating_ip_is_served_where_its_instance_is() {
    let f = Floating::start().await;
    let here = json!({ "host": "c0", "dest_host": null });
    assert_eq!(f.seen(&f.c.c0).await, here);
    for host in [&f.c.c1, &f.c.net] {
        assert_eq!(f.seen(host).await, Value::Null, "{}", host.name);
    }
    let synced = f.c.c0.sync(&[&f.router]).await;
    let gateways = &synced[0]["_floatingip_agent_interfaces"];
    assert_eq!(gateways.as_array().map(Vec::len), Some(1), "made with the floating IP");
    assert_eq!(gateways[0]["binding:host_id"], "c0");
    assert_eq!(gateways[0]["network_id"], f.c.external["id"]);
    f.c.t.stop().await;
}

#[tokio::test]
async fn a_floating_ip_that_moves_is_told_to_both_hosts() {
    let f = Floating::start().await;
    let before = [f.c.c0.times("routers_updated"), f.c.c1.times("routers_updated")];
    f.lead_to(&f.second["id"]).await;
    for (host, before) in [(&f.c.c0, before[0]), (&f.c.c1, before[1])] {
        let more = |got: &[neutrino_rpc::Request]| {
            got.iter().filter(|r| r.method == "routers_updated").count() > before
        };
        host.agent.wait(more).await;
    }
    assert_eq!(f.seen(&f.c.c0).await, Value::Null);
    assert_eq!(f.seen(&f.c.c1).await, json!({ "host": "c1", "dest_host": null }));
    f.lead_to(&Value::Null).await;
    assert_eq!(f.seen(&f.c.c1).await, Value::Null);
    f.c.t.stop().await;
}

#[tokio::test]
async fn a_floating_ip_follows_its_instance() {
    let f = Floating::start().await;
    f.c.update_port(&f.first, json!({ "binding:profile": { "migrating_to": "c1" } })).await;
    let both = json!({ "host": "c0", "dest_host": "c1" });
    assert_eq!(f.seen(&f.c.c0).await, both);
    assert_eq!(f.seen(&f.c.c1).await, both);
    assert_eq!(f.c.ports(AGENT_GATEWAY).await.len(), 2, "c1 is ready for it");
    f.c.update_port(&f.first, json!({ "binding:profile": {}, "binding:host_id": "c1" })).await;
    assert_eq!(f.seen(&f.c.c1).await, json!({ "host": "c1", "dest_host": null }));
    f.c.c0.told("router_removed_from_agent", removed(&f.router)).await;
    assert_eq!(f.c.c0.ids().await, json!([]));
    // Its port goes, and the floating IP leads nowhere.
    f.c.delete("ports", &f.first).await;
    assert_eq!(f.seen(&f.c.c1).await, Value::Null);
    f.c.t.stop().await;
}

#[tokio::test]
async fn a_floating_ip_of_a_port_on_no_host_is_centralised() {
    let f = Floating::start().await;
    let body = json!({ "network_id": f.first["network_id"] });
    let address = create(&f.c.t.client, "ports", body).await;
    let told = f.c.net.times("routers_updated");
    f.lead_to(&address["id"]).await;
    f.c.net
        .agent
        .wait(|got| got.iter().filter(|r| r.method == "routers_updated").count() > told)
        .await;
    let central = json!({ "host": "FLOATING_IP_HOST_NEEDS_BINDING", "dvr_snat_bound": true });
    assert_eq!(f.seen(&f.c.net).await, central);
    assert_eq!(f.seen(&f.c.c0).await, Value::Null);
    // Plugged, it is served on its host.
    let told = f.c.net.times("routers_updated");
    let owner = json!({ "device_owner": "compute:nova", "binding:host_id": "c1" });
    f.c.update_port(&address, owner).await;
    f.c.net
        .agent
        .wait(|got| got.iter().filter(|r| r.method == "routers_updated").count() > told)
        .await;
    assert_eq!(f.seen(&f.c.net).await, Value::Null);
    assert_eq!(f.seen(&f.c.c1).await, json!({ "host": "c1", "dest_host": null }));
    f.c.t.stop().await;
}

#[tokio::test]
async fn a_host_without_external_network_leaves_its_floating_ips_to_the_centre() {
    let f = Floating::start().await;
    let inner = Host::start(&f.c.t, "inner", "dvr_no_external").await;
    let network = json!({ "id": f.first["network_id"] });
    let vm = f.c.instance(&network, "inner").await;
    f.lead_to(&vm["id"]).await;
    let central = json!({ "host": "FLOATING_IP_HOST_NEEDS_BINDING", "dest_host": null,
                          "dvr_snat_bound": true });
    assert_eq!(f.seen(&f.c.net).await, central);
    assert_eq!(f.seen(&inner).await, central);
    assert_eq!(f.seen(&f.c.c0).await, Value::Null);
    f.c.t.stop().await;
}
