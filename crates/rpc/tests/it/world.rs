//! What both buses have to do, told the same way: one server, agents, and topics nobody else uses.

use std::{sync::Arc, time::Duration};

use neutrino_rpc::{
    Dispatcher, Endpoint, Handler, RpcError, Target, Transport,
    transport::{
        Subscription,
        bus::{AgentBus, Opened},
        embedded::Limits,
    },
};
use serde_json::{Value, json};

use crate::{
    amqp,
    support::{Bus, Echo, Inbox, WAIT, request, wait_until},
};

/// A bus with a server on it.
pub struct World {
    pub server: Arc<dyn Transport>,
    agent_bus: Box<dyn Fn(&str) -> AgentBus + Send + Sync>,
    prefix: String,
    /// Keeps the embedded bus open.
    _bus: Option<Bus>,
}

/// An agent of either bus.
pub struct Agent {
    pub transport: Arc<dyn Transport>,
    pub inbox: Arc<Inbox>,
}

impl World {
    pub async fn embedded() -> Self {
        let bus = Bus::start(Limits::default()).await;
        let config = bus.client_config("a");
        Self {
            server: Arc::clone(&bus.broker) as _,
            agent_bus: Box::new(move |name| {
                let mut config = config.clone();
                config.client = name.into();
                AgentBus::Embedded(config)
            }),
            prefix: String::new(),
            _bus: Some(bus),
        }
    }

    pub async fn amqp() -> Self {
        let config = amqp::config();
        let bus = AgentBus::Rabbit(Box::new(config.clone()));
        let mut opened = bus.start(Vec::new()).expect("starts");
        opened.connected.wait_for(|up| *up).await.expect("connects");
        Self {
            server: opened.transport,
            agent_bus: Box::new(move |_| bus.clone()),
            prefix: amqp::unique("world"),
            _bus: None,
        }
    }

    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub async fn serve(&self, topic: &str) {
        let endpoint: Arc<dyn Endpoint> = Arc::new(Echo);
        let dispatcher = Arc::new(Dispatcher::new(vec![endpoint]));
        self.server.listen(&self.topic(topic), "server", dispatcher).await.expect("listens");
    }

    pub async fn cast(&self, target: Target, method: &str, args: Value) {
        self.server.cast(&target, request(method, args)).await.expect("cast");
    }

    /// An agent that is connected and consumes `topics`.
    pub async fn agent(&self, name: &str, topics: &[&str]) -> Agent {
        let inbox = Arc::new(Inbox::default());
        let subscriptions = topics
            .iter()
            .map(|topic| Subscription {
                topic: self.topic(topic),
                server: name.into(),
                handler: Arc::clone(&inbox) as Arc<dyn Handler>,
            })
            .collect();
        let Opened { transport, mut connected } =
            (self.agent_bus)(name).start(subscriptions).expect("starts");
        connected.wait_for(|up| *up).await.expect("connects");
        Agent { transport, inbox }
    }
}

impl Agent {
    async fn call(&self, topic: String, method: &str, args: Value) -> Result<Value, RpcError> {
        self.transport.call(&Target::topic(topic), request(method, args), WAIT).await
    }
}

/// A test of each scenario on each bus.
macro_rules! on_both_buses {
    ($($name:ident),* $(,)?) => {
        mod embedded_bus {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::World::embedded().await).await;
            })*
        }
        mod rabbitmq {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::World::amqp().await).await;
            })*
        }
    };
}

on_both_buses!(
    calls_are_answered_and_errors_keep_their_class,
    an_unanswered_call_times_out_and_the_connection_stays,
    a_call_nobody_serves_fails_at_once,
    fanout_reaches_all_a_directed_cast_one_and_a_plain_cast_any,
    a_server_calls_an_agent,
    notifications_arrive_in_order,
    many_calls_at_once_are_all_answered,
    listening_while_connected_takes_effect,
    servers_of_one_topic_share_its_calls,
);

async fn calls_are_answered_and_errors_keep_their_class(world: World) {
    world.serve("q").await;
    let agent = world.agent("a", &["t"]).await;
    let topic = world.topic("q");
    let args = json!({"x": [1, null, "é"]});
    let answer = agent.call(topic.clone(), "echo", args.clone()).await;
    assert_eq!(answer.expect("answered"), args);
    let answer = agent.call(topic.clone(), "who", json!({})).await.expect("answered");
    assert_eq!(answer["admin"], true);
    let error = agent.call(topic.clone(), "fail", json!({})).await.expect_err("fails");
    assert_eq!(error.remote_class(), Some("PortNotFound"));
    assert!(!error.retriable());
    let error = agent.call(topic.clone(), "nonsense", json!({})).await.expect_err("fails");
    assert_eq!(error.remote_class(), Some("NoSuchMethod"));
    let mut newer = request("echo", json!({}));
    newer.version = Some("1.5".into());
    let error = agent.transport.call(&Target::topic(topic), newer, WAIT).await;
    assert_eq!(error.expect_err("fails").remote_class(), Some("UnsupportedVersion"));
}

async fn an_unanswered_call_times_out_and_the_connection_stays(world: World) {
    world.serve("q").await;
    let agent = world.agent("a", &["t"]).await;
    let target = Target::topic(world.topic("q"));
    let patience = Duration::from_millis(30);
    let error = agent.transport.call(&target, request("hang", json!({})), patience).await;
    assert!(matches!(error, Err(RpcError::Timeout { timeout_ms: 30, .. })), "{error:?}");
    agent.call(world.topic("q"), "echo", json!({})).await.expect("still connected");
}

async fn a_call_nobody_serves_fails_at_once(world: World) {
    let agent = world.agent("a", &["t"]).await;
    let error = agent.call(world.topic("nobody"), "echo", json!({})).await.expect_err("fails");
    assert!(matches!(error, RpcError::NoConsumer { .. }) && error.retriable(), "{error}");
}

async fn fanout_reaches_all_a_directed_cast_one_and_a_plain_cast_any(world: World) {
    let mut agents = Vec::new();
    for n in 0..5 {
        agents.push(world.agent(&format!("host{n}"), &["t"]).await);
    }
    let topic = world.topic("t");
    world.cast(Target::fanout(&topic), "port_update", json!({"port": {"id": "p"}})).await;
    world.cast(Target::server(&topic, "host3"), "only_you", json!({})).await;
    for (n, agent) in agents.iter().enumerate() {
        let wanted = if n == 3 { 2 } else { 1 };
        wait_until("the message", || agent.inbox.messages().len() == wanted).await;
    }
    let methods: Vec<_> = agents[3].inbox.messages().into_iter().map(|(m, _)| m).collect();
    assert!(methods.contains(&"only_you".into()) && methods.contains(&"port_update".into()));
    for _ in 0..10 {
        world.cast(Target::topic(&topic), "turn", json!({})).await;
    }
    let turns = || agents.iter().map(|a| a.inbox.messages().len()).sum::<usize>() - 6;
    wait_until("all turns", || turns() == 10).await;
}

async fn a_server_calls_an_agent(world: World) {
    let _agent = world.agent("host1", &["l3_agent"]).await;
    let target = Target::server(world.topic("l3_agent"), "host1");
    let answer = world.server.call(&target, request("router_added", json!({})), WAIT).await;
    assert_eq!(answer.expect("answered")["method"], "router_added");
    let target = Target::server(world.topic("l3_agent"), "host2");
    let error = world.server.call(&target, request("router_added", json!({})), WAIT).await;
    assert!(matches!(error, Err(RpcError::NoConsumer { .. })), "{error:?}");
}

async fn notifications_arrive_in_order(world: World) {
    let agent = world.agent("a", &["t"]).await;
    for n in 0..500 {
        world.cast(Target::fanout(world.topic("t")), "m", json!({ "n": n })).await;
    }
    wait_until("all", || agent.inbox.messages().len() == 500).await;
    let order: Vec<_> = agent.inbox.messages().iter().map(|(_, a)| a["n"].as_i64()).collect();
    assert_eq!(order, (0..500).map(Some).collect::<Vec<_>>());
}

async fn many_calls_at_once_are_all_answered(world: World) {
    world.serve("q").await;
    let agent = world.agent("a", &["t"]).await;
    let calls: Vec<_> = (0..500)
        .map(|n| {
            let transport = Arc::clone(&agent.transport);
            let (target, request) =
                (Target::topic(world.topic("q")), request("echo", json!({ "n": n })));
            tokio::spawn(async move { transport.call(&target, request, WAIT).await })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.expect("joins").expect("answered")["n"], n);
    }
}

async fn listening_while_connected_takes_effect(world: World) {
    let agent = world.agent("a", &["t"]).await;
    let handler = Arc::clone(&agent.inbox) as Arc<dyn Handler>;
    agent.transport.listen(&world.topic("late"), "a", handler).await.expect("listens");
    world.cast(Target::fanout(world.topic("late")), "m", json!({})).await;
    wait_until("the message", || agent.inbox.messages().len() == 1).await;
}

async fn servers_of_one_topic_share_its_calls(world: World) {
    let first = world.agent("s1", &["q"]).await;
    let second = world.agent("s2", &["q"]).await;
    let agent = world.agent("a", &["t"]).await;
    for _ in 0..20 {
        agent.call(world.topic("q"), "m", json!({})).await.expect("answered");
    }
    let (first, second) = (first.inbox.messages().len(), second.inbox.messages().len());
    assert_eq!(first + second, 20);
    assert!(first > 0 && second > 0, "{first} and {second}");
}
