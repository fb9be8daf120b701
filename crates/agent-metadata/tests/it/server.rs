//! The agent and its server: what is reported, and how ports are asked for, over a real bus.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use neutrino_agent::AgentConfig;
use neutrino_agent_metadata::agent::{self, config::Config, identify::PortDirectory};
use neutrino_conf::Conf;
use neutrino_rpc::{
    BusEvent, Failure, Handler, Request, Transport, topics,
    transport::embedded::{Broker, Limits, Listener, ServerConfig},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::Directory;

const SECRET: &str = "s";

#[derive(Default)]
struct Server(Mutex<Vec<Request>>);

#[async_trait]
impl Handler for Server {
    async fn handle(&self, request: Request) -> Result<Value, Failure> {
        let answer = match request.method.as_str() {
            "report_state" => json!("new"),
            "get_ports" => json!([{"device_id": "inst", "project_id": "p"}]),
            other => return Err(Failure::no_such_method(other)),
        };
        self.0.lock().expect("not poisoned").push(request);
        Ok(answer)
    }

    async fn event(&self, _: BusEvent) {}
}

impl Server {
    fn reports(&self) -> Vec<Value> {
        let asked = self.0.lock().expect("not poisoned");
        let reports = asked.iter().filter(|request| request.method == "report_state");
        reports.map(|request| request.args["agent_state"]["agent_state"].clone()).collect()
    }
}

#[tokio::test]
async fn agent_reports_its_start_once_and_asks_for_ports() {
    let server = Arc::new(Server::default());
    let broker = Broker::new();
    for topic in [topics::PLUGIN, topics::REPORTS] {
        let handler = Arc::clone(&server) as Arc<dyn Handler>;
        broker.listen(topic, "server", handler).await.expect("listens");
    }
    let config = ServerConfig {
        bind: ([127, 0, 0, 1], 0).into(),
        secret: SECRET.into(),
        tls: None,
        limits: Limits::default(),
    };
    let listener = Listener::bind(Arc::clone(&broker), config).await.expect("binds");
    let url = format!("embedded://{}", listener.addr());
    let bus = AgentConfig::new("compute0", &url, SECRET, "neutron-metadata-agent").expect("valid");
    let (api, _) = neutrino_agent::connect(&bus).await.expect("starts");

    let directory = Directory::new("server");
    let text = format!("[DEFAULT]\nstate_path = {}\n", directory.0.display());
    let conf = Conf::parse_str(&text).expect("valid");
    let config = Config::from_conf(&conf, Duration::from_millis(50)).expect("settings");
    let _running = agent::start(config, api.clone()).expect("starts");

    let end = Instant::now() + Duration::from_secs(20);
    while server.reports().len() < 3 {
        assert!(Instant::now() < end, "last seen {:?}", server.reports());
        sleep(Duration::from_millis(10)).await;
    }
    let reports = server.reports();
    assert_eq!(reports[0]["agent_type"], "Metadata agent");
    assert_eq!(reports[0]["binary"], "neutron-metadata-agent");
    assert_eq!(reports[0]["host"], "compute0");
    assert_eq!(
        reports[0]["configurations"],
        json!({"metadata_proxy_socket": directory.0.join("metadata_proxy"),
            "nova_metadata_host": "127.0.0.1", "nova_metadata_port": 8775,
            "log_agent_heartbeats": false})
    );
    assert_eq!(reports[0]["start_flag"], true);
    assert_ne!(reports[2]["start_flag"], true, "a later report is no start");

    let filters = json!({"network_id": ["n"]});
    let ports = api.get_ports(filters.clone()).await.expect("answered");
    assert_eq!(ports[0]["device_id"], "inst");
    let asked = server.0.lock().expect("not poisoned");
    let request = asked.iter().find(|request| request.method == "get_ports").expect("asked");
    assert_eq!(request.args["filters"], filters);
    assert_eq!(request.version.as_deref(), Some("1.0"));
}
