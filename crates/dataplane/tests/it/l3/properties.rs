//! Whatever a router was and becomes: the steps lead there, touch nothing that is right, and a
//! second round has nothing to do.

use neutrino_dataplane::l3::{
    Known,
    allocations::{Allocations, Pair},
    desired::Namespace,
    diff,
    dvr::{self, Link, OnHost, Served},
    legacy,
    observed::Observed,
    remove,
    step::Step,
    view::{AgentMode, ExtraRoute, Port, Router, Settings},
};
use proptest::prelude::*;

use super::{agent::carry_out, case, cases, load};

#[test]
fn every_case_is_reached_and_then_left_alone() {
    for path in cases() {
        for namespace in load(&path).namespaces() {
            let seen = carry_out(Observed::default(), &diff(&namespace, &Observed::default()));
            assert_eq!(diff(&namespace, &seen), [], "{} {}", path.display(), namespace.name);
            let gone = carry_out(seen.clone(), &remove(&seen));
            assert_eq!(gone, Observed::default(), "{}", path.display());
        }
    }
}

/// Routers of parts that are there or not.
fn router() -> impl Strategy<Value = Router> {
    let gateway = case("legacy_gateway").router;
    let scopes = case("address_scopes").router;
    let forwardings = case("port_forwarding").router.port_forwardings;
    let six = case("ipv6_modes").router;
    let interfaces: Vec<Port> = gateway
        .interfaces
        .iter()
        .chain(&scopes.interfaces)
        .chain(&six.interfaces)
        .cloned()
        .collect();
    let gateways: Vec<Port> =
        [&gateway, &scopes, &six].iter().filter_map(|r| r.gw_port.clone()).collect();
    let floating = gateway.floating_ips.iter().chain(&scopes.floating_ips).cloned().collect();
    (
        part_of(interfaces),
        proptest::option::of(proptest::sample::select(gateways)),
        any::<bool>(),
        part_of(floating),
        part_of(forwardings),
        part_of(gateway.routes.iter().chain(&six.routes).cloned().collect()),
    )
        .prop_map(
            |(interfaces, gw_port, enable_snat, mut floating_ips, forwardings, routes)| {
                floating_ips.sort_by_key(|fip| fip.floating_ip_address);
                floating_ips.dedup_by_key(|fip| fip.floating_ip_address);
                Router {
                    id: "r".into(),
                    interfaces: once(interfaces),
                    gw_port,
                    enable_snat,
                    floating_ips,
                    routes,
                    port_forwardings: forwardings,
                    ..Router::default()
                }
            },
        )
}

/// Ports of which no two are the same.
fn once(mut ports: Vec<Port>) -> Vec<Port> {
    ports.sort_by(|one, other| one.id.cmp(&other.id));
    ports.dedup_by(|one, other| one.id == other.id);
    ports
}

fn part_of<T: Clone + std::fmt::Debug + 'static>(all: Vec<T>) -> impl Strategy<Value = Vec<T>> {
    let len = all.len();
    proptest::sample::subsequence(all, 0..=len)
}

/// Steps take away nothing that is wanted, and add nothing that is there.
fn touches_only_what_is_wrong(wanted: &Namespace, seen: &Observed, steps: &[Step]) {
    for step in steps {
        let right = match step {
            Step::DeleteRoute(route) => wanted.routes.contains(route),
            Step::ReplaceRoute(route) => seen.routes.contains(route),
            Step::DeleteRule(rule) => wanted.rules.contains(rule),
            Step::DeleteNeighbour(neighbour) => wanted.neighbours.contains(neighbour),
            Step::DeleteDevice { device } => wanted.devices.iter().any(|d| d.name == *device),
            Step::DeleteAddress { device, address } => {
                wanted.devices.iter().any(|d| d.name == *device && d.addresses.contains(address))
            }
            _ => false,
        };
        assert!(!right, "{step:?} touches what is right");
    }
}

fn becomes(wanted: &Namespace, seen: Observed) -> Observed {
    let steps = diff(wanted, &seen);
    touches_only_what_is_wrong(wanted, &seen, &steps);
    let seen = carry_out(seen, &steps);
    assert_eq!(diff(wanted, &seen), [], "{steps:#?}");
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_router_becomes_any_other(routers in proptest::collection::vec(router(), 1..4)) {
        let settings = Settings::default();
        let mut seen = Observed::default();
        for router in routers {
            // Planning again with what stands must be the same plan: scopes keep their numbers.
            let wanted = legacy(&settings, &router, &Known::read(&seen));
            seen = becomes(&wanted, seen);
            let again = legacy(&settings, &router, &Known::read(&seen));
            prop_assert_eq!(&again, &wanted);
        }
    }

    #[test]
    fn any_distributed_router_becomes_any_other(
        routers in proptest::collection::vec(router(), 1..4),
        modes in proptest::collection::vec(0usize..3, 3),
        bound in proptest::collection::vec(any::<bool>(), 8),
    ) {
        let mut pairs = Allocations::<Pair>::default();
        let link = Link::new("r", pairs.allocate("r").expect("free"));
        let (mut router_seen, mut snat_seen, mut fip_seen) = Default::default();
        for (mut router, mode) in routers.into_iter().zip(modes) {
            let agent_mode = [AgentMode::Dvr, AgentMode::DvrSnat, AgentMode::DvrNoExternal][mode];
            let settings = Settings { agent_mode, host: "h".into(), ..Settings::default() };
            router.distributed = true;
            router.gw_port_host = Some("h".into());
            router.agent_gateways = router.gw_port.clone().into_iter().collect();
            router.snat_interfaces = router.interfaces.iter().map(|port| {
                let id = format!("5{}", &port.id[1..]);
                Port { id, ..port.clone() }
            }).collect();
            for (fip, bound) in router.floating_ips.iter_mut().zip(&bound) {
                (fip.host, fip.dvr_snat_bound) = (Some("h".into()), *bound);
            }
            let priorities = router.floating_ips.iter().map(|fip| fip.floating_ip_address).zip(32_768..);
            let host = OnHost { link: Some(&link), priorities: priorities.collect(), ports: Default::default() };
            let wanted = dvr::distributed(&settings, &router, &host, &Known::read(&router_seen));
            router_seen = becomes(&wanted, router_seen);
            if let Some(wanted) = dvr::snat(&settings, &router, &Known::read(&snat_seen)) {
                snat_seen = becomes(&wanted, snat_seen);
            }
            if let Some(gateway) = dvr::agent_gateway(&settings, &router) {
                let served = [Served { router: &router, link: &link }];
                fip_seen = becomes(&dvr::fip(&settings, gateway, &served), fip_seen);
            }
        }
    }
}

proptest! {
    #[test]
    fn order_of_the_servers_lists_is_none_of_ours(router in router(), seed in any::<u64>()) {
        let settings = Settings::default();
        let mut other = router.clone();
        let turn = |len: usize| if len == 0 { 0 } else { usize::try_from(seed % 7).unwrap_or(0) % len };
        other.interfaces.rotate_left(turn(router.interfaces.len()));
        other.floating_ips.rotate_left(turn(router.floating_ips.len()));
        other.port_forwardings.rotate_left(turn(router.port_forwardings.len()));
        other.routes.rotate_left(turn(router.routes.len()));
        let known = Known::default();
        prop_assert_eq!(legacy(&settings, &router, &known), legacy(&settings, &other, &known));
    }

    #[test]
    fn strange_values_of_a_server_stop_nothing(
        id in ".{0,20}",
        prefixlen in any::<u8>(),
        protocol in "[a-z -]{0,12}",
        ports in any::<(u16, u16)>(),
        gateway in any::<std::net::IpAddr>(),
        mtu in any::<u32>(),
    ) {
        let mut router = case("port_forwarding").router;
        router.id.clone_from(&id);
        let port = &mut router.interfaces[0];
        (port.id, port.mtu) = (id, mtu);
        port.fixed_ips[0].prefixlen = prefixlen;
        let external = router.gw_port.as_mut().expect("a gateway");
        external.subnets[0].gateway_ip = Some(gateway);
        router.routes.push(ExtraRoute { destination: "0.0.0.0/0".parse().expect("valid"), nexthop: gateway });
        let forwarding = &mut router.port_forwardings[0];
        (forwarding.protocol, forwarding.external_ports) = (protocol, ports);
        let wanted = legacy(&Settings::default(), &router, &Known::default());
        let _ = diff(&wanted, &Observed::default());
    }
}

/// Steps from a router that stands to a changed one.
fn after(change: impl FnOnce(&mut Router)) -> Vec<Step> {
    let settings = Settings::default();
    let mut router = case("legacy_gateway").router;
    let before = legacy(&settings, &router, &Known::default());
    let seen = carry_out(Observed::default(), &diff(&before, &Observed::default()));
    change(&mut router);
    diff(&legacy(&settings, &router, &Known::read(&seen)), &seen)
}

#[test]
fn floating_ip_that_leaves_takes_its_connections_along() {
    let steps = after(|router| {
        router.floating_ips.remove(0);
    });
    let found: Vec<String> = steps.iter().map(summary).collect();
    assert_eq!(found, ["restore", "delete address 172.24.4.50/32", "forget 172.24.4.50 None"]);
}

#[test]
fn floating_ip_that_moves_takes_its_connections_along() {
    let steps = after(|router| {
        router.floating_ips[0].fixed_ip_address = "10.0.0.99".parse().expect("valid");
    });
    let found: Vec<String> = steps.iter().map(summary).collect();
    assert_eq!(found, ["restore", "forget 172.24.4.50 None"]);
}

#[test]
fn new_floating_ip_is_announced_once_it_works() {
    let steps = after(|router| {
        let mut fip = router.floating_ips[0].clone();
        fip.floating_ip_address = "172.24.4.77".parse().expect("valid");
        fip.fixed_ip_address = "10.0.0.77".parse().expect("valid");
        router.floating_ips.push(fip);
    });
    let found: Vec<String> = steps.iter().map(summary).collect();
    assert_eq!(found, ["add address 172.24.4.77/32", "restore", "announce 172.24.4.77"]);
}

#[test]
fn gateway_that_leaves_takes_its_device_along() {
    let steps = after(|router| router.gw_port = None);
    let found: Vec<String> = steps.iter().map(summary).collect();
    assert_eq!(
        found,
        [
            "delete route 0.0.0.0/0",
            "delete route 198.51.100.0/24",
            "delete route 172.24.5.0/24",
            "restore",
            "forget 172.24.4.10 None",
            "forget 172.24.4.50 None",
            "forget 172.24.4.51 None",
            "delete device qg-eeeeeeee-a3",
        ]
    );
}

#[test]
fn port_forwarding_that_changes_takes_its_connections_along() {
    let settings = Settings::default();
    let mut router = case("port_forwarding").router;
    let before = legacy(&settings, &router, &Known::default());
    let seen = carry_out(Observed::default(), &diff(&before, &Observed::default()));
    router.port_forwardings[1].internal_ports = (7000, 7009);
    let steps = diff(&legacy(&settings, &router, &Known::read(&seen)), &seen);
    let found: Vec<String> = steps.iter().map(summary).collect();
    assert_eq!(found, ["restore", "forget 172.24.4.60 Some((17, 5000, 5009))"]);
}

fn summary(step: &Step) -> String {
    match step {
        Step::AddAddress { address, .. } => format!("add address {address}"),
        Step::DeleteAddress { address, .. } => format!("delete address {address}"),
        Step::DeleteRoute(route) => format!("delete route {}", route.destination),
        Step::DeleteDevice { device } => format!("delete device {device}"),
        Step::DeleteConntrack(c) => format!("forget {} {:?}", c.address, c.port),
        Step::Announce(announcement) => format!("announce {}", announcement.ip),
        Step::Restore { .. } => "restore".into(),
        other => format!("{other:?}"),
    }
}

#[test]
fn scopes_keep_their_numbers_while_interfaces_come_and_go() {
    let settings = Settings::default();
    let mut router = case("address_scopes").router;
    let before = legacy(&settings, &router, &Known::default());
    let seen = carry_out(Observed::default(), &diff(&before, &Observed::default()));
    let marks = |steps: &[Step]| -> usize {
        let restores = steps.iter().filter_map(|step| match step {
            Step::Restore { commands, .. } => Some(commands.matches("--set-xmark").count()),
            _ => None,
        });
        restores.sum()
    };
    // The scope of the first interface and the gateway goes from the head of the list.
    router.gw_port = None;
    router.interfaces.remove(0);
    let steps = diff(&legacy(&settings, &router, &Known::read(&seen)), &seen);
    assert_eq!(marks(&steps), 0, "{steps:#?}");
    let steps = diff(&legacy(&settings, &router, &Known::default()), &seen);
    assert!(marks(&steps) > 0, "numbers would change without what is known");
}
