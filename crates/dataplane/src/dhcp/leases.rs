//! Which leases dnsmasq must forget because no port has them any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::view::Network;

/// A lease to be released with `dhcp_release` or `dhcp_release6`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// DHCPv4.
    V4 {
        /// The address.
        ip: IpAddr,
        /// Who has it.
        mac: String,
        /// What it called itself, if it did.
        client_id: Option<String>,
    },
    /// DHCPv6.
    V6 {
        /// The address.
        ip: IpAddr,
        /// DUID of the client.
        client_id: String,
        /// DUID of dnsmasq.
        server_id: String,
        /// The client's number of the lease.
        iaid: String,
    },
}

impl Release {
    /// The address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        match self {
            Self::V4 { ip, .. } | Self::V6 { ip, .. } => *ip,
        }
    }

    /// The command that releases it, program first; `device` is the one dnsmasq listens on.
    #[must_use]
    pub fn command(&self, device: &str) -> Vec<String> {
        let ip = self.ip().to_string();
        match self {
            Self::V4 { mac, client_id, .. } => {
                let mut out = vec!["dhcp_release".into(), device.into(), ip, mac.clone()];
                out.extend(client_id.clone());
                out
            }
            Self::V6 { client_id, server_id, iaid, .. } => {
                let options =
                    ["--iface", device, "--ip", &ip, "--client-id", client_id, "--server-id"];
                let mut out = vec!["dhcp_release6".to_string()];
                out.extend(options.map(str::to_string));
                out.extend([server_id.clone(), "--iaid".into(), iaid.clone()]);
                out
            }
        }
    }
}

/// A holder of an address: address, MAC, client id.
type Entry = (IpAddr, String, Option<String>);

/// One line of the lease file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lease {
    /// The MAC of a DHCPv4 lease, the IAID of a DHCPv6 one.
    holder: String,
    client_id: String,
    server_id: String,
}

/// Reads dnsmasq's lease file: `expiry mac|iaid ip name client-id`, and `duid <server>` before
/// the DHCPv6 ones. Lines that are neither are left out.
fn parse_leases(text: &str) -> BTreeMap<IpAddr, Lease> {
    let mut out = BTreeMap::new();
    let mut server_id = String::new();
    for line in text.lines() {
        let parts: Vec<&str> = line.split_whitespace().collect();
        match parts.as_slice() {
            ["duid", duid] => server_id = (*duid).to_string(),
            [_, holder, ip, _, client_id] => {
                let Ok(ip) = ip.trim_matches(['[', ']']).parse() else { continue };
                out.insert(
                    ip,
                    Lease {
                        holder: (*holder).to_string(),
                        client_id: (*client_id).to_string(),
                        server_id: server_id.clone(),
                    },
                );
            }
            _ => {}
        }
    }
    out
}

/// Reads the addresses of a hosts file written by [`super::hosts::host`].
fn parse_hosts(text: &str) -> BTreeSet<Entry> {
    let mut out = BTreeSet::new();
    for line in text.lines() {
        let mut fields = line.split(',');
        let Some(mac) = fields.next() else { continue };
        let mut client_id = None;
        for field in fields {
            if let Some(id) = field.strip_prefix("id:") {
                client_id = Some(id.to_string());
            } else if let Ok(ip) = field.trim_matches(['[', ']']).parse() {
                out.insert((ip, mac.to_string(), client_id.clone()));
            }
        }
    }
    out
}

/// The leases of the file `leases` that belong to no port of `network`; `old_host` is the hosts
/// file that dnsmasq still has.
#[must_use]
pub fn to_release(network: &Network, old_host: &str, leases: &str) -> Vec<Release> {
    let leases = parse_leases(leases);
    let old = parse_hosts(old_host);
    let wanted: BTreeSet<Entry> = network
        .ports
        .iter()
        .flat_map(|port| {
            let client_id = port.client_id().map(str::to_string);
            let mac = port.mac_address.to_string();
            port.fixed_ips.iter().map(move |ip| (ip.ip_address, mac.clone(), client_id.clone()))
        })
        .collect();
    let leased = leases.iter().filter(|(ip, _)| ip.is_ipv4()).map(|(ip, lease)| {
        let client_id = Some(lease.client_id.clone()).filter(|id| id != "*");
        (*ip, lease.holder.clone(), client_id)
    });
    let mut stale: BTreeSet<Entry> = leased.chain(old.iter().cloned()).collect();
    stale.retain(|entry| !wanted.contains(entry));
    // A client may call itself what it likes as long as its port does not say what.
    stale.retain(|(ip, mac, client_id)| {
        let anonymous = (*ip, mac.clone(), None);
        client_id.is_none() || !old.contains(&anonymous) || !wanted.contains(&anonymous)
    });
    let mut out: Vec<Release> = stale
        .into_iter()
        .filter_map(|(ip, mac, client_id)| {
            let lease = leases.get(&ip)?;
            Some(if ip.is_ipv4() {
                Release::V4 { ip, mac, client_id }
            } else {
                Release::V6 {
                    ip,
                    client_id: lease.client_id.clone(),
                    server_id: lease.server_id.clone(),
                    iaid: lease.holder.clone(),
                }
            })
        })
        .collect();
    out.sort();
    out.dedup();
    out
}

/// Of `releases`, those whose address the lease file still has.
#[must_use]
pub fn still_leased(releases: Vec<Release>, leases: &str) -> Vec<Release> {
    let leases = parse_leases(leases);
    releases.into_iter().filter(|release| leases.contains_key(&release.ip())).collect()
}
