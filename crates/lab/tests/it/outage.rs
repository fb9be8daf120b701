//! RabbitMQ away for a minute while the API is used.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use neutrino_lab::{
    Addressing, Bus, Firewall, FirewallChoice, LabOptions, ServiceAction, wait::wait_until,
};
use serde_json::json;

use crate::cloud::{Cloud, HOSTS, Instance, Network, SETTLE, SMALL};

/// The host and name of the broker.
const BROKER: (&str, &str) = ("controller0", "rabbitmq-server");
/// How long the broker is away.
const OUTAGE: Duration = Duration::from_secs(60);
/// Agents wait up to 30 seconds between attempts to connect; then they read everything.
const RECOVERY: Duration = Duration::from_secs(90);
/// Ten packets a second, from before the outage until after the recovery.
const PACKETS: u32 = 1500;

/// Creates and deletes ports bound to the hosts until the outage is over; those of the second half
/// stay. Nobody hears of any of them.
fn use_the_api(cloud: &Cloud, network: &Network, begun: Instant) -> Vec<String> {
    let mut left = Vec::new();
    let mut count = 0;
    while begun.elapsed() < OUTAGE {
        let host = HOSTS[count % HOSTS.len()];
        let body = json!({
            "network_id": network.id, "name": format!("p{count}"), "binding:host_id": host,
            "device_owner": "compute:nova",
        });
        let id = cloud.create("port", body)["id"].as_str().expect("id").to_owned();
        if begun.elapsed() < OUTAGE / 2 {
            cloud.client.delete(&format!("/v2.0/ports/{id}")).expect("deleted");
        } else {
            left.push(id);
        }
        count += 1;
        // The pace of users, not a wait: more would only reach the quota.
        std::thread::sleep(Duration::from_millis(500));
    }
    left
}

/// Addresses of the default group's members by the flows of a host that has some of them. The one
/// of a port that was deleted may have gone to a new one.
fn members_by_flows(cloud: &Cloud, host: &str) -> BTreeSet<String> {
    let flows = cloud.flows(host);
    let of_members = flows.lines().filter(|line| line.contains(",conjunction("));
    let parts = of_members.flat_map(|line| line.split(','));
    parts.filter_map(|part| part.trim().strip_prefix("nw_src=")).map(str::to_owned).collect()
}

/// Those addresses by the server.
fn members_by_server(cloud: &Cloud) -> BTreeSet<String> {
    let ports = cloud.client.get("/v2.0/ports").expect("ports");
    let ports = ports["ports"].as_array().expect("list").iter();
    let ips = ports.map(|port| port["fixed_ips"][0]["ip_address"].as_str().expect("address"));
    ips.map(str::to_owned).collect()
}

/// An instance that is plugged while no agent can ask about it.
fn boot_unheard(cloud: &Cloud, network: &Network, name: &str, host: &'static str) -> Instance {
    let port = cloud.create("port", json!({"network_id": network.id, "name": name}));
    let port_id = port["id"].as_str().expect("id").to_owned();
    let ip = port["fixed_ips"][0]["ip_address"].as_str().expect("address").to_owned();
    cloud.lab.create_instance(name, host, &port_id, Addressing::Dhcp).expect("instance");
    Instance { name: name.to_owned(), host, port_id, ip }
}

#[test]
fn agents_have_what_the_server_says_after_a_minute_without_rabbitmq() {
    if !neutrino_privilege::granted() {
        return;
    }
    let cloud = Cloud::up_with(LabOptions {
        name: format!("outage-{}", std::process::id()),
        bus: Some(Bus::Rabbitmq),
        firewall: vec![FirewallChoice::All(Firewall::Openvswitch)],
        dhcp_hosts: Some(Vec::new()),
        l3: Some(Vec::new()),
        ..LabOptions::default()
    });
    let network = cloud.network("vxlan", 1);
    let [a, b, gone] = [("a", "compute0"), ("b", "compute1"), ("gone", "compute1")]
        .map(|(name, host)| cloud.boot(&network, name, host));
    cloud.await_answer(&a, &b);
    cloud.await_answer(&a, &gone);
    let ping = cloud.start_ping(&a, &b, PACKETS, SMALL);

    let begun = Instant::now();
    cloud.lab.service(BROKER.0, BROKER.1, ServiceAction::Stop).expect("broker stops");
    let new = boot_unheard(&cloud, &network, "new", "compute0");
    let gone_mac = cloud.mac(&gone);
    cloud.remove(&gone);
    let left = use_the_api(&cloud, &network, begun);
    cloud.lab.service(BROKER.0, BROKER.1, ServiceAction::Start).expect("broker starts");

    wait_until("the port of the outage to be ACTIVE", RECOVERY, || match cloud.port_status(&new) {
        status if status == "ACTIVE" => Ok(()),
        status => Err(status),
    })
    .expect("ACTIVE");
    cloud.await_answer(&b, &new);
    for host in ["compute0", "compute1"] {
        wait_until("the group's members", SETTLE, || {
            let (flows, group) = (members_by_flows(&cloud, host), members_by_server(&cloud));
            if flows == group { Ok(()) } else { Err(format!("{flows:?}, not {group:?}")) }
        })
        .expect(host);
        wait_until("the deleted instance's flows to go", SETTLE, || {
            let flows = cloud.flows(host);
            let lines: Vec<&str> = flows.lines().filter(|line| line.contains(&gone_mac)).collect();
            if lines.is_empty() { Ok(()) } else { Err(lines.join("\n")) }
        })
        .expect(host);
    }
    cloud.assert_restart_changes_nothing(&a, &b);
    ping.assert_none_lost();
    for id in left {
        cloud.client.delete(&format!("/v2.0/ports/{id}")).expect("deleted");
    }
    cloud.finish(&[&a, &b, &new]);
}
