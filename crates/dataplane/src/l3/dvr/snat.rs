//! The centralised part of a distributed router, on the host of its gateway.

use crate::l3::{
    builder::Builder,
    desired::Namespace,
    legacy::{hosts, marks},
    marks::{Known, Scoped},
    names::{self, SNAT_PREFIX},
    port_forwarding,
    view::{FloatingIp, Router, Settings},
};

use super::is_snat_host;

/// The namespace of a router's centralised part; none when it is not on this host. `known` is what
/// its packet filter has.
#[must_use]
pub fn snat(settings: &Settings, router: &Router, known: &Known) -> Option<Namespace> {
    let router = &router.sorted();
    let port = router.gw_port.as_ref().filter(|_| is_snat_host(settings, router))?;
    let mut builder = Builder::new(settings, names::snat_namespace(&router.id));
    builder.sysctl("net/ipv4/ip_nonlocal_bind", 1);
    // A connection that was not seen from its beginning is not to get a source of its own.
    builder.sysctl("net/netfilter/nf_conntrack_tcp_loose", 0);
    let mut devices: Vec<Scoped<'_>> = router
        .snat_interfaces
        .iter()
        .map(|port| Scoped { device: builder.plug(SNAT_PREFIX, port), port })
        .collect();
    let bound = || router.floating_ips.iter().filter(|fip: &&FloatingIp| fip.dvr_snat_bound);
    let device = builder.plug_external(port, &hosts(bound(), &router.port_forwardings));
    devices.push(Scoped { device: device.clone(), port });
    builder.extra_routes(&router.routes);

    let marks = marks(router, &devices, known);
    let filter = &mut builder.filter;
    filter.address_scopes();
    port_forwarding::add(filter, &router.port_forwardings);
    filter.gateway(port, &device, router.enable_snat, &marks);
    bound().for_each(|fip| filter.floating_ip(fip, None));
    filter.scopes(&devices, &marks, Some(device.as_str()).filter(|_| router.enable_snat));
    Some(builder.finish(None, false))
}
