//! The bus as an agent sees it: endpoints, notifications, and who may connect.

mod address_groups;
mod address_scopes;
mod devices;
mod dhcp;
mod dvr;
mod dvr_floating_ips;
mod dvr_routers;
mod l3;
mod notifications;
mod object_pushes;
mod objects;
mod reports;
mod security_groups;
mod sync_routers;
mod wiring;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use neutrino_conf::Conf;
use neutrino_db::testing;
use neutrino_rpc::{
    BusEvent, Failure, Handler, Request, RpcError, Target, Transport,
    transport::{
        Subscription,
        bus::ServerBus,
        embedded::{BusClient, ClientConfig},
    },
};
use neutrino_server::rpc::{Bus, L2Plugin, RpcConfig, RpcHandle, Services, start};
use neutrino_services::{AgentConfig, AgentVersions, Agents};
use neutrino_types::Context;
use serde_json::{Value, json};

use crate::support::server::TestServer;

const WAIT: Duration = Duration::from_secs(20);
const CONF: &str = "[embedded_bus]\nbind_host = 127.0.0.1\nbind_port = 0\nsecret = s\n";

/// A server without its HTTP half.
struct Server {
    handle: RpcHandle,
    agents: Agents,
}

impl Server {
    async fn start(l2: Arc<dyn L2Plugin>) -> Self {
        let conf = Conf::parse_str(CONF).expect("valid");
        let config = RpcConfig::from_conf(&conf).expect("valid");
        let db = testing::db().await.expect("database");
        let agents = Agents::new(db.clone(), AgentConfig::default());
        let services = Services {
            l2,
            versions: versions(),
            agents: agents.clone(),
            db,
            endpoints: Vec::new(),
            l3_endpoints: Vec::new(),
        };
        let handle = start(Bus::new(&config), &config, services).await.expect("starts");
        Self { handle, agents }
    }

    /// An agent on `host` that consumes `topics`, connected.
    async fn agent(&self, host: &str, topics: &[&str]) -> Agent {
        connect(&self.handle, "s", host, topics).await
    }
}

/// No agent knows any object.
fn versions() -> AgentVersions {
    AgentVersions::new(TimeDelta::seconds(75), Arc::new(Utc::now))
}

/// An agent on `host` that consumes `topics`, connected to `bus`.
async fn connect(bus: &RpcHandle, secret: &str, host: &str, topics: &[&str]) -> Agent {
    let addr = bus.address().expect("open");
    let url = format!("embedded://{addr}");
    let config = ClientConfig::from_url(&url, secret, host).expect("valid");
    let inbox = Arc::new(Inbox::default());
    let subscriptions = topics
        .iter()
        .map(|topic| Subscription {
            topic: (*topic).into(),
            server: host.into(),
            handler: Arc::clone(&inbox) as Arc<dyn Handler>,
        })
        .collect();
    let client = BusClient::start(config, subscriptions).expect("starts");
    let mut connected = client.connected();
    let wait = connected.wait_for(|connected| *connected);
    tokio::time::timeout(WAIT, wait).await.expect("in time").expect("runs");
    Agent { client, inbox }
}

/// `agent` reports.
async fn report(agent: &Agent, state: Value) {
    let args = json!({ "agent_state": { "agent_state": state },
                       "time": "2999-01-01T00:00:00.000000" });
    agent.call("q-reports-plugin", "report_state", "1.4", args).await.expect("answered");
}

/// An L2 agent on `host` that has reported.
async fn l2_agent(t: &TestServer, host: &str) -> Agent {
    let agent = connect(&t.server.rpc, "test", host, &[]).await;
    report_l2(&agent, host).await;
    agent
}

async fn report_l2(agent: &Agent, host: &str) {
    let state = json!({
        "binary": "neutron-openvswitch-agent", "host": host, "topic": "N/A",
        "agent_type": "Open vSwitch agent", "start_flag": true, "uuid": "u",
        "configurations": { "tunneling_ip": "192.0.2.1", "tunnel_types": ["vxlan"],
            "bridge_mappings": {}, "integration_bridge": "br-int" },
    });
    report(agent, state).await;
}

#[derive(Default)]
struct Inbox(Mutex<Vec<Request>>);

#[async_trait]
impl Handler for Inbox {
    async fn handle(&self, request: Request) -> Result<Value, Failure> {
        self.0.lock().expect("not poisoned").push(request);
        Ok(Value::Null)
    }

    async fn event(&self, _: BusEvent) {}
}

struct Agent {
    client: Arc<BusClient>,
    inbox: Arc<Inbox>,
}

impl Agent {
    async fn call(
        &self,
        topic: &str,
        method: &str,
        version: &str,
        args: Value,
    ) -> Result<Value, RpcError> {
        let args = args.as_object().expect("object").clone();
        let request = Request::new(&Context::admin(), method, version, args);
        self.client.call(&Target::topic(topic), request, WAIT).await
    }

    /// The first `count` notifications.
    async fn received(&self, count: usize) -> Vec<Request> {
        self.wait(|got| got.len() >= count).await
    }

    /// Waits for a notification.
    async fn received_until(&self, wanted: impl Fn(&Request) -> bool) {
        self.wait(|got| got.iter().any(&wanted)).await;
    }

    async fn wait(&self, enough: impl Fn(&[Request]) -> bool) -> Vec<Request> {
        let begun = Instant::now();
        loop {
            let got = self.inbox.0.lock().expect("not poisoned").clone();
            if enough(&got) {
                return got;
            }
            assert!(begun.elapsed() < WAIT, "got only {got:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn without_a_secret_agents_cannot_connect() {
    let conf = Conf::parse_str("[embedded_bus]\nbind_host = 127.0.0.1\n").expect("valid");
    let config = RpcConfig::from_conf(&conf).expect("valid");
    assert!(matches!(config.bus, ServerBus::Embedded(None)));
}

#[test]
fn unusable_options_are_named() {
    for (text, named) in [
        ("[embedded_bus]\nsecret = s\nbind_host = localhost\n", "bind_host"),
        ("[embedded_bus]\nsecret = s\nuse_tls = true\n", "cert_file"),
        ("[embedded_bus]\nsecret_file = /nonexistent/secret\n", "/nonexistent/secret"),
    ] {
        let conf = Conf::parse_str(text).expect("valid");
        let error = RpcConfig::from_conf(&conf).expect_err("unusable");
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let text = "[DEFAULT]\nauth_strategy = local\n[local_identity]\nsecret = hush1\n\
                [embedded_bus]\nsecret = hush2\n";
    let conf = Conf::parse_str(text).expect("valid");
    let rpc = RpcConfig::from_conf(&conf).expect("valid");
    let server = neutrino_server::config::ServerConfig::from_conf(&conf).expect("valid");
    let client = ClientConfig::from_url("embedded://127.0.0.1:1", "hush3", "a").expect("valid");
    let shown = format!("{conf:?} {rpc:?} {server:?} {client:?}");
    assert!(shown.contains("embedded_bus") && !shown.contains("hush"), "{shown}");
}
