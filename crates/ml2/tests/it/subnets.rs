//! Subnets: gateway, pools, refusals, updates, deletion.

use neutrino_types::ListQuery;
use serde_json::{Value, json};

use crate::common::{all, attrs, cloud, ips, text};

#[tokio::test]
async fn defaults_are_neutrons() {
    let cloud = cloud().await;
    let network = cloud.network(json!({"name": "n"})).await.expect("network");
    let id = text(&network, "id");
    let subnet = cloud
        .subnet(json!({"network_id": id, "ip_version": 4, "cidr": "10.0.0.7/24"}))
        .await
        .expect("subnet");
    assert_eq!(subnet["cidr"], "10.0.0.0/24");
    assert_eq!(subnet["gateway_ip"], "10.0.0.1");
    assert_eq!(subnet["allocation_pools"], json!([{"start": "10.0.0.2", "end": "10.0.0.254"}]));
    assert_eq!(subnet["revision_number"], 0);
    let got = cloud.plugin.subnets().get(&cloud.ctx, &text(&subnet, "id")).await;
    assert_eq!(got.expect("subnet"), subnet);
    let network = cloud.plugin.networks().get(&cloud.ctx, &id).await.expect("network");
    assert_eq!(network["subnets"], json!([subnet["id"]]));
    assert_eq!(network["revision_number"], 2);
    let keys: Vec<&str> = subnet.keys().map(String::as_str).collect();
    assert_eq!(keys[..5], ["id", "name", "project_id", "network_id", "ip_version"]);
}

#[tokio::test]
async fn gateways_pools_and_lists_are_kept_as_given() {
    let cloud = cloud().await;
    let network = cloud.network(json!({"name": "n"})).await.expect("network");
    let subnet = cloud
        .subnet(json!({
            "network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/24",
            "gateway_ip": null, "enable_dhcp": false,
            "allocation_pools": [{"start": "10.0.0.10", "end": "10.0.0.12"},
                                 {"start": "10.0.0.20", "end": "10.0.0.20"}],
            "dns_nameservers": ["9.9.9.9", "1.1.1.1"],
            "host_routes": [{"destination": "192.168.0.0/16", "nexthop": "10.0.0.254"}],
        }))
        .await
        .expect("subnet");
    assert_eq!(subnet["gateway_ip"], Value::Null);
    assert_eq!(subnet["dns_nameservers"], json!(["9.9.9.9", "1.1.1.1"]));
    let got = cloud.plugin.subnets().get(&cloud.ctx, &text(&subnet, "id")).await;
    assert_eq!(got.expect("subnet"), subnet);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let port = cloud.port(json!({"network_id": network["id"]})).await.expect("port");
        seen.extend(ips(&port));
    }
    seen.sort();
    assert_eq!(seen, ["10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.20"]);
    let error = cloud.port(json!({"network_id": network["id"]})).await.expect_err("exhausted");
    assert_eq!((error.kind, error.status), ("IpAddressGenerationFailure", 409));
}

#[tokio::test]
async fn bad_subnets_are_refused_as_neutron_does() {
    let cloud = cloud().await;
    let (id, _) = cloud.net("n", "10.0.0.0/16").await;
    let v4 = |cidr: &str, more: Value| {
        let mut body = attrs(json!({"network_id": id, "ip_version": 4, "cidr": cidr}));
        body.extend(attrs(more));
        Value::Object(body)
    };
    let v6 = |more: Value| {
        let mut body = attrs(json!({"network_id": id, "ip_version": 6, "cidr": "fd00::/64"}));
        body.extend(attrs(more));
        Value::Object(body)
    };
    let pool = |start: &str, end: &str| json!({"start": start, "end": end});
    let cases = [
        (v4("10.0.5.0/24", json!({})), "InvalidInput", "overlaps with another subnet"),
        (v4("10.1.0.0/31", json!({})), "InvalidInput", "incompatible with DHCP"),
        (v4("224.0.0.0/24", json!({})), "InvalidInput", "Multicast IP subnet"),
        (v4("127.0.0.0/24", json!({})), "InvalidInput", "Loopback IP subnet"),
        (v4("0.0.0.0/24", json!({})), "InvalidInput", "First IP '0.0.0.0'"),
        (v4("0.0.0.0/0", json!({})), "InvalidInput", "0 is not allowed as CIDR prefix length"),
        (v4("fd00::/64", json!({})), "InvalidInput", "does not match the ip_version '4'"),
        (v4("10.1.0.0/24", json!({"gateway_ip": "10.1.0.255"})), "InvalidInput", "Gateway is not"),
        (v4("10.1.0.0/24", json!({"gateway_ip": "fd00::1"})), "InvalidInput", "gateway_ip"),
        (v4("10.1.0.0/24", json!({"dns_nameservers": ["fd00::1"]})), "InvalidInput", "dns"),
        (
            v4(
                "10.1.0.0/24",
                json!({"dns_nameservers": (1..7).map(|n| format!("1.1.1.{n}")).collect::<Vec<_>>()}),
            ),
            "DNSNameServersExhausted",
            "exceeds the limit 5",
        ),
        (
            v4("10.1.0.0/24", json!({"allocation_pools": [pool("10.1.0.9", "10.1.0.2")]})),
            "InvalidAllocationPool",
            "{'start': '10.1.0.9', 'end': '10.1.0.2'}",
        ),
        (
            v4("10.1.0.0/24", json!({"allocation_pools": [pool("10.1.0.9", "10.1.1.2")]})),
            "OutOfBoundsAllocationPool",
            "10.1.0.9-10.1.1.2",
        ),
        (
            v4("10.1.0.0/24", json!({"allocation_pools": [pool("10.1.0.1", "10.1.0.2")]})),
            "GatewayConflictWithAllocationPools",
            "Gateway ip 10.1.0.1 conflicts",
        ),
        (v4("10.1.0.0/24", json!({"ipv6_ra_mode": "slaac"})), "InvalidInput", "ip_version is 4"),
        (
            v6(json!({"ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"})),
            "InvalidInput",
            "must be the same value",
        ),
        (
            v6(json!({"ipv6_ra_mode": "slaac", "enable_dhcp": false})),
            "InvalidInput",
            "cannot be set when enable_dhcp is set to False",
        ),
        (
            v6(json!({"ipv6_address_mode": "slaac", "cidr": "fd00::/80"})),
            "InvalidInput",
            "requires the prefix to be /64",
        ),
        (v6(json!({"cidr": "::/64"})), "InvalidInput", "IPv6 subnet '::' is not supported"),
        (json!({"network_id": id, "ip_version": 4}), "BadRequest", "a subnetpool must be"),
    ];
    for (body, kind, part) in cases {
        let error = cloud.subnet(body.clone()).await.expect_err("refused");
        assert_eq!(error.kind, kind, "{body}: {}", error.message);
        assert!(error.message.contains(part), "{body}: {}", error.message);
    }
    let list = cloud.plugin.subnets().list(&cloud.ctx, &all()).await.expect("list");
    assert_eq!(list.len(), 1);
    let missing =
        json!({"network_id": neutrino_types::new_id(), "ip_version": 4, "cidr": "1.0.0.0/24"});
    assert_eq!(cloud.subnet(missing).await.expect_err("no network").kind, "NetworkNotFound");
}

#[tokio::test]
async fn updates_replace_lists_and_check_the_gateway() {
    let cloud = cloud().await;
    let (_, id) = cloud.net("n", "10.0.0.0/24").await;
    let subnets = cloud.plugin.subnets();
    let update = async |value: Value| subnets.update(&cloud.ctx, &id, attrs(value), None).await;
    let error = update(json!({"gateway_ip": "10.0.0.9"})).await.expect_err("in a pool");
    assert_eq!(error.kind, "GatewayConflictWithAllocationPools");
    let updated = update(json!({
        "name": "s", "gateway_ip": "10.0.0.254", "enable_dhcp": false,
        "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.9"}],
        "dns_nameservers": ["1.1.1.1"],
        "host_routes": [{"destination": "0.0.0.0/0", "nexthop": "10.0.0.3"}],
    }))
    .await
    .expect("update");
    assert_eq!(updated["revision_number"], 1);
    assert_eq!(subnets.get(&cloud.ctx, &id).await.expect("subnet"), updated);
    let cleared = update(json!({"gateway_ip": null, "dns_nameservers": [], "host_routes": []}))
        .await
        .expect("update");
    assert_eq!((&cleared["gateway_ip"], &cleared["host_routes"]), (&Value::Null, &json!([])));
}

#[tokio::test]
async fn a_subnet_in_use_stays_unless_addresses_are_automatic() {
    let cloud = cloud().await;
    let (network, v4) = cloud.net("n", "10.0.0.0/24").await;
    let slaac = cloud
        .subnet(json!({"network_id": network, "ip_version": 6, "cidr": "fd00::/64",
                       "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}))
        .await
        .expect("subnet");
    let port = cloud.port(json!({"network_id": network})).await.expect("port");
    assert_eq!(ips(&port).len(), 2);
    let subnets = cloud.plugin.subnets();
    let error = subnets.delete(&cloud.ctx, &v4, None).await.expect_err("in use");
    assert_eq!((error.kind, error.status), ("SubnetInUse", 409));
    subnets.delete(&cloud.ctx, &text(&slaac, "id"), None).await.expect("delete");
    let port = cloud.get_port(&text(&port, "id")).await;
    assert_eq!(ips(&port).len(), 1);
    let left = subnets.list(&cloud.ctx, &ListQuery::filter("cidr", ["10.0.0.0/24"])).await;
    assert_eq!(left.expect("list").len(), 1);
}

#[tokio::test]
async fn a_new_slaac_subnet_reaches_ports_that_are_there() {
    let cloud = cloud().await;
    let (network, _) = cloud.net("n", "10.0.0.0/24").await;
    let port = cloud.port(json!({"network_id": network, "mac_address": "fa:16:3e:d0:33:1a"})).await;
    let id = text(&port.expect("port"), "id");
    cloud
        .subnet(json!({"network_id": network, "ip_version": 6, "cidr": "fd00:1::/64",
                       "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}))
        .await
        .expect("subnet");
    let port = cloud.get_port(&id).await;
    assert!(ips(&port).contains(&"fd00:1::f816:3eff:fed0:331a".to_string()), "{port:?}");
}
