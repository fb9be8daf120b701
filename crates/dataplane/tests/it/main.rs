//! Golden cases of the data plane, and the properties of its diff.

mod cases;
mod diffing;
mod firewall_openflow;
mod iptables;
mod observed;
