//! `/v2.0/subnets`.

use serde_json::json;

use crate::support::server::{TestServer, create, network, text};

#[tokio::test]
async fn lifecycle_answers_codes_and_attributes_of_neutron() {
    let t = TestServer::start().await;
    let (net, made) = network(&t.client, "n", "10.0.0.0/24").await;
    for (key, expected) in [
        ("gateway_ip", json!("10.0.0.1")),
        ("allocation_pools", json!([{"start": "10.0.0.2", "end": "10.0.0.254"}])),
        ("enable_dhcp", json!(true)),
        ("dns_nameservers", json!([])),
        ("host_routes", json!([])),
        ("ipv6_ra_mode", json!(null)),
        ("subnetpool_id", json!(null)),
    ] {
        assert_eq!(made[key], expected, "{key} of {made}");
    }
    let path = format!("/v2.0/subnets/{}", text(&made, "id"));
    assert_eq!(t.client.get(&path).await.json()["subnet"], made);
    let network = t.client.get(&format!("/v2.0/networks/{}", text(&net, "id"))).await.json();
    assert_eq!(network["network"]["subnets"], json!([made["id"]]));
    let body = json!({"subnet": {"dns_nameservers": ["10.0.0.53"], "gateway_ip": null}});
    let changed = t.client.put(&path, &body).await.json();
    assert_eq!(changed["subnet"]["dns_nameservers"], json!(["10.0.0.53"]));
    assert_eq!(changed["subnet"]["gateway_ip"], json!(null));
    assert_eq!(t.client.delete(&path).await.status, 204);
    assert_eq!(t.client.get(&path).await.json()["NeutronError"]["type"], "SubnetNotFound");
    t.stop().await;
}

#[tokio::test]
async fn bulk_and_filters_work() {
    let t = TestServer::start().await;
    let net = create(&t.client, "networks", json!({"name": "n"})).await;
    let subnet = |n: u8| json!({"network_id": net["id"], "ip_version": 4, "cidr": format!("10.0.{n}.0/24"), "name": format!("s{n}")});
    let answer = t.client.post("/v2.0/subnets", &json!({"subnets": [subnet(1), subnet(2)]})).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    let list = t.client.get("/v2.0/subnets?cidr=10.0.2.0/24&fields=name").await.json();
    assert_eq!(list["subnets"], json!([{"name": "s2"}]));
    let list = t.client.get("/v2.0/subnets?ip_version=6").await.json();
    assert_eq!(list["subnets"], json!([]));
    t.stop().await;
}
