//! What is outside the cloud: a router on the provider underlay and a host behind it.
//!
//! `upstream` is the gateway of external networks of type flat, as 172.25.250.254 is in the
//! deployment that the lab emulates; `internet` has a route to nothing but it, so that what it hears
//! from was translated or is routed.
//!
//! ```text
//! provider underlay, untagged ── eth0 upstream eth1 ── eth0 internet
//!          172.25.250.254/24                            198.51.100.1/24
//!          2001:db8:250::254/64                         2001:db8:100::1/64
//! ```

use std::path::Path;

use ipnet::IpNet;
use neutrino_linux::{NetNs, Netlink, ethtool, sysctl};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::guest;
use crate::spec::{INTERNET, UPSTREAM};
use crate::underlay;

/// Addresses of the gateway of external networks.
const GATEWAY: [&str; 2] = ["172.25.250.254/24", "2001:db8:250::254/64"];
/// Addresses of that router towards the host behind it.
const BEHIND: [&str; 2] = ["198.51.100.254/24", "2001:db8:100::254/64"];
/// Addresses of the host behind it.
const FAR: [&str; 2] = ["198.51.100.1/24", "2001:db8:100::1/64"];

/// A host outside the cloud.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutsideStatus {
    /// Its name.
    pub name: String,
    /// Process id of its init in the lab's pid namespace.
    pub pid: u32,
}

/// Life of the init of a host outside.
pub(crate) fn init(name: &str) -> Result<()> {
    guest::init(name, || Ok(()))
}

/// Starts both hosts and joins them to the underlay, in the caller's network namespace.
pub(crate) fn start(netlink: &mut Netlink, binary: &Path) -> Result<Vec<OutsideStatus>> {
    let mut started = Vec::new();
    let mut namespaces = Vec::new();
    for name in [UPSTREAM, INTERNET] {
        let pid = guest::start(binary, "outside-init", name)?;
        started.push(OutsideStatus { name: name.to_owned(), pid });
        namespaces.push(NetNs::of_process(pid)?);
    }
    let [upstream, internet] = namespaces.as_slice() else { return Ok(started) };
    underlay::join_provider(netlink, UPSTREAM, upstream)?;
    let ends = ["up-eth1", "far-eth0"];
    netlink.add_veth(ends[0], ends[1])?;
    for (end, namespace, nic) in [(ends[0], upstream, "eth1"), (ends[1], internet, "eth0")] {
        netlink.move_to(end, namespace)?;
        Netlink::open_in(namespace)?.rename(end, nic)?;
    }
    upstream.run(|| {
        sysctl::set(&["net", "ipv4", "ip_forward"], "1")?;
        sysctl::set(&["net", "ipv6", "conf", "all", "forwarding"], "1")
    })?;
    for (namespace, nic, addresses) in
        [(upstream, "eth0", GATEWAY), (upstream, "eth1", BEHIND), (internet, "eth0", FAR)]
    {
        // A switch in user space does not finish what the kernel leaves to a NIC.
        namespace.run(|| ethtool::disable_tx_offload(nic))?;
        let mut inner = Netlink::open_in(namespace)?;
        inner.set_up(nic)?;
        for address in addresses {
            inner.add_address(nic, parse(address)?)?;
        }
    }
    for (destination, via) in ["0.0.0.0/0", "::/0"].into_iter().zip(BEHIND) {
        Netlink::open_in(internet)?.add_route(parse(destination)?, parse(via)?.addr())?;
    }
    Ok(started)
}

fn parse(text: &str) -> Result<IpNet> {
    text.parse().map_err(|error| Error::Lab(format!("{text}: {error}")))
}
