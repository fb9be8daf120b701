//! Instances of one network on hosts with different agents.

use neutrino_lab::wait::wait_until;

use super::Fleet;
use crate::cloud::{Cloud, HOSTS, SETTLE};
use crate::on;

/// Instances with leases reach each other with the largest packet; every host knows where the
/// others' addresses are (l2population), and says so to the instances.
pub fn instances_reach_each_other(fleet: &Fleet) {
    let Fleet { cloud, net, .. } = fleet;
    agents_are_alive(cloud);
    for instance in &fleet.instances {
        assert_eq!(cloud.port_status(instance), "ACTIVE", "{}", instance.name);
    }
    for (from, to) in fleet.pairs() {
        cloud.await_answer(from, to);
        cloud.start_ping(from, to, 5, net.mtu).assert_none_lost();
        wait_until("an answer to ARP on the host", SETTLE, || {
            let answers = on(&cloud.lab, from.host, "ovs-ofctl dump-flows br-tun table=21");
            if answers.contains(&format!("arp_tpa={}", to.ip)) { Ok(()) } else { Err(answers) }
        })
        .expect(from.host);
        let unicast = on(&cloud.lab, from.host, "ovs-ofctl --names dump-flows br-tun table=20");
        let known = unicast.lines().filter(|flow| flow.contains("strip_vlan"));
        let known = known.filter(|flow| !flow.contains("hard_timeout")).count();
        assert!(known >= HOSTS.len() - 1, "{}: {unicast}", from.host);
    }
}

/// Every agent is alive to the server.
pub fn agents_are_alive(cloud: &Cloud) {
    let expected = cloud.lab.spec().agents();
    wait_until("every agent alive", SETTLE, || {
        let answer = cloud.client.get("/v2.0/agents").map_err(|error| error.to_string())?;
        let agents = answer["agents"].as_array().map_or(&[][..], Vec::as_slice);
        let alive = agents.iter().filter(|agent| agent["alive"] == true).count();
        if alive == expected { Ok(()) } else { Err(answer.to_string()) }
    })
    .expect("alive");
}
