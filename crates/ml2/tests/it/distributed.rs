//! Distributed ports: one binding and one status per host, and what the API makes of them.

use neutrino_types::{Attrs, new_id};
use serde_json::{Value, json};

use crate::common::{Cloud, attrs, cloud, text};

const FLOOD: [&str; 2] = ["00:00:00:00:00:00", "0.0.0.0"];

/// Three hosts, a network, and a distributed router's port on it.
struct Distributed {
    cloud: Cloud,
    network: String,
    subnet: String,
    router: String,
    port: Attrs,
}

impl Distributed {
    async fn new() -> Self {
        let cloud = cloud().await;
        for (host, ip) in [("c0", "192.0.2.10"), ("c1", "192.0.2.11"), ("c2", "192.0.2.12")] {
            cloud.agent(host, ip).await;
        }
        let (network, subnet) = cloud.net("n", "10.0.0.0/16").await;
        let router = new_id();
        let port = cloud
            .port(json!({
                "network_id": network, "device_id": router, "binding:host_id": "c0",
                "device_owner": "network:router_interface_distributed",
                "fixed_ips": [{"ip_address": "10.0.0.1"}],
            }))
            .await
            .expect("port");
        Self { cloud, network, subnet, router, port }
    }

    fn id(&self) -> String {
        text(&self.port, "id")
    }

    /// The router comes to `host`.
    async fn come(&self, host: &str) {
        let id = self.id();
        let wanted = [(id.as_str(), self.router.as_str())];
        self.cloud.plugin.bind_distributed(host, &wanted).await.expect("bound");
    }

    async fn details(&self, host: &str) -> Value {
        let devices = [self.id()];
        let details = self.cloud.plugin.devices_details(&self.cloud.ctx, Some(host), &devices);
        serde_json::to_value(details.await.expect("details").devices.remove(0)).expect("JSON")
    }

    async fn report(&self, host: &str, up: bool) {
        let devices = [self.id()];
        let (wired, lost): (&[String], &[String]) =
            if up { (&devices, &[]) } else { (&[], &devices) };
        let plugin = &self.cloud.plugin;
        plugin
            .update_device_list(&self.cloud.ctx, Some(host), wired, lost, false)
            .await
            .expect("reported");
    }

    async fn status(&self) -> Value {
        self.cloud.get_port(&self.id()).await["status"].clone()
    }

    /// Ports by endpoint of a message about the network.
    fn ports(&self, message: &Value) -> Value {
        message[self.network.as_str()]["ports"].clone()
    }
}

#[tokio::test]
async fn the_api_shows_no_host_and_agents_get_details_where_the_router_is() {
    let d = Distributed::new().await;
    assert_eq!(d.port["binding:host_id"], "");
    assert_eq!(d.port["binding:vif_type"], "distributed");
    assert_eq!(d.port["binding:vif_details"], json!({}));
    assert_eq!(d.details("c0").await["port_id"], Value::Null, "the router is not there");
    d.come("c0").await;
    d.come("c1").await;
    for host in ["c0", "c1"] {
        let details = d.details(host).await;
        assert_eq!(details["port_id"], d.port["id"]);
        assert_eq!(details["network_type"], "vxlan");
        assert_eq!(details["device_owner"], "network:router_interface_distributed");
        assert_eq!(details["fixed_ips"][0]["ip_address"], "10.0.0.1");
    }
    assert_eq!(d.details("c2").await["port_id"], Value::Null);
    let shown = d.cloud.get_port(&d.id()).await;
    assert_eq!(shown["binding:host_id"], "");
    assert_eq!(shown["binding:vif_type"], "distributed");
}

#[tokio::test]
async fn a_port_is_active_where_any_host_has_it_so() {
    let d = Distributed::new().await;
    d.come("c0").await;
    d.come("c1").await;
    assert_eq!(d.status().await, "DOWN");
    d.details("c0").await;
    assert_eq!(d.status().await, "DOWN", "c1 is still DOWN");
    d.details("c1").await;
    assert_eq!(d.status().await, "BUILD");
    d.report("c0", true).await;
    assert_eq!(d.status().await, "ACTIVE");
    d.report("c2", true).await;
    d.report("c2", false).await;
    assert_eq!(d.status().await, "ACTIVE", "c2 has no router");
    d.report("c1", true).await;
    d.report("c0", false).await;
    assert_eq!(d.status().await, "ACTIVE", "c1 has it");
    d.report("c1", false).await;
    assert_eq!(d.status().await, "DOWN");
}

#[tokio::test]
async fn a_host_the_router_has_left_is_forgotten_when_its_agent_lost_the_port() {
    let d = Distributed::new().await;
    d.come("c0").await;
    d.details("c0").await;
    d.report("c0", true).await;
    let id = d.id();
    d.cloud.plugin.leave_distributed("c0", &[&id]).await.expect("left");
    assert_eq!(d.details("c0").await["port_id"], d.port["id"], "it is still wired");
    d.report("c0", false).await;
    assert_eq!(d.details("c0").await["port_id"], Value::Null);
    // One no agent ever wired goes at once.
    d.come("c1").await;
    d.cloud.plugin.leave_distributed("c1", &[&id]).await.expect("left");
    assert_eq!(d.details("c1").await["port_id"], Value::Null);
    // And it may come back.
    d.come("c0").await;
    assert_eq!(d.details("c0").await["port_id"], d.port["id"]);
}

#[tokio::test]
async fn a_failed_binding_is_tried_again_when_details_are_asked_for() {
    let d = Distributed::new().await;
    d.come("later").await;
    assert_eq!(d.details("later").await["port_id"], Value::Null);
    d.cloud.agent("later", "192.0.2.13").await;
    assert_eq!(d.details("later").await["port_id"], d.port["id"]);
    d.report("later", true).await;
    assert_eq!(d.status().await, "ACTIVE");
}

#[tokio::test]
async fn distributed_ports_flood_and_have_no_entry_of_their_own() {
    let d = Distributed::new().await;
    for host in ["c0", "c1"] {
        d.come(host).await;
        d.details(host).await;
    }
    d.cloud.told.take();
    d.report("c0", true).await;
    let told = d.cloud.told.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(d.ports(&told[0].1), json!({"192.0.2.10": [FLOOD]}));
    let vm = d.cloud.instance(&d.network, "c2").await;
    let devices = [text(&vm, "id")];
    let plugin = &d.cloud.plugin;
    let wired = plugin.update_device_list(&d.cloud.ctx, Some("c2"), &devices, &[], false);
    wired.await.expect("up");
    let told = d.cloud.told.take();
    assert_eq!(told[0].0, "add_fdb_entries@c2");
    assert_eq!(d.ports(&told[0].1), json!({"192.0.2.10": [FLOOD]}), "c0 is a member, c1 not yet");
    d.report("c1", true).await;
    let told = d.cloud.told.take();
    assert_eq!(told[0].0, "add_fdb_entries@c1");
    let own = json!([vm["mac_address"], vm["fixed_ips"][0]["ip_address"]]);
    let wanted = json!({"192.0.2.10": [FLOOD], "192.0.2.12": [FLOOD, own]});
    assert_eq!(d.ports(&told[0].1), wanted);
    assert_eq!(d.ports(&told[1].1), json!({"192.0.2.11": [FLOOD]}));
    d.report("c0", false).await;
    let told = d.cloud.told.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "remove_fdb_entries");
    assert_eq!(d.ports(&told[0].1), json!({"192.0.2.10": [FLOOD]}));
    // Deleted, it takes its last host along.
    d.cloud.plugin.ports().delete(&d.cloud.ctx, &d.id(), None).await.expect("deleted");
    let told = d.cloud.told.take();
    assert_eq!(told[0].0, "remove_fdb_entries");
    assert_eq!(d.ports(&told[0].1), json!({"192.0.2.10": [FLOOD], "192.0.2.11": [FLOOD]}));
    assert_eq!(told[1].0, "port_delete");
}

#[tokio::test]
async fn a_port_becomes_distributed_and_plain_again() {
    let d = Distributed::new().await;
    d.come("c0").await;
    d.details("c0").await;
    d.report("c0", true).await;
    d.cloud.told.take();
    let plain = json!({"device_owner": "network:router_interface"});
    let port = d.cloud.update_port(&d.id(), plain).await.expect("plain");
    assert_eq!((&port["binding:vif_type"], &port["status"]), (&json!("unbound"), &json!("DOWN")));
    let told = d.cloud.told.take();
    assert_eq!(told[0].0, "remove_fdb_entries");
    let host = json!({"binding:host_id": "c1"});
    let port = d.cloud.update_port(&d.id(), host).await.expect("bound");
    assert_eq!(port["binding:vif_type"], "ovs");
    assert_eq!(d.details("c1").await["port_id"], d.port["id"]);
    let distributed = json!({"device_owner": "network:router_interface_distributed"});
    let port = d.cloud.update_port(&d.id(), distributed).await.expect("distributed");
    assert_eq!(port["binding:host_id"], "");
    assert_eq!(d.details("c1").await["port_id"], Value::Null, "no host has the router yet");
    d.come("c1").await;
    assert_eq!(d.details("c1").await["port_id"], d.port["id"]);
}

#[tokio::test]
async fn statements_do_not_grow_with_the_number_of_ports() {
    let d = Distributed::new().await;
    let mut ports = vec![d.id()];
    for n in 2..40 {
        let port = json!({
            "network_id": d.network, "device_id": d.router,
            "device_owner": "network:router_interface_distributed",
            "fixed_ips": [{"ip_address": format!("10.0.0.{n}")}],
        });
        ports.push(text(&d.cloud.port(port).await.expect("port"), "id"));
    }
    let mut costs = Vec::new();
    for (host, n) in [("c0", 1), ("c1", ports.len())] {
        let some = &ports[..n];
        let wanted: Vec<(&str, &str)> =
            some.iter().map(|p| (p.as_str(), d.router.as_str())).collect();
        let (plugin, ctx) = (&d.cloud.plugin, &d.cloud.ctx);
        let mut at = d.cloud.db.counts().total();
        let mut cost = Vec::new();
        let mut count = || {
            let now = d.cloud.db.counts().total();
            cost.push(now - std::mem::replace(&mut at, now));
        };
        plugin.bind_distributed(host, &wanted).await.expect("bound");
        count();
        plugin.bind_distributed(host, &wanted).await.expect("bound before");
        count();
        plugin.devices_details(ctx, Some(host), some).await.expect("details");
        count();
        plugin.update_device_list(ctx, Some(host), some, &[], false).await.expect("up");
        count();
        plugin.update_device_list(ctx, Some(host), &[], some, false).await.expect("down");
        count();
        costs.push(cost);
    }
    let bounds = [13, 1, 14, 14, 14];
    for cost in &costs {
        assert!(cost.iter().zip(bounds).all(|(cost, bound)| *cost <= bound), "{costs:?}");
    }
}

#[tokio::test]
async fn hosts_get_macs_and_agents_are_told() {
    let cloud = cloud().await;
    let one = cloud.plugin.dvr_host_mac("c0").await.expect("MAC");
    assert!(one.mac_address.starts_with("fa:16:3f:"), "{one:?}");
    let told = cloud.told.take();
    assert_eq!(told, [("dvr_mac_address_update".to_string(), json!([one]))]);
    assert_eq!(cloud.plugin.dvr_host_mac("c0").await.expect("the same"), one);
    assert!(cloud.told.take().is_empty(), "nothing new");
    let two = cloud.plugin.dvr_host_mac("c1").await.expect("MAC");
    assert_eq!(cloud.plugin.dvr_host_macs().await.expect("all"), [one, two]);
}

#[tokio::test]
async fn served_ports_of_a_host_and_a_subnet_with_its_gateways_mac() {
    let d = Distributed::new().await;
    let here = d.cloud.instance(&d.network, "c0").await;
    d.cloud.instance(&d.network, "c1").await;
    let (other, _) = d.cloud.net("m", "10.1.0.0/16").await;
    d.cloud.instance(&other, "c0").await;
    let (plugin, ctx) = (&d.cloud.plugin, &d.cloud.ctx);
    let found = plugin.dvr_ports_on_host(ctx, "c0", &d.subnet).await.expect("ports");
    assert_eq!(found, [d.cloud.get_port(&text(&here, "id")).await]);
    let subnet = plugin.dvr_subnet(ctx, &d.subnet, None).await.expect("subnet");
    assert_eq!(subnet["gateway_mac"], d.port["mac_address"]);
    assert_eq!(subnet["cidr"], "10.0.0.0/16");
    let ip = text(here["fixed_ips"][0].as_object().expect("object"), "ip_address");
    let by_ip = plugin.dvr_subnet(ctx, &d.subnet, Some(&ip)).await.expect("subnet");
    assert_eq!(by_ip["gateway_mac"], here["mac_address"]);
    for (subnet, ip) in [(d.subnet.as_str(), Some("10.0.200.200")), (&new_id(), None)] {
        assert_eq!(plugin.dvr_subnet(ctx, subnet, ip).await.expect("none"), attrs(json!({})));
    }
}
