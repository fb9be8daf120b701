//! What the server says and is asked: notifications taken into the state, calls made beside the
//! loop so that a slow or lost server never holds up the switch.

use std::{net::IpAddr, time::Duration};

use neutrino_agent::{Notification, ServerApi};
use neutrino_rpc::{
    RpcError,
    shapes::{DeviceListUpdate, DevicesDetails, TunnelEndpoint},
};
use neutrino_types::NetworkType;
use tokio::{sync::mpsc, time::Instant};

use crate::{config::Config, state::State};

/// Devices asked for in one round; the next round is asked for when it is answered, while its
/// ports are wired.
pub const DETAILS_BATCH: usize = 100;
/// Devices per report (`rpc_resources_processing_step`).
pub const REPORT_BATCH: usize = 20;
/// Pause before a call that failed is made again, unless the server reconnects earlier.
pub const RETRY: Duration = Duration::from_secs(1);

/// The outcome of one call.
#[derive(Debug)]
pub enum Answer {
    /// Of `get_devices_details_list_and_failed_devices`.
    Details {
        /// What was asked for.
        devices: Vec<String>,
        /// The answer.
        result: Result<DevicesDetails, RpcError>,
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

    /// Asks for the details of `devices`.
    pub fn details(&self, devices: Vec<String>) {
        let this = self.clone();
        tokio::spawn(async move {
            let result = this.api.get_devices_details(&devices).await;
            this.answer(Answer::Details { devices, result });
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
        Notification::PortUpdate { port_id, .. } => state.ports.touch(&port_id),
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
            let details = match result {
                Ok(DevicesDetails { devices, failed_devices }) => {
                    if !failed_devices.is_empty() {
                        tracing::warn!(?failed_devices, "server failed on devices, will ask again");
                    }
                    devices
                }
                Err(error) => {
                    state.call_failed("get_devices_details_list_and_failed_devices", &error, now);
                    Vec::new()
                }
            };
            state.ports.answered(config, &devices, details, now);
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
