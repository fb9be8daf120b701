//! Desired flows of a physical bridge (Neutron's `OVSPhysicalBridge`).
//!
//! With distributed routing the translation has a table of its own, after what that adds.

use neutrino_openflow::{Action, Flow, Match};
use neutrino_types::NetworkType;

use crate::{
    dvr,
    tables::phys::{self, priority},
    view::{HostView, LocalVlan, OfPort},
};

/// Every flow the bridge of `physical_network` should have, under `cookie`.
#[must_use]
pub fn desired(view: &HostView, physical_network: &str, cookie: u64) -> Vec<Flow> {
    let Some(bridge) = view.physical.get(physical_network) else { return Vec::new() };
    let table = match view.dvr {
        Some(_) => phys::LOCAL_VLAN_TRANSLATION,
        None => phys::LOCAL_SWITCHING,
    };
    let from_int = Match::new().in_port(bridge.phys_ofport);
    let mut flows = vec![anchor(), Flow::new(table, priority::DROP_PORT, from_int)];
    flows.extend(
        view.vlans
            .iter()
            .filter(|v| v.segment.physical_network.as_deref() == Some(physical_network))
            .filter_map(|v| vlan_outwards(table, bridge.phys_ofport, v)),
    );
    flows.extend(dvr::phys_flows(view, physical_network));
    for flow in &mut flows {
        flow.cookie = cookie;
    }
    flows
}

/// The flow that says which cookie a previous run used.
#[must_use]
pub fn adopted_cookie(installed: &[Flow]) -> Option<u64> {
    let anchor = anchor();
    installed.iter().find(|f| f.same(&anchor)).map(|f| f.cookie)
}

fn anchor() -> Flow {
    Flow::new(phys::LOCAL_SWITCHING, priority::DEFAULT, Match::new()).then([Action::Normal])
}

/// From the local VLAN to the physical network's.
fn vlan_outwards(table: u8, phys_ofport: OfPort, vlan: &LocalVlan) -> Option<Flow> {
    let fields = Match::new().in_port(phys_ofport).dl_vlan(vlan.vlan);
    let rewrite = match (vlan.segment.network_type, vlan.segment.segmentation_id) {
        (NetworkType::Flat, _) => Action::PopVlan,
        (NetworkType::Vlan, Some(id)) => Action::set_vlan_vid(u16::try_from(id).ok()?),
        _ => return None,
    };
    Some(Flow::new(table, priority::LOCAL_VLAN, fields).then([rewrite, Action::Normal]))
}
