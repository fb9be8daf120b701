//! What the host has: namespaces, and what is in one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
};

use ipnet::IpNet;
use neutrino_dataplane::{
    firewall::Ethertype,
    iptables::{SaveError, Saved},
    l3::{
        desired::{Hop, Namespace, Neighbour, Route, Rule},
        names::{
            FIP_NAMESPACE_PREFIX, NAMESPACE_PREFIXES, ROUTER_NAMESPACE_PREFIX,
            SNAT_NAMESPACE_PREFIX,
        },
        observed::{Observed, ObservedDevice},
    },
};
use neutrino_linux::{Family, MAIN_TABLE, NetNs, Netlink, iptables, sysctl};
use neutrino_types::MacAddr;

use crate::state::Site;

/// The kernel's tables `default` and `local`.
const DEFAULT_TABLE: u32 = 253;
const LOCAL_TABLE: u32 = 255;

/// A parameter in hundredths of a second that the kernel keeps in its own ticks and rounds down: of
/// 1 it tells 0 where a second has 250 of them.
const PROXY_DELAY: &str = "/proxy_delay";

/// A namespace could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The kernel or the tools.
    #[error(transparent)]
    Linux(#[from] neutrino_linux::Error),
    /// The tools' output.
    #[error("reading the tables of {namespace}")]
    Save {
        /// The namespace.
        namespace: String,
        /// Why.
        #[source]
        source: SaveError,
    },
}

/// Result of this module's functions.
pub type Result<T> = std::result::Result<T, ObserveError>;

/// What `namespace` holds but for kernel parameters and what the agent itself knows (radvd, the
/// metadata proxy). `ipv6` is whether the host speaks it.
///
/// # Errors
/// The kernel or the tools refuse.
pub fn namespace(name: &str, ipv6: bool) -> Result<Observed> {
    let Some(namespace) = NetNs::named(name)? else { return Ok(Observed::default()) };
    let (mut observed, v4, v6) = namespace.run(|| {
        let observed = layers(&mut Netlink::open()?)?;
        let v4 = iptables::save(Family::V4, false)?;
        let v6 = if ipv6 { iptables::save(Family::V6, false)? } else { String::new() };
        Ok((observed, v4, v6))
    })?;
    let parse = |text: &str| {
        let fail = |source| ObserveError::Save { namespace: name.to_string(), source };
        Saved::parse(text).map_err(fail)
    };
    observed.iptables_v4 = parse(&v4)?;
    observed.iptables_v6 = parse(&v6)?;
    Ok(observed)
}

/// The kernel parameters that `desired` is concerned with.
///
/// # Errors
/// The kernel refuses to enter the namespace.
pub fn sysctls(desired: &Namespace) -> Result<BTreeMap<String, String>> {
    let Some(namespace) = NetNs::named(&desired.name)? else { return Ok(BTreeMap::new()) };
    let of_devices = desired.devices.iter().flat_map(|device| &device.sysctls);
    let paths: Vec<&str> =
        desired.sysctls.iter().chain(of_devices).map(|sysctl| sysctl.path.as_str()).collect();
    Ok(namespace.run(|| {
        let read = |path: &&str| {
            let value = sysctl::get(&path.split('/').collect::<Vec<_>>()).ok()?;
            let rounded = path.ends_with(PROXY_DELAY) && value == "0";
            Some(((*path).to_string(), if rounded { "1".into() } else { value }))
        };
        Ok(paths.iter().filter_map(read).collect())
    })?)
}

/// What rtnetlink tells.
fn layers(netlink: &mut Netlink) -> neutrino_linux::Result<Observed> {
    let mut addresses: HashMap<u32, Vec<IpNet>> = HashMap::new();
    for address in netlink.addresses()?.into_iter().filter(|address| address.permanent) {
        addresses.entry(address.index).or_default().push(address.net);
    }
    let links = netlink.links()?;
    let names: HashMap<u32, String> =
        links.iter().map(|link| (link.index, link.name.clone())).collect();
    let devices = links.into_iter().map(|link| ObservedDevice {
        addresses: addresses.remove(&link.index).unwrap_or_default(),
        mac: MacAddr(link.mac),
        mtu: link.mtu,
        up: link.up,
        name: link.name,
    });
    let devices = devices.collect();
    Ok(Observed {
        exists: true,
        devices,
        routes: routes(netlink, &names)?,
        rules: rules(netlink)?,
        neighbours: neighbours(netlink, &names)?,
        ..Observed::default()
    })
}

/// Routes of one destination in one table are one, also where the kernel has them one by one.
fn routes(
    netlink: &mut Netlink,
    names: &HashMap<u32, String>,
) -> neutrino_linux::Result<Vec<Route>> {
    let mut out: BTreeMap<(u32, IpNet), BTreeSet<Hop>> = BTreeMap::new();
    let ours = netlink.routes_of_all_tables()?;
    for route in ours.into_iter().filter(|route| route.is_static && route.table != LOCAL_TABLE) {
        let hops = route.hops.into_iter().filter_map(|hop| {
            let device = names.get(&hop.device?)?.clone();
            Some(Hop { gateway: hop.gateway, device })
        });
        out.entry((route.table, route.destination)).or_default().extend(hops);
    }
    let route = |((table, destination), hops): (_, BTreeSet<Hop>)| Route {
        table,
        destination,
        hops: hops.into_iter().collect(),
    };
    // Without a device there is nothing to send by.
    Ok(out.into_iter().filter(|(_, hops)| !hops.is_empty()).map(route).collect())
}

fn rules(netlink: &mut Netlink) -> neutrino_linux::Result<Vec<Rule>> {
    let kernels = [LOCAL_TABLE, MAIN_TABLE, DEFAULT_TABLE];
    let own = netlink.rules()?.into_iter().filter(|rule| !kernels.contains(&rule.table));
    Ok(own
        .map(|rule| Rule {
            family: match rule.family {
                Family::V4 => Ethertype::V4,
                Family::V6 => Ethertype::V6,
            },
            priority: rule.priority,
            from: rule.source,
            iif: rule.input,
            table: rule.table,
        })
        .collect())
}

fn neighbours(
    netlink: &mut Netlink,
    names: &HashMap<u32, String>,
) -> neutrino_linux::Result<Vec<Neighbour>> {
    let named = netlink.neighbours()?.into_iter().filter_map(|neighbour| {
        let device = names.get(&neighbour.device)?.clone();
        Some(Neighbour { device, ip: neighbour.ip, mac: MacAddr(neighbour.mac) })
    });
    Ok(named.collect())
}

/// The sites that the host has a namespace of.
///
/// # Errors
/// The directory of namespaces cannot be read.
pub fn sites() -> Result<Vec<Site>> {
    let mut out: Vec<Site> = NetNs::names()?.iter().filter_map(|name| site_of(name)).collect();
    out.sort();
    out.dedup();
    Ok(out)
}

/// Whose namespace this is, if an L3 agent's.
#[must_use]
pub fn site_of(namespace: &str) -> Option<Site> {
    let (prefix, id) = NAMESPACE_PREFIXES
        .iter()
        .find_map(|prefix| Some((*prefix, namespace.strip_prefix(prefix)?)))?;
    let id = id.to_string();
    match prefix {
        ROUTER_NAMESPACE_PREFIX | SNAT_NAMESPACE_PREFIX => Some(Site::Router(id)),
        FIP_NAMESPACE_PREFIX => Some(Site::External(id)),
        _ => None,
    }
}

/// What tells a namespace from a later one of the same name; none when it is not there.
#[must_use]
pub fn identity(namespace: &str) -> Option<u64> {
    fs::metadata(NetNs::named_path(namespace)).ok().map(|data| data.ino())
}

/// The content of a file; empty when it is not there.
///
/// # Errors
/// It cannot be read.
pub fn file(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_tell_whose_they_are() {
        assert_eq!(site_of("qrouter-a"), Some(Site::Router("a".into())));
        assert_eq!(site_of("snat-a"), Some(Site::Router("a".into())));
        assert_eq!(site_of("fip-n"), Some(Site::External("n".into())));
        assert_eq!(site_of("qdhcp-n"), None);
    }
}
