//! IP addresses of interfaces.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::Result;
use crate::netlink::{Mode, Netlink};

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Interface index.
    pub index: u32,
    /// Address with its prefix length.
    pub net: IpNet,
    /// It was assigned: not learnt from a router advertisement, which makes it expire.
    pub permanent: bool,
}

impl Netlink {
    /// Every address of the namespace.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] when the kernel refuses.
    pub fn addresses(&mut self) -> Result<Vec<Address>> {
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let answer = self.dump("list addresses", request)?;
        Ok(answer
            .iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewAddress(address) => from_message(address),
                _ => None,
            })
            .collect())
    }

    /// Adds `net` to an interface; no error when it has it already.
    ///
    /// IPv6 addresses skip duplicate address detection: the caller assigns them knowingly.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchLink`] or the kernel's refusal.
    pub fn add_address(&mut self, name: &str, net: IpNet) -> Result<()> {
        let mut message = message(self.link(name)?.index, net);
        match net {
            IpNet::V4(v4) if v4.prefix_len() < 31 => {
                message.attributes.push(AddressAttribute::Broadcast(v4.broadcast()));
            }
            IpNet::V4(_) => {}
            IpNet::V6(_) => message.header.flags = AddressHeaderFlags::Nodad,
        }
        let request = RouteNetlinkMessage::NewAddress(message);
        self.request(&format!("add the address {net} to {name}"), request, Mode::Replace)
    }

    /// Takes `net` away from an interface.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchLink`] or the kernel's refusal, `EADDRNOTAVAIL` when it has it not.
    pub fn delete_address(&mut self, name: &str, net: IpNet) -> Result<()> {
        let request = RouteNetlinkMessage::DelAddress(message(self.link(name)?.index, net));
        self.request(&format!("delete the address {net} from {name}"), request, Mode::Change)
    }
}

fn message(index: u32, net: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = net.prefix_len();
    message.header.scope = AddressScope::Universe;
    message.header.family = match net {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    };
    message.attributes.push(AddressAttribute::Local(net.addr()));
    message.attributes.push(AddressAttribute::Address(net.addr()));
    message
}

fn from_message(message: &AddressMessage) -> Option<Address> {
    let mut local = None;
    let mut address = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => address = Some(*ip),
            _ => {}
        }
    }
    // On point-to-point links `Address` is the peer's; `Local` is ours wherever it is given.
    let net = IpNet::new(local.or(address)?, message.header.prefix_len).ok()?;
    let permanent = message.header.flags.contains(AddressHeaderFlags::Permanent);
    Some(Address { index: message.header.index, net, permanent })
}

/// True when an interface of the caller's network namespace has the address `ip`.
///
/// The Open vSwitch agent's start-up check of `local_ip`.
///
/// # Errors
/// [`crate::Error::Kernel`] when netlink is refused.
pub fn interface_has_address(ip: IpAddr) -> Result<bool> {
    Ok(Netlink::open()?.addresses()?.iter().any(|address| address.net.addr() == ip))
}
