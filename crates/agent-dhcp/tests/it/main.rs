//! The agent with a real Open vSwitch, dnsmasq and DHCP client, and the real embedded bus with a
//! small server behind it; each test in namespaces of its own.

mod adoption;
mod failures;
mod lease;
mod many;
mod server;
mod support;
