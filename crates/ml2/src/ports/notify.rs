//! Telling agents that ports changed.

use std::collections::BTreeSet;

use neutrino_types::{Context, constants::device_owner};

use crate::{
    binding,
    models::{
        port::{self, Port},
        segment::Segment,
    },
    plugin::Core,
};

/// Tells the agents that a port bound to `segment` changed. A port that is bound to none concerns
/// no agent.
pub(crate) async fn port_update(core: &Core, port: &Port, segment: Option<&Segment>) {
    let Some(segment) = segment else { return };
    core.notifier
        .port_update(
            &core.show_port(port.clone()),
            segment.network_type,
            segment.segmentation_id,
            segment.physical_network.as_deref(),
        )
        .await;
}

/// Tells the agents that ports of security groups came, went or have other addresses: one message
/// about all their groups.
pub(super) async fn members_changed<'a>(core: &Core, ports: impl IntoIterator<Item = &'a Port>) {
    // As in Neutron, DHCP ports are no members anybody has a rule about.
    let members = ports.into_iter().filter(|p| p.device_owner != device_owner::DHCP);
    let groups: BTreeSet<&String> = members.flat_map(|p| &p.security_groups).collect();
    if !groups.is_empty() {
        let groups: Vec<String> = groups.into_iter().cloned().collect();
        core.notifier.security_groups_member_updated(&groups).await;
    }
}

/// Tells the agents that ports changed beside their own update, e.g. got an address.
pub(crate) async fn notify_changed(core: &Core, ids: &[String]) {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let loaded = async {
        let conn = core.db.read().await?;
        let ports = port::by_ids(&conn, &Context::admin(), &ids).await?;
        let segments = binding::bound_segments(&conn, &ports).await?;
        neutrino_types::ApiResult::Ok((ports, segments))
    };
    match loaded.await {
        Ok((ports, segments)) => {
            for port in &ports {
                port_update(core, port, segments.get(&port.id)).await;
            }
            members_changed(core, &ports).await;
        }
        Err(error) => tracing::error!(%error, "reading changed ports to notify agents failed"),
    }
}
