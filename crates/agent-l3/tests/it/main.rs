//! The agent against a real Open vSwitch, a bus with a server behind it, and packets that instances
//! and a host outside send. Needs root; everything lives in namespaces of its own.

mod adoption;
mod dvr;
mod failures;
mod forwarding;
mod ipv6;
mod many;
mod server;
mod support;
