//! A bus on loopback, agents on it, and bounded waits.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use neutrino_rpc::{
    BusEvent, Dispatcher, Endpoint, Failure, Handler, Request, RpcError, Target, Transport,
    Version,
    transport::{
        Answer, Subscription,
        embedded::{Broker, BusClient, ClientConfig, Limits, Listener, ServerConfig, ServerTls},
    },
};
use neutrino_types::Context;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

/// Longer than anything here takes on a busy machine.
pub const WAIT: Duration = Duration::from_secs(20);
pub const SECRET: &str = "correct horse battery staple";

/// Waits until `holds`, asking again and again.
pub async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WAIT, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A server's bus.
pub struct Bus {
    pub broker: Arc<Broker>,
    listener: Option<Listener>,
    config: ServerConfig,
}

impl Bus {
    pub async fn start(limits: Limits) -> Self {
        Self::start_with(limits, None).await
    }

    pub async fn start_with(limits: Limits, tls: Option<ServerTls>) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), limits, tls).await
    }

    pub async fn start_at(bind: SocketAddr, limits: Limits, tls: Option<ServerTls>) -> Self {
        let mut config = ServerConfig { bind, secret: SECRET.into(), tls, limits };
        let broker = Broker::new();
        let listener = Listener::bind(Arc::clone(&broker), config.clone()).await.expect("binds");
        config.bind = listener.addr();
        Self { broker, listener: Some(listener), config }
    }

    pub fn addr(&self) -> SocketAddr {
        self.config.bind
    }

    /// As a killed server: nothing is said to anybody.
    pub async fn kill(&mut self) {
        self.listener.take().expect("runs").close().await;
        self.broker = Broker::new();
    }

    /// A new server at the same address.
    pub async fn restart(&mut self) {
        let broker = Arc::clone(&self.broker);
        self.listener = Some(Listener::bind(broker, self.config.clone()).await.expect("binds"));
    }

    pub fn client_config(&self, client: &str) -> ClientConfig {
        let url = format!("embedded://{}", self.addr());
        let config = ClientConfig::from_url(&url, SECRET, client).expect("valid");
        ClientConfig {
            min_backoff: Duration::from_millis(5),
            max_backoff: Duration::from_millis(50),
            ..config
        }
    }

    /// An agent called `name` that consumes `topics`.
    pub fn agent(&self, name: &str, topics: &[&str]) -> Agent {
        self.agent_with(self.client_config(name), topics)
    }

    pub fn agent_with(&self, config: ClientConfig, topics: &[&str]) -> Agent {
        agent_with(config, topics)
    }

    pub async fn serve(&self, topic: &str) {
        let endpoint: Arc<dyn Endpoint> = Arc::new(Echo);
        let dispatcher = Arc::new(Dispatcher::new(vec![endpoint]));
        self.broker.listen(topic, "server", dispatcher).await.expect("listens");
    }

    pub async fn fanout(&self, topic: &str, method: &str, args: Value) {
        self.broker.cast(&Target::fanout(topic), request(method, args)).await.expect("cast");
    }
}

/// An agent that consumes `topics`.
pub fn agent_with(config: ClientConfig, topics: &[&str]) -> Agent {
    let inbox = Arc::new(Inbox::default());
    let subscriptions = topics
        .iter()
        .map(|topic| Subscription {
            topic: (*topic).into(),
            server: config.client.clone(),
            handler: Arc::clone(&inbox) as Arc<dyn Handler>,
        })
        .collect();
    let client = BusClient::start(config, subscriptions).expect("starts");
    Agent { client, inbox }
}

pub fn request(method: &str, args: Value) -> Request {
    Request::new(&Context::admin(), method, "1.0", args.as_object().expect("object").clone())
}

/// What an agent received, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    Message(String, Map<String, Value>),
    Event(BusEvent),
}

pub struct Inbox {
    got: Mutex<Vec<Got>>,
    /// Taken for each message; close it to make the agent slow.
    pub gate: Semaphore,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { got: Mutex::default(), gate: Semaphore::new(Semaphore::MAX_PERMITS / 2) }
    }
}

impl Inbox {
    pub fn got(&self) -> Vec<Got> {
        self.got.lock().expect("not poisoned").clone()
    }

    pub fn events(&self) -> Vec<BusEvent> {
        let event = |got| if let Got::Event(event) = got { Some(event) } else { None };
        self.got().into_iter().filter_map(event).collect()
    }

    pub fn messages(&self) -> Vec<(String, Map<String, Value>)> {
        let message = |got| if let Got::Message(m, a) = got { Some((m, a)) } else { None };
        self.got().into_iter().filter_map(message).collect()
    }

    /// Stops handling; answers how many permits to give back.
    pub async fn stop(&self) -> usize {
        let permits = self.gate.available_permits();
        self.gate.forget_permits(permits)
    }

    fn push(&self, got: Got) {
        self.got.lock().expect("not poisoned").push(got);
    }
}

#[async_trait]
impl Handler for Inbox {
    async fn handle(&self, request: Request) -> Answer {
        self.gate.acquire().await.expect("open").forget();
        let answer = json!({ "method": request.method, "version": request.version });
        self.push(Got::Message(request.method, request.args));
        Ok(answer)
    }

    async fn event(&self, event: BusEvent) {
        self.push(Got::Event(event));
    }
}

pub struct Agent {
    pub client: Arc<BusClient>,
    pub inbox: Arc<Inbox>,
}

impl Agent {
    pub async fn connected(&self) {
        let inbox = Arc::clone(&self.inbox);
        wait_until("the connection", || inbox.events().contains(&BusEvent::Connected)).await;
    }

    pub async fn call(&self, topic: &str, method: &str, args: Value) -> Result<Value, RpcError> {
        self.client.call(&Target::topic(topic), request(method, args), WAIT).await
    }
}

/// Serves `echo`, `who`, `fail`, `nap` (three seconds) and `hang` in version 1.4.
pub struct Echo;

#[async_trait]
impl Endpoint for Echo {
    fn version(&self) -> Version {
        Version { major: 1, minor: 4 }
    }

    fn methods(&self) -> &'static [&'static str] {
        &["echo", "fail", "hang", "nap", "who"]
    }

    async fn call(
        &self,
        ctx: &Context,
        method: &str,
        args: Map<String, Value>,
    ) -> Result<Value, Failure> {
        match method {
            "echo" => Ok(Value::Object(args)),
            "who" => Ok(json!({ "admin": ctx.is_admin, "request_id": ctx.request_id })),
            "fail" => Err(Failure::new("neutron_lib.exceptions", "PortNotFound", "no port p")),
            "nap" => {
                tokio::time::sleep(Duration::from_secs(3)).await;
                Ok(json!("rested"))
            }
            _ => std::future::pending().await,
        }
    }
}
