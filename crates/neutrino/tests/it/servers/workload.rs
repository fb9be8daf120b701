//! What a client does: networks with subnets, ports and routers, half of which it takes away again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use super::api::{Api, Tally};

/// The collections that are worked on.
pub const COLLECTIONS: [&str; 4] = ["networks", "subnets", "ports", "routers"];

/// The network on which all clients make ports.
const COMMON: &str = "common";

/// Ports made on each network, and on the common one.
const PORTS: usize = 2;

/// Whether the server gave this name to what it made by itself: ports of routers have none.
pub fn is_made_by_server(name: &str) -> bool {
    name.is_empty() || name == COMMON
}

fn singular(collection: &str) -> &str {
    collection.strip_suffix('s').unwrap_or(collection)
}

/// Makes the network on which all clients make ports; answers its id.
pub fn common_network(api: &mut Api) -> String {
    shared_network(api, "172.16.0.0/16")
}

/// Makes the network of instances; answers its id.
pub fn instances_network(api: &mut Api) -> String {
    shared_network(api, "172.17.0.0/16")
}

fn shared_network(api: &mut Api, cidr: &str) -> String {
    let net = json!({"network": {"name": COMMON, "shared": true}});
    let net = api.send("POST", "/v2.0/networks", &net).body;
    let net = net["network"]["id"].as_str().expect("a network").to_string();
    let subnet =
        json!({"subnet": {"name": COMMON, "network_id": net, "ip_version": 4, "cidr": cidr}});
    assert_eq!(api.send("POST", "/v2.0/subnets", &subnet).status, 201);
    net
}

/// What one client was told.
#[derive(Default)]
pub struct Ledger {
    there: BTreeMap<&'static str, BTreeSet<String>>,
    gone: BTreeMap<&'static str, BTreeSet<String>>,
    /// Names of creates that were sent again after a server broke off.
    retried: Vec<String>,
}

impl Ledger {
    pub fn there(&self, collection: &str) -> BTreeSet<String> {
        self.there.get(collection).cloned().unwrap_or_default()
    }

    pub fn gone(&self, collection: &str) -> BTreeSet<String> {
        self.gone.get(collection).cloned().unwrap_or_default()
    }

    pub fn retried(&self) -> &[String] {
        &self.retried
    }
}

pub struct Worker {
    number: usize,
    api: Api,
    common: String,
    ledger: Ledger,
    made: usize,
}

impl Worker {
    pub fn new(number: usize, api: Api, common: String) -> Self {
        Self { number, api, common, ledger: Ledger::default(), made: 0 }
    }

    /// Works until told to stop.
    pub fn run(mut self, stop: &AtomicBool) -> (Tally, Ledger) {
        let mut round = 0;
        while !stop.load(Ordering::Relaxed) {
            self.round(round % 2 == 0);
            round += 1;
        }
        (self.api.tally, self.ledger)
    }

    fn round(&mut self, keep: bool) {
        let net = self.create("networks", json!({}));
        let cidr = "10.0.0.0/24";
        let subnet = json!({"network_id": net, "ip_version": 4, "cidr": cidr});
        let subnet = self.create("subnets", subnet);
        let mut ports: Vec<String> =
            (0..PORTS).map(|_| self.create("ports", json!({"network_id": net}))).collect();
        let common = self.common.clone();
        let on_common = (0..PORTS).map(|_| self.create("ports", json!({"network_id": common})));
        ports.extend(on_common.collect::<Vec<_>>());
        let router = self.create("routers", json!({}));
        self.connect(&router, &subnet);
        for port in &ports {
            self.update("ports", port, json!({"description": "seen"}));
        }
        self.update("networks", &net, json!({"description": "seen"}));
        if keep {
            return;
        }
        self.disconnect(&router, &subnet);
        self.delete("routers", &router);
        for port in &ports {
            self.delete("ports", port);
        }
        self.delete_left(&net);
        self.delete("subnets", &subnet);
        self.delete("networks", &net);
    }

    fn create(&mut self, collection: &'static str, mut item: Value) -> String {
        self.made += 1;
        let name = format!("client{}-{}", self.number, self.made);
        item["name"] = name.as_str().into();
        let mut body = json!({});
        body[singular(collection)] = item;
        let answer = self.api.send("POST", &format!("/v2.0/{collection}"), &body);
        // The try before may have taken the subnet's place.
        if answer.status == 400 && answer.retried && collection == "subnets" {
            return self.overlapped(&name);
        }
        assert_eq!(answer.status, 201, "{collection}: {}", answer.body);
        if answer.retried {
            self.ledger.retried.push(name);
        }
        let id = answer.body[singular(collection)]["id"].as_str().expect("an id").to_string();
        self.ledger.there.entry(collection).or_default().insert(id.clone());
        id
    }

    /// The subnet of a create whose answer was lost: it is there, as the second try was told.
    fn overlapped(&mut self, name: &str) -> String {
        let found = self.api.list("subnets").into_iter().find(|(_, n)| n == name);
        let (id, _) = found.expect("the subnet that is in the way");
        self.ledger.there.entry("subnets").or_default().insert(id.clone());
        id
    }

    fn update(&mut self, collection: &str, id: &str, changes: Value) {
        let mut body = json!({});
        body[singular(collection)] = changes;
        let answer = self.api.send("PUT", &format!("/v2.0/{collection}/{id}"), &body);
        assert_eq!(answer.status, 200, "{collection}: {}", answer.body);
    }

    fn connect(&mut self, router: &str, subnet: &str) {
        let path = format!("/v2.0/routers/{router}/add_router_interface");
        let answer = self.api.send("PUT", &path, &json!({"subnet_id": subnet}));
        // Done by the try whose answer was lost.
        let done = answer.retried && answer.status == 400;
        assert!(answer.status == 200 || done, "{} {}", answer.status, answer.body);
    }

    fn disconnect(&mut self, router: &str, subnet: &str) {
        let path = format!("/v2.0/routers/{router}/remove_router_interface");
        let answer = self.api.send("PUT", &path, &json!({"subnet_id": subnet}));
        let done = answer.retried && answer.status == 404;
        assert!(answer.status == 200 || done, "{} {}", answer.status, answer.body);
    }

    fn delete(&mut self, collection: &'static str, id: &str) {
        let answer = self.api.send("DELETE", &format!("/v2.0/{collection}/{id}"), &Value::Null);
        let done = answer.retried && answer.status == 404;
        assert!(answer.status == 204 || done, "{collection}: {} {}", answer.status, answer.body);
        if let Some(there) = self.ledger.there.get_mut(collection) {
            there.remove(id);
        }
        self.ledger.gone.entry(collection).or_default().insert(id.to_string());
    }

    /// Deletes ports whose create was acknowledged to nobody: they would keep their network.
    fn delete_left(&mut self, net: &str) {
        let path = format!("/v2.0/ports?network_id={net}&fields=id");
        let left = self.api.send("GET", &path, &Value::Null).body;
        for port in left["ports"].as_array().expect("a list") {
            self.delete("ports", port["id"].as_str().expect("an id"));
        }
    }
}
