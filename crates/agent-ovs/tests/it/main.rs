//! The agent against a real Open vSwitch (private, user space, no privilege) and the real
//! embedded bus with a small server behind it.

mod adoption;
mod connections;
mod distributed;
mod failures;
mod firewall_iptables;
mod firewall_openvswitch;
mod many_ports;
mod moves;
mod support;
mod trace;
mod wiring;
