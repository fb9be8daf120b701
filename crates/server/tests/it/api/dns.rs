//! Names of ports and floating IPs, domains of networks: with the extension driver and without.

use serde_json::{Value, json};

use crate::support::{
    l3::{Site, address},
    server::{TestServer, assert_error, create, network, text},
};

const DRIVER: &str = "[ml2]\nextension_drivers = port_security,dns\n";
const ALIAS: &str = "/v2.0/extensions/dns-integration";

async fn named_server() -> TestServer {
    TestServer::start_with(&format!("{DRIVER}[DEFAULT]\ndns_domain = example.org\n")).await
}

fn assigned(ip: &str, hostname: &str, fqdn: &str) -> Value {
    json!([{"ip_address": ip, "hostname": hostname, "fqdn": fqdn}])
}

fn path(collection: &str, resource: &Value) -> String {
    format!("/v2.0/{collection}/{}", text(resource, "id"))
}

#[tokio::test]
async fn without_the_driver_there_are_no_names() {
    let t = TestServer::start().await;
    assert_eq!(t.client.get(ALIAS).await.status, 404);
    let (of, _) = network(&t.client, "n", "10.0.0.0/24").await;
    assert!(of.get("dns_domain").is_none(), "{of}");
    let port = create(&t.client, "ports", json!({"network_id": of["id"]})).await;
    assert!(port.get("dns_name").is_none() && port.get("dns_assignment").is_none(), "{port}");
    for (collection, member, body, unknown) in [
        ("networks", "network", json!({"dns_domain": "a.org."}), "dns_domain"),
        ("ports", "port", json!({"network_id": of["id"], "dns_name": "vm"}), "dns_name"),
        ("floatingips", "floatingip", json!({"dns_name": "vm"}), "dns_name"),
    ] {
        let answer = t.client.post(&format!("/v2.0/{collection}"), &json!({member: body})).await;
        let message = format!("Unrecognized attribute(s) '{unknown}'");
        assert_error(&answer, 400, "HTTPBadRequest", &message);
    }
    let openapi = t.client.get("/v2.0/openapi").await.json().to_string();
    assert!(!openapi.contains("dns_assignment"));
    t.stop().await;
}

#[tokio::test]
async fn ports_have_names() {
    let t = named_server().await;
    let extension = t.client.get(ALIAS).await.json()["extension"].clone();
    assert_eq!(extension["name"], "DNS Integration");
    assert!(t.client.get("/v2.0/openapi").await.json().to_string().contains("dns_assignment"));
    let (of, _) = network(&t.client, "n", "10.0.0.0/24").await;
    let body = json!({"network_id": of["id"], "dns_name": "Web-1"});
    let port = create(&t.client, "ports", body).await;
    let ip = address(&port).to_string();
    assert_eq!(port["dns_name"], "web-1");
    assert_eq!(port["dns_assignment"], assigned(&ip, "web-1", "web-1.example.org."));
    let path = path("ports", &port);
    assert_eq!(t.client.get(&path).await.json()["port"], port);
    let listed = t.client.get("/v2.0/ports?fields=dns_assignment&name=").await.json();
    assert_eq!(listed["ports"], json!([{"dns_assignment": port["dns_assignment"]}]));

    let change = |name: &str| json!({"port": {"dns_name": name}});
    let renamed = t.client.put(&path, &change("web.example.org.")).await.json()["port"].clone();
    let whole = "web.example.org.";
    assert_eq!(renamed["dns_assignment"], assigned(&ip, whole, whole));
    assert_eq!(renamed["revision_number"], json!(2));
    let unnamed = t.client.put(&path, &change("")).await.json()["port"].clone();
    let host = format!("host-{}", ip.replace('.', "-"));
    let fqdn = format!("{host}.example.org.");
    assert_eq!(unnamed["dns_assignment"], assigned(&ip, &host, &fqdn));
    assert_eq!(unnamed["dns_name"], "");
    t.stop().await;
}

#[tokio::test]
async fn bad_names_are_refused() {
    let t = named_server().await;
    let (of, _) = network(&t.client, "n", "10.0.0.0/24").await;
    for (name, kind, message) in [
        (json!(5), "InvalidInput", "Input value 5 must be string type."),
        (json!(null), "InvalidInput", "Input value None must be string type."),
        (
            json!("a_b"),
            "HTTPBadRequest",
            "Invalid input for dns_name. Reason: 'a_b' not a valid PQDN or FQDN. Reason: Name \
             'a_b' must be 1-63 characters long",
        ),
        (
            json!("vm.other.org."),
            "HTTPBadRequest",
            "Invalid input for dns_name. Reason: The dns_name passed is a FQDN. Its higher level \
             labels must be equal to the dns_domain option in neutron.conf, that has been set to \
             'example.org'.",
        ),
    ] {
        let body = json!({"port": {"network_id": of["id"], "dns_name": name}});
        assert_error(&t.client.post("/v2.0/ports", &body).await, 400, kind, message);
    }
    let body = json!({"port": {"dns_assignment": []}});
    let port = create(&t.client, "ports", json!({"network_id": of["id"]})).await;
    let answer = t.client.put(&path("ports", &port), &body).await;
    let message = "Cannot update read-only attribute dns_assignment";
    assert_error(&answer, 400, "HTTPBadRequest", message);
    t.stop().await;
}

#[tokio::test]
async fn under_the_default_domain_users_name_no_ports() {
    let t = TestServer::start_with(DRIVER).await;
    let of = create(&t.client, "networks", json!({})).await;
    let body = json!({"network_id": of["id"], "ip_version": 6, "cidr": "fd00::/64"});
    create(&t.client, "subnets", body).await;
    let body = json!({"network_id": of["id"], "dns_name": "web",
                      "fixed_ips": [{"ip_address": "fd00::5"}]});
    let port = create(&t.client, "ports", body).await;
    let own = assigned("fd00::5", "host-fd00--5", "host-fd00--5.openstacklocal.");
    assert_eq!((&port["dns_name"], &port["dns_assignment"]), (&json!(""), &own));
    let body = json!({"port": {"dns_name": "web"}});
    let same = t.client.put(&path("ports", &port), &body).await.json()["port"].clone();
    assert_eq!(same, port);
    t.stop().await;
}

#[tokio::test]
async fn networks_have_domains() {
    let t = named_server().await;
    let plain = create(&t.client, "networks", json!({})).await;
    assert_eq!(plain["dns_domain"], "");
    let body = json!({"dns_domain": "Tenant.example.org."});
    let named = create(&t.client, "networks", body).await;
    assert_eq!(named["dns_domain"], "tenant.example.org.");
    let path = path("networks", &named);
    let body = json!({"network": {"dns_domain": "other.org."}});
    assert_eq!(t.client.put(&path, &body).await.json()["network"]["dns_domain"], "other.org.");
    assert_eq!(t.client.get(&path).await.json()["network"]["dns_domain"], "other.org.");
    let listed = t.client.get("/v2.0/networks?fields=dns_domain&sort_key=name&sort_dir=asc").await;
    assert_eq!(listed.json()["networks"].as_array().expect("list").len(), 2);
    let body = json!({"network": {"dns_domain": "other.org"}});
    let message = "Invalid input for dns_domain. Reason: 'other.org' is not a FQDN.";
    assert_error(&t.client.put(&path, &body).await, 400, "HTTPBadRequest", message);
    t.stop().await;
}

#[tokio::test]
async fn floating_ips_have_names() {
    let t = named_server().await;
    let site = Site::new(&t).await;
    let plain = site.floating_ip(json!({})).await;
    assert_eq!((&plain["dns_name"], &plain["dns_domain"]), (&json!(""), &json!("")));
    let made = site.floating_ip(json!({"dns_name": "Web", "dns_domain": "example.org."})).await;
    let path = path("floatingips", &made);
    let found = site.member.get(&path).await.json()["floatingip"].clone();
    assert_eq!(found, made);
    assert_eq!((&found["dns_name"], &found["dns_domain"]), (&json!("web"), &json!("example.org.")));
    let body = json!({"floatingip": {"dns_name": "other"}});
    let message = "Cannot update read-only attribute dns_name";
    assert_error(&site.member.put(&path, &body).await, 400, "HTTPBadRequest", message);
    let body = json!({"floating_network_id": site.external["id"], "dns_name": "web."});
    let answer = site.member.post("/v2.0/floatingips", &json!({"floatingip": body})).await;
    let message = "Invalid input for dns_name. Reason: 'web.' is a FQDN. It should be a relative \
                   domain name.";
    assert_error(&answer, 400, "HTTPBadRequest", message);
    t.stop().await;
}
