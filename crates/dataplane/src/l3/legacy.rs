//! A router that is on one host.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::{
    builder::Builder,
    desired::Namespace,
    marks::{Known, Marks, Scoped, scope_of},
    names::{self, INTERNAL_PREFIX},
    port_forwarding, radvd,
    view::{FloatingIp, Port, PortForwarding, Router, Settings},
};
use crate::firewall::Ethertype;

/// The namespace of a router that is on one host; `known` is what its packet filter has.
#[must_use]
pub fn legacy(settings: &Settings, router: &Router, known: &Known) -> Namespace {
    let router = &router.sorted();
    let mut builder = Builder::new(settings, names::router_namespace(&router.id));
    let mut devices = plug_internal(&mut builder, router);
    let floating: &[FloatingIp] = if router.gw_port.is_some() { &router.floating_ips } else { &[] };
    let forwardings: &[PortForwarding] =
        if router.gw_port.is_some() { &router.port_forwardings } else { &[] };
    let external = router.gw_port.as_ref().map(|port| {
        let device = builder.plug_external(port, &hosts(floating.iter(), forwardings));
        devices.push(Scoped { device: device.clone(), port });
        (port, device)
    });
    builder.extra_routes(&router.routes);

    let marks = marks(router, &devices, known);
    let filter = &mut builder.filter;
    filter.address_scopes();
    port_forwarding::add(filter, forwardings);
    filter.metadata();
    if let Some((port, device)) = &external {
        filter.gateway(port, device, router.enable_snat, &marks);
        let outside = scope_of(port, Ethertype::V4);
        filter.floating_scopes(floating.iter(), outside, &devices, &marks, None);
    }
    floating.iter().for_each(|fip| filter.floating_ip(fip, None));
    let exempt = external.as_ref().filter(|_| router.enable_snat).map(|(_, device)| &**device);
    filter.scopes(&devices, &marks, exempt);
    let advertised = radvd::config(settings, &router.interfaces);
    builder.finish(advertised, settings.enable_metadata_proxy)
}

/// Plugs the ports on internal networks.
pub(super) fn plug_internal<'a>(builder: &mut Builder<'_>, router: &'a Router) -> Vec<Scoped<'a>> {
    let up = router.interfaces.iter().filter(|port| port.admin_state_up);
    up.map(|port| Scoped { device: builder.plug(INTERNAL_PREFIX, port), port }).collect()
}

/// Addresses of floating IPs and port forwardings, each once.
pub(super) fn hosts<'a>(
    floating: impl Iterator<Item = &'a FloatingIp>,
    forwardings: &[PortForwarding],
) -> Vec<Ipv4Addr> {
    let mut seen = BTreeSet::new();
    floating
        .map(|fip| fip.floating_ip_address)
        .chain(forwardings.iter().map(|forwarding| forwarding.floating_ip_address))
        .filter(|address| seen.insert(*address))
        .collect()
}

/// The numbers of a router's scopes, in the order Neutron meets them.
pub(super) fn marks<'a>(router: &'a Router, devices: &'a [Scoped<'a>], known: &Known) -> Marks {
    let snat: Option<&Port> = router.gw_port.as_ref().filter(|_| router.enable_snat);
    let first = snat.and_then(|port| scope_of(port, Ethertype::V4));
    let of_fips =
        router.floating_ips.iter().filter_map(|fip| fip.fixed_ip_address_scope.as_deref());
    Marks::new(first, devices, of_fips, known)
}
