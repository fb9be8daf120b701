//! What a DHCP agent puts on its host for a network: pure functions of the network and the agent's
//! settings.
//!
//! [`view`] is the input. [`command`] answers dnsmasq's command line, [`hosts`] and [`opts`] the
//! files it reads, [`leases`] what it must forget, [`device`] the port, addresses and gateways of
//! its namespace, [`checksums`] its packet filter and [`metadata`] whether instances find the metadata service there. Text is
//! Neutron's byte for byte, so that a dnsmasq started by either agent is right for the other.

pub mod checksums;
pub mod command;
pub mod device;
pub mod hosts;
pub mod leases;
pub mod metadata;
pub mod opts;
pub mod view;

/// Names of the files in a network's directory below `dhcp_confs`.
pub mod file {
    /// `--dhcp-hostsfile`: who gets which address.
    pub const HOST: &str = "host";
    /// `--addn-hosts`: names of all addresses.
    pub const ADDN_HOSTS: &str = "addn_hosts";
    /// `--dhcp-optsfile`: DHCP options by tag.
    pub const OPTS: &str = "opts";
    /// `--dhcp-leasefile`: dnsmasq's own after the start.
    pub const LEASES: &str = "leases";
    /// Name of the device in the namespace.
    pub const INTERFACE: &str = "interface";
    /// dnsmasq's process id.
    pub const PID: &str = "pid";
}

/// Tag of requests that come from a subnet.
pub(crate) fn subnet_tag(subnet_id: &str) -> String {
    format!("subnet-{subnet_id}")
}

/// Tag of requests that come from a port.
pub(crate) fn port_tag(port_id: &str) -> String {
    format!("port-{port_id}")
}
