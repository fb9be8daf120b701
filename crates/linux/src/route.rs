//! Routes of the main table.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::Result;
use crate::netlink::{Mode, Netlink};

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to; prefix length 0 is the default route.
    pub destination: IpNet,
    /// Through whom; `None` when the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// Index of the interface.
    pub device: Option<u32>,
    /// Made by hand or an agent, not by the kernel for an address.
    pub is_static: bool,
}

impl Netlink {
    /// Routes `destination` through `gateway`; a route to it that exists is replaced.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`], `ENETUNREACH` when the gateway is not on a connected network.
    pub fn add_route(&mut self, destination: IpNet, gateway: IpAddr) -> Result<()> {
        let mut message = unicast(destination, RouteScope::Universe);
        message.attributes.push(RouteAttribute::Gateway(gateway.into()));
        let request = RouteNetlinkMessage::NewRoute(message);
        self.request(&format!("add a route to {destination} via {gateway}"), request, Mode::Replace)
    }

    /// Says that `destination` is reached directly on the interface called `device`.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchLink`] or the kernel's refusal.
    pub fn add_on_link_route(&mut self, destination: IpNet, device: &str) -> Result<()> {
        let mut message = unicast(destination, RouteScope::Link);
        message.attributes.push(RouteAttribute::Oif(self.link(device)?.index));
        let request = RouteNetlinkMessage::NewRoute(message);
        self.request(&format!("add a route to {destination} on {device}"), request, Mode::Replace)
    }

    /// Removes a route that [`Netlink::routes`] answered.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn delete_route(&mut self, route: &Route) -> Result<()> {
        let scope = if route.gateway.is_some() { RouteScope::Universe } else { RouteScope::Link };
        let mut message = unicast(route.destination, scope);
        // The kernel compares what is given; the protocol is another's when another made it.
        message.header.protocol = RouteProtocol::Unspec;
        message.attributes.extend(route.gateway.map(|ip| RouteAttribute::Gateway(ip.into())));
        message.attributes.extend(route.device.map(RouteAttribute::Oif));
        let request = RouteNetlinkMessage::DelRoute(message);
        self.request(&format!("delete the route to {}", route.destination), request, Mode::Change)
    }

    /// Every unicast route of the main table.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] when the kernel refuses.
    pub fn routes(&mut self) -> Result<Vec<Route>> {
        let request = RouteNetlinkMessage::GetRoute(RouteMessage::default());
        let answer = self.dump("list routes", request)?;
        Ok(answer
            .iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewRoute(route) => from_message(route),
                _ => None,
            })
            .collect())
    }
}

fn unicast(destination: IpNet, scope: RouteScope) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = match destination {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    };
    message.header.destination_prefix_length = destination.prefix_len();
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = scope;
    message.header.kind = RouteType::Unicast;
    if destination.prefix_len() > 0 {
        let network = RouteAddress::from(destination.network());
        message.attributes.push(RouteAttribute::Destination(network));
    }
    message
}

fn from_message(message: &RouteMessage) -> Option<Route> {
    let header = &message.header;
    if header.table != RouteHeader::RT_TABLE_MAIN || header.kind != RouteType::Unicast {
        return None;
    }
    let address = |address: &RouteAddress| match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    };
    let mut destination = match header.address_family {
        AddressFamily::Inet => IpAddr::from([0; 4]),
        AddressFamily::Inet6 => IpAddr::from([0; 16]),
        _ => return None,
    };
    let (mut gateway, mut device) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(found) => destination = address(found)?,
            RouteAttribute::Gateway(found) => gateway = address(found),
            RouteAttribute::Oif(index) => device = Some(*index),
            _ => {}
        }
    }
    let destination = IpNet::new(destination, header.destination_prefix_length).ok()?;
    let is_static = header.protocol != RouteProtocol::Kernel;
    Some(Route { destination, gateway, device, is_static })
}
