//! Properties of the flows of distributed routing over views nobody thought of.

use std::collections::BTreeMap;

use neutrino_dataplane::{br_int, br_phys, br_tun, diff, tables::int, view::HostView};
use neutrino_openflow::{Field, Flow};
use proptest::prelude::*;

use crate::{cases, firewall_any::a_view};

/// All flows of a host, by bridge.
fn host(view: &HostView) -> Vec<Vec<Flow>> {
    let phys = view.physical.keys().map(|name| br_phys::desired(view, name, 1));
    [br_int::desired(view, 1), br_tun::desired(view, 1)].into_iter().chain(phys).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_view_has_contradictory_flows(view in a_view()) {
        for flows in host(&view) {
            prop_assert_eq!(diff::lint(&flows), Vec::<String>::new());
        }
    }

    #[test]
    fn the_order_of_a_view_does_not_matter(view in a_view()) {
        let mut other = view.clone();
        other.ports.reverse();
        other.vlans.reverse();
        // Two subnets that are the same are no two orders.
        if let Some(dvr) = &mut other.dvr {
            dvr.subnets.sort_by_key(|subnet| (subnet.vlan, subnet.cidr));
            dvr.subnets.dedup_by_key(|subnet| (subnet.vlan, subnet.cidr));
        }
        let mut sorted = view;
        if let (Some(dvr), Some(sorted)) = (&mut other.dvr, &mut sorted.dvr) {
            sorted.subnets.clone_from(&dvr.subnets);
            dvr.subnets.reverse();
        }
        for (one, two) in host(&sorted).into_iter().zip(host(&other)) {
            prop_assert_eq!(cases::text(one), cases::text(two));
        }
    }

    #[test]
    fn nothing_of_another_network_is_delivered(view in a_view()) {
        let vlans: BTreeMap<u32, u16> =
            view.ports.iter().filter_map(|port| Some((port.ofport, port.vlan?))).collect();
        let local = |id: u16| view.vlans.iter().any(|vlan| vlan.vlan == id);
        for flow in br_int::desired(&view, 1) {
            if flow.table != int::TRANSIENT_TABLE || flow.fields.get(Field::EthDst).is_none() {
                continue;
            }
            // What ports of any network send is untagged; a tag that is a local VLAN means that.
            let tag = flow.fields.vlan().expect("tagged");
            for port in flow.output_ports() {
                prop_assert!(vlans[&port] == tag || !local(tag), "{}", flow);
            }
        }
    }
}
