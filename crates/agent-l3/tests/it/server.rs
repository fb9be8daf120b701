//! A bus and what is behind it: routers, who is on their subnets, and what the agent tells.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use neutrino_rpc::{
    Dispatcher, Endpoint, Failure, Request, Target, Transport, Version,
    objects::catalog::PORT_FORWARDING,
    topics,
    transport::embedded::{Broker, Limits, Listener, ServerConfig},
};
use neutrino_types::Context;
use serde_json::{Map, Value, json};

pub const SECRET: &str = "correct horse battery staple";

/// What the server knows and was told.
#[derive(Default)]
pub struct World {
    /// Routers as `sync_routers` answers them, by id.
    pub routers: BTreeMap<String, Value>,
    /// Ports as `get_ports_by_subnet` answers them, by subnet.
    pub subnet_ports: BTreeMap<String, Vec<Value>>,
    /// Ports as `get_agent_gateway_port` answers them, by network.
    pub gateways: BTreeMap<String, Value>,
    /// Port forwardings, as `bulk_pull` answers them.
    pub forwardings: Vec<Value>,
    /// What was last told of each floating IP.
    pub statuses: BTreeMap<String, String>,
    /// How often it was told.
    pub told: usize,
    /// States reported.
    pub reports: Vec<Value>,
    /// Routers for which calls fail.
    pub broken: BTreeSet<String>,
    /// Whether all routers can be asked for.
    pub silent: bool,
    /// Calls for more routers than this are never answered.
    pub slow_above: Option<usize>,
    /// How many routers each call asked for.
    pub asked: Vec<usize>,
}

pub struct Server {
    broker: Arc<Broker>,
    world: Arc<Mutex<World>>,
    listener: Listener,
}

struct Plugin(Arc<Mutex<World>>);

impl Server {
    pub async fn start() -> Self {
        let broker = Broker::new();
        let world = Arc::<Mutex<World>>::default();
        let plugin: Arc<dyn Endpoint> = Arc::new(Plugin(Arc::clone(&world)));
        for topic in [topics::L3_PLUGIN, topics::REPORTS, topics::PLUGIN] {
            let dispatcher = Arc::new(Dispatcher::new(vec![Arc::clone(&plugin)]));
            broker.listen(topic, "server", dispatcher).await.expect("listens");
        }
        let config = ServerConfig {
            bind: ([127, 0, 0, 1], 0).into(),
            secret: SECRET.into(),
            tls: None,
            limits: Limits::default(),
        };
        let listener = Listener::bind(Arc::clone(&broker), config).await.expect("listens");
        Self { broker, world, listener }
    }

    pub fn url(&self) -> String {
        format!("embedded://{}", self.listener.addr())
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("not poisoned")
    }

    /// Adds or changes a router, without telling anybody.
    pub fn put(&self, router: Value) {
        let id = router["id"].as_str().expect("an id").to_string();
        self.world().routers.insert(id, router);
    }

    /// Tells the agent of `host` something.
    pub async fn tell(&self, host: &str, method: &str, args: Value) {
        let args = args.as_object().expect("object").clone();
        let request = Request::new(&Context::admin(), method, "1.0", args);
        let target = Target::server(topics::L3_AGENT, host);
        self.broker.cast(&target, request).await.expect("cast");
    }

    /// Pushes port forwardings to all agents.
    pub async fn push(&self, forwardings: &[Value], event: &str) {
        let encode = |f: &Value| PORT_FORWARDING.encode(f.as_object().expect("object"));
        let list: Vec<Value> = forwardings.iter().map(encode).collect();
        let args = json!({"resource_list": list, "event_type": event});
        let args = args.as_object().expect("object").clone();
        let request = Request::new(&Context::admin(), "push", "1.1", args);
        let target = Target::fanout(PORT_FORWARDING.topic(PORT_FORWARDING.version));
        self.broker.cast(&target, request).await.expect("cast");
    }

    /// Tells the agent of `host` that a router changed.
    pub async fn updated(&self, host: &str, router: &str) {
        self.tell(host, "routers_updated", json!({"routers": [router]})).await;
    }
}

impl Plugin {
    /// Whether a call is for too many routers. It counts then, too.
    fn is_slow(&self, args: &Map<String, Value>) -> bool {
        let mut world = self.0.lock().expect("not poisoned");
        let count = args["router_ids"].as_array().map_or(0, Vec::len);
        let slow = world.slow_above.is_some_and(|most| count > most);
        if slow {
            world.asked.push(count);
        }
        slow
    }
}

#[async_trait]
impl Endpoint for Plugin {
    fn version(&self) -> Version {
        Version { major: 1, minor: 13 }
    }

    fn methods(&self) -> &'static [&'static str] {
        &[
            "report_state",
            "get_router_ids",
            "sync_routers",
            "update_floatingip_statuses",
            "get_ports_by_subnet",
            "get_agent_gateway_port",
            "bulk_pull",
        ]
    }

    async fn call(
        &self,
        _: &Context,
        method: &str,
        args: Map<String, Value>,
    ) -> Result<Value, Failure> {
        if method == "sync_routers" && self.is_slow(&args) {
            std::future::pending::<()>().await;
        }
        let mut world = self.0.lock().expect("not poisoned");
        let text = |key: &str| args.get(key).and_then(Value::as_str).unwrap_or_default();
        match method {
            "report_state" => {
                world.reports.push(args["agent_state"]["agent_state"].clone());
                Ok(json!("alive"))
            }
            "get_router_ids" if world.silent => Err(Failure::no_such_method(method)),
            "get_router_ids" => Ok(json!(world.routers.keys().collect::<Vec<_>>())),
            "sync_routers" => {
                let ids: Vec<String> =
                    serde_json::from_value(args["router_ids"].clone()).expect("ids");
                world.asked.push(ids.len());
                if ids.iter().any(|id| world.broken.contains(id)) {
                    return Err(Failure::no_such_method(method));
                }
                Ok(ids.iter().filter_map(|id| world.routers.get(id)).cloned().collect())
            }
            "update_floatingip_statuses" => {
                world.told += 1;
                for (id, status) in args["fip_statuses"].as_object().expect("an object") {
                    let status = status.as_str().expect("text").to_string();
                    world.statuses.insert(id.clone(), status);
                }
                Ok(Value::Null)
            }
            "bulk_pull" => {
                assert_eq!(args["resource_type"], PORT_FORWARDING.name);
                let asked = args["filter_kwargs"]["floatingip_id"].as_array().expect("a list");
                let of = |f: &&Value| asked.contains(&f["floatingip_id"]);
                let found = world.forwardings.iter().filter(of);
                Ok(found.map(|f| PORT_FORWARDING.encode(f.as_object().expect("object"))).collect())
            }
            "get_ports_by_subnet" => {
                Ok(json!(world.subnet_ports.get(text("subnet_id")).cloned().unwrap_or_default()))
            }
            _ => Ok(world.gateways.get(text("network_id")).cloned().unwrap_or(Value::Null)),
        }
    }
}
