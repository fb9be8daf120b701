//! Neighbours that do not have to be asked for, and those that are answered for.

use std::net::IpAddr;

use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::RouteType;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::Result;
use crate::netlink::{Mode, Netlink};

/// A permanent entry of a neighbour table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbour {
    /// Index of the interface.
    pub device: u32,
    /// Address.
    pub ip: IpAddr,
    /// Who has it.
    pub mac: [u8; 6],
}

/// An address that an interface answers for, as if it had it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProxyNeighbour {
    /// Index of the interface.
    pub device: u32,
    /// Address.
    pub ip: IpAddr,
}

impl Netlink {
    /// The permanent neighbours of the namespace.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] when the kernel refuses.
    pub fn neighbours(&mut self) -> Result<Vec<Neighbour>> {
        let entries = self.neighbour_table(NeighbourFlags::empty())?;
        let permanent =
            entries.iter().filter(|entry| entry.header.state == NeighbourState::Permanent);
        Ok(permanent
            .filter_map(|entry| {
                let mac = entry.attributes.iter().find_map(|attribute| match attribute {
                    NeighbourAttribute::LinkLayerAddress(mac) => mac.as_slice().try_into().ok(),
                    _ => None,
                })?;
                Some(Neighbour { device: entry.header.ifindex, ip: address(entry)?, mac })
            })
            .collect())
    }

    /// The addresses that interfaces of the namespace answer for.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] when the kernel refuses.
    pub fn proxy_neighbours(&mut self) -> Result<Vec<ProxyNeighbour>> {
        let entries = self.neighbour_table(NeighbourFlags::Proxy)?;
        Ok(entries
            .iter()
            .filter_map(|entry| {
                Some(ProxyNeighbour { device: entry.header.ifindex, ip: address(entry)? })
            })
            .collect())
    }

    /// Makes a permanent neighbour; what is known of the address is replaced.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] when the kernel refuses.
    pub fn set_neighbour(&mut self, neighbour: &Neighbour) -> Result<()> {
        let mut message = message(neighbour.device, neighbour.ip);
        message.header.state = NeighbourState::Permanent;
        let mac = NeighbourAttribute::LinkLayerAddress(neighbour.mac.to_vec());
        message.attributes.push(mac);
        let request = RouteNetlinkMessage::NewNeighbour(message);
        self.request(&format!("add the neighbour {}", neighbour.ip), request, Mode::Replace)
    }

    /// Forgets a neighbour.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`], `ENOENT` when it is not known.
    pub fn delete_neighbour(&mut self, device: u32, ip: IpAddr) -> Result<()> {
        let request = RouteNetlinkMessage::DelNeighbour(message(device, ip));
        self.request(&format!("delete the neighbour {ip}"), request, Mode::Change)
    }

    /// Has an interface answer for an address.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] when the kernel refuses.
    pub fn add_proxy_neighbour(&mut self, neighbour: &ProxyNeighbour) -> Result<()> {
        let mut message = message(neighbour.device, neighbour.ip);
        message.header.flags = NeighbourFlags::Proxy;
        message.header.state = NeighbourState::Permanent;
        let request = RouteNetlinkMessage::NewNeighbour(message);
        self.request(&format!("answer for {}", neighbour.ip), request, Mode::Replace)
    }

    /// Has an interface answer for an address no more.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`], `ENOENT` when it does not answer for it.
    pub fn delete_proxy_neighbour(&mut self, neighbour: &ProxyNeighbour) -> Result<()> {
        let mut message = message(neighbour.device, neighbour.ip);
        message.header.flags = NeighbourFlags::Proxy;
        let request = RouteNetlinkMessage::DelNeighbour(message);
        self.request(&format!("stop answering for {}", neighbour.ip), request, Mode::Change)
    }

    fn neighbour_table(&mut self, flags: NeighbourFlags) -> Result<Vec<NeighbourMessage>> {
        let mut message = NeighbourMessage::default();
        message.header.flags = flags;
        let request = RouteNetlinkMessage::GetNeighbour(message);
        let answer = self.dump("list neighbours", request)?;
        Ok(answer
            .into_iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewNeighbour(entry) => Some(entry),
                _ => None,
            })
            .collect())
    }
}

fn message(device: u32, ip: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.ifindex = device;
    message.header.kind = RouteType::Unspec;
    let (family, address) = match ip {
        IpAddr::V4(v4) => (AddressFamily::Inet, NeighbourAddress::Inet(v4)),
        IpAddr::V6(v6) => (AddressFamily::Inet6, NeighbourAddress::Inet6(v6)),
    };
    message.header.family = family;
    message.attributes.push(NeighbourAttribute::Destination(address));
    message
}

fn address(entry: &NeighbourMessage) -> Option<IpAddr> {
    entry.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
        _ => None,
    })
}
