//! What the server tells agents (`AgentNotifierApi`, `L2populationAgentNotifyAPI`).

use neutrino_db::dvr::HostMac;
use neutrino_rpc::{
    RpcClient, RpcError, Version, methods,
    methods::Method,
    objects::{Event, ObjectType, Push, catalog},
    shapes::{FdbEntries, FdbUpdate},
};
use neutrino_services::{Changes, objects::ObjectSender};
use neutrino_types::{Attrs, Context, NetworkType};
use serde::Serialize;
use serde_json::{Value, json};

/// Sends the plugin's notifications over the bus. Never waits for an agent: the bus queues, and
/// merges what a slow agent has not yet read.
///
/// What changes is noted for those who want it as objects, too.
pub struct RpcNotifier {
    client: RpcClient,
    changes: Changes,
}

impl RpcNotifier {
    /// Sends through `client`, notes in `changes`.
    #[must_use]
    pub fn new(client: RpcClient, changes: Changes) -> Self {
        Self { client, changes }
    }

    pub(super) fn client(&self) -> &RpcClient {
        &self.client
    }

    async fn fanout(&self, method: Method, args: impl Serialize) {
        if let Err(error) = self.client.fanout(&Context::admin(), method, &args).await {
            not_notified(method, None, &error);
        }
    }

    /// To the agent on `host`, or to all.
    pub(super) async fn send(&self, method: Method, host: Option<&str>, args: impl Serialize) {
        let Some(host) = host else { return self.fanout(method, args).await };
        if let Err(error) = self.client.cast(&Context::admin(), method, Some(host), &args).await {
            not_notified(method, Some(host), &error);
        }
    }
}

fn not_notified(method: Method, host: Option<&str>, error: &RpcError) {
    match error {
        // The bus says so once, not for each, and agents resynchronise when it takes messages again.
        RpcError::Overloaded { .. } => {
            tracing::debug!(method = method.name, host, error = %error, "agents were not notified");
        }
        _ => {
            tracing::error!(method = method.name, host, error = %error, "agents were not notified");
        }
    }
}

#[async_trait::async_trait]
impl neutrino_ml2::notifier::AgentNotifier for RpcNotifier {
    async fn port_update(
        &self,
        port: &Attrs,
        network_type: NetworkType,
        segmentation_id: Option<u32>,
        physical_network: Option<&str>,
    ) {
        let args = json!({
            "port": port,
            "network_type": network_type,
            "segmentation_id": segmentation_id,
            "physical_network": physical_network,
        });
        self.changes.note(&catalog::PORT, port.get("id").and_then(Value::as_str));
        self.fanout(methods::PORT_UPDATE, args).await;
    }

    async fn port_delete(&self, port_id: &str) {
        self.changes.note(&catalog::PORT, [port_id]);
        self.fanout(methods::PORT_DELETE, json!({ "port_id": port_id })).await;
    }

    async fn network_update(&self, network: &Attrs) {
        self.fanout(methods::NETWORK_UPDATE, json!({ "network": network })).await;
    }

    async fn network_delete(&self, network_id: &str) {
        self.fanout(methods::NETWORK_DELETE, json!({ "network_id": network_id })).await;
    }

    async fn tunnel_update(&self, tunnel_ip: &str, tunnel_type: NetworkType) {
        let args = json!({ "tunnel_ip": tunnel_ip, "tunnel_type": tunnel_type });
        self.fanout(methods::TUNNEL_UPDATE, args).await;
    }

    async fn tunnel_delete(&self, tunnel_ip: &str, tunnel_type: NetworkType) {
        let args = json!({ "tunnel_ip": tunnel_ip, "tunnel_type": tunnel_type });
        self.fanout(methods::TUNNEL_DELETE, args).await;
    }

    async fn add_fdb_entries(&self, entries: &FdbEntries, host: Option<&str>) {
        self.send(methods::ADD_FDB_ENTRIES, host, json!({ "fdb_entries": entries })).await;
    }

    async fn remove_fdb_entries(&self, entries: &FdbEntries, host: Option<&str>) {
        self.send(methods::REMOVE_FDB_ENTRIES, host, json!({ "fdb_entries": entries })).await;
    }

    async fn update_fdb_entries(&self, update: &FdbUpdate, host: Option<&str>) {
        self.send(methods::UPDATE_FDB_ENTRIES, host, json!({ "fdb_entries": update })).await;
    }

    async fn binding_deactivate(&self, port_id: &str, host: &str, network_id: &str) {
        let args = json!({ "port_id": port_id, "host": host, "network_id": network_id });
        self.changes.note(&catalog::PORT, [port_id]);
        self.fanout(methods::BINDING_DEACTIVATE, args).await;
    }

    async fn binding_activate(&self, port_id: &str, host: &str) {
        self.changes.note(&catalog::PORT, [port_id]);
        self.fanout(methods::BINDING_ACTIVATE, json!({ "port_id": port_id, "host": host })).await;
    }

    async fn dvr_mac_address_update(&self, macs: &[HostMac]) {
        self.fanout(methods::DVR_MAC_ADDRESS_UPDATE, json!({ "dvr_macs": macs })).await;
    }

    fn ports_rebound(&self, port_ids: &[&str]) {
        self.changes.note(&catalog::PORT, port_ids.iter().copied());
    }

    async fn security_groups_rule_updated(&self, groups: &[String]) {
        let args = json!({ "security_groups": groups });
        self.fanout(methods::SECURITY_GROUPS_RULE_UPDATED, args).await;
    }

    async fn security_groups_member_updated(&self, groups: &[String]) {
        let args = json!({ "security_groups": groups });
        self.fanout(methods::SECURITY_GROUPS_MEMBER_UPDATED, args).await;
    }
}

#[async_trait::async_trait]
impl ObjectSender for RpcNotifier {
    async fn push(
        &self,
        object: &'static ObjectType,
        version: Version,
        primitives: Vec<Value>,
        event: Event,
    ) {
        let push = Push { resource_list: primitives, event_type: event };
        if let Err(error) = self.client.push(&Context::admin(), object, version, &push).await {
            not_notified(methods::PUSH, None, &error);
        }
    }
}
