//! Routes of the main table.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::Result;
use crate::netlink::{Mode, Netlink};

impl Netlink {
    /// Routes `destination` through `gateway`; a route to it that exists is replaced.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`], `ENETUNREACH` when the gateway is not on a connected network.
    pub fn add_route(&mut self, destination: IpNet, gateway: IpAddr) -> Result<()> {
        let mut message = RouteMessage::default();
        message.header.address_family = match destination {
            IpNet::V4(_) => AddressFamily::Inet,
            IpNet::V6(_) => AddressFamily::Inet6,
        };
        message.header.destination_prefix_length = destination.prefix_len();
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Static;
        message.header.scope = RouteScope::Universe;
        message.header.kind = RouteType::Unicast;
        if destination.prefix_len() > 0 {
            let network = RouteAddress::from(destination.network());
            message.attributes.push(RouteAttribute::Destination(network));
        }
        message.attributes.push(RouteAttribute::Gateway(gateway.into()));
        let request = RouteNetlinkMessage::NewRoute(message);
        self.request(&format!("add a route to {destination} via {gateway}"), request, Mode::Replace)
    }
}
