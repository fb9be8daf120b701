//! Request bodies: Neutron's kinds and texts.

use neutrino_api_defs::{
    AGENTS, NETWORKS, PORT_BINDINGS, PORTS, QUOTAS, Resource, SUBNETS, validate,
};
use neutrino_types::Context;
use serde_json::{Value, json};

use crate::{attrs, member};

fn create_error(resource: &Resource, body: Value) -> (String, String) {
    let e = validate::create(resource, attrs(body), &member()).expect_err("refused");
    assert_eq!(e.status, 400);
    (e.kind.to_string(), e.message)
}

fn update_error(resource: &Resource, body: Value) -> (String, String) {
    let e = validate::update(resource, attrs(body), &member()).expect_err("refused");
    assert_eq!(e.status, 400);
    (e.kind.to_string(), e.message)
}

const NET: &str = "46cdc4f2-d093-4a01-859e-80e3acc7822f";

#[test]
fn defaults_of_a_network() {
    let out = validate::create(&NETWORKS, attrs(json!({"name": "n"})), &member()).expect("valid");
    assert_eq!(
        Value::Object(out),
        json!({
            "name": "n", "admin_state_up": true, "tenant_id": "p", "shared": false,
            "router:external": false, "is_default": false, "port_security_enabled": true, "mtu": 0,
            "availability_zone_hints": [], "dns_domain": "", "description": "",
            "project_id": "p",
        })
    );
}

#[test]
fn defaults_of_a_port() {
    let body = json!({"network_id": NET, "mac_address": "FA-16-3E-00-00-01"});
    let out = validate::create(&PORTS, attrs(body), &member()).expect("valid");
    assert_eq!(
        Value::Object(out),
        json!({
            "name": "", "network_id": NET, "admin_state_up": true,
            "mac_address": "fa:16:3e:00:00:01", "device_id": "", "device_owner": "",
            "tenant_id": "p", "binding:vnic_type": "normal", "extra_dhcp_opts": null,
            "dns_name": "", "description": "", "tags": [], "project_id": "p",
        })
    );
}

#[test]
fn conversions_inside_a_subnet() {
    let body = json!({
        "network_id": NET, "ip_version": "6", "cidr": "FD00::/64", "gateway_ip": "FD00::1",
        "allocation_pools": [{"start": "FD00::2", "end": "FD00::0010"}], "dns_nameservers": null,
        "enable_dhcp": "no",
    });
    let out = validate::create(&SUBNETS, attrs(body), &member()).expect("valid");
    assert_eq!(out["ip_version"], 6);
    assert_eq!(out["cidr"], "fd00::/64");
    assert_eq!(out["gateway_ip"], "fd00::1");
    assert_eq!(out["allocation_pools"], json!([{"start": "fd00::2", "end": "fd00::10"}]));
    assert_eq!(out["dns_nameservers"], json!([]));
    assert_eq!(out["enable_dhcp"], false);
    assert!(!out.contains_key("host_routes"));
}

#[test]
fn refused_attributes() {
    let http = |m: &str| ("HTTPBadRequest".to_string(), m.to_string());
    assert_eq!(
        create_error(&NETWORKS, json!({"nosuch": 1, "other": 2})),
        http("Unrecognized attribute(s) 'nosuch, other'")
    );
    assert_eq!(
        create_error(&NETWORKS, json!({"status": "UP"})),
        http("Attribute 'status' not allowed in POST")
    );
    assert_eq!(
        create_error(&PORTS, json!({"name": "p"})),
        http("Failed to parse request. Required attribute 'network_id' not specified")
    );
    assert_eq!(
        update_error(&PORTS, json!({"network_id": NET})),
        http("Cannot update read-only attribute network_id")
    );
    assert_eq!(
        update_error(&NETWORKS, json!({"project_id": "p"})),
        http("Cannot update read-only attribute tenant_id")
    );
    assert_eq!(
        update_error(&AGENTS, json!({"host": "h"})),
        http("Cannot update read-only attribute host")
    );
}

#[test]
fn refused_values() {
    let invalid = |attribute: &str, why: &str| {
        ("HTTPBadRequest".to_string(), format!("Invalid input for {attribute}. Reason: {why}."))
    };
    assert_eq!(
        create_error(&NETWORKS, json!({"name": 5})),
        invalid("name", "'5' is not a valid string")
    );
    assert_eq!(
        create_error(&NETWORKS, json!({"mtu": -1})),
        invalid("mtu", "'-1' should be non-negative")
    );
    assert_eq!(
        create_error(&PORTS, json!({"network_id": "x"})),
        invalid("network_id", "'x' is not a valid UUID")
    );
    assert_eq!(
        create_error(&PORTS, json!({"network_id": NET, "mac_address": "x"})),
        invalid("mac_address", "'x' is not a valid MAC address")
    );
    assert_eq!(
        create_error(
            &PORTS,
            json!({"network_id": NET, "fixed_ips": [{"ip_address": "10.0.0.300"}]})
        ),
        invalid("fixed_ips", "'10.0.0.300' is not a valid IP address")
    );
    assert_eq!(
        create_error(&PORTS, json!({"network_id": NET, "binding:vnic_type": "odd"})),
        invalid("binding:vnic_type", "odd is not in valid_values")
    );
    assert_eq!(
        create_error(&SUBNETS, json!({"network_id": NET, "ip_version": 5})),
        invalid("ip_version", "5 is not in valid_values")
    );
    assert_eq!(
        create_error(
            &SUBNETS,
            json!({"network_id": NET, "ip_version": 4, "dns_nameservers": ["a"]})
        ),
        invalid("dns_nameservers", "'a' is not a valid nameserver. 'a' is not a valid IP address")
    );
    assert_eq!(
        create_error(
            &SUBNETS,
            json!({"network_id": NET, "ip_version": 4, "host_routes": [{"destination": "10.0.0.1/8", "nexthop": "1.1.1.1"}]})
        ),
        invalid("host_routes", "'10.0.0.1/8' is not a valid CIDR")
    );
    assert_eq!(
        update_error(&QUOTAS, json!({"network": -2})),
        invalid("network", "'-2' is too small - must be at least '-1'")
    );
}

#[test]
fn values_without_meaning() {
    let input =
        |m: &str| ("InvalidInput".to_string(), format!("Invalid input for operation: {m}."));
    assert_eq!(
        create_error(&NETWORKS, json!({"admin_state_up": "maybe"})),
        input("'maybe' cannot be converted to boolean")
    );
    assert_eq!(
        create_error(&NETWORKS, json!({"provider:segmentation_id": "x"})),
        input("'x' is not an integer")
    );
    assert_eq!(
        create_error(&SUBNETS, json!({"network_id": NET, "ip_version": 4, "cidr": "10.0.0.0/40"})),
        input("10.0.0.0/40 is not in a CIDR format")
    );
    assert_eq!(
        create_error(&PORTS, json!({"network_id": NET, "extra_dhcp_opts": [{"opt_name": ""}]})),
        input("No valid key specs matched for: {'opt_name': ''}")
    );
}

#[test]
fn address_pairs() {
    let pairs = |pairs: Value| {
        create_error(&PORTS, json!({"network_id": NET, "allowed_address_pairs": pairs}))
    };
    assert_eq!(pairs(json!([{}])).0, "AllowedAddressPairsMissingIP");
    assert_eq!(
        pairs(json!([{"ip_address": "10.0.0.1"}, {"ip_address": "10.0.0.1"}])),
        (
            "DuplicateAddressPairInRequest".into(),
            "Request contains duplicate address pair: mac_address None ip_address 10.0.0.1.".into()
        )
    );
    assert_eq!(
        pairs(json!([{"ip_address": "224.0.0.1"}])).1,
        "IP 224.0.0.1 is a multicast address, which is not supported."
    );
}

#[test]
fn owners() {
    let other = attrs(json!({"name": "n", "tenant_id": "other"}));
    let e = validate::create(&NETWORKS, other.clone(), &member()).expect_err("foreign project");
    assert_eq!(
        e.message,
        "Specifying 'project_id' other than the authenticated project in request is not allowed for \
         the current user."
    );
    let out = validate::create(&NETWORKS, other, &Context::admin()).expect("admin may");
    assert_eq!(out["project_id"], "other");
    assert_eq!(
        create_error(&NETWORKS, json!({"tenant_id": "a", "project_id": "b"})).1,
        "'project_id' and 'tenant_id' do not match"
    );
    let e =
        validate::create(&NETWORKS, attrs(json!({})), &Context::admin()).expect_err("no project");
    assert_eq!(e.message, "Running without keystone AuthN requires that project_id is specified");
}

#[test]
fn bodies() {
    let message = |body: Value| {
        validate::create_body(&NETWORKS, body, &member()).expect_err("refused").message
    };
    assert_eq!(message(json!({})), "Resource body required");
    assert_eq!(message(json!([])), "Body contains invalid data");
    assert_eq!(message(json!({"networks": []})), "Resources required");
    assert_eq!(message(json!({"net": {}})), "Unable to find 'network' in request body");
    assert_eq!(message(json!({"network": "x"})), "Object 'network' contains invalid data");
    let bulk = json!({"networks": [{"name": "a"}, {"network": {"name": "b"}}]});
    let body = validate::create_body(&NETWORKS, bulk, &member()).expect("valid");
    assert!(body.bulk);
    assert_eq!(body.items.len(), 2);
    assert_eq!(body.items[1]["name"], "b");
    let body = json!({"binding": {"host": "h"}});
    let body = validate::create_body(&PORT_BINDINGS, body, &member()).expect("valid");
    assert!(!body.bulk);
    assert_eq!(body.items[0]["vnic_type"], "normal");
}
