//! Typed calls to the server (`PluginApi` and `PluginReportStateAPI` of neutron.agent.rpc).

use std::{collections::VecDeque, time::Duration};

use neutrino_rpc::{
    RpcClient, RpcError, methods,
    methods::Method,
    objects::{self, DecodeError, Decoded, ObjectType},
    shapes::{
        AgentState, DeviceDetails, DeviceDown, DeviceListUpdate, DevicesDetails, TunnelEndpoint,
        security_groups::SecurityGroupInfo,
    },
};
use neutrino_types::{Attrs, Context};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::{
    config::AgentConfig,
    notification::{Notification, ResyncReason},
};

/// The server's view of an agent that reports (`report_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentStatus {
    /// First report ever.
    New,
    /// Known and alive.
    Alive,
    /// Known, but had been silent longer than `agent_down_time`.
    Revived,
}

#[derive(Deserialize)]
struct Tunnels {
    tunnels: Vec<TunnelEndpoint>,
}

/// Calls to the server on behalf of one agent. Cheap to clone.
///
/// Every call fails with a retriable error while the bus is disconnected.
#[derive(Clone)]
pub struct ServerApi {
    client: RpcClient,
    ctx: Context,
    host: String,
    agent_id: String,
    step: usize,
    report_timeout: Duration,
    connected: watch::Receiver<bool>,
    notifications: mpsc::WeakSender<Notification>,
}

impl ServerApi {
    pub(crate) fn new(
        client: RpcClient,
        config: &AgentConfig,
        connected: watch::Receiver<bool>,
        notifications: mpsc::WeakSender<Notification>,
    ) -> Self {
        Self {
            client,
            ctx: Context::admin(),
            host: config.host.clone(),
            agent_id: config.agent_id.clone(),
            step: config.processing_step.max(1),
            report_timeout: config.report_interval,
            connected,
            notifications,
        }
    }

    /// The agent's host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the bus is connected, to be watched.
    #[must_use]
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connected.clone()
    }

    /// Calls a method of one role only.
    pub async fn call<R: DeserializeOwned>(
        &self,
        method: Method,
        args: Value,
    ) -> Result<R, RpcError> {
        // One request id per call, so that the server's log can be matched.
        let ctx =
            Context { request_id: neutrino_types::context::new_request_id(), ..self.ctx.clone() };
        self.client.call(&ctx, method, &args).await
    }

    /// Reports the agent's state; `None` when the server finds the report too old. The answer
    /// is awaited no longer than until the next report.
    pub async fn report_state(&self, state: &AgentState) -> Result<Option<AgentStatus>, RpcError> {
        let mut state = state.clone();
        state.uuid = neutrino_types::new_id();
        let time = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
        let args = json!({ "agent_state": { "agent_state": state }, "time": time });
        self.client.call_within(&self.ctx, methods::REPORT_STATE, &args, self.report_timeout).await
    }

    /// Whether a server answers and reaches its database.
    pub async fn has_alive_neutron_server(&self) -> Result<bool, RpcError> {
        self.call(methods::HAS_ALIVE_NEUTRON_SERVER, json!({})).await
    }

    /// Details of one device (a port id, or its first 11 characters).
    pub async fn get_device_details(&self, device: &str) -> Result<DeviceDetails, RpcError> {
        let args = json!({ "device": device, "agent_id": self.agent_id, "host": self.host });
        self.call(methods::GET_DEVICE_DETAILS, args).await
    }

    /// Details of `devices`, asked for in chunks. A chunk that fails fails the whole.
    pub async fn get_devices_details(
        &self,
        devices: &[String],
    ) -> Result<DevicesDetails, RpcError> {
        let mut out = DevicesDetails::default();
        for chunk in devices.chunks(self.step) {
            let args = json!({ "devices": chunk, "agent_id": self.agent_id, "host": self.host });
            let part: DevicesDetails =
                self.call(methods::GET_DEVICES_DETAILS_LIST_AND_FAILED, args).await?;
            out.devices.extend(part.devices);
            out.failed_devices.extend(part.failed_devices);
        }
        Ok(out)
    }

    /// Rules of the security groups of `devices` and the addresses behind the remote groups those
    /// name, asked for in chunks. A chunk that fails fails the whole.
    pub async fn security_group_info_for_devices(
        &self,
        devices: &[String],
    ) -> Result<SecurityGroupInfo, RpcError> {
        let method = methods::SECURITY_GROUP_INFO_FOR_DEVICES;
        let mut out = SecurityGroupInfo::default();
        for chunk in devices.chunks(self.step) {
            // The argument, not the message's version, says which shape the answer has.
            let args = json!({ "devices": chunk, "call_version": method.version });
            let part: SecurityGroupInfo = self.call(method, args).await?;
            out.devices.extend(part.devices);
            out.security_groups.extend(part.security_groups);
            for (remote, members) in part.sg_member_ips {
                // Each part has the IP versions of its own devices' rules only.
                out.sg_member_ips.entry(remote).or_default().extend(members);
            }
        }
        Ok(out)
    }

    /// The versioned objects of a kind that match `filters`: a list of values for each field. One
    /// that is not understood does not hide the others.
    pub async fn bulk_pull(
        &self,
        object: &ObjectType,
        filters: Value,
    ) -> Result<Vec<Result<Decoded, DecodeError>>, RpcError> {
        let args = json!({
            "resource_type": object.name,
            "version": object.version.to_string(),
            "filter_kwargs": filters,
        });
        let answer: Vec<Value> = self.call(methods::BULK_PULL, args).await?;
        Ok(answer.iter().map(objects::decode).collect())
    }

    /// A network as the API shows it.
    pub async fn get_network_details(&self, network_id: &str) -> Result<Attrs, RpcError> {
        let args = json!({ "network": network_id, "agent_id": self.agent_id, "host": self.host });
        self.call(methods::GET_NETWORK_DETAILS, args).await
    }

    /// Tells that one device is wired.
    pub async fn update_device_up(&self, device: &str) -> Result<(), RpcError> {
        let args = json!({ "device": device, "agent_id": self.agent_id, "host": self.host });
        self.call::<Value>(methods::UPDATE_DEVICE_UP, args).await.map(drop)
    }

    /// Tells that one device is gone; answers whether its port still exists.
    pub async fn update_device_down(&self, device: &str) -> Result<DeviceDown, RpcError> {
        let args = json!({ "device": device, "agent_id": self.agent_id, "host": self.host });
        self.call(methods::UPDATE_DEVICE_DOWN, args).await
    }

    /// Tells which devices are wired and which are gone, in chunks. `refresh_tunnels` asks for
    /// all forwarding entries of the networks of `up` (l2population): after a start, or after
    /// notifications were missed.
    pub async fn update_device_list(
        &self,
        up: &[String],
        down: &[String],
        refresh_tunnels: bool,
    ) -> Result<DeviceListUpdate, RpcError> {
        let mut out = DeviceListUpdate::default();
        let mut up: VecDeque<_> = up.chunks(self.step).collect();
        let mut down: VecDeque<_> = down.chunks(self.step).collect();
        while !(up.is_empty() && down.is_empty()) {
            let args = json!({
                "devices_up": up.pop_front().unwrap_or_default(),
                "devices_down": down.pop_front().unwrap_or_default(),
                "agent_id": self.agent_id,
                "host": self.host,
                "refresh_tunnels": refresh_tunnels,
            });
            let part: DeviceListUpdate = self.call(methods::UPDATE_DEVICE_LIST, args).await?;
            out.devices_up.extend(part.devices_up);
            out.failed_devices_up.extend(part.failed_devices_up);
            out.devices_down.extend(part.devices_down);
            out.failed_devices_down.extend(part.failed_devices_down);
        }
        Ok(out)
    }

    /// Announces this host's tunnel endpoint; answers every endpoint of the type, also its own.
    pub async fn tunnel_sync(
        &self,
        tunnel_ip: &str,
        tunnel_type: &str,
    ) -> Result<Vec<TunnelEndpoint>, RpcError> {
        let args = json!({ "tunnel_ip": tunnel_ip, "tunnel_type": tunnel_type, "host": self.host });
        let Tunnels { tunnels } = self.call(methods::TUNNEL_SYNC, args).await?;
        Ok(tunnels)
    }

    /// Ports of one VNIC type bound to this host.
    pub async fn get_ports_by_vnic_type(&self, vnic_type: &str) -> Result<Vec<Attrs>, RpcError> {
        let args = json!({ "vnic_type": vnic_type, "host": self.host });
        self.call(methods::GET_PORTS_BY_VNIC_TYPE_AND_HOST, args).await
    }

    /// Puts a resync into the agent's own stream of notifications.
    pub(crate) async fn resync(&self, reason: ResyncReason) {
        if let Some(sender) = self.notifications.upgrade() {
            // An error means that the agent stops.
            let _ = sender.send(Notification::Resync(reason)).await;
        }
    }
}
