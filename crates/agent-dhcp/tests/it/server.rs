//! A bus and what is behind it: networks, DHCP ports, and what the agent reports.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use neutrino_rpc::{
    Dispatcher, Endpoint, Failure, Request, Target, Transport, Version, topics,
    transport::embedded::{Broker, Limits, Listener, ServerConfig},
};
use neutrino_types::Context;
use serde_json::{Map, Value, json};

pub const SECRET: &str = "correct horse battery staple";

/// What the server knows and was told.
#[derive(Default)]
pub struct World {
    /// Networks as `get_network_info` answers them, by id.
    pub networks: BTreeMap<String, Value>,
    /// Ports reported as served.
    pub ready: BTreeSet<String>,
    /// The most ports of one report.
    pub largest_report: usize,
    /// States reported.
    pub reports: Vec<Value>,
    /// Networks whose DHCP port was released.
    pub released: Vec<String>,
    /// Networks for which calls fail.
    pub broken: BTreeSet<String>,
    /// Whether all networks can be asked for.
    pub silent: bool,
    /// How often one network was asked for.
    pub asked: usize,
    made: u32,
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
        for topic in [topics::PLUGIN, topics::REPORTS] {
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

    /// Tells the agent of `host` something.
    pub async fn tell(&self, host: &str, method: &str, payload: Value) {
        let args = json!({"payload": payload}).as_object().expect("object").clone();
        let request = Request::new(&Context::admin(), method, "1.0", args);
        let target = Target::server(topics::DHCP_AGENT, host);
        self.broker.cast(&target, request).await.expect("cast");
    }
}

/// Adds a port to a network and answers it.
pub fn add_port(world: &mut World, network: &str, port: Value) {
    let ports = world.networks.get_mut(network).expect("known")["ports"].as_array_mut();
    ports.expect("a list").push(port);
}

/// Takes a port away from a network.
pub fn remove_port(world: &mut World, network: &str, id: &str) {
    let ports = world.networks.get_mut(network).expect("known")["ports"].as_array_mut();
    ports.expect("a list").retain(|port| port["id"] != id);
}

#[async_trait]
impl Endpoint for Plugin {
    fn version(&self) -> Version {
        Version { major: 1, minor: 10 }
    }

    fn methods(&self) -> &'static [&'static str] {
        &[
            "report_state",
            "get_active_networks_info",
            "get_network_info",
            "create_dhcp_port",
            "update_dhcp_port",
            "release_dhcp_port",
            "dhcp_ready_on_ports",
        ]
    }

    async fn call(
        &self,
        _: &Context,
        method: &str,
        args: Map<String, Value>,
    ) -> Result<Value, Failure> {
        let mut world = self.0.lock().expect("not poisoned");
        let text = |key: &str| args.get(key).and_then(Value::as_str).unwrap_or_default();
        match method {
            "report_state" => {
                world.reports.push(args["agent_state"]["agent_state"].clone());
                Ok(json!("alive"))
            }
            "get_active_networks_info" if world.silent => Err(Failure::no_such_method(method)),
            "get_active_networks_info" => {
                Ok(Value::Array(world.networks.values().cloned().collect()))
            }
            "get_network_info" => {
                world.asked += 1;
                Ok(world.networks.get(text("network_id")).cloned().unwrap_or(Value::Null))
            }
            "create_dhcp_port" => {
                let port = &args["port"]["port"];
                let network = port["network_id"].as_str().unwrap_or_default().to_string();
                if world.broken.contains(&network) {
                    return Err(Failure::no_such_method(method));
                }
                Ok(world.make_port(&network, port))
            }
            "update_dhcp_port" => {
                let change = &args["port"]["port"];
                let network = change["network_id"].as_str().unwrap_or_default().to_string();
                Ok(world.change_port(&network, text("port_id"), change))
            }
            "release_dhcp_port" => {
                world.released.push(text("network_id").to_string());
                Ok(Value::Null)
            }
            _ => {
                let ids = args["port_ids"].as_array().cloned().unwrap_or_default();
                world.largest_report = world.largest_report.max(ids.len());
                world.ready.extend(ids.iter().filter_map(Value::as_str).map(str::to_string));
                Ok(Value::Null)
            }
        }
    }
}

impl World {
    /// The address number `host` of each subnet asked for, unless one is.
    fn addresses(&self, network: &str, wanted: &Value, host: u32) -> Vec<Value> {
        let subnets = self.networks[network]["subnets"].as_array().expect("a list");
        let first = |id: &Value| {
            let subnet = subnets.iter().find(|s| s["id"] == *id).expect("a known subnet");
            let cidr = subnet["cidr"].as_str().expect("text");
            let (net, _) = cidr.split_once('/').expect("a CIDR");
            match net.rsplit_once('.') {
                Some((net, _)) => format!("{net}.{host}"),
                None => format!("{net}{host:x}"),
            }
        };
        let wanted = wanted.as_array().cloned().unwrap_or_default();
        let address = |ip: &Value| match ip.get("ip_address") {
            Some(_) => ip.clone(),
            None => json!({"subnet_id": ip["subnet_id"], "ip_address": first(&ip["subnet_id"])}),
        };
        wanted.iter().map(address).collect()
    }

    fn make_port(&mut self, network: &str, asked: &Value) -> Value {
        self.made += 1;
        let made = self.made;
        let port = json!({
            "id": format!("{made:08x}-d4c9-4000-8000-000000000000"),
            "network_id": network,
            "mac_address": format!("fa:16:3e:dd:{:02x}:{:02x}", made / 256, made % 256),
            "device_owner": "network:dhcp",
            "device_id": asked["device_id"],
            "fixed_ips": self.addresses(network, &asked["fixed_ips"], 2),
        });
        add_port(self, network, port.clone());
        port
    }

    fn change_port(&mut self, network: &str, id: &str, change: &Value) -> Value {
        let fixed_ips = change.get("fixed_ips").map(|ips| self.addresses(network, ips, 2));
        let ports = self.networks.get_mut(network).expect("known")["ports"].as_array_mut();
        let port = ports.expect("a list").iter_mut().find(|port| port["id"] == id);
        let Some(port) = port else { return Value::Null };
        if let Some(ips) = fixed_ips {
            port["fixed_ips"] = Value::Array(ips);
        }
        if let Some(device_id) = change.get("device_id") {
            port["device_id"] = device_id.clone();
        }
        port.clone()
    }
}
