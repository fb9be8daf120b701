//! What L2 agents may ask about distributed routing (`DVRServerRpcCallback`).

use async_trait::async_trait;
use neutrino_ml2::Ml2Plugin;
use neutrino_rpc::{Endpoint, Failure, Version, methods, shapes::FixedIp};
use neutrino_services::l3::dvr::Dvr;
use neutrino_types::Context;
use serde::Deserialize;
use serde_json::Value;

use super::endpoints::{Answer, Args, answer, arguments};

/// The DVR endpoint on `q-plugin`.
pub struct DvrEndpoint {
    ml2: Ml2Plugin,
}

/// What L3 agents of distributed routers may call beside
/// [`L3Endpoint`](super::L3Endpoint), on `q-l3-plugin`.
pub struct DvrL3Endpoint {
    dvr: Dvr,
}

#[derive(Deserialize)]
struct GatewayArgs {
    network_id: String,
    host: String,
}

#[derive(Deserialize)]
struct HostArgs {
    #[serde(default)]
    host: Option<String>,
}

#[derive(Deserialize)]
struct PortsArgs {
    host: String,
    subnet: String,
}

#[derive(Deserialize)]
struct SubnetArgs {
    subnet: String,
    /// The router's port on the subnet; without it the gateway is meant.
    #[serde(default)]
    fixed_ips: Option<Vec<FixedIp>>,
}

impl DvrEndpoint {
    /// Serves `ml2`'s ports and subnets, and hosts' MACs.
    #[must_use]
    pub fn new(ml2: Ml2Plugin) -> Self {
        Self { ml2 }
    }

    async fn subnet(&self, ctx: &Context, args: SubnetArgs) -> Answer {
        let asked = args.fixed_ips.and_then(|ips| ips.into_iter().next());
        let (subnet, gateway) = match &asked {
            Some(ip) => (ip.subnet_id.as_str(), Some(ip.ip_address.as_str())),
            None => (args.subnet.as_str(), None),
        };
        answer(self.ml2.dvr_subnet(ctx, subnet, gateway).await?)
    }
}

#[async_trait]
impl Endpoint for DvrEndpoint {
    fn version(&self) -> Version {
        methods::DVR_VERSION.parse().unwrap_or(Version::DEFAULT)
    }

    fn methods(&self) -> &'static [&'static str] {
        &[
            methods::GET_DVR_MAC_ADDRESS_BY_HOST.name,
            methods::GET_DVR_MAC_ADDRESS_LIST.name,
            methods::GET_PORTS_ON_HOST_BY_SUBNET.name,
            methods::GET_SUBNET_FOR_DVR.name,
        ]
    }

    async fn call(&self, ctx: &Context, method: &str, args: Args) -> Answer {
        let m = method;
        if m == methods::GET_DVR_MAC_ADDRESS_BY_HOST.name {
            let HostArgs { host } = arguments(m, args)?;
            match host.filter(|host| !host.is_empty()) {
                Some(host) => answer(self.ml2.dvr_host_mac(&host).await?),
                None => Ok(Value::Null),
            }
        } else if m == methods::GET_DVR_MAC_ADDRESS_LIST.name {
            answer(self.ml2.dvr_host_macs().await?)
        } else if m == methods::GET_PORTS_ON_HOST_BY_SUBNET.name {
            let PortsArgs { host, subnet } = arguments(m, args)?;
            answer(self.ml2.dvr_ports_on_host(ctx, &host, &subnet).await?)
        } else if m == methods::GET_SUBNET_FOR_DVR.name {
            self.subnet(ctx, arguments(m, args)?).await
        } else {
            Err(Failure::no_such_method(m))
        }
    }
}

impl DvrL3Endpoint {
    /// Serves the ports by which hosts serve floating IPs themselves.
    #[must_use]
    pub fn new(dvr: Dvr) -> Self {
        Self { dvr }
    }
}

#[async_trait]
impl Endpoint for DvrL3Endpoint {
    fn version(&self) -> Version {
        methods::L3_VERSION.parse().unwrap_or(Version::DEFAULT)
    }

    fn methods(&self) -> &'static [&'static str] {
        &[methods::GET_AGENT_GATEWAY_PORT.name, methods::DELETE_AGENT_GATEWAY_PORT.name]
    }

    async fn call(&self, _: &Context, method: &str, args: Args) -> Answer {
        let m = method;
        let GatewayArgs { network_id, host } = arguments(m, args)?;
        if m == methods::GET_AGENT_GATEWAY_PORT.name {
            answer(self.dvr.agent_gateway_port(&network_id, &host).await?)
        } else if m == methods::DELETE_AGENT_GATEWAY_PORT.name {
            self.dvr.delete_agent_gateway_port(&network_id, &host).await?;
            Ok(Value::Null)
        } else {
            Err(Failure::no_such_method(m))
        }
    }
}
