//! Golden cases of the data plane, and the properties of its diff.

mod cases;
mod conntrack;
mod dhcp;
mod diffing;
mod firewall_any;
mod firewall_iptables;
mod firewall_openflow;
mod firewall_packets;
mod firewall_trace;
mod iptables;
mod l3;
mod observed;
