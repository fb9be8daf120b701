//! What L3 agents may call (`L3RpcCallback`), and what they are told.

use std::collections::BTreeMap;

use async_trait::async_trait;
use neutrino_ml2::Ml2Plugin;
use neutrino_rpc::{Endpoint, Failure, Version, methods};
use neutrino_services::{
    L3,
    l3::{L3Scheduler, dvr},
};
use neutrino_types::{Context, ListQuery, constants::vif_type};
use serde::Deserialize;
use serde_json::{Value, json};

use super::endpoints::{Answer, Args, answer, arguments};

/// Types of the service plugins here, as Neutron names them.
const SERVICE_PLUGINS: [&str; 3] = ["CORE", "L3_ROUTER_NAT", "PORTFORWARDING"];

/// How often an agent is told of routers that are its own now.
const CALL_ATTEMPTS: usize = 2;

/// The L3 endpoint on `q-l3-plugin`.
pub struct L3Endpoint {
    scheduler: L3Scheduler,
    l3: L3,
    ml2: Ml2Plugin,
}

#[derive(Deserialize)]
struct HostArgs {
    host: String,
}

#[derive(Deserialize)]
struct SyncArgs {
    host: String,
    /// Absent, null or empty asks for all.
    #[serde(default)]
    router_ids: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct StatusArgs {
    router_id: String,
    fip_statuses: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct SubnetArgs {
    subnet_id: String,
}

impl L3Endpoint {
    /// Serves routers of `l3` as `scheduler` gave them to agents, between the networks of `ml2`.
    #[must_use]
    pub fn new(scheduler: L3Scheduler, l3: L3, ml2: Ml2Plugin) -> Self {
        Self { scheduler, l3, ml2 }
    }

    /// The bound ports with an address of a subnet.
    async fn ports_by_subnet(&self, ctx: &Context, args: SubnetArgs) -> Answer {
        let query = ListQuery::filter("fixed_ips", [format!("subnet_id={}", args.subnet_id)]);
        let mut ports = self.ml2.ports().list(ctx, &query).await?;
        ports.retain(|port| {
            let kind = port.get("binding:vif_type").and_then(Value::as_str).unwrap_or_default();
            ![vif_type::UNBOUND, vif_type::BINDING_FAILED].contains(&kind)
        });
        answer(ports)
    }
}

#[async_trait]
impl Endpoint for L3Endpoint {
    fn version(&self) -> Version {
        methods::L3_VERSION.parse().unwrap_or(Version::DEFAULT)
    }

    fn methods(&self) -> &'static [&'static str] {
        &[
            methods::GET_ROUTER_IDS.name,
            methods::SYNC_ROUTERS.name,
            methods::UPDATE_FLOATINGIP_STATUSES.name,
            methods::GET_PORTS_BY_SUBNET.name,
            methods::GET_SERVICE_PLUGIN_LIST.name,
            methods::GET_NETWORKS.name,
            methods::GET_HOST_HA_ROUTER_COUNT.name,
        ]
    }

    async fn call(&self, ctx: &Context, method: &str, args: Args) -> Answer {
        let m = method;
        if m == methods::GET_ROUTER_IDS.name {
            let HostArgs { host } = arguments(m, args)?;
            answer(self.scheduler.router_ids_on(&host).await?)
        } else if m == methods::SYNC_ROUTERS.name {
            let SyncArgs { host, router_ids } = arguments(m, args)?;
            let wanted = router_ids.unwrap_or_default();
            let routers = self.scheduler.sync_routers(&host, &wanted).await?;
            dvr::bind(&self.ml2, &host, &routers).await?;
            answer(routers)
        } else if m == methods::UPDATE_FLOATINGIP_STATUSES.name {
            let StatusArgs { router_id, fip_statuses } = arguments(m, args)?;
            self.l3.update_floatingip_statuses(&router_id, &fip_statuses).await?;
            Ok(Value::Null)
        } else if m == methods::GET_PORTS_BY_SUBNET.name {
            self.ports_by_subnet(ctx, arguments(m, args)?).await
        } else if m == methods::GET_SERVICE_PLUGIN_LIST.name {
            Ok(json!(SERVICE_PLUGINS))
        } else if m == methods::GET_HOST_HA_ROUTER_COUNT.name {
            let HostArgs { host } = arguments(m, args)?;
            answer(self.scheduler.ha_router_count(&host).await?)
        } else if m == methods::GET_NETWORKS.name {
            let query = super::metadata::list_query(m, args)?;
            answer(self.ml2.networks().list(ctx, &query).await?)
        } else {
            Err(Failure::no_such_method(m))
        }
    }
}

/// [`neutrino_services::l3::L3Notifier`] over the bus.
#[async_trait]
impl neutrino_services::l3::L3Notifier for super::RpcNotifier {
    async fn cast(&self, host: &str, method: methods::Method, args: Value) {
        self.send(method, Some(host), args).await;
    }

    async fn fanout(&self, method: methods::Method, args: Value) {
        self.send(method, None, args).await;
    }

    async fn call(&self, host: &str, method: methods::Method, args: Value) -> bool {
        for attempt in 1..=CALL_ATTEMPTS {
            let ctx = Context::admin();
            match self.client().call_server::<_, Value>(&ctx, method, host, &args).await {
                Ok(_) => return true,
                Err(error) if attempt == CALL_ATTEMPTS => {
                    tracing::warn!(
                        method = method.name, host, %error,
                        "an L3 agent could not be told; it finds out when it resynchronises"
                    );
                }
                Err(_) => {}
            }
        }
        false
    }
}
