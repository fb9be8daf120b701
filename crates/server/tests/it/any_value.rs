//! Values larger and stranger than columns hold, in every attribute and filter: made, refused or
//! not found, but never an internal error. What a column takes differs between databases.

use neutrino_api_defs::{Resource, Shape, resources};
use serde_json::{Value, json};

use crate::support::{
    client::Answer,
    l3::external_network,
    server::{TestServer, create, network, text},
};

/// The resources of the catalogue that bodies refer to.
struct World {
    t: TestServer,
    network: Value,
    external: Value,
    group: Value,
    made: usize,
}

impl World {
    async fn start() -> Self {
        let t = TestServer::start_with("[quotas]\ndefault_quota = -1\n").await;
        let (network, _) = network(&t.client, "n", "10.0.0.0/16").await;
        let (external, _) = external_network(&t, "203.0.113.0/24").await;
        let group = create(&t.client, "security-groups", json!({"name": "g"})).await;
        Self { t, network, external, group, made: 0 }
    }

    /// A body that can be created, each time another; `None` for collections left out here.
    fn body(&mut self, collection: &str) -> Option<Value> {
        self.made += 1;
        let n = self.made;
        Some(match collection {
            "networks" | "routers" | "security_groups" | "address_groups" => json!({}),
            "subnets" => json!({"network_id": self.network["id"], "ip_version": 4,
                                "cidr": format!("10.{}.{}.0/28", 1 + n / 250, n % 250)}),
            "ports" => json!({"network_id": self.network["id"]}),
            "floatingips" => json!({"floating_network_id": self.external["id"]}),
            "address_scopes" => json!({"ip_version": 4, "name": "s"}),
            "subnetpools" => json!({"name": "p", "prefixes": ["192.168.0.0/16"]}),
            "security_group_rules" => json!({"security_group_id": self.group["id"],
                                             "direction": "ingress", "protocol": "tcp",
                                             "port_range_min": n, "port_range_max": n}),
            "default_security_group_rules" => json!({"direction": "ingress", "protocol": "tcp",
                                                     "port_range_min": n, "port_range_max": n}),
            "rbac_policies" => json!({"object_type": "network", "object_id": self.network["id"],
                                      "action": "access_as_shared",
                                      "target_tenant": format!("{n:032x}")}),
            _ => return None,
        })
    }
}

/// What an attribute of this shape is tried with.
fn values(shape: Shape) -> Vec<Value> {
    let long = |n| "x".repeat(n);
    let mut out = vec![
        json!(long(256)),
        json!(long(5000)),
        json!(long(70_000)),
        json!("a\u{0}b"),
        json!("\u{1F600}\\'\"%_"),
    ];
    let numbers = [i64::MIN, -1, 0, 1 << 31, 1 << 40, i64::MAX].map(Value::from);
    match shape {
        Shape::Int => out = numbers.into(),
        Shape::Bool => out = vec![json!("x"), json!(2)],
        Shape::TextList => out = out.into_iter().map(|value| json!([value])).collect(),
        Shape::Object => out = out.into_iter().map(|value| json!({"k": value})).collect(),
        Shape::ObjectList => out.clear(),
        Shape::Text | Shape::Uuid | Shape::Time => {}
    }
    out
}

fn assert_handled(answer: &Answer, what: &str) {
    let shown: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
    assert!(answer.status < 500, "{what}: {} {shown}", answer.status);
}

/// Sends `value` as `name` in a creation and a change.
async fn try_value(world: &mut World, resource: &Resource, name: &str, value: &Value) {
    let Some(mut body) = world.body(resource.collection) else { return };
    let attribute = resource.attribute(name).expect("of the resource");
    let shown: String = value.to_string().chars().take(40).collect();
    let what = format!("{} {name} = {shown}", resource.collection);
    let path = format!("/v2.0/{}", resource.path);
    let client = world.t.client.clone();
    let plain = body.clone();
    if attribute.post {
        body[name] = value.clone();
        let answer = client.post(&path, &json!({ resource.member: body })).await;
        assert_handled(&answer, &what);
        if answer.status == 201 {
            let path = format!("{path}/{}", text(&answer.json()[resource.member], "id"));
            assert_handled(&client.get(&path).await, &what);
            assert_eq!(client.delete(&path).await.status, 204, "{what}");
        }
    }
    if attribute.put && resource.operations.update {
        let answer = client.post(&path, &json!({ resource.member: plain })).await;
        assert_eq!(answer.status, 201, "{what}: {}", answer.json());
        let path = format!("{path}/{}", text(&answer.json()[resource.member], "id"));
        let change = json!({ resource.member: { name: value } });
        assert_handled(&client.put(&path, &change).await, &what);
        assert_eq!(client.delete(&path).await.status, 204, "{what}");
    }
}

#[tokio::test]
async fn values_of_any_size_are_stored_or_refused() {
    let mut world = World::start().await;
    for resource in resources().iter().filter(|r| r.parent.is_none() && r.operations.create) {
        for attribute in resource.attributes.iter().filter(|a| a.post || a.put) {
            for value in values(attribute.shape) {
                try_value(&mut world, resource, attribute.name, &value).await;
            }
        }
    }
    assert!(world.made > 500, "{} bodies", world.made);
    world.t.stop().await;
}

#[tokio::test]
async fn filters_of_any_value_are_answered() {
    let world = World::start().await;
    let mut asked = 0;
    for resource in resources().iter().filter(|r| r.parent.is_none() && r.operations.list) {
        for attribute in resource.attributes.iter().filter(|a| a.filter) {
            for value in
                ["x", "", "%00", "%27%5C%25_", "-1", "99999999999999999999", "1e400", "true"]
            {
                let path = format!("/v2.0/{}?{}={value}", resource.path, attribute.name);
                assert_handled(&world.t.client.get(&path).await, &path);
                asked += 1;
            }
        }
    }
    assert!(asked > 500, "{asked} filters");
    world.t.stop().await;
}
