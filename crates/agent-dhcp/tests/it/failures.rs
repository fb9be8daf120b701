//! What fails, fails alone, and is tried again.

use neutrino_privilege::isolated;
use serde_json::json;

use crate::{
    server::Server,
    support::{HOST, Host, check, network, pid, run, v4_subnet, wait_for, wait_synced},
};

fn id(n: usize) -> String {
    format!("{n:08x}-0000-4000-8000-000000000000")
}

#[test]
fn one_networks_error_delays_no_other() {
    isolated(|| run(fails_alone()));
}

async fn fails_alone() {
    let server = Server::start().await;
    for n in 1..=6 {
        let mut net = network(&id(n), json!([v4_subnet("s1", "10.0.0.0/24", json!(null))]));
        match n {
            1 => net["subnets"][0]["cidr"] = json!("nonsense"),
            // Nothing to serve there.
            3 => net["admin_state_up"] = json!(false),
            // Nobody advertises it, and nobody waits for that.
            4 => {
                net["subnets"] = json!([{"id": "s6", "cidr": "2001:db8::/64", "ip_version": 6,
                    "enable_dhcp": true, "gateway_ip": "2001:db8::1", "ipv6_address_mode": "slaac"}]);
            }
            _ => {}
        }
        server.world().networks.insert(id(n), net);
    }
    server.world().broken.insert(id(2));
    let host = Host::new(&server, "num_sync_threads = 1\nresync_interval = 1");
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    for n in [4, 5, 6] {
        assert!(pid(&host, &id(n)) > 0, "network {n}");
    }
    for n in [1, 2, 3] {
        assert_eq!(pid(&host, &id(n)), 0, "network {n}");
    }
    assert_eq!(agent.progress().borrow().networks, 3);

    server.world().broken.clear();
    server.world().networks.get_mut(&id(1)).expect("known")["subnets"][0]["cidr"] =
        json!("10.0.0.0/24");
    for n in [1, 2] {
        wait_for("the network served after all", || {
            let pid = pid(&host, &id(n));
            check(pid > 0, pid)
        })
        .await;
    }

    // Another subnet restarts that dnsmasq and no other.
    let (second, fifth) = (pid(&host, &id(2)), pid(&host, &id(5)));
    server.world().networks.get_mut(&id(5)).expect("known")["subnets"]
        .as_array_mut()
        .expect("a list")
        .push(v4_subnet("s2", "10.0.2.0/24", json!(null)));
    let subnet = json!({"subnet": {"id": "s2", "network_id": id(5)}});
    server.tell(HOST, "subnet_create_end", subnet).await;
    wait_for("another dnsmasq", || {
        let now = pid(&host, &id(5));
        check(now > 0 && now != fifth, (now, fifth))
    })
    .await;
    assert_eq!(pid(&host, &id(2)), second);
}
