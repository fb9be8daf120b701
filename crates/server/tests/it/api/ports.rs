//! `/v2.0/ports`.

use serde_json::{Value, json};

use crate::support::server::{TestServer, assert_error, create, network, text};

#[tokio::test]
async fn lifecycle_answers_codes_and_attributes_of_neutron() {
    let t = TestServer::start().await;
    let (net, subnet) = network(&t.client, "n", "10.0.0.0/24").await;
    let made = create(&t.client, "ports", json!({"network_id": net["id"], "name": "p"})).await;
    assert_eq!(made["fixed_ips"][0]["subnet_id"], subnet["id"]);
    for (key, expected) in [
        ("status", json!("DOWN")),
        ("admin_state_up", json!(true)),
        ("device_id", json!("")),
        ("device_owner", json!("")),
        ("binding:vif_type", json!("unbound")),
        ("binding:vnic_type", json!("normal")),
        ("binding:host_id", json!("")),
        ("allowed_address_pairs", json!([])),
        ("extra_dhcp_opts", json!([])),
        ("port_security_enabled", json!(true)),
    ] {
        assert_eq!(made[key], expected, "{key} of {made}");
    }
    assert!(text(&made, "mac_address").starts_with("fa:16:3e:"));
    let path = format!("/v2.0/ports/{}", text(&made, "id"));
    assert_eq!(t.client.get(&path).await.json()["port"], made);
    let shown = t.client.get(&format!("{path}?fields=name&fields=status")).await.json();
    assert_eq!(shown, json!({"port": {"name": "p", "status": "DOWN"}}));
    let changed = t.client.put(&path, &json!({"port": {"device_id": "vm"}})).await.json();
    assert_eq!(changed["port"]["device_id"], "vm");

    let in_use = t.client.delete(&format!("/v2.0/networks/{}", text(&net, "id"))).await;
    assert_error(&in_use, 409, "NetworkInUse", "There are one or more ports still in use");
    assert_eq!(t.client.raw("DELETE", &path, b"{}").await.status, 400);
    assert_eq!(t.client.delete(&path).await.status, 204);
    assert_error(&t.client.get(&path).await, 404, "PortNotFound", "could not be found.");
    t.stop().await;
}

#[tokio::test]
async fn fixed_ips_filter_and_tags_at_creation() {
    let t = TestServer::start().await;
    let (net, _) = network(&t.client, "n", "10.0.0.0/24").await;
    let port = |ip: &str| json!({"network_id": net["id"], "fixed_ips": [{"ip_address": ip}], "tags": [ip]});
    let body = json!({"ports": [port("10.0.0.10"), port("10.0.0.11")]});
    let answer = t.client.post("/v2.0/ports", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    assert_eq!(answer.json()["ports"][1]["tags"], json!(["10.0.0.11"]));
    let list =
        t.client.get("/v2.0/ports?fixed_ips=ip_address%3D10.0.0.11&fields=tags").await.json();
    assert_eq!(list["ports"], json!([{"tags": ["10.0.0.11"]}]));
    let list = t.client.get("/v2.0/ports?fixed_ips=ip_address_substr%3D0.0.1").await.json();
    assert_eq!(list["ports"].as_array().map(Vec::len), Some(2));
    let list = t.client.get("/v2.0/ports?fixed_ips=unknown%3Dx").await.json();
    assert_eq!(list["ports"].as_array().map(Vec::len), Some(2), "an unknown key filters nothing");
    let refused = t.client.get("/v2.0/ports?fixed_ips=x").await;
    assert_error(&refused, 400, "InvalidInput", "not of the form <key>=[value]");
    // Each key asks whether the port has such an address: it need not be the same one.
    let second = json!({"network_id": net["id"], "ip_version": 4, "cidr": "10.1.0.0/24"});
    let second = create(&t.client, "subnets", second).await;
    let both = json!([{"ip_address": "10.0.0.12"}, {"ip_address": "10.1.0.12"}]);
    create(&t.client, "ports", json!({"network_id": net["id"], "fixed_ips": both})).await;
    for (ip, found) in [("10.0.0.12", 1), ("10.1.0.12", 1), ("10.0.0.10", 0)] {
        let filter =
            format!("fixed_ips=subnet_id%3D{}&fixed_ips=ip_address%3D{ip}", text(&second, "id"));
        let list = t.client.get(&format!("/v2.0/ports?{filter}")).await.json();
        assert_eq!(list["ports"].as_array().map(Vec::len), Some(found), "{filter}");
    }
    let list = t.client.get("/v2.0/ports?tags=10.0.0.10").await.json();
    assert_eq!(list["ports"].as_array().map(Vec::len), Some(1));
    t.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_concurrent_creates_get_distinct_addresses() {
    const PORTS: usize = 1000;
    // Both ends of every connection are in this process.
    let descriptors = neutrino_server::serve::raise_descriptor_limit().expect("limit");
    assert!(descriptors > 3 * PORTS as u64, "this test needs more than {descriptors} open files");
    let t = TestServer::start_with("[quotas]\nquota_port = -1\n").await;
    let (net, _) = network(&t.client, "n", "10.0.0.0/20").await;
    let body = json!({"port": {"network_id": net["id"]}});
    let tasks: Vec<_> = (0..PORTS)
        .map(|_| {
            let (client, body) = (t.client.clone(), body.clone());
            tokio::spawn(async move { client.post("/v2.0/ports", &body).await })
        })
        .collect();
    let mut seen = std::collections::HashSet::new();
    for task in tasks {
        let answer = task.await.expect("task");
        assert_eq!(answer.status, 201, "{}", answer.json());
        let port = answer.json()["port"].clone();
        assert!(seen.insert(text(&port["fixed_ips"][0], "ip_address").to_string()), "{port}");
        assert!(seen.insert(text(&port, "mac_address").to_string()), "{port}");
    }
    assert_eq!(seen.len(), 2 * PORTS);
    t.stop().await;
}

#[tokio::test]
async fn null_mac_address_asks_for_another() {
    let t = TestServer::start().await;
    let (net, _) = network(&t.client, "n", "10.0.0.0/24").await;
    let port =
        create(&t.client, "ports", json!({"network_id": net["id"], "mac_address": null})).await;
    assert!(text(&port, "mac_address").starts_with("fa:16:3e:"), "{port}");
    let path = format!("/v2.0/ports/{}", text(&port, "id"));
    let changed = t.client.put(&path, &json!({"port": {"mac_address": null}})).await;
    assert_eq!(changed.status, 200, "{}", changed.json());
    assert_ne!(changed.json()["port"]["mac_address"], port["mac_address"]);
    t.stop().await;
}

#[tokio::test]
async fn address_pairs_need_port_security_and_mean_something() {
    let t = TestServer::start_with("[DEFAULT]\nmax_allowed_address_pair = 11\n").await;
    let (net, _) = network(&t.client, "n", "10.0.0.0/24").await;
    let make = async |port: Value| {
        let mut port = port;
        port["network_id"] = net["id"].clone();
        t.client.post("/v2.0/ports", &json!({ "port": port })).await
    };
    let pairs = |n: u8| -> Vec<Value> {
        (0..n).map(|n| json!({"ip_address": format!("10.9.0.{n}")})).collect()
    };
    for (port, status, kind) in [
        (
            json!({"port_security_enabled": false, "allowed_address_pairs": pairs(1)}),
            409,
            "AddressPairAndPortSecurityRequired",
        ),
        // Ports of the network itself are trusted, whatever is asked for them.
        (
            json!({"device_owner": "network:dhcp", "port_security_enabled": true,
                "allowed_address_pairs": pairs(1)}),
            409,
            "AddressPairAndPortSecurityRequired",
        ),
        (json!({"allowed_address_pairs": pairs(12)}), 400, "AllowedAddressPairExhausted"),
        (json!({"allowed_address_pairs": [{"ip_address": "224.0.0.1"}]}), 400, "HTTPBadRequest"),
        (json!({"allowed_address_pairs": [{"ip_address": "ff02::/16"}]}), 400, "HTTPBadRequest"),
        (
            json!({"allowed_address_pairs":
                [{"ip_address": "10.9.0.1", "mac_address": "01:00:5e:00:00:01"}]}),
            400,
            "HTTPBadRequest",
        ),
        (
            json!({"allowed_address_pairs": [{"mac_address": "fa:16:3e:00:00:01"}]}),
            400,
            "AllowedAddressPairsMissingIP",
        ),
        (
            json!({"mac_address": "fa:16:3e:00:00:01", "allowed_address_pairs":
                [{"ip_address": "10.9.0.1"},
                 {"ip_address": "10.9.0.1", "mac_address": "fa:16:3e:00:00:01"}]}),
            400,
            "DuplicateAddressPairInRequest",
        ),
    ] {
        assert_error(&make(port).await, status, kind, "");
    }
    assert_eq!(make(json!({"allowed_address_pairs": pairs(11)})).await.status, 201, "configured");

    let dotted = json!([{"ip_address": "10.9.0.1", "mac_address": "fa16.3e00.0001"}]);
    let port = make(json!({"allowed_address_pairs": dotted})).await.json()["port"].clone();
    assert_eq!(port["allowed_address_pairs"][0]["mac_address"], "fa:16:3e:00:00:01");
    let path = format!("/v2.0/ports/{}", text(&port, "id"));
    let change = async |changes: Value| t.client.put(&path, &json!({ "port": changes })).await;
    let off = change(json!({"port_security_enabled": false})).await;
    assert_error(&off, 409, "AddressPairAndPortSecurityRequired", "Port Security must be enabled");
    let both = json!({"port_security_enabled": false, "allowed_address_pairs": null,
                      "security_groups": null});
    let now = change(both).await.json()["port"].clone();
    assert_eq!(
        (&now["port_security_enabled"], &now["allowed_address_pairs"]),
        (&json!(false), &json!([]))
    );
    let on = change(json!({"allowed_address_pairs": pairs(1)})).await;
    assert_error(&on, 409, "AddressPairAndPortSecurityRequired", "Port Security must be enabled");
    let on = json!({"port_security_enabled": true, "allowed_address_pairs": pairs(1)});
    assert_eq!(change(on).await.status, 200);

    let open = create(&t.client, "networks", json!({"port_security_enabled": false})).await;
    let port = create(&t.client, "ports", json!({"network_id": open["id"]})).await;
    assert_eq!(port["port_security_enabled"], false, "as its network");
    t.stop().await;
}
