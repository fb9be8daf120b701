//! A namespace as it comes into being, piece by piece.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::{IpNet, Ipv4Net};

use crate::dhcp::device::is_host_of;

use super::{
    desired::{
        Announcement, Device, DeviceKind, Hop, MAIN_TABLE, Namespace, Neighbour, Route, Rule,
        Sysctl,
    },
    filter::Filter,
    names::{self, EXTERNAL_PREFIX},
    view::{ExtraRoute, Port, Settings},
};

/// Devices take no router advertisements.
const ACCEPT_RA_NEVER: u8 = 0;
/// Devices take router advertisements although they forward.
const ACCEPT_RA_FORWARDING: u8 = 2;

/// Next hops by table and destination.
type Routes = BTreeMap<(u32, IpNet), Vec<Hop>>;

/// A namespace as it comes into being.
#[derive(Clone, Debug)]
pub(super) struct Builder<'a> {
    settings: &'a Settings,
    name: String,
    sysctls: Vec<Sysctl>,
    pub devices: Vec<Device>,
    routes: Routes,
    pub rules: Vec<Rule>,
    pub neighbours: Vec<Neighbour>,
    pub filter: Filter<'a>,
    announcements: Vec<Announcement>,
}

impl<'a> Builder<'a> {
    /// A namespace that forwards.
    pub(super) fn new(settings: &'a Settings, name: String) -> Self {
        let mut this = Self {
            settings,
            name,
            sysctls: Vec::new(),
            devices: Vec::new(),
            routes: Routes::new(),
            rules: Vec::new(),
            neighbours: Vec::new(),
            filter: Filter::new(settings),
            announcements: Vec::new(),
        };
        // Windows of connections that outlive a change of routes would else be taken for invalid.
        this.sysctl("net/netfilter/nf_conntrack_tcp_be_liberal", 1);
        this.sysctl("net/ipv4/ip_forward", 1);
        this.sysctl("net/ipv4/conf/all/arp_ignore", 1);
        this.sysctl("net/ipv4/conf/all/arp_announce", 2);
        // Or the kernel takes all addresses of a subnet away with the first one.
        this.sysctl("net/ipv4/conf/all/promote_secondaries", 1);
        this.sysctl("net/ipv6/conf/all/forwarding", 1);
        this
    }

    /// Sets a parameter of the namespace.
    pub(super) fn sysctl(&mut self, path: &str, value: u8) {
        self.sysctls.push(Sysctl { path: path.into(), value: value.to_string() });
    }

    /// Sets a parameter of a device.
    pub(super) fn device_sysctl(&mut self, device: &str, path: &str, value: u8) {
        if let Some(device) = self.devices.iter_mut().find(|d| d.name == device) {
            device.sysctls.push(Sysctl { path: path.into(), value: value.to_string() });
        }
    }

    /// Plugs a port with its addresses, which are announced; answers the device.
    pub(super) fn plug(&mut self, prefix: &str, port: &Port) -> String {
        let name = names::device(prefix, &port.id);
        let addresses: Vec<IpNet> = port
            .fixed_ips
            .iter()
            .filter_map(|ip| IpNet::new(ip.ip_address, ip.prefixlen).ok())
            .collect();
        addresses.iter().for_each(|address| self.announce(&name, address.addr()));
        self.devices.push(Device {
            name: name.clone(),
            kind: DeviceKind::Port { port_id: port.id.clone() },
            mac: port.mac_address,
            mtu: (port.mtu > 0).then_some(port.mtu),
            addresses,
            sysctls: Vec::new(),
        });
        name
    }

    /// Plugs the external port with its routes, and the addresses `hosts` besides its own; answers
    /// the device.
    pub(super) fn plug_external(&mut self, port: &Port, hosts: &[Ipv4Addr]) -> String {
        let name = self.plug(EXTERNAL_PREFIX, port);
        self.on_link(port, &name);
        let mut gateways: Vec<IpAddr> = port.subnets.iter().filter_map(|s| s.gateway_ip).collect();
        if !gateways.iter().any(IpAddr::is_ipv6) {
            gateways.extend(self.settings.ipv6_gateway.map(IpAddr::from));
        }
        let advertised = !gateways.iter().any(IpAddr::is_ipv6);
        for gateway in gateways {
            self.route(MAIN_TABLE, default_route(gateway), Some(gateway), &name);
        }
        hosts.iter().for_each(|host| self.announce(&name, (*host).into()));
        let conf = format!("net/ipv6/conf/{name}");
        if let Some(device) = self.devices.last_mut() {
            device.addresses.extend(hosts.iter().map(|host| IpNet::from(Ipv4Net::from(*host))));
            let accept = if advertised { ACCEPT_RA_FORWARDING } else { ACCEPT_RA_NEVER };
            device.sysctls = vec![
                Sysctl { path: format!("{conf}/accept_ra"), value: accept.to_string() },
                Sysctl { path: format!("{conf}/forwarding"), value: "1".into() },
            ];
        }
        name
    }

    /// Routes to what is on the link of an external port though it has no address there: other
    /// subnets of the network, and gateways outside their subnets.
    pub(super) fn on_link(&mut self, port: &Port, device: &str) {
        for subnet in &port.extra_subnets {
            self.route(MAIN_TABLE, subnet.cidr, None, device);
        }
        for subnet in &port.subnets {
            if let Some(gateway) = subnet.gateway_ip.filter(|ip| !is_host_of(&subnet.cidr, *ip)) {
                self.route(MAIN_TABLE, gateway.into(), None, device);
            }
        }
    }

    /// Sets the route to a destination; on the link of the device without `gateway`.
    pub(super) fn route(
        &mut self,
        table: u32,
        destination: IpNet,
        gateway: Option<IpAddr>,
        device: &str,
    ) {
        let hop = Hop { gateway, device: device.into() };
        self.routes.insert((table, destination.trunc()), vec![hop]);
    }

    /// Sets routes that users asked for, where a device of the namespace reaches their next hop.
    pub(super) fn extra_routes(&mut self, extra: &[ExtraRoute]) {
        self.extra_routes_in(MAIN_TABLE, extra, None);
    }

    /// Sets in `table` those of the routes that users asked for whose next hop `device` reaches.
    pub(super) fn extra_routes_by(&mut self, table: u32, extra: &[ExtraRoute], device: &str) {
        self.extra_routes_in(table, extra, Some(device));
    }

    fn extra_routes_in(&mut self, table: u32, extra: &[ExtraRoute], by: Option<&str>) {
        let mut routes = Routes::new();
        for route in extra {
            let device = self.device_to(route.nexthop).filter(|d| by.is_none_or(|by| by == *d));
            let Some(device) = device else { continue };
            let hop = Hop { gateway: Some(route.nexthop), device: device.into() };
            routes.entry((table, route.destination.trunc())).or_default().push(hop);
        }
        self.routes.extend(routes);
    }

    /// The device on whose link an address is.
    fn device_to(&self, ip: IpAddr) -> Option<&str> {
        let connected = self.devices.iter().flat_map(|device| {
            device.addresses.iter().map(move |net| (net.trunc(), device.name.as_str()))
        });
        let on_link = self.routes.iter().filter(|((table, _), _)| *table == MAIN_TABLE).flat_map(
            |((_, net), hops)| {
                let hops = hops.iter().filter(|hop| hop.gateway.is_none());
                hops.map(|hop| (*net, hop.device.as_str()))
            },
        );
        connected
            .chain(on_link)
            .filter(|(net, _)| net.contains(&ip))
            .max_by_key(|(net, _)| net.prefix_len())
            .map(|(_, device)| device)
    }

    /// Announces an IPv4 address once it is there.
    pub(super) fn announce(&mut self, device: &str, ip: IpAddr) {
        if let IpAddr::V4(ip) = ip {
            self.announcements.push(Announcement { device: device.into(), ip });
        }
    }

    /// The namespace; on a host without IPv6 nothing of it is left.
    pub(super) fn finish(mut self, radvd: Option<String>, proxied: bool) -> Namespace {
        let routes = self.routes.into_iter().map(|((table, destination), mut hops)| {
            hops.sort();
            hops.dedup();
            Route { table, destination, hops }
        });
        let mut routes: Vec<Route> = routes.collect();
        if !self.settings.ipv6 {
            let is_v4 = |net: &IpNet| matches!(net, IpNet::V4(_));
            let is_v6 = |sysctl: &Sysctl| sysctl.path.starts_with("net/ipv6/");
            for device in &mut self.devices {
                device.addresses.retain(is_v4);
                device.sysctls.retain(|sysctl| !is_v6(sysctl));
            }
            self.sysctls.retain(|sysctl| !is_v6(sysctl));
            routes.retain(|route| is_v4(&route.destination));
            self.rules.retain(|rule| rule.family == crate::firewall::Ethertype::V4);
            self.neighbours.retain(|neighbour| neighbour.ip.is_ipv4());
        }
        Namespace {
            name: self.name,
            sysctls: self.sysctls,
            devices: self.devices,
            routes,
            rules: self.rules,
            neighbours: self.neighbours,
            radvd: radvd.filter(|_| self.settings.ipv6),
            proxied,
            iptables_v4: self.filter.v4,
            iptables_v6: self.filter.v6,
            announcements: self.announcements,
        }
    }
}

/// The destination that stands for everything, of the IP version of `gateway`.
pub(super) fn default_route(gateway: IpAddr) -> IpNet {
    let any: IpAddr = match gateway {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    IpNet::new_assert(any, 0)
}
