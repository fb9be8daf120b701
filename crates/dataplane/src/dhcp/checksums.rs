//! Packet filter of the namespace: answers of dnsmasq get their UDP checksum.
//!
//! Instances' clients that read raw packets drop those whose checksum was left to a device that is
//! none.

use crate::{
    firewall::Ethertype,
    iptables::{Kind, Rule, TableName, Tables, Wrap},
};

/// The agent's program, by which its chains are known.
const BINARY: &str = "neutron-dhcp-agent";

/// The tables of a DHCP namespace for one IP version.
#[must_use]
pub fn tables(version: Ethertype) -> Tables {
    let mut tables = Tables::standard(&Wrap::new(BINARY), version, Kind::Mangle, true);
    let client_port = match version {
        Ethertype::V4 => 68,
        Ethertype::V6 => 546,
    };
    let rule =
        Rule::new(format!("-p udp -m udp --dport {client_port}"), "CHECKSUM --checksum-fill");
    if let Some(mangle) = tables.table(TableName::Mangle) {
        mangle.add("POSTROUTING", &rule);
    }
    tables
}
