//! A whole server on loopback with a private database.

use neutrino_conf::Conf;
use neutrino_db::testing::{TempDir, TestDatabase};
use neutrino_rpc::shapes::AgentState;
use neutrino_server::app::Server;
use serde_json::{Value, json};

use super::client::{Answer, Client};

/// A running server and what it keeps; all is gone after [`TestServer::stop`].
pub struct TestServer {
    pub server: Server,
    /// Speaks to the network API without any identity header.
    pub client: Client,
    _dir: TempDir,
    _database: TestDatabase,
}

const CONF: &str = "
[DEFAULT]
bind_host = 127.0.0.1
bind_port = 0
auth_strategy = noauth
global_physnet_mtu = 1496
[local_identity]
bind_host = 127.0.0.1
bind_port = 0
[embedded_bus]
bind_host = 127.0.0.1
bind_port = 0
secret = test
[ml2]
project_network_types = vxlan
mechanism_drivers = openvswitch,l2population
extension_drivers = port_security
[ml2_type_vlan]
network_vlan_ranges = physnet1:100:101
[ml2_type_vxlan]
vni_ranges = 1:1000
";

impl TestServer {
    /// A noauth server.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// A server with more options than [`CONF`]; `{dir}` stands for its directory.
    pub async fn start_with(more: &str) -> Self {
        let dir = TempDir::new("server").expect("directory");
        let path = dir.path().display().to_string();
        let database = TestDatabase::new().await.expect("database");
        let url = database.url();
        let storage = format!("[DEFAULT]\nstate_path = {path}\n[database]\nconnection = {url}\n");
        let text = format!("{CONF}\n{storage}\n{}", more.replace("{dir}", &path));
        let conf = Conf::parse_str(&text).expect("configuration");
        let server = Server::start(&conf).await.expect("server");
        let client = Client::new(server.api.address);
        Self { server, client, _dir: dir, _database: database }
    }

    /// A client that noauth takes for somebody with these roles.
    pub fn user(&self, project: &str, roles: &str) -> Client {
        self.client
            .with("X-Project-Id", project)
            .with("X-User-Id", &format!("user-of-{project}"))
            .with("X-Roles", roles)
    }

    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// An agent of type `kind` on `host` that has reported; answers its id.
pub async fn report(
    t: &TestServer,
    kind: &str,
    host: &str,
    zone: &str,
    configurations: Value,
) -> String {
    let state: AgentState = serde_json::from_value(json!({
        "agent_type": kind, "binary": "some-agent", "host": host, "topic": "some",
        "availability_zone": zone, "start_flag": true, "configurations": configurations,
    }))
    .expect("state");
    t.server.parts.agents.report_state(&state, None).await.expect("report");
    let path = format!("/v2.0/agents?host={host}&agent_type={}", kind.replace(' ', "%20"));
    text(&t.client.get(&path).await.json()["agents"][0], "id").to_string()
}

/// Creates one resource and answers it.
pub async fn create(client: &Client, collection: &str, body: Value) -> Value {
    let member = collection[..collection.len() - 1].replace('-', "_");
    let answer = client.post(&format!("/v2.0/{collection}"), &json!({&member: body})).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()[&member].clone()
}

/// A network with an IPv4 subnet: (network, subnet).
pub async fn network(client: &Client, name: &str, cidr: &str) -> (Value, Value) {
    let network = create(client, "networks", json!({"name": name})).await;
    let body = json!({"network_id": network["id"], "ip_version": 4, "cidr": cidr});
    let subnet = create(client, "subnets", body).await;
    (network, subnet)
}

/// Asserts code, class and message of an error answer.
pub fn assert_error(answer: &Answer, status: u16, kind: &str, message: &str) {
    let body = answer.json();
    assert_eq!(
        (answer.status, body["NeutronError"]["type"].as_str()),
        (status, Some(kind)),
        "{body}"
    );
    let text = body["NeutronError"]["message"].as_str().unwrap_or_default();
    assert!(text.contains(message), "{text:?} lacks {message:?}");
    assert_eq!(body["NeutronError"]["detail"], "");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.header("x-openstack-request-id").is_some_and(|id| id.starts_with("req-")));
}

/// The string at `key`.
pub fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}
