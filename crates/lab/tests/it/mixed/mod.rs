//! Fleets in which Neutron's own server and agents work beside ours, over RabbitMQ and MariaDB: the
//! same walks either way round, what restarts of either side do, and that nothing is left.

mod groups;
mod routers;
mod wiring;

use neutrino_lab::{
    Addressing, Bus, Database, Implementation, LabOptions, ServiceAction, wait::wait_until,
};
use serde_json::{Value, json};

use crate::cloud::{AGENT, Cloud, DHCP_AGENT, HOSTS, Instance, SERVER, SETTLE, SMALL};
use crate::routing::{IN_SYNC, L3_AGENT, Net};

/// A fleet with a network that has an instance on each host.
struct Fleet {
    cloud: Cloud,
    net: Net,
    instances: [Instance; 3],
    /// Where the DHCP agent and the centralised part of distributed routers are.
    network_host: &'static str,
}

impl Fleet {
    fn up(name: &str, network_host: &'static str, options: LabOptions) -> Self {
        let cloud = Cloud::up_with(LabOptions {
            name: format!("{name}-{}", std::process::id()),
            bus: Some(Bus::Rabbitmq),
            database: Some(Database::Mariadb),
            dhcp_hosts: Some(vec![network_host.to_owned()]),
            dvr: true,
            ..options
        });
        let net = cloud.project_network("mixed", "vxlan", "10.20.0.0/24", json!({}));
        let instances = HOSTS.map(|host| {
            cloud.boot_on(&net, &format!("vm-{host}"), host, json!({}), Addressing::Dhcp)
        });
        Self { cloud, net, instances, network_host }
    }

    /// An instance of a network in a host's place.
    fn boot(&self, net: &Net, name: &str, host: &'static str, more: Value) -> Instance {
        self.cloud.boot_on(net, name, host, more, Addressing::Dhcp)
    }

    /// All ordered pairs of the instances.
    fn pairs(&self) -> impl Iterator<Item = (&Instance, &Instance)> {
        let all = || self.instances.iter();
        all().flat_map(move |from| all().map(move |to| (from, to))).filter(|(a, b)| a.ip != b.ip)
    }

    /// What the server consists of.
    fn server(&self) -> &'static [&'static str] {
        match self.cloud.lab.spec().server {
            Implementation::Neutrino => &[SERVER],
            Implementation::Neutron => {
                &["neutron-rpc-server", "neutron-periodic-workers", "neutron-api"]
            }
        }
    }

    /// Kills the server and starts it again, then each agent; what is there stays reachable.
    fn restarts_recover(&self) {
        let [near, far, third] = &self.instances;
        let ours = |host: &str| self.cloud.is_ours(host);
        let ping = self.cloud.start_ping(near, far, 100, SMALL);
        for action in [ServiceAction::Signal(libc::SIGKILL), ServiceAction::Start] {
            for service in self.server() {
                self.cloud.lab.service(HOSTS[0], service, action).expect(service);
            }
        }
        wait_until("the server's answer", SETTLE, || {
            // Ours wants a token of its new self.
            let client = self.cloud.lab.client("admin").map_err(|error| error.to_string())?;
            client.get("/v2.0/agents").map(drop).map_err(|error| error.to_string())
        })
        .expect("an answer");
        ping.assert_none_lost();
        for instance in &self.instances {
            let before = self.cloud.flows(instance.host);
            let ping = ours(instance.host).then(|| self.cloud.start_ping(near, third, 100, SMALL));
            self.cloud.kill_and_start(&[(instance.host, AGENT)]);
            // Theirs give conjunctions other numbers each time.
            if let Some(ping) = ping {
                ping.assert_none_lost();
                assert_eq!(self.cloud.flows(instance.host), before, "{}", instance.host);
            }
        }
        let synchronised =
            if ours(self.network_host) { IN_SYNC } else { "Synchronizing state complete" };
        self.cloud.kill_and_await(self.network_host, DHCP_AGENT, synchronised);
        self.cloud.kill_and_start_unwatched(self.network_host, L3_AGENT);
    }

    /// What comes after restarts works as before.
    fn works_as_before(&self) {
        wiring::agents_are_alive(&self.cloud);
        for host in HOSTS {
            let late = self.boot(&self.net, &format!("late-{host}"), host, json!({}));
            for instance in &self.instances {
                self.cloud.await_answer(&late, instance);
            }
            self.cloud.remove(&late);
        }
    }

    /// Every walk, then the end.
    fn show_all(self) {
        wiring::instances_reach_each_other(&self);
        groups::rules_and_members_take_effect(&self);
        let routed = routers::Routed::build(&self);
        routed.walk();
        self.restarts_recover();
        self.works_as_before();
        routed.walk();
        let mut all: Vec<Instance> = routed.into_instances();
        let Self { cloud, instances, .. } = self;
        all.extend(instances);
        cloud.finish(&all.iter().collect::<Vec<_>>());
    }
}

#[test]
fn our_server_serves_their_agents_beside_ours() {
    if !neutrino_privilege::granted() {
        return;
    }
    let theirs = ["compute0=neutron", "compute1=neutron"];
    let l3 = ["controller0=dvr", "compute0=dvr_snat", "compute1=legacy"];
    Fleet::up(
        "our-server",
        "compute0",
        LabOptions {
            agents: theirs.map(|text| text.parse().expect("choice")).to_vec(),
            l3: Some(l3.map(|text| text.parse().expect("choice")).to_vec()),
            ..LabOptions::default()
        },
    )
    .show_all();
}

#[test]
fn their_server_serves_our_agents() {
    if !neutrino_privilege::granted() {
        return;
    }
    let l3 = ["controller0=dvr_snat", "compute0=dvr", "compute1=legacy"];
    Fleet::up(
        "their-server",
        "controller0",
        LabOptions {
            server: Implementation::Neutron,
            l3: Some(l3.map(|text| text.parse().expect("choice")).to_vec()),
            ..LabOptions::default()
        },
    )
    .show_all();
}
