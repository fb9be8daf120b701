//! Routes of all tables.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop,
    RouteNextHopFlags, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::Result;
use crate::netlink::{Mode, Netlink};

/// The table that is looked at without any rule of one's own.
pub const MAIN_TABLE: u32 = RouteHeader::RT_TABLE_MAIN as u32;

/// A way that a route takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hop {
    /// Through whom; `None` when the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// Index of the interface; to be found by the kernel if `None`.
    pub device: Option<u32>,
    /// The gateway is on the link even where no address of the interface says so.
    pub on_link: bool,
}

/// A unicast route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to; prefix length 0 is the default route.
    pub destination: IpNet,
    /// The table it is in.
    pub table: u32,
    /// The less the better; 0 leaves it to the kernel (IPv6: 1024).
    pub metric: u32,
    /// The ways, more than one where they share the load.
    pub hops: Vec<Hop>,
    /// Made by hand or an agent, not by the kernel for an address, nor by a router advertisement,
    /// nor by a routing daemon.
    pub is_static: bool,
}

impl Route {
    /// A route of the main table.
    #[must_use]
    pub fn new(destination: IpNet, hop: Hop) -> Self {
        let hops = vec![hop];
        Self { destination, table: MAIN_TABLE, metric: 0, hops, is_static: true }
    }

    /// The gateway of the first way.
    #[must_use]
    pub fn gateway(&self) -> Option<IpAddr> {
        self.hops.first()?.gateway
    }

    /// The interface of the first way.
    #[must_use]
    pub fn device(&self) -> Option<u32> {
        self.hops.first()?.device
    }

    /// The route as a request names it, its ways left out.
    fn message(&self) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.address_family = match self.destination {
            IpNet::V4(_) => AddressFamily::Inet,
            IpNet::V6(_) => AddressFamily::Inet6,
        };
        message.header.destination_prefix_length = self.destination.prefix_len();
        message.header.kind = RouteType::Unicast;
        // Numbers above 255 fit the attribute only.
        message.header.table = u8::try_from(self.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
        message.attributes.push(RouteAttribute::Table(self.table));
        if self.destination.prefix_len() > 0 {
            let network = RouteAddress::from(self.destination.network());
            message.attributes.push(RouteAttribute::Destination(network));
        }
        if self.metric > 0 {
            message.attributes.push(RouteAttribute::Priority(self.metric));
        }
        message
    }

    fn push_hops(&self, message: &mut RouteMessage) {
        match self.hops.as_slice() {
            [hop] => {
                message.attributes.extend(hop.gateway.map(|ip| RouteAttribute::Gateway(ip.into())));
                message.attributes.extend(hop.device.map(RouteAttribute::Oif));
                if hop.on_link {
                    message.header.flags |= RouteFlags::Onlink;
                }
            }
            hops => {
                let hops = hops.iter().map(next_hop).collect();
                message.attributes.push(RouteAttribute::MultiPath(hops));
            }
        }
    }
}

fn next_hop(hop: &Hop) -> RouteNextHop {
    let mut out = RouteNextHop::default();
    out.interface_index = hop.device.unwrap_or(0);
    out.attributes.extend(hop.gateway.map(|ip| RouteAttribute::Gateway(ip.into())));
    if hop.on_link {
        out.flags |= RouteNextHopFlags::Onlink;
    }
    out
}

impl Netlink {
    /// Makes a route; one to the same destination in the same table with the same metric is
    /// replaced.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`], `ENETUNREACH` when a gateway is not on a connected network.
    pub fn replace_route(&mut self, route: &Route) -> Result<()> {
        let mut message = route.message();
        message.header.protocol = RouteProtocol::Static;
        message.header.scope =
            if route.gateway().is_some() { RouteScope::Universe } else { RouteScope::Link };
        route.push_hops(&mut message);
        let request = RouteNetlinkMessage::NewRoute(message);
        let attempt = format!("add a route to {} in table {}", route.destination, route.table);
        self.request(&attempt, request, Mode::Replace)
    }

    /// Routes `destination` through `gateway`; a route to it that exists is replaced.
    ///
    /// # Errors
    /// As [`Netlink::replace_route`].
    pub fn add_route(&mut self, destination: IpNet, gateway: IpAddr) -> Result<()> {
        let hop = Hop { gateway: Some(gateway), ..Hop::default() };
        self.replace_route(&Route::new(destination, hop))
    }

    /// Says that `destination` is reached directly on the interface called `device`.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchLink`] or the kernel's refusal.
    pub fn add_on_link_route(&mut self, destination: IpNet, device: &str) -> Result<()> {
        let hop = Hop { device: Some(self.link(device)?.index), ..Hop::default() };
        self.replace_route(&Route::new(destination, hop))
    }

    /// Removes a route that [`Netlink::routes`] answered.
    ///
    /// # Errors
    /// The kernel's refusal, `ESRCH` when there is no such route.
    pub fn delete_route(&mut self, route: &Route) -> Result<()> {
        let mut message = route.message();
        // The kernel compares what is given; protocol and scope are another's when another made it.
        message.header.protocol = RouteProtocol::Unspec;
        message.header.scope = RouteScope::NoWhere;
        if route.hops.len() == 1 {
            route.push_hops(&mut message);
        }
        let request = RouteNetlinkMessage::DelRoute(message);
        self.request(&format!("delete the route to {}", route.destination), request, Mode::Change)
    }

    /// Every unicast route of the main table.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] when the kernel refuses.
    pub fn routes(&mut self) -> Result<Vec<Route>> {
        let mut out = self.routes_of_all_tables()?;
        out.retain(|route| route.table == MAIN_TABLE);
        Ok(out)
    }

    /// Every unicast route of every table.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] when the kernel refuses.
    pub fn routes_of_all_tables(&mut self) -> Result<Vec<Route>> {
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

fn address(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

fn from_message(message: &RouteMessage) -> Option<Route> {
    let header = &message.header;
    if header.kind != RouteType::Unicast || header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let mut destination = match header.address_family {
        AddressFamily::Inet => IpAddr::from([0; 4]),
        AddressFamily::Inet6 => IpAddr::from([0; 16]),
        _ => return None,
    };
    let (mut table, mut metric) = (u32::from(header.table), 0);
    let on_link = header.flags.contains(RouteFlags::Onlink);
    let (mut only, mut hops) = (Hop { on_link, ..Hop::default() }, Vec::new());
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(found) => destination = address(found)?,
            RouteAttribute::Gateway(found) => only.gateway = address(found),
            RouteAttribute::Oif(index) => only.device = Some(*index),
            RouteAttribute::Table(found) => table = *found,
            RouteAttribute::Priority(found) => metric = *found,
            RouteAttribute::MultiPath(found) => hops = found.iter().map(from_next_hop).collect(),
            _ => {}
        }
    }
    if hops.is_empty() {
        hops.push(only);
    }
    let destination = IpNet::new(destination, header.destination_prefix_length).ok()?;
    let is_static = matches!(header.protocol, RouteProtocol::Static | RouteProtocol::Boot);
    Some(Route { destination, table, metric, hops, is_static })
}

fn from_next_hop(hop: &RouteNextHop) -> Hop {
    let gateway = hop.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(found) => address(found),
        _ => None,
    });
    let device = Some(hop.interface_index).filter(|index| *index > 0);
    Hop { gateway, device, on_link: hop.flags.contains(RouteNextHopFlags::Onlink) }
}
