//! Routers of both kinds: out through SNAT, in and out by floating IPs, and between subnets.

use serde_json::{Value, json};

use super::Fleet;
use crate::cloud::{Cloud, Instance};
use crate::routing::{FloatingIp, Net, Router, echo};

/// The host whose L3 agent has centralised routers only.
const LEGACY_HOST: &str = "compute1";
/// Hosts whose L3 agents have a part of distributed ones.
const DISTRIBUTED_HOSTS: [&str; 2] = ["controller0", "compute0"];

/// A centralised and a distributed router with their networks.
pub struct Routed<'a> {
    cloud: &'a Cloud,
    external: Net,
    legacy: Router,
    /// Of the fleet's network.
    behind_legacy: &'a [Instance; 3],
    distributed: Router,
    /// One subnet on each of the hosts.
    behind_distributed: Vec<Instance>,
}

impl<'a> Routed<'a> {
    /// Routers, their networks and instances.
    pub fn build(fleet: &'a Fleet) -> Self {
        let cloud = &fleet.cloud;
        let external = cloud.external_network();
        open_default_group(cloud, &fleet.instances[0]);
        let legacy = cloud.router("legacy", &external, json!({"distributed": false}));
        cloud.attach(&legacy, &fleet.net.subnet);
        move_to(cloud, &legacy, LEGACY_HOST);
        let distributed = cloud.router("distributed", &external, json!({"distributed": true}));
        let cidrs = ["10.30.0.0/24", "10.31.0.0/24"];
        let legs = DISTRIBUTED_HOSTS.iter().zip(cidrs).map(|(host, cidr)| {
            let name = format!("leg-{host}");
            let net = cloud.project_network(&name, "vxlan", cidr, json!({}));
            cloud.attach(&distributed, &net.subnet);
            fleet.boot(&net, &name, host, json!({}))
        });
        let behind_distributed = legs.collect();
        let behind_legacy = &fleet.instances;
        Self { cloud, external, legacy, behind_legacy, distributed, behind_distributed }
    }

    /// Packets go every way.
    pub fn walk(&self) {
        let Self { cloud, external, .. } = self;
        for (router, instances) in [
            (&self.legacy, self.behind_legacy.as_slice()),
            (&self.distributed, self.behind_distributed.as_slice()),
        ] {
            for instance in instances {
                echo::await_seen_outside_as(&cloud.lab, instance, &router.external_ip);
                let floating = cloud.floating_ip(external, instance);
                floating_ip_works(cloud, instance, &floating);
                let path = format!("/v2.0/floatingips/{}", floating.id);
                cloud.client.delete(&path).expect("floating IP deleted");
                echo::await_seen_outside_as(&cloud.lab, instance, &router.external_ip);
            }
        }
        let [near, far] = self.behind_distributed.as_slice() else { panic!("two legs") };
        for (from, to) in [(near, far), (far, near)] {
            cloud.await_answer(from, to);
        }
    }

    /// The instances that were made.
    pub fn into_instances(self) -> Vec<Instance> {
        self.behind_distributed
    }
}

fn floating_ip_works(cloud: &Cloud, instance: &Instance, floating: &FloatingIp) {
    cloud.await_reachable_from("internet", &floating.address);
    cloud.await_status("floatingip", &floating.id, "ACTIVE");
    echo::await_seen_outside_as(&cloud.lab, instance, &floating.address);
}

/// Lets everybody in to the instances of the group that `instance` is in.
fn open_default_group(cloud: &Cloud, instance: &Instance) {
    let port = cloud.client.get(&format!("/v2.0/ports/{}", instance.port_id)).expect("port");
    cloud.create(
        "security_group_rule",
        json!({"security_group_id": port["port"]["security_groups"][0],
            "direction": "ingress", "ethertype": "IPv4"}),
    );
}

/// Puts a centralised router on the L3 agent of a host, wherever it was put at first.
fn move_to(cloud: &Cloud, router: &Router, host: &str) {
    let path = format!("/v2.0/routers/{}/l3-agents", router.id);
    let hosting = cloud.client.get(&path).expect("agents of a router");
    let id = |agent: &Value| agent["id"].as_str().expect("id").to_owned();
    for agent in hosting["agents"].as_array().expect("list") {
        if agent["host"] == host {
            return;
        }
        let path = format!("/v2.0/agents/{}/l3-routers/{}", id(agent), router.id);
        cloud.client.delete(&path).expect("taken away");
    }
    let agents = cloud.client.get("/v2.0/agents?binary=neutron-l3-agent").expect("agents");
    let all = agents["agents"].as_array().expect("list");
    let wanted = all.iter().find(|agent| agent["host"] == host).expect("its agent");
    let path = format!("/v2.0/agents/{}/l3-routers", id(wanted));
    cloud.client.post(&path, &json!({"router_id": router.id})).expect("given");
}
