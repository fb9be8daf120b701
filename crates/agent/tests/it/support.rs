//! A bus whose server answers as told and remembers what it was asked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use neutrino_agent::{AgentConfig, Notification, ServerApi, connect};
use neutrino_rpc::{
    BusEvent, Failure, Handler, Request, RpcClient, Transport,
    client::Timeouts,
    topics,
    transport::embedded::{Broker, Limits, Listener, ServerConfig},
};
use serde_json::{Map, Value};
use tokio::{sync::mpsc, time::timeout};

pub const WAIT: Duration = Duration::from_secs(20);
const SECRET: &str = "s";

pub type Script = Box<dyn Fn(&str, &Map<String, Value>) -> Result<Value, Failure> + Send + Sync>;

struct Scripted {
    script: Script,
    asked: Mutex<Vec<Request>>,
}

#[async_trait]
impl Handler for Scripted {
    async fn handle(&self, request: Request) -> Result<Value, Failure> {
        let answer = (self.script)(&request.method, &request.args);
        self.asked.lock().expect("not poisoned").push(request);
        answer
    }

    async fn event(&self, _: BusEvent) {}
}

pub struct Server {
    scripted: Arc<Scripted>,
    pub client: RpcClient,
    broker: Arc<Broker>,
    listener: Option<Listener>,
    addr: SocketAddr,
}

impl Server {
    pub async fn start(
        script: impl Fn(&str, &Map<String, Value>) -> Result<Value, Failure> + Send + Sync + 'static,
    ) -> Self {
        let scripted = Arc::new(Scripted { script: Box::new(script), asked: Mutex::default() });
        let broker = Broker::new();
        for topic in [topics::PLUGIN, topics::REPORTS] {
            let handler = Arc::clone(&scripted) as Arc<dyn Handler>;
            broker.listen(topic, "server", handler).await.expect("listens");
        }
        let listener = listen(&broker, ([127, 0, 0, 1], 0).into()).await;
        let client = RpcClient::new(Arc::clone(&broker) as Arc<dyn Transport>, Timeouts::default());
        let addr = listener.addr();
        Self { scripted, client, broker, listener: Some(listener), addr }
    }

    pub async fn stop(&mut self) {
        self.listener.take().expect("runs").close().await;
    }

    pub async fn restart(&mut self) {
        self.listener = Some(listen(&self.broker, self.addr).await);
    }

    /// Requests of `method` so far.
    pub fn asked(&self, method: &str) -> Vec<Request> {
        let asked = self.scripted.asked.lock().expect("not poisoned");
        asked.iter().filter(|r| r.method == method).cloned().collect()
    }

    pub fn config(&self) -> AgentConfig {
        let url = format!("embedded://{}", self.addr);
        let mut config = AgentConfig::ovs("compute0", &url, SECRET).expect("valid");
        config.bus = config.bus.with_backoff(Duration::from_millis(5), Duration::from_millis(50));
        config
    }

    /// An agent that is connected.
    pub async fn agent(&self) -> (ServerApi, mpsc::Receiver<Notification>) {
        let (api, mut notifications) = connect(&self.config()).await.expect("starts");
        assert_eq!(next(&mut notifications).await, Notification::Connected);
        (api, notifications)
    }
}

async fn listen(broker: &Arc<Broker>, bind: SocketAddr) -> Listener {
    let config = ServerConfig { bind, secret: SECRET.into(), tls: None, limits: Limits::default() };
    Listener::bind(Arc::clone(broker), config).await.expect("binds")
}

pub async fn next(notifications: &mut mpsc::Receiver<Notification>) -> Notification {
    timeout(WAIT, notifications.recv()).await.expect("in time").expect("open")
}

pub async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WAIT, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
