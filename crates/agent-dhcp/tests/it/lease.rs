//! Instances get what the server says, by a real client.

use neutrino_privilege::isolated;
use serde_json::json;

use crate::{
    server::{Server, add_port, remove_port},
    support::{
        HOST, Host, ask, check, in_namespace, lease, namespace, network, port, run, tool,
        v4_subnet, wait_for, wait_synced,
    },
};

const NET: &str = "11111111-1111-4111-8111-111111111111";
const VLAN: u16 = 7;

#[test]
fn an_instance_gets_address_route_mtu_and_dns() {
    isolated(|| run(gets_a_lease()));
}

async fn gets_a_lease() {
    let server = Server::start().await;
    let subnets = json!([v4_subnet("s1", "10.0.0.0/24", json!("10.0.0.1"))]);
    server.world().networks.insert(NET.into(), network(NET, subnets));
    let host = Host::new(&server, "force_metadata = true");
    let agent = host.start_agent().await;
    wait_synced(&agent).await;

    // What the agent made, through other tools.
    let shown = in_namespace(&namespace(NET), &["ip", "-o", "addr"]);
    let device = host.file(NET, "interface");
    assert!(shown.contains("10.0.0.2/24") && shown.contains("169.254.169.254/32"), "{shown}");
    let link = in_namespace(&namespace(NET), &["ip", "-o", "link", "show", &device]);
    assert!(link.contains("mtu 1400") && link.contains("fa:16:3e:dd:00:01"), "{link}");
    let routes = in_namespace(&namespace(NET), &["ip", "route"]);
    assert!(routes.contains(&format!("default via 10.0.0.1 dev {device}")), "{routes}");
    let row = host.ovs.vsctl(&["get", "Port", &device, "tag", "vlan_mode", "trunks"]);
    assert_eq!(
        row.expect("read").split_whitespace().collect::<Vec<_>>(),
        ["4095", "trunk", "[4095]"]
    );
    let filter = in_namespace(&namespace(NET), &["iptables-save", "-t", "mangle"]);
    assert!(filter.contains("--dport 68 -j CHECKSUM --checksum-fill"), "{filter}");

    // A port that appears while the agent runs.
    let id = "aaaaaaaa-0000-4000-8000-000000000001";
    add_port(&mut server.world(), NET, port(id, 1, &[("s1", "10.0.0.77")]));
    server.tell(HOST, "port_create_end", json!({"port": {"id": id, "network_id": NET}})).await;
    wait_for("the port reported", || {
        let world = server.world();
        check(world.ready.contains(id), &world.ready)
    })
    .await;
    host.bind(NET, VLAN);
    host.plug_instance("vm1", 1, VLAN);
    let got = lease("vm1", "-4").await;
    let value = |name: &str| got.get(name).cloned().unwrap_or_default();
    assert_eq!(value("new_ip_address"), "10.0.0.77", "{got:?}");
    assert_eq!(value("new_routers"), "10.0.0.1");
    assert_eq!(value("new_interface_mtu"), "1400");
    assert_eq!(value("new_domain_name_servers"), "192.0.2.53");
    let routes = value("new_rfc3442_classless_static_routes");
    assert!(routes.starts_with("24 198 51 100 10 0 0 9"), "{got:?}");

    // The port goes, and its lease with it.
    wait_for("the lease in the file", || {
        let leases = host.file(NET, "leases");
        check(leases.contains("10.0.0.77"), leases)
    })
    .await;
    remove_port(&mut server.world(), NET, id);
    let gone = json!({"port_id": id, "network_id": NET, "fixed_ips": []});
    server.tell(HOST, "port_delete_end", gone).await;
    wait_for("the lease released", || {
        let leases = host.file(NET, "leases");
        check(!leases.contains("10.0.0.77"), leases)
    })
    .await;
    wait_for("the host forgotten", || {
        let text = host.file(NET, "host");
        check(text.is_empty(), text)
    })
    .await;
    assert!(ask("vm1", "-4").is_none(), "an unknown MAC is not served");

    // The network goes, and everything with it.
    server.world().networks.remove(NET);
    server.tell(HOST, "network_delete_end", json!({"network_id": NET})).await;
    wait_for("nothing left", || {
        let names = tool(&["ip", "netns", "list"]);
        check(!names.contains(NET) && !host.dir(NET).exists(), names)
    })
    .await;
    assert!(!host.ovs.vsctl(&["list-ports", "br-int"]).expect("listed").contains(&device));
    assert_eq!(server.world().released, [NET]);
    let processes = tool(&["ps", "-eo", "args"]);
    assert!(!processes.contains(&format!("{NET}/pid")), "{processes}");
    let reports = server.world().reports.clone();
    let first = reports.first().expect("a report");
    assert_eq!(first["agent_type"], "DHCP agent");
    assert_eq!(
        (&first["topic"], &first["binary"]),
        (&json!("dhcp_agent"), &json!("neutron-dhcp-agent"))
    );
    assert_eq!(first["availability_zone"], "nova");
}

#[test]
fn an_instance_gets_a_stateful_ipv6_address() {
    isolated(|| run(gets_a_v6_lease()));
}

async fn gets_a_v6_lease() {
    let server = Server::start().await;
    let v6 = json!({"id": "s6", "cidr": "2001:db8::/64", "ip_version": 6, "enable_dhcp": true,
        "gateway_ip": "2001:db8::1", "ipv6_address_mode": "dhcpv6-stateful",
        "ipv6_ra_mode": "dhcpv6-stateful", "dns_nameservers": ["2001:db8::53"]});
    let subnets = json!([v4_subnet("s1", "10.0.0.0/24", json!("10.0.0.1")), v6]);
    server.world().networks.insert(NET.into(), network(NET, subnets));
    let id = "aaaaaaaa-0000-4000-8000-000000000001";
    let both = [("s1", "10.0.0.77"), ("s6", "2001:db8::77")];
    add_port(&mut server.world(), NET, port(id, 1, &both));
    let host = Host::new(&server, "");
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    host.bind(NET, VLAN);
    host.plug_instance("vm1", 1, VLAN);
    let got = lease("vm1", "-6").await;
    assert_eq!(got.get("new_ip6_address").map(String::as_str), Some("2001:db8::77"), "{got:?}");
    let dns = got.get("new_dhcp6_name_servers").map(String::as_str);
    assert_eq!(dns, Some("2001:db8::53"), "{got:?}");
    assert_eq!(lease("vm1", "-4").await["new_ip_address"], "10.0.0.77");
}
