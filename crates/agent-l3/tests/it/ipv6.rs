//! IPv6: router advertisements that instances take, and routing.

use std::fs;

use neutrino_linux::process::{Signal, signal};
use neutrino_privilege::isolated;
use serde_json::{Value, json};

use crate::{
    server::Server,
    support::{
        HOST, Host, ROUTER, addresses, check, device, in_namespace, port, port_id, qrouter,
        reaches, router, run, wait_for, wait_synced,
    },
};

fn v6_port(n: u8) -> Value {
    let (ip, cidr) = (format!("2001:db8:{n}::1"), format!("2001:db8:{n}::/64"));
    let mut port = port(n, &format!("network-{n}"), &ip, &cidr, json!(ip));
    port["subnets"][0]["ipv6_ra_mode"] = json!("slaac");
    port
}

fn pid(host: &Host) -> i32 {
    let path = host.state.join(format!("external/pids/{ROUTER}.pid.radvd"));
    fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[test]
fn instances_take_addresses_and_routes_from_advertisements() {
    isolated(|| run(advertises()));
}

async fn advertises() {
    let server = Server::start().await;
    let mut wanted = router(ROUTER, &[]);
    wanted["_interfaces"] = json!([v6_port(1), v6_port(2)]);
    server.put(wanted);
    let host = Host::new(&server, "min_rtr_adv_interval = 3\nmax_rtr_adv_interval = 4");
    host.plug("vm1", 0x51, 1, "192.0.2.1/32", None);
    host.plug("vm2", 0x52, 2, "192.0.2.2/32", None);
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    host.bind(&[1, 2].map(|n| (device("qr-", &port_id(n)), u16::from(n))).into());
    let address = |name: &str| {
        let all = addresses(name, &format!("tap{name}"));
        all.into_iter().find(|address| address.starts_with("2001:db8:"))
    };
    for name in ["vm1", "vm2"] {
        wait_for("an address", || {
            check(address(name).is_some(), in_namespace(name, &["ip", "addr"]))
        })
        .await;
    }
    let second = address("vm2").expect("seen");
    reaches("vm1", second.split('/').next().expect("an address")).await;

    // What is right stays; what dies comes back; what is to be told is told.
    let first = pid(&host);
    agent.stop().await;
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    assert_eq!((pid(&host), agent.progress().borrow().steps), (first, 0));
    assert!(signal(first, Signal::SIGKILL));
    wait_for("another radvd", || check(pid(&host) != first && pid(&host) > 0, pid(&host))).await;
    let second = pid(&host);
    server.world().routers.get_mut(ROUTER).expect("known")["_interfaces"][1]["mtu"] = json!(1300);
    server.updated(HOST, ROUTER).await;
    let conf = host.state.join(format!("ra/{ROUTER}.radvd.conf"));
    wait_for("the new text", || {
        let text = fs::read_to_string(&conf).unwrap_or_default();
        check(text.contains("AdvLinkMTU 1300"), text)
    })
    .await;
    assert_eq!(pid(&host), second);

    server.world().routers.clear();
    server.tell(HOST, "router_deleted", json!({"router_id": ROUTER})).await;
    wait_for("nothing left", || {
        let path = format!("/proc/{second}/cmdline");
        let runs = fs::read(&path).is_ok_and(|line| !line.is_empty());
        let left = (runs, conf.exists(), crate::support::namespaces().contains(&qrouter(ROUTER)));
        check(left == (false, false, false), left)
    })
    .await;
}
