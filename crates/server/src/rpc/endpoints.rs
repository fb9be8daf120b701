//! What agents may call: Neutron's `RpcCallbacks` (ML2) and `AgentExtRpcCallback`.
//!
//! Decodes arguments, encodes answers; the work is done behind [`L2Plugin`] and
//! [`Agents`](neutrino_services::Agents).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::NaiveDateTime;
use neutrino_db::{
    Db,
    sea_query::{Expr, Query},
};
use neutrino_rpc::{
    BusEvent, Endpoint, Failure, Version, methods,
    shapes::{AgentState, DeviceDetails},
};
use neutrino_services::{Agents, agents::ReportStatus};
use neutrino_types::{ApiError, Context, ListQuery, ResourcePlugin};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{L2Plugin, resync::Resync, versions::Versions};

/// Arguments and results of one call.
pub(super) type Args = Map<String, Value>;
pub(super) type Answer = Result<Value, Failure>;

pub(super) fn arguments<T: DeserializeOwned>(method: &str, args: Args) -> Result<T, Failure> {
    serde_json::from_value(Value::Object(args)).map_err(|e| Failure::bad_arguments(method, e))
}

pub(super) fn answer<T: serde::Serialize>(value: T) -> Answer {
    serde_json::to_value(value).map_err(|e| ApiError::internal(e).into())
}

/// A device as an agent names it: port id, its first 11 characters, MAC, or `[mac, pci_slot]`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Device {
    Name(String),
    Pci(
        String,
        #[expect(dead_code, reason = "only SR-IOV ports are told apart by it")] Option<String>,
    ),
}

impl Device {
    fn into_name(self) -> String {
        match self {
            Self::Name(name) | Self::Pci(name, _) => name,
        }
    }
}

pub(super) fn names(devices: Vec<Device>) -> Vec<String> {
    devices.into_iter().map(Device::into_name).collect()
}

#[derive(Deserialize)]
struct OneDevice {
    device: Device,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    refresh_tunnels: bool,
    /// Name of `refresh_tunnels` before 1.8.
    #[serde(default)]
    agent_restarted: bool,
}

#[derive(Deserialize)]
struct ManyDevices {
    #[serde(default)]
    devices: Vec<Device>,
    #[serde(default)]
    host: Option<String>,
}

#[derive(Deserialize)]
struct DeviceLists {
    #[serde(default)]
    devices_up: Option<Vec<Device>>,
    #[serde(default)]
    devices_down: Option<Vec<Device>>,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    refresh_tunnels: bool,
    #[serde(default)]
    agent_restarted: bool,
}

#[derive(Deserialize)]
struct NetworkArgs {
    network: String,
}

#[derive(Deserialize)]
struct TunnelArgs {
    tunnel_ip: String,
    tunnel_type: String,
    #[serde(default)]
    host: Option<String>,
}

#[derive(Deserialize)]
struct VnicArgs {
    vnic_type: String,
    host: String,
}

/// The plugin's endpoint on `q-plugin`.
pub struct L2Endpoint {
    plugin: Arc<dyn L2Plugin>,
}

impl L2Endpoint {
    /// Serves `plugin`.
    #[must_use]
    pub fn new(plugin: Arc<dyn L2Plugin>) -> Self {
        Self { plugin }
    }

    async fn device_details(&self, ctx: &Context, args: OneDevice) -> Answer {
        let device = args.device.into_name();
        let host = args.host.as_deref();
        let details = self.plugin.devices_details(ctx, host, std::slice::from_ref(&device)).await?;
        match details.devices.into_iter().next() {
            Some(details) => Ok(details_value(details)),
            None => Err(Failure::new(
                "builtins",
                "RuntimeError",
                format!("the details of device {device} could not be read"),
            )),
        }
    }

    async fn devices_details(
        &self,
        ctx: &Context,
        args: ManyDevices,
    ) -> Result<(Vec<Value>, Vec<String>), Failure> {
        let devices = names(args.devices);
        let details = self.plugin.devices_details(ctx, args.host.as_deref(), &devices).await?;
        let found = details.devices.into_iter().map(details_value).collect();
        Ok((found, details.failed_devices))
    }

    async fn device_up(&self, ctx: &Context, args: OneDevice) -> Answer {
        let device = args.device.into_name();
        let refresh = args.refresh_tunnels || args.agent_restarted;
        let host = args.host.as_deref();
        let up = std::slice::from_ref(&device);
        let done = self.plugin.update_device_list(ctx, host, up, &[], refresh).await?;
        if done.failed_devices_up.is_empty() { Ok(Value::Null) } else { Err(failed(&device)) }
    }

    async fn device_down(&self, ctx: &Context, args: OneDevice) -> Answer {
        let device = args.device.into_name();
        let host = args.host.as_deref();
        let down = std::slice::from_ref(&device);
        let done = self.plugin.update_device_list(ctx, host, &[], down, false).await?;
        match done.devices_down.into_iter().next() {
            Some(down) => answer(down),
            None => Err(failed(&device)),
        }
    }

    async fn device_list(&self, ctx: &Context, args: DeviceLists) -> Answer {
        let up = names(args.devices_up.unwrap_or_default());
        let down = names(args.devices_down.unwrap_or_default());
        let refresh = args.refresh_tunnels || args.agent_restarted;
        let host = args.host.as_deref();
        answer(self.plugin.update_device_list(ctx, host, &up, &down, refresh).await?)
    }

    async fn tunnel_sync(&self, ctx: &Context, args: TunnelArgs) -> Answer {
        let TunnelArgs { tunnel_ip, tunnel_type, host } = args;
        let tunnels =
            self.plugin.tunnel_sync(ctx, &tunnel_ip, &tunnel_type, host.as_deref()).await?;
        Ok(json!({ "tunnels": answer(tunnels)? }))
    }
}

fn failed(device: &str) -> Failure {
    Failure::new("builtins", "RuntimeError", format!("updating device {device} failed"))
}

/// Details in Neutron's shape: a device that is unknown or bound elsewhere has nothing else.
fn details_value(details: DeviceDetails) -> Value {
    if details.port_id.is_some() {
        return serde_json::to_value(details).unwrap_or_default();
    }
    let mut out = json!({ "device": details.device });
    if details.no_active_binding {
        out["no_active_binding"] = true.into();
    }
    out
}

#[async_trait]
impl Endpoint for L2Endpoint {
    fn version(&self) -> Version {
        methods::PLUGIN_VERSION.parse().unwrap_or(Version::DEFAULT)
    }

    fn methods(&self) -> &'static [&'static str] {
        &[
            methods::GET_DEVICE_DETAILS.name,
            methods::GET_DEVICES_DETAILS_LIST.name,
            methods::GET_DEVICES_DETAILS_LIST_AND_FAILED.name,
            methods::GET_NETWORK_DETAILS.name,
            methods::UPDATE_DEVICE_UP.name,
            methods::UPDATE_DEVICE_DOWN.name,
            methods::UPDATE_DEVICE_LIST.name,
            methods::TUNNEL_SYNC.name,
            methods::GET_PORTS_BY_VNIC_TYPE_AND_HOST.name,
        ]
    }

    async fn call(&self, ctx: &Context, method: &str, args: Args) -> Answer {
        let m = method;
        if m == methods::GET_DEVICE_DETAILS.name {
            self.device_details(ctx, arguments(m, args)?).await
        } else if m == methods::GET_DEVICES_DETAILS_LIST.name {
            let (devices, _) = self.devices_details(ctx, arguments(m, args)?).await?;
            answer(devices)
        } else if m == methods::GET_DEVICES_DETAILS_LIST_AND_FAILED.name {
            let (devices, failed) = self.devices_details(ctx, arguments(m, args)?).await?;
            Ok(json!({ "devices": devices, "failed_devices": failed }))
        } else if m == methods::GET_NETWORK_DETAILS.name {
            let NetworkArgs { network } = arguments(m, args)?;
            answer(self.plugin.network(ctx, &network).await?)
        } else if m == methods::UPDATE_DEVICE_UP.name {
            self.device_up(ctx, arguments(m, args)?).await
        } else if m == methods::UPDATE_DEVICE_DOWN.name {
            self.device_down(ctx, arguments(m, args)?).await
        } else if m == methods::UPDATE_DEVICE_LIST.name {
            self.device_list(ctx, arguments(m, args)?).await
        } else if m == methods::TUNNEL_SYNC.name {
            self.tunnel_sync(ctx, arguments(m, args)?).await
        } else if m == methods::GET_PORTS_BY_VNIC_TYPE_AND_HOST.name {
            let VnicArgs { vnic_type, host } = arguments(m, args)?;
            answer(self.plugin.ports_by_vnic_type_and_host(ctx, &vnic_type, &host).await?)
        } else {
            Err(Failure::no_such_method(m))
        }
    }
}

/// The endpoint of agents' reports, on `q-reports-plugin` and `q-plugin`.
pub struct ReportsEndpoint {
    agents: Agents,
    plugin: Arc<dyn L2Plugin>,
    db: Db,
    resync: Mutex<Resync>,
    versions: Versions,
}

#[derive(Deserialize)]
struct Report {
    agent_state: Inner,
    time: String,
}

/// Neutron wraps the state twice.
#[derive(Deserialize)]
struct Inner {
    agent_state: AgentState,
}

impl ReportsEndpoint {
    /// Serves `agents`; `plugin` hears of those that come back, `db` is asked whether it answers.
    /// What agents say of `versions` is kept there.
    pub(super) fn new(
        agents: Agents,
        plugin: Arc<dyn L2Plugin>,
        db: Db,
        versions: Versions,
    ) -> Self {
        Self { agents, plugin, db, resync: Mutex::default(), versions }
    }

    fn resync(&self) -> MutexGuard<'_, Resync> {
        // No code panics while holding it.
        self.resync.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn report_state(&self, ctx: &Context, report: Report) -> Answer {
        let sent_at = NaiveDateTime::parse_from_str(&report.time, "%Y-%m-%dT%H:%M:%S%.f")
            .map_err(|e| Failure::new("builtins", "ValueError", format!("time: {e}")))?;
        let state = report.agent_state.agent_state;
        let status = self.agents.report_state(&state, Some(sent_at.and_utc())).await?;
        if status.is_some() {
            self.versions.reported(&state, status).await;
        }
        if status == Some(ReportStatus::Revived)
            && let Err(error) = self.plugin.agent_revived(ctx, &state.host).await
        {
            // The report stands; the next binding of such a port tries again.
            tracing::error!(host = state.host, error = %error, "binding ports again failed");
        }
        let due = self.resync().is_due(&state.agent_type, &state.host);
        let status = if due && status == Some(ReportStatus::Alive) {
            Some(ReportStatus::Revived)
        } else {
            status
        };
        Ok(status.map_or(Value::Null, |status| status.as_str().into()))
    }

    async fn database_answers(&self) -> bool {
        let one = Query::select().expr(Expr::val(1)).to_owned();
        let asked = async { self.db.read().await?.fetch_one(&one).await };
        match asked.await {
            Ok(_) => true,
            Err(error) => {
                tracing::error!(error = %error, "the database does not answer");
                false
            }
        }
    }

    /// Neutron's filters are attributes of an agent, and `is_active`.
    async fn get_agents(&self, ctx: &Context, args: Args) -> Answer {
        let mut query = ListQuery::default();
        for (key, value) in args {
            let key = if key == "is_active" { "alive".to_string() } else { key };
            let values = match value {
                Value::Array(values) => values,
                value => vec![value],
            };
            query.filters.push((key, values));
        }
        answer(self.agents.list(ctx, &query).await?)
    }

    async fn delete_agent(&self, ctx: &Context, args: Args) -> Answer {
        let text = |key: &str| args.get(key).and_then(Value::as_str);
        let (Some(host), Some(agent_type)) = (text("host"), text("agent_type")) else {
            return Err(Failure::bad_arguments("delete_agent", "needs host and agent_type"));
        };
        let mut query = ListQuery::filter("host", [host]);
        query.filters.push(("agent_type".into(), vec![agent_type.into()]));
        for agent in self.agents.list(ctx, &query).await? {
            if let Some(id) = agent.get("id").and_then(Value::as_str) {
                self.agents.delete(ctx, id, None).await?;
            }
        }
        Ok(Value::Null)
    }
}

#[async_trait]
impl Endpoint for ReportsEndpoint {
    async fn event(&self, event: BusEvent) {
        if event == BusEvent::CastsLost {
            tracing::warn!("agents are told at their next report to read everything again");
            self.resync().lost();
        }
    }

    fn version(&self) -> Version {
        methods::REPORTS_VERSION.parse().unwrap_or(Version::DEFAULT)
    }

    fn methods(&self) -> &'static [&'static str] {
        &[
            methods::REPORT_STATE.name,
            methods::HAS_ALIVE_NEUTRON_SERVER.name,
            methods::GET_AGENTS.name,
            methods::DELETE_AGENT.name,
        ]
    }

    async fn call(&self, ctx: &Context, method: &str, args: Args) -> Answer {
        let m = method;
        if m == methods::REPORT_STATE.name {
            self.report_state(ctx, arguments(m, args)?).await
        } else if m == methods::HAS_ALIVE_NEUTRON_SERVER.name {
            Ok(self.database_answers().await.into())
        } else if m == methods::GET_AGENTS.name {
            self.get_agents(ctx, args).await
        } else if m == methods::DELETE_AGENT.name {
            self.delete_agent(ctx, args).await
        } else {
            Err(Failure::no_such_method(m))
        }
    }
}
