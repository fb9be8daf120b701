//! The networks between the hosts: plain Linux bridges in the lab's network namespace.
//!
//! A host gets one NIC per underlay: `eth0` management, `eth1` tunnel, `eth2` provider. The
//! provider underlay is a VLAN trunk: a Linux bridge without VLAN filtering passes tagged frames
//! as they are.

use std::path::Path;

use neutrino_linux::{NetNs, Netlink, sysctl};

use crate::error::Result;
use crate::spec::HostSpec;

/// Underlays in the order of the hosts' NICs.
const UNDERLAYS: [&str; 3] = ["management", "tunnel", "provider"];
/// The lab's own address on the management underlay; the API proxy comes from it.
const MANAGEMENT_ADDRESS: &str = "192.168.100.1/24";

/// Creates the underlays in the caller's network namespace.
pub(crate) fn create(netlink: &mut Netlink) -> Result<()> {
    netlink.set_up("lo")?;
    // Frames of the underlays are none of this namespace's business; the parameter is there only
    // when the kernel has br_netfilter.
    let filter = ["net", "bridge", "bridge-nf-call-iptables"];
    if Path::new("/proc/sys").join(filter.join("/")).exists() {
        for name in
            ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables"]
        {
            sysctl::set(&["net", "bridge", name], "0")?;
        }
    }
    for bridge in UNDERLAYS {
        netlink.add_bridge(bridge)?;
        sysctl::disable_ipv6(bridge)?;
        netlink.set_up(bridge)?;
    }
    if let Ok(net) = MANAGEMENT_ADDRESS.parse() {
        netlink.add_address(UNDERLAYS[0], net)?;
    }
    Ok(())
}

/// Joins a host to every underlay; its NICs appear in `namespace`.
pub(crate) fn join(netlink: &mut Netlink, host: &HostSpec, namespace: &NetNs) -> Result<()> {
    for (nic, bridge) in UNDERLAYS.iter().enumerate() {
        let port = format!("{}{}", &bridge[..3], host.index);
        plug(netlink, bridge, &port, namespace, &format!("eth{nic}"))?;
    }
    Ok(())
}

/// Joins what is outside the cloud to the provider underlay, as its `eth0` in `namespace`.
pub(crate) fn join_provider(netlink: &mut Netlink, port: &str, namespace: &NetNs) -> Result<()> {
    plug(netlink, UNDERLAYS[2], port, namespace, "eth0")
}

/// Makes `nic` in `namespace`, its other end being `port` of an underlay.
fn plug(
    netlink: &mut Netlink,
    bridge: &str,
    port: &str,
    namespace: &NetNs,
    nic: &str,
) -> Result<()> {
    let far = format!("{port}-{nic}");
    netlink.add_veth(port, &far)?;
    sysctl::disable_ipv6(port)?;
    netlink.set_master(port, bridge)?;
    netlink.set_up(port)?;
    netlink.move_to(&far, namespace)?;
    Netlink::open_in(namespace)?.rename(&far, nic)?;
    Ok(())
}
