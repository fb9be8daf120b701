//! What a Nova receives when ports change: a listener that keeps the requests stands in for it,
//! as Nova itself cannot run here. The shape is that of Nova's API reference.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::{Value, json};

use crate::support::server::{TestServer, create, network, report};

/// An instance.
pub const INSTANCE: &str = "0a5b2f0e-5d6f-4a43-9b3d-6f2c5f3c3a01";

/// A listener at `/os-server-external-events` that answers like Nova.
pub struct FakeNova {
    pub url: String,
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<(HeaderMap, Value)>,
    /// Statuses of the next answers; then 200.
    answers: VecDeque<u16>,
}

impl FakeNova {
    pub async fn start() -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let url = format!("http://{}/v2.1", listener.local_addr().expect("address"));
        let router = Router::new()
            .route("/v2.1/os-server-external-events", post(take))
            .with_state(seen.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("serve") });
        Self { url, seen, task }
    }

    fn answer_next(&self, statuses: &[u16]) {
        self.seen.lock().expect("lock").answers.extend(statuses);
    }

    /// Every event received, in order, once `count` are there.
    pub async fn events(&self, count: usize) -> Vec<Value> {
        let mut events = Vec::new();
        for _ in 0..3000 {
            events = self
                .seen
                .lock()
                .expect("lock")
                .requests
                .iter()
                .flat_map(|r| events_of(&r.1))
                .collect();
            if events.len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(events.len() >= count, "of {count} events Nova received {events:?}");
        events
    }

    pub fn requests(&self) -> Vec<(HeaderMap, Value)> {
        self.seen.lock().expect("lock").requests.clone()
    }
}

impl Drop for FakeNova {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn events_of(body: &Value) -> Vec<Value> {
    body["events"].as_array().expect("events").clone()
}

async fn take(
    State(seen): State<Arc<Mutex<Seen>>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let body = serde_json::from_slice(&body).expect("JSON");
    let mut seen = seen.lock().expect("lock");
    let status = seen.answers.pop_front().unwrap_or(200);
    let mut events = events_of(&body);
    seen.requests.push((headers, body));
    for event in &mut events {
        event["code"] = json!(if status == 207 { 422 } else { 200 });
    }
    (StatusCode::from_u16(status).expect("status"), json!({"events": events}).to_string())
}

/// A server that tells `nova`.
async fn server(nova: &FakeNova) -> TestServer {
    let options = format!(
        "[DEFAULT]\nsend_events_interval = 1\nhttp_retries = 0\n[nova]\nauth_type = none\nendpoint = {}\n",
        nova.url
    );
    TestServer::start_with(&options).await
}

/// An instance's port bound to compute1, where an agent is alive.
async fn instance_port(t: &TestServer) -> (Value, Value) {
    let bridges =
        json!({"tunnel_types": ["vxlan"], "tunneling_ip": "192.0.2.1", "bridge_mappings": {}});
    report(t, "Open vSwitch agent", "compute1", "", bridges).await;
    let (network, subnet) = network(&t.client, "blue", "10.0.0.0/24").await;
    let body = json!({"network_id": network["id"], "device_id": INSTANCE, "device_owner": "compute:nova",
        "binding:host_id": "compute1"});
    (create(&t.client, "ports", body).await, subnet)
}

fn event(name: &str, port: &Value, status: Option<&str>) -> Value {
    let mut event = json!({"name": name, "server_uuid": INSTANCE, "tag": port["id"]});
    if let Some(status) = status {
        event["status"] = json!(status);
    }
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn life_of_an_instances_port() {
    let nova = FakeNova::start().await;
    let t = server(&nova).await;
    let (port, _) = instance_port(&t).await;
    let id = port["id"].as_str().expect("id");
    let devices = [id.to_string()];
    let ctx = neutrino_types::Context::admin();
    let ml2 = &t.server.parts.ml2;
    let up = |host| ml2.update_device_list(&ctx, Some(host), &devices, &[], false);

    up("compute1").await.expect("up");
    let changed = json!({"port": {"name": "renamed"}});
    assert_eq!(t.client.put(&format!("/v2.0/ports/{id}"), &changed).await.status, 200);
    up("compute2").await.expect("wired where the instance moves to");
    ml2.update_device_list(&ctx, Some("compute1"), &[], &devices, false).await.expect("down");
    assert_eq!(t.client.delete(&format!("/v2.0/ports/{id}")).await.status, 204);

    let expected = [
        event("network-vif-plugged", &port, Some("completed")),
        event("network-changed", &port, None),
        event("network-vif-plugged", &port, Some("completed")),
        event("network-vif-unplugged", &port, Some("completed")),
        event("network-vif-deleted", &port, None),
    ];
    assert_eq!(nova.events(expected.len()).await, expected);
    let requests = nova.requests();
    assert!(requests.len() <= 3, "events of one interval go together: {requests:?}");
    let header =
        |name: &str| requests[0].0.get(name).map(|v| v.to_str().expect("text").to_string());
    assert_eq!(header("x-openstack-nova-api-version").as_deref(), Some("2.1"));
    assert_eq!(header("content-type").as_deref(), Some("application/json"));
    assert!(header("x-openstack-request-id").expect("id").starts_with("req-"));
    t.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floating_ips_change_the_network_of_their_instance() {
    let nova = FakeNova::start().await;
    let t = server(&nova).await;
    let (port, subnet) = instance_port(&t).await;
    let public =
        create(&t.client, "networks", json!({"name": "public", "router:external": true})).await;
    let body = json!({"network_id": public["id"], "ip_version": 4, "cidr": "198.51.100.0/24"});
    create(&t.client, "subnets", body).await;
    let gateway = json!({"external_gateway_info": {"network_id": public["id"]}});
    let router = create(&t.client, "routers", gateway).await;
    let path = format!("/v2.0/routers/{}/add_router_interface", router["id"].as_str().expect("id"));
    assert_eq!(t.client.put(&path, &json!({"subnet_id": subnet["id"]})).await.status, 200);

    let body = json!({"floating_network_id": public["id"], "port_id": port["id"]});
    let floating = create(&t.client, "floatingips", body).await;
    let changed = event("network-changed", &port, None);
    assert_eq!(nova.events(1).await, std::slice::from_ref(&changed));
    let path = format!("/v2.0/floatingips/{}", floating["id"].as_str().expect("id"));
    let leaving = json!({"floatingip": {"port_id": null}});
    assert_eq!(t.client.put(&path, &leaving).await.status, 200);
    assert_eq!(nova.events(2).await, [changed.clone(), changed]);
    t.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nova_that_fails_is_asked_again_and_one_that_refuses_is_not() {
    let nova = FakeNova::start().await;
    let t = server(&nova).await;
    let (port, _) = instance_port(&t).await;
    let rename = async |name: &str| {
        let path = format!("/v2.0/ports/{}", port["id"].as_str().expect("id"));
        assert_eq!(t.client.put(&path, &json!({"port": {"name": name}})).await.status, 200);
    };
    nova.answer_next(&[503, 207, 404, 400]);
    for (name, received) in [("a", 2), ("b", 3), ("c", 4)] {
        rename(name).await;
        assert_eq!(nova.events(received).await.len(), received);
    }
    t.stop().await;
    assert_eq!(nova.requests().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_waiting_is_told_before_the_server_stops() {
    let nova = FakeNova::start().await;
    let t = server(&nova).await;
    let (port, _) = instance_port(&t).await;
    let path = format!("/v2.0/ports/{}", port["id"].as_str().expect("id"));
    assert_eq!(t.client.put(&path, &json!({"port": {"name": "a"}})).await.status, 200);
    nova.events(1).await;
    // Within the interval after the first message.
    assert_eq!(t.client.delete(&path).await.status, 204);
    t.stop().await;
    assert_eq!(nova.events(2).await[1], event("network-vif-deleted", &port, None));
}
