//! What DHCP agents may call (`DhcpRpcCallback`).

use async_trait::async_trait;
use neutrino_ml2::{DhcpView, Ml2Plugin};
use neutrino_rpc::{Endpoint, Failure, Version, methods};
use neutrino_services::DhcpScheduler;
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context,
    constants::{device_id, device_owner},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::endpoints::{Answer, Args, answer, arguments};

/// `get_networks` is Neutron's, for interface drivers outside of it.
const GET_NETWORKS: &str = "get_networks";

/// The DHCP endpoint on `q-plugin`.
pub struct DhcpEndpoint {
    scheduler: DhcpScheduler,
    ml2: Ml2Plugin,
}

#[derive(Deserialize)]
struct ActiveArgs {
    host: String,
    #[serde(default = "yes")]
    enable_dhcp_filter: bool,
}

#[derive(Deserialize)]
struct InfoArgs {
    network_id: String,
    /// Absent asks for subnets with DHCP, null for all.
    #[serde(default = "only_dhcp")]
    enable_dhcp: Option<bool>,
}

#[derive(Deserialize)]
struct CreateArgs {
    port: Wrapped,
    host: String,
}

#[derive(Deserialize)]
struct UpdateArgs {
    port_id: String,
    port: Wrapped,
    host: String,
}

#[derive(Deserialize)]
struct Wrapped {
    port: Attrs,
}

#[derive(Deserialize)]
struct ReleaseArgs {
    network_id: String,
    device_id: String,
}

#[derive(Deserialize)]
struct PortArgs {
    port_id: String,
}

#[derive(Deserialize)]
struct ReadyArgs {
    port_ids: Vec<String>,
}

fn yes() -> bool {
    true
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional argument")]
fn only_dhcp() -> Option<bool> {
    Some(true)
}

/// Why an agent's own port could not be made or changed, when that is no error: what it asked for
/// went away meanwhile.
fn is_race(error: &ApiError) -> bool {
    ["NetworkNotFound", "SubnetNotFound", "InvalidInput"].contains(&error.kind)
}

impl DhcpEndpoint {
    /// Serves `ml2`'s networks as `scheduler` gave them to agents.
    #[must_use]
    pub fn new(scheduler: DhcpScheduler, ml2: Ml2Plugin) -> Self {
        Self { scheduler, ml2 }
    }

    async fn active_networks(&self, ctx: &Context, args: ActiveArgs) -> Answer {
        let ids = self.scheduler.networks_on(&args.host).await?;
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let view = DhcpView { dhcp_subnets_only: args.enable_dhcp_filter, up_only: true };
        answer(self.ml2.dhcp_networks(ctx, &ids, view).await?)
    }

    async fn network(&self, ctx: &Context, args: InfoArgs) -> Answer {
        let dhcp_subnets_only = args.enable_dhcp == Some(true);
        let view = DhcpView { dhcp_subnets_only, up_only: false };
        let found = self.ml2.dhcp_networks(ctx, &[&args.network_id], view).await?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    async fn create_port(&self, ctx: &Context, args: CreateArgs) -> Answer {
        let mut port = args.port.port;
        port.insert("device_owner".into(), device_owner::DHCP.into());
        port.insert("binding:host_id".into(), args.host.into());
        let made = self.ml2.service_ports().create(ctx, vec![port.clone()]).await;
        let made = made.map(|ports| ports.into_iter().next());
        self.settle(ctx, "create_port", &port, made).await
    }

    async fn update_port(&self, ctx: &Context, args: UpdateArgs) -> Answer {
        let UpdateArgs { port_id, port: Wrapped { mut port }, host } = args;
        let old = match self.ml2.ports().get(ctx, &port_id).await {
            Ok(old) => old,
            Err(error) if error.kind == "PortNotFound" => return Ok(Value::Null),
            Err(error) => return Err(error.into()),
        };
        let text = |key: &str| old.get(key).and_then(Value::as_str).unwrap_or_default();
        // Only a port set aside, or one's own, may be taken.
        let is_free = text("device_id") == device_id::RESERVED_DHCP_PORT;
        if !is_free && text("binding:host_id") != host {
            tracing::debug!(port = port_id, host, "a DHCP port belongs to another agent");
            return Ok(Value::Null);
        }
        let network_id = text("network_id");
        if !self.scheduler.is_hosted_on(network_id, &host).await? {
            tracing::warn!(network = network_id, host, "the DHCP agent does not host the network");
            return Err(ApiError::resource_not_found("network", network_id).into());
        }
        port.insert("network_id".into(), network_id.into());
        port.insert("binding:host_id".into(), host.into());
        let updated = self.ml2.ports().update(ctx, &port_id, port.clone(), None).await;
        match updated {
            Err(error) if error.kind == "PortNotFound" => Ok(Value::Null),
            other => self.settle(ctx, "update_port", &port, other.map(Some)).await,
        }
    }

    /// Null for what lost a race with a deletion.
    async fn settle(
        &self,
        ctx: &Context,
        action: &'static str,
        port: &Attrs,
        done: ApiResult<Option<Attrs>>,
    ) -> Answer {
        let error = match done {
            Ok(port) => return answer(port),
            Err(error) => error,
        };
        let network = port.get("network_id").and_then(Value::as_str);
        let is_race = is_race(&error)
            || (error.kind == "IpAddressGenerationFailure" && self.subnet_is_gone(ctx, port).await);
        if !is_race {
            return Err(error.into());
        }
        tracing::warn!(action, network, reason = error.message, "a DHCP port was not made");
        Ok(Value::Null)
    }

    async fn subnet_is_gone(&self, ctx: &Context, port: &Attrs) -> bool {
        let first = port.get("fixed_ips").and_then(|ips| ips.get(0));
        let Some(id) = first.and_then(|ip| ip.get("subnet_id")).and_then(Value::as_str) else {
            return false;
        };
        let found = self.ml2.subnets().get(ctx, id).await;
        found.is_err_and(|error| error.kind == "SubnetNotFound")
    }

    async fn ready(&self, ctx: &Context, args: ReadyArgs) -> Answer {
        let active = self.ml2.dhcp_ready(ctx, &args.port_ids).await?;
        if active > 0 {
            tracing::info!(ports = active, "ports are ACTIVE: their addresses are served");
        }
        Ok(Value::Null)
    }
}

#[async_trait]
impl Endpoint for DhcpEndpoint {
    fn version(&self) -> Version {
        methods::DHCP_VERSION.parse().unwrap_or(Version::DEFAULT)
    }

    fn methods(&self) -> &'static [&'static str] {
        &[
            methods::GET_ACTIVE_NETWORKS_INFO.name,
            methods::GET_NETWORK_INFO.name,
            methods::CREATE_DHCP_PORT.name,
            methods::UPDATE_DHCP_PORT.name,
            methods::RELEASE_DHCP_PORT.name,
            methods::GET_DHCP_PORT.name,
            methods::DHCP_READY_ON_PORTS.name,
            GET_NETWORKS,
        ]
    }

    async fn call(&self, ctx: &Context, method: &str, args: Args) -> Answer {
        let m = method;
        if m == methods::GET_ACTIVE_NETWORKS_INFO.name {
            self.active_networks(ctx, arguments(m, args)?).await
        } else if m == methods::GET_NETWORK_INFO.name {
            self.network(ctx, arguments(m, args)?).await
        } else if m == methods::CREATE_DHCP_PORT.name {
            self.create_port(ctx, arguments(m, args)?).await
        } else if m == methods::UPDATE_DHCP_PORT.name {
            self.update_port(ctx, arguments(m, args)?).await
        } else if m == methods::RELEASE_DHCP_PORT.name {
            let ReleaseArgs { network_id, device_id } = arguments(m, args)?;
            self.ml2.delete_ports_of_device(ctx, &device_id, &network_id).await?;
            Ok(Value::Null)
        } else if m == methods::GET_DHCP_PORT.name {
            let PortArgs { port_id } = arguments(m, args)?;
            answer(self.ml2.ports().get(ctx, &port_id).await?)
        } else if m == methods::DHCP_READY_ON_PORTS.name {
            self.ready(ctx, arguments(m, args)?).await
        } else if m == GET_NETWORKS {
            let query = super::metadata::list_query(m, args)?;
            answer(self.ml2.networks().list(ctx, &query).await?)
        } else {
            Err(Failure::no_such_method(m))
        }
    }
}

/// [`neutrino_services::dhcp::DhcpNotifier`] over the bus.
#[async_trait]
impl neutrino_services::dhcp::DhcpNotifier for super::RpcNotifier {
    async fn cast(&self, host: &str, method: methods::Method, payload: Value) {
        self.send(method, Some(host), json!({ "payload": payload })).await;
    }

    async fn fanout(&self, method: methods::Method, payload: Value) {
        self.send(method, None, json!({ "payload": payload })).await;
    }
}
