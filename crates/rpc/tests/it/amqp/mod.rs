//! The transport over a real RabbitMQ.

mod broker;
mod hostile;
mod peer;
mod raw;
mod wire;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use neutrino_conf::Conf;
use neutrino_rpc::{
    Handler,
    transport::{
        Subscription,
        amqp::{AmqpClient, Config},
    },
};
use neutrino_service_sandbox::Rabbitmq;

use crate::support::{Inbox, wait_until};

/// The broker of all tests that neither stop nor change it. It ends with this process.
pub fn broker() -> &'static Rabbitmq {
    static BROKER: OnceLock<Rabbitmq> = OnceLock::new();
    BROKER.get_or_init(|| Rabbitmq::start().expect("RabbitMQ is installed"))
}

/// Defaults for the common broker.
pub fn config() -> Config {
    config_with(&broker().url(), "")
}

/// The options `text` of `[oslo_messaging_rabbit]` for the broker at `url`, with short pauses.
pub fn config_with(url: &str, text: &str) -> Config {
    let conf = Conf::parse_str(&format!("[oslo_messaging_rabbit]\n{text}\n")).expect("valid");
    let mut config = Config::from_conf(&conf, url, "test").expect("valid");
    config.retry.delay = Duration::from_millis(20);
    config.retry.interval = Duration::from_millis(50);
    config.retry.max = Duration::from_millis(200);
    config
}

/// A name nothing else on the broker has.
pub fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{what}-{}-", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A process on the bus and what it receives.
pub struct Node {
    pub client: Arc<AmqpClient>,
    pub inbox: Arc<Inbox>,
}

impl Node {
    /// A process called `server` that consumes `topics`; returns before it is connected.
    pub fn start(config: Config, server: &str, topics: &[&str]) -> Self {
        let inbox = Arc::new(Inbox::default());
        let subscriptions = topics
            .iter()
            .map(|topic| Subscription {
                topic: (*topic).into(),
                server: server.into(),
                handler: Arc::clone(&inbox) as Arc<dyn Handler>,
            })
            .collect();
        Self { client: AmqpClient::start(config, subscriptions), inbox }
    }

    pub async fn connected(self) -> Self {
        self.client.connected().wait_for(|up| *up).await.expect("alive");
        self
    }

    pub async fn received(&self, count: usize) -> Vec<String> {
        let inbox = Arc::clone(&self.inbox);
        wait_until("messages", || inbox.messages().len() >= count).await;
        self.inbox.messages().into_iter().map(|(method, _)| method).collect()
    }
}
