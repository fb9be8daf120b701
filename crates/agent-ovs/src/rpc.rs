//! What the server says and is asked: notifications taken into the state, calls made beside the
//! loop so that a slow or lost server never holds up the switch.

use std::{net::IpAddr, time::Duration};

use neutrino_agent::{Notification, ServerApi};
use neutrino_rpc::{
    RpcError, methods,
    shapes::{
        DeviceListUpdate, DevicesDetails, TunnelEndpoint, security_groups::SecurityGroupInfo,
    },
};
use neutrino_types::NetworkType;
use tokio::{sync::mpsc, time::Instant};

use crate::{config::Config, dvr, ports, state::State};

/// Devices asked for in one round; the next round is asked for when it is answered, while its
/// ports are wired.
pub const DETAILS_BATCH: usize = 100;
/// Devices per report (`rpc_resources_processing_step`).
pub const REPORT_BATCH: usize = 20;
/// Names of calls, for the log.
const DETAILS: &str = methods::GET_DEVICES_DETAILS_LIST_AND_FAILED.name;
const GROUPS: &str = methods::SECURITY_GROUP_INFO_FOR_DEVICES.name;
/// Pause before a call that failed is made again, unless the server reconnects earlier.
pub const RETRY: Duration = Duration::from_secs(1);

/// What the server says of devices; both parts together, for a port is not wired before its rules
/// are known.
#[derive(Debug)]
pub struct Heard {
    /// How they are to be wired.
    pub details: DevicesDetails,
    /// What those that are filtered may send and receive.
    pub groups: SecurityGroupInfo,
}

/// Which call failed, and why.
pub type CallError = (&'static str, RpcError);

/// The outcome of one call.
#[derive(Debug)]
pub enum Answer {
    /// Of `get_devices_details_list_and_failed_devices` and, when ports are filtered,
    /// `security_group_info_for_devices`.
    Details {
        /// What was asked for.
        devices: Vec<String>,
        /// The answer.
        result: Result<Heard, CallError>,
    },
    /// Of `security_group_info_for_devices`.
    Groups {
        /// What was asked for.
        devices: Vec<String>,
        /// The answer.
        result: Result<SecurityGroupInfo, RpcError>,
    },
    /// Of `update_device_list`.
    Reported {
        /// Reported as up.
        up: Vec<String>,
        /// Reported as down.
        down: Vec<String>,
        /// The answer.
        result: Result<DeviceListUpdate, RpcError>,
    },
    /// Of what distributed routing needs.
    Dvr {
        /// What was asked for.
        question: dvr::Question,
        /// The answers.
        heard: dvr::Heard,
    },
    /// Of `tunnel_sync`.
    Tunnels {
        /// Tunnel type asked for.
        network_type: NetworkType,
        /// The answer.
        result: Result<Vec<TunnelEndpoint>, RpcError>,
    },
}

/// Makes calls, each in a task of its own; the answers come back as messages.
#[derive(Clone)]
pub struct Caller {
    api: ServerApi,
    answers: mpsc::UnboundedSender<Answer>,
}

impl Caller {
    /// A caller whose answers come out of the receiver. Its queue is bounded by the few calls
    /// that are ever under way.
    #[must_use]
    pub fn new(api: ServerApi) -> (Self, mpsc::UnboundedReceiver<Answer>) {
        let (answers, receiver) = mpsc::unbounded_channel();
        (Self { api, answers }, receiver)
    }

    /// Asks for the details of `devices` and, when ports are `filtered`, for their groups.
    pub fn details(&self, devices: Vec<String>, filtered: bool) {
        let this = self.clone();
        tokio::spawn(async move {
            let result = this.heard(&devices, filtered).await;
            this.answer(Answer::Details { devices, result });
        });
    }

    async fn heard(&self, devices: &[String], filtered: bool) -> Result<Heard, CallError> {
        let details = self.api.get_devices_details(devices).await;
        let details = details.map_err(|error| (DETAILS, error))?;
        let wanted = details.devices.iter().filter(|device| filtered && ports::is_filtered(device));
        let wanted: Vec<String> = wanted.map(|device| device.device.clone()).collect();
        let groups = self.api.security_group_info_for_devices(&wanted).await;
        Ok(Heard { details, groups: groups.map_err(|error| (GROUPS, error))? })
    }

    /// Asks for the groups of `devices`.
    pub fn groups(&self, devices: Vec<String>) {
        let this = self.clone();
        tokio::spawn(async move {
            let result = this.api.security_group_info_for_devices(&devices).await;
            this.answer(Answer::Groups { devices, result });
        });
    }

    /// Asks for what distributed routing needs.
    pub fn dvr(&self, question: dvr::Question) {
        let this = self.clone();
        tokio::spawn(async move {
            let heard = dvr::ask(&this.api, &question).await;
            this.answer(Answer::Dvr { question, heard });
        });
    }

    /// Reports devices as up and down.
    pub fn report(&self, up: Vec<String>, down: Vec<String>, refresh_tunnels: bool) {
        let this = self.clone();
        tokio::spawn(async move {
            let result = this.api.update_device_list(&up, &down, refresh_tunnels).await;
            this.answer(Answer::Reported { up, down, result });
        });
    }

    /// Announces the tunnel endpoint and asks for the others.
    pub fn tunnel_sync(&self, local_ip: IpAddr, network_type: NetworkType) {
        let this = self.clone();
        tokio::spawn(async move {
            let result = this.api.tunnel_sync(&local_ip.to_string(), network_type.as_str()).await;
            this.answer(Answer::Tunnels { network_type, result });
        });
    }

    fn answer(&self, answer: Answer) {
        // An error means that the agent stops.
        let _ = self.answers.send(answer);
    }
}

/// Takes a notification into the state.
pub fn notified(state: &mut State, config: &Config, notification: Notification) {
    match notification {
        Notification::Connected => {
            tracing::info!("server connected, reading everything again");
            state.resync(config);
        }
        Notification::Resync(reason) => {
            tracing::info!(?reason, "notifications were missed, reading everything again");
            state.resync(config);
        }
        Notification::Disconnected => {
            tracing::warn!("server lost, the host stays as it is");
            state.connected = false;
        }
        Notification::PortUpdate { port_id, port, .. } => {
            state.touch(&port_id);
            state.security_groups.port_updated(port_id, &port);
        }
        Notification::PortDelete { port_id } => state.ports.deleted(&port_id),
        Notification::BindingActivate { port_id, host } if host == config.host => {
            state.ports.activated(&port_id);
        }
        Notification::BindingDeactivate { port_id, host } if host == config.host => {
            state.ports.deactivated(&port_id);
        }
        // Another host's.
        Notification::BindingActivate { .. } | Notification::BindingDeactivate { .. } => {}
        Notification::NetworkUpdate { network_id, .. } => state.ports.touch_network(&network_id),
        // Its ports are deleted first, and those are what is wired.
        Notification::NetworkDelete { .. } => {}
        Notification::TunnelUpdate { tunnel_ip, tunnel_type } => {
            if let Some(tunnel) = endpoint(config, &tunnel_type, &tunnel_ip) {
                state.endpoints.insert(tunnel, true);
            }
        }
        Notification::TunnelDelete { tunnel_ip, tunnel_type } => {
            if let Some(tunnel) = endpoint(config, &tunnel_type, &tunnel_ip) {
                state.endpoints.remove(&tunnel);
            }
        }
        Notification::SecurityGroupsRuleUpdated { security_groups } => {
            state.security_groups.rules_updated(security_groups);
        }
        Notification::SecurityGroupsMemberUpdated { security_groups } => {
            state.security_groups.members_updated(security_groups);
        }
        Notification::AddressGroupsUpdated { address_groups } => {
            state.security_groups.members_updated(address_groups);
        }
        Notification::DvrMacs(macs) => {
            if let Some(dvr) = &mut state.dvr {
                dvr.macs_updated(&macs);
            }
        }
        Notification::AddFdb(entries) => {
            let vlans = &state.vlans;
            state.fdb.add(&entries, config.local_ip, |key| vlans.get(key).is_some());
            state.confirmations_flow(config, Instant::now());
        }
        Notification::RemoveFdb(entries) => {
            state.fdb.remove(&entries, config.local_ip);
        }
        Notification::UpdateFdb(update) => {
            state.fdb.update(&update, config.local_ip);
        }
        // Of topics this agent does not listen on.
        Notification::AgentUpdated | Notification::Dhcp(_) | Notification::L3(_) => {}
    }
}

/// A tunnel endpoint of another host and of a type this host speaks.
fn endpoint(config: &Config, tunnel_type: &str, ip: &str) -> Option<(NetworkType, IpAddr)> {
    let network_type = config.tunnel_types.iter().find(|t| t.as_str() == tunnel_type)?;
    let ip = ip.parse().ok().filter(|ip| Some(*ip) != config.local_ip)?;
    Some((*network_type, ip))
}

/// Takes an answer into the state.
pub fn answered(state: &mut State, config: &Config, answer: Answer) {
    let now = Instant::now();
    match answer {
        Answer::Details { devices, result } => {
            state.calls.details = false;
            match result {
                Ok(heard) => details_heard(state, config, &devices, heard, now),
                Err((method, error)) => {
                    state.call_failed(method, &error, now);
                    state.ports.answered(config, &devices, Vec::new(), now);
                }
            }
        }
        Answer::Groups { devices, result } => {
            state.calls.details = false;
            match result {
                Ok(info) => {
                    for device in state.security_groups.answered(&devices, info) {
                        state.ports.touch(&device);
                    }
                }
                Err(error) => {
                    state.call_failed(GROUPS, &error, now);
                    state.security_groups.ask_failed();
                }
            }
        }
        Answer::Reported { up, down, result } => {
            state.calls.report = false;
            match result {
                Ok(update) => reported(state, &up, &down, &update, now),
                Err(error) => {
                    state.call_failed("update_device_list", &error, now);
                    state.refresh_failed(&up);
                    state.ports.report_failed(&up, now);
                    state.ports.report_failed(&down, now);
                }
            }
        }
        Answer::Dvr { question, heard } => {
            state.calls.dvr = false;
            if let Some(dvr) = &mut state.dvr {
                dvr.answered(&question, heard, now);
            }
        }
        Answer::Tunnels { network_type, result } => {
            state.calls.tunnels = false;
            match result {
                Ok(endpoints) => {
                    state.tunnels_pending.remove(&network_type);
                    for found in endpoints {
                        let ip = &found.ip_address;
                        if let Some(tunnel) = endpoint(config, network_type.as_str(), ip) {
                            state.endpoints.insert(tunnel, true);
                        }
                    }
                }
                Err(error) => state.call_failed("tunnel_sync", &error, now),
            }
        }
    }
}

fn details_heard(
    state: &mut State,
    config: &Config,
    devices: &[String],
    heard: Heard,
    now: Instant,
) {
    let Heard { details: DevicesDetails { devices: mut details, failed_devices }, groups } = heard;
    if !failed_devices.is_empty() {
        tracing::warn!(?failed_devices, "server failed on devices, will ask again");
    }
    if config.security_groups() {
        details.retain(|device| {
            let known = !ports::is_filtered(device) || groups.devices.contains_key(&device.device);
            if !known {
                // Changed between the two calls.
                tracing::warn!(device = device.device, "no security groups, will ask again");
            }
            known
        });
    }
    state.security_groups.learn(groups);
    state.ports.answered(config, devices, details, now);
}

fn reported(
    state: &mut State,
    up: &[String],
    down: &[String],
    update: &DeviceListUpdate,
    now: Instant,
) {
    let failed = |device: &String| {
        update.failed_devices_up.contains(device) || update.failed_devices_down.contains(device)
    };
    let (failed_up, up): (Vec<_>, Vec<_>) = up.iter().cloned().partition(failed);
    let (failed_down, down): (Vec<_>, Vec<_>) = down.iter().cloned().partition(failed);
    if !failed_up.is_empty() || !failed_down.is_empty() {
        tracing::warn!(up = ?failed_up, down = ?failed_down, "server failed on devices, will retry");
    }
    state.refresh_failed(&failed_up);
    state.ports.acknowledged(&up, true);
    state.ports.acknowledged(&down, false);
    state.ports.report_failed(&failed_up, now);
    state.ports.report_failed(&failed_down, now);
    if !up.is_empty() || !down.is_empty() {
        tracing::info!(up = up.len(), down = down.len(), "devices reported");
    }
}
