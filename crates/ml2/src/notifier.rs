//! What the plugin tells agents. The server implements it over RPC.

use async_trait::async_trait;
use neutrino_db::dvr::HostMac;
use neutrino_rpc::shapes::{FdbEntries, FdbUpdate};
use neutrino_types::{Attrs, NetworkType};

/// Notifications to agents (`AgentNotifierApi`, `L2populationAgentNotifyAPI`).
///
/// All are casts: they return when the message is handed over, and an implementation logs what
/// it cannot deliver. A host that misses one resynchronises when it reconnects.
#[async_trait]
pub trait AgentNotifier: Send + Sync {
    /// A port bound to a segment changed (fanout `port_update`).
    async fn port_update(
        &self,
        port: &Attrs,
        network_type: NetworkType,
        segmentation_id: Option<u32>,
        physical_network: Option<&str>,
    );
    /// A port is gone (fanout `port_delete`).
    async fn port_delete(&self, port_id: &str);
    /// A network changed (fanout `network_update`).
    async fn network_update(&self, network: &Attrs);
    /// A network is gone (fanout `network_delete`).
    async fn network_delete(&self, network_id: &str);
    /// A host has a tunnel endpoint (fanout `tunnel_update`).
    async fn tunnel_update(&self, tunnel_ip: &str, tunnel_type: NetworkType);
    /// A host's tunnel endpoint is gone (fanout `tunnel_delete`).
    async fn tunnel_delete(&self, tunnel_ip: &str, tunnel_type: NetworkType);
    /// Forwarding entries to add: to all agents, or to the one on `host`.
    async fn add_fdb_entries(&self, entries: &FdbEntries, host: Option<&str>);
    /// Forwarding entries to remove.
    async fn remove_fdb_entries(&self, entries: &FdbEntries, host: Option<&str>);
    /// Forwarding entries that changed.
    async fn update_fdb_entries(&self, update: &FdbUpdate, host: Option<&str>);
    /// The binding of a port on `host` is no longer in force (`binding_deactivate`).
    async fn binding_deactivate(&self, port_id: &str, host: &str, network_id: &str);
    /// The binding of a port on `host` is in force now (`binding_activate`).
    async fn binding_activate(&self, port_id: &str, host: &str);
    /// Hosts got or lost the MACs of their distributed routers; these are all of them (fanout
    /// `dvr_mac_address_update`).
    async fn dvr_mac_address_update(&self, macs: &[HostMac]);
    /// Ports are bound otherwise on some host, and nobody else is told so.
    fn ports_rebound(&self, port_ids: &[&str]);
    /// Rules of these security groups came or went (fanout `security_groups_rule_updated`).
    async fn security_groups_rule_updated(&self, groups: &[String]);
    /// Ports of these security groups came, went or have other addresses (fanout
    /// `security_groups_member_updated`).
    async fn security_groups_member_updated(&self, groups: &[String]);
}

/// Tells nobody: for a plugin without agents.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

#[async_trait]
impl AgentNotifier for Silent {
    async fn port_update(&self, _: &Attrs, _: NetworkType, _: Option<u32>, _: Option<&str>) {}
    async fn port_delete(&self, _: &str) {}
    async fn network_update(&self, _: &Attrs) {}
    async fn network_delete(&self, _: &str) {}
    async fn tunnel_update(&self, _: &str, _: NetworkType) {}
    async fn tunnel_delete(&self, _: &str, _: NetworkType) {}
    async fn add_fdb_entries(&self, _: &FdbEntries, _: Option<&str>) {}
    async fn remove_fdb_entries(&self, _: &FdbEntries, _: Option<&str>) {}
    async fn update_fdb_entries(&self, _: &FdbUpdate, _: Option<&str>) {}
    async fn binding_deactivate(&self, _: &str, _: &str, _: &str) {}
    async fn binding_activate(&self, _: &str, _: &str) {}
    async fn dvr_mac_address_update(&self, _: &[HostMac]) {}
    fn ports_rebound(&self, _: &[&str]) {}
    async fn security_groups_rule_updated(&self, _: &[String]) {}
    async fn security_groups_member_updated(&self, _: &[String]) {}
}
