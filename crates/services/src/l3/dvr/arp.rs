//! Neighbours of distributed routers: each of their instances is told the MAC of every address on
//! their subnets (`add_arp_entry`, `del_arp_entry`), since none of them may ask.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use neutrino_db::dvr::Interface;
use neutrino_rpc::methods::Method;
use neutrino_types::{Attrs, request};
use serde_json::{Value, json};

use super::Inner;

/// An address and the MAC that answers to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Neighbour {
    ip: String,
    mac: String,
    /// Known for the port's own addresses; for others it follows from the address.
    subnet: Option<String>,
}

fn member<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// The port's own addresses.
pub(super) fn own(port: &Attrs) -> BTreeSet<Neighbour> {
    let mac = request::text(port, "mac_address").unwrap_or_default();
    let neighbour = |ip: &Value| {
        Some(Neighbour {
            ip: member(ip, "ip_address")?.to_string(),
            mac: mac.to_string(),
            subnet: Some(member(ip, "subnet_id")?.to_string()),
        })
    };
    request::list(port, "fixed_ips").unwrap_or_default().iter().filter_map(neighbour).collect()
}

/// The single addresses among the port's allowed address pairs.
pub(super) fn allowed(port: &Attrs) -> BTreeSet<Neighbour> {
    let mac = request::text(port, "mac_address").unwrap_or_default();
    let neighbour = |pair: &Value| {
        let ip = single_address(member(pair, "ip_address")?)?;
        let mac = member(pair, "mac_address").unwrap_or(mac).to_string();
        Some(Neighbour { ip: ip.to_string(), mac, subnet: None })
    };
    let pairs = request::list(port, "allowed_address_pairs").unwrap_or_default();
    pairs.iter().filter_map(neighbour).collect()
}

/// An address, or a block of exactly one.
fn single_address(text: &str) -> Option<IpAddr> {
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    let block: IpNet = text.parse().ok()?;
    (block.prefix_len() == block.max_prefix_len()).then(|| block.addr())
}

/// (router, arguments) of a message about `neighbour` to each router among `interfaces`, which are
/// those on the network of its port.
fn entries<'i>(neighbour: &Neighbour, interfaces: &'i [Interface]) -> Vec<(&'i str, Value)> {
    let address: Option<IpAddr> = neighbour.ip.parse().ok();
    let holds = |i: &&Interface| match (&neighbour.subnet, address) {
        (Some(subnet), _) => i.subnet_id == *subnet,
        (None, Some(ip)) => i.cidr.parse::<IpNet>().is_ok_and(|cidr| cidr.contains(&ip)),
        (None, None) => false,
    };
    let entry = |i: &'i Interface| {
        let table = json!({
            "ip_address": neighbour.ip,
            "mac_address": neighbour.mac,
            "subnet_id": i.subnet_id,
        });
        let payload = json!({ "router_id": i.router_id, "arp_table": table });
        (i.router_id.as_str(), json!({ "payload": payload }))
    };
    interfaces.iter().filter(holds).map(entry).collect()
}

impl Inner {
    /// Tells all agents about neighbours of the distributed routers among `interfaces`.
    pub(super) async fn tell_neighbours(
        &self,
        method: Method,
        neighbours: &BTreeSet<Neighbour>,
        interfaces: &[Interface],
    ) {
        for neighbour in neighbours {
            for (_, args) in entries(neighbour, interfaces) {
                self.notifier.fanout(method, args).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> Attrs {
        let port = json!({
            "mac_address": "fa:16:3e:00:00:01",
            "fixed_ips": [{ "subnet_id": "s", "ip_address": "10.0.0.5" }],
            "allowed_address_pairs": [
                { "ip_address": "10.0.0.9", "mac_address": "fa:16:3e:00:00:09" },
                { "ip_address": "10.0.0.10/32" },
                { "ip_address": "10.0.0.0/24", "mac_address": "fa:16:3e:00:00:02" },
                { "ip_address": "192.0.2.1", "mac_address": "fa:16:3e:00:00:03" },
            ],
        });
        port.as_object().expect("object").clone()
    }

    fn interface() -> Interface {
        Interface {
            router_id: "r".into(),
            port_id: "p".into(),
            network_id: "n".into(),
            subnet_id: "s".into(),
            ip_address: "10.0.0.1".into(),
            cidr: "10.0.0.0/24".into(),
        }
    }

    #[test]
    fn single_addresses_inside_a_routers_subnet_are_its_neighbours() {
        let all: BTreeSet<Neighbour> = own(&port()).into_iter().chain(allowed(&port())).collect();
        let interfaces = [interface()];
        let told: Vec<Value> = all
            .iter()
            .flat_map(|n| entries(n, &interfaces))
            .map(|(_, args)| args["payload"]["arp_table"].clone())
            .collect();
        let entry = |ip: &str, n: u8| {
            let mac = format!("fa:16:3e:00:00:{n:02}");
            json!({ "ip_address": ip, "mac_address": mac, "subnet_id": "s" })
        };
        let wanted = [entry("10.0.0.10", 1), entry("10.0.0.5", 1), entry("10.0.0.9", 9)];
        assert_eq!(told, wanted);
    }
}
