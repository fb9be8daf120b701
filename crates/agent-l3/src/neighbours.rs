//! Who is on the subnets of a distributed router.
//!
//! Each host answers for all neighbours of its distributed routers, so the router must know them
//! without asking. They are read once and then kept up to date by notifications, for reading a
//! whole subnet again whenever a port of it changes would cost more than all the rest.

use std::collections::{BTreeMap, BTreeSet};

use neutrino_dataplane::l3::view::{SubnetAddress, SubnetPort};

use crate::rpc::{L3Api, Result, Router};

/// Ports by subnet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Neighbours(BTreeMap<String, Vec<SubnetPort>>);

impl<const N: usize> From<[(String, Vec<SubnetPort>); N]> for Neighbours {
    fn from(ports: [(String, Vec<SubnetPort>); N]) -> Self {
        Self(ports.into())
    }
}

impl Neighbours {
    /// Those of a router, asked for unless `known`.
    ///
    /// # Errors
    /// A call failed.
    pub async fn of(api: &L3Api, router: &Router, known: Option<&Self>) -> Result<Self> {
        let subnets: BTreeSet<&str> = router
            .view
            .interfaces
            .iter()
            .flat_map(|port| &port.fixed_ips)
            .map(|ip| ip.subnet_id.as_str())
            .collect();
        let mut out = BTreeMap::new();
        for subnet in subnets {
            let ports = match known.and_then(|known| known.0.get(subnet)) {
                Some(ports) => ports.clone(),
                None => api.subnet_ports(subnet).await?,
            };
            out.insert(subnet.to_string(), ports);
        }
        Ok(Self(out))
    }

    /// The ports by subnet.
    #[must_use]
    pub fn by_subnet(&self) -> &BTreeMap<String, Vec<SubnetPort>> {
        &self.0
    }

    /// A notified neighbour as a port; none when it makes no sense.
    #[must_use]
    pub fn entry(subnet_id: &str, ip_address: &str, mac_address: &str) -> Option<SubnetPort> {
        let address = SubnetAddress {
            subnet_id: subnet_id.to_string(),
            ip_address: ip_address.parse().ok()?,
        };
        Some(SubnetPort {
            mac_address: mac_address.parse().ok()?,
            device_owner: String::new(),
            fixed_ips: vec![address],
            allowed_address_pairs: Vec::new(),
        })
    }

    /// A neighbour came or went. Subnets that were never asked for are not begun with one.
    pub fn change(&mut self, subnet_id: &str, neighbour: SubnetPort, present: bool) {
        let Some(ports) = self.0.get_mut(subnet_id) else { return };
        for address in &neighbour.fixed_ips {
            let host = address.ip_address.into();
            // One who went had the address no more than his own MAC says: it may be another's now.
            let mine = |mac| present || mac == neighbour.mac_address;
            for port in ports.iter_mut() {
                let mac = port.mac_address;
                port.fixed_ips.retain(|ip| ip.ip_address != address.ip_address || !mine(mac));
                port.allowed_address_pairs
                    .retain(|pair| pair.ip_address != host || !mine(pair.mac_address));
            }
        }
        ports.retain(|port| !(port.fixed_ips.is_empty() && port.allowed_address_pairs.is_empty()));
        if present {
            ports.push(neighbour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbour(ip: &str, mac: &str) -> SubnetPort {
        Neighbours::entry("s", ip, mac).expect("sensible")
    }

    #[test]
    fn the_last_word_about_an_address_counts() {
        let mut neighbours = Neighbours::from([("s".to_string(), Vec::new())]);
        neighbours.change("s", neighbour("10.0.0.1", "fa:16:3e:00:00:01"), true);
        neighbours.change("s", neighbour("10.0.0.1", "fa:16:3e:00:00:02"), true);
        neighbours.change("s", neighbour("10.0.0.2", "fa:16:3e:00:00:03"), true);
        let ports = &neighbours.by_subnet()["s"];
        assert_eq!(ports.len(), 2, "{ports:?}");
        assert_eq!(ports[0].mac_address.to_string(), "fa:16:3e:00:00:02");
        neighbours.change("s", neighbour("10.0.0.1", "fa:16:3e:00:00:01"), false);
        assert_eq!(neighbours.by_subnet()["s"].len(), 2, "it is another's by now");
        neighbours.change("s", neighbour("10.0.0.1", "fa:16:3e:00:00:02"), false);
        neighbours.change("other", neighbour("10.0.0.9", "fa:16:3e:00:00:01"), true);
        assert_eq!(neighbours.by_subnet().len(), 1);
        assert_eq!(neighbours.by_subnet()["s"].len(), 1);
        assert_eq!(Neighbours::entry("s", "ten", "fa:16:3e:00:00:01"), None);
    }
}
