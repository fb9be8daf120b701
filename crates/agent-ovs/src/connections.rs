//! Cutting tracked connections that are no longer allowed, in the kernel's tracker
//! (`iptables_hybrid`) or that of the switch's datapath (`openvswitch`).
//!
//! Which ones is the data plane's word ([`Deletions`]). Both ways list once and cut what matches.
//! Blocking, for use in `spawn_blocking`.

use std::net::IpAddr;

use neutrino_dataplane::firewall::conntrack::{Connection, Deletions};
use neutrino_linux::{Error as LinuxError, Family, conntrack::Conntrack};
use neutrino_types::ip_protocol;

use crate::unixctl::{Unixctl, UnixctlError};

/// Cuts connections in the kernel's tracker of this network namespace; how many were cut.
///
/// # Errors
/// When the kernel refuses to list or cut.
pub fn cut_in_kernel(deletions: &Deletions) -> Result<usize, LinuxError> {
    if deletions.is_empty() {
        return Ok(0);
    }
    let mut conntrack = Conntrack::open()?;
    let mut cut = 0;
    for family in [Family::V4, Family::V6] {
        for entry in conntrack.list(family)? {
            let connection = Connection {
                zone: entry.zone,
                protocol: entry.protocol,
                source: entry.source,
                destination: entry.destination,
            };
            if deletions.hits(&connection) {
                cut += usize::from(conntrack.delete(&entry)?);
            }
        }
    }
    Ok(cut)
}

/// Cuts connections in the tracker of the switch's datapath, be it the kernel's or its own; how
/// many were cut.
///
/// ICMPv6 is left to the firewall's flows and to its timeout: ovs-vswitchd 3.1 aborts when it is
/// told to forget such a connection, also when a condition without protocol meets one. That is
/// why nothing is ever cut by less than the whole tuple.
///
/// # Errors
/// When the switch cannot be asked or refuses.
pub fn cut_in_switch(switch: &mut Unixctl, deletions: &Deletions) -> Result<usize, UnixctlError> {
    if deletions.is_empty() {
        return Ok(0);
    }
    let mut cut = 0;
    let datapaths = switch.run("dpctl/dump-dps", &[])?;
    let datapaths: Vec<&str> = datapaths.lines().collect();
    for datapath in &datapaths {
        // Named only where there is a choice: 3.1 does not understand every name it prints.
        let named = &[*datapath][..usize::from(datapaths.len() > 1)];
        let dump = switch.run("dpctl/dump-conntrack", named)?;
        for tracked in dump.lines().filter_map(Tracked::parse) {
            let Connection { zone, protocol, .. } = tracked.connection;
            if protocol == ip_protocol::IPV6_ICMP || !deletions.hits(&tracked.connection) {
                continue;
            }
            let zone = format!("zone={zone}");
            let arguments = [named, &[&zone, &tracked.tuple]].concat();
            match switch.run("dpctl/flush-conntrack", &arguments) {
                Ok(_) => cut += 1,
                // It ended by itself meanwhile.
                Err(UnixctlError::Refused { reason, .. })
                    if reason.contains("No such file or directory") => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(cut)
}

/// A line of `dpctl/dump-conntrack`.
struct Tracked {
    connection: Connection,
    /// What `dpctl/flush-conntrack` calls it.
    tuple: String,
}

impl Tracked {
    /// None for what is not understood.
    fn parse(line: &str) -> Option<Self> {
        let (protocol, rest) = line.split_once(",orig=(")?;
        let (original, rest) = rest.split_once(')')?;
        let protocol = ip_protocol::number(protocol)?;
        let field = |name: &str| {
            original.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let source: IpAddr = field("src")?.parse().ok()?;
        let destination: IpAddr = field("dst")?.parse().ok()?;
        let zone = rest.split(',').find_map(|pair| pair.strip_prefix("zone="));
        let zone = zone.map_or(Some(0), |zone| zone.parse().ok())?;
        let version = if source.is_ipv4() { "nw" } else { "ipv6" };
        let mut tuple = format!(
            "ct_{version}_src={source},ct_{version}_dst={destination},ct_nw_proto={protocol}"
        );
        let more = [
            ("sport", "ct_tp_src"),
            ("dport", "ct_tp_dst"),
            ("type", "icmp_type"),
            ("code", "icmp_code"),
            ("id", "icmp_id"),
        ];
        for (shown, asked) in more {
            if let Some(value) = field(shown) {
                tuple += &format!(",{asked}={value}");
            }
        }
        Some(Self { connection: Connection { zone, protocol, source, destination }, tuple })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_switch_are_read() {
        let line = "icmp,orig=(src=10.0.0.1,dst=10.0.0.2,id=77,type=8,code=0),\
                    reply=(src=10.0.0.2,dst=10.0.0.1,id=77,type=0,code=0),zone=5";
        let tracked = Tracked::parse(line).expect("understood");
        assert_eq!((tracked.connection.zone, tracked.connection.protocol), (5, 1));
        assert_eq!(
            tracked.tuple,
            "ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=1,icmp_type=8,icmp_code=0,icmp_id=77"
        );
        let line = "tcp,orig=(src=2001:db8::1,dst=2001:db8::2,sport=1,dport=2),\
                    reply=(src=2001:db8::2,dst=2001:db8::1,sport=2,dport=1),protoinfo=(state=X)";
        let tracked = Tracked::parse(line).expect("understood");
        assert_eq!(tracked.connection.zone, 0);
        assert!(tracked.tuple.ends_with("ct_nw_proto=6,ct_tp_src=1,ct_tp_dst=2"));
        for bad in ["", "tcp", "tcp,orig=(src=x,dst=y),zone=1", "tcp,orig=(src=10.0.0.1"] {
            assert!(Tracked::parse(bad).is_none(), "{bad:?}");
        }
    }
}
