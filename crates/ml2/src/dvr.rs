//! What L2 agents ask about distributed routing: hosts' MACs, the ports of a host that a
//! distributed router serves, and subnets with the MAC of their gateway.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Resource, Subscriber};
use neutrino_db::{
    DbError, agents,
    dvr::{self, HostMac},
    schema::{IpAllocations as I, PortBindings as B, Ports as P},
    sea_query::{Expr, ExprTrait, Query},
};
use neutrino_types::{ApiError, ApiResult, Attrs, Context};
use serde_json::Value;

use crate::{
    mac,
    models::{port, subnet},
    plugin::{Core, Ml2Plugin},
    views,
};

/// How often a MAC is drawn anew for a host.
const MAC_TRIES: usize = 10;

impl Ml2Plugin {
    /// The MAC by which other hosts know the distributed routers of `host`. A host without gets
    /// one, and all agents are told.
    ///
    /// # Errors
    /// `HostMacAddressGenerationFailure` when no free one was found; what the database refused.
    pub async fn dvr_host_mac(&self, host: &str) -> ApiResult<HostMac> {
        let core = &*self.core;
        let conn = core.db.read().await?;
        if let Some(found) = dvr::host_mac(&conn, host).await? {
            return Ok(found);
        }
        drop(conn);
        for _ in 0..MAC_TRIES {
            let tx = core.db.begin().await?;
            let mac = mac::generate(core.config.dvr_base_mac, &mut rand::rng());
            match dvr::add_host_mac(&tx, host, mac).await {
                Ok(new) => {
                    let all = dvr::host_macs(&tx).await?;
                    tx.commit().await?;
                    tracing::info!(host, mac = new.mac_address, "a host got its DVR MAC");
                    core.notifier.dvr_mac_address_update(&all).await;
                    return Ok(new);
                }
                Err(DbError::UniqueViolation { .. }) => {
                    // The host has one since, or another host has this one.
                    if let Some(found) = dvr::host_mac(&tx, host).await? {
                        return Ok(found);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(ApiError::new(
            "HostMacAddressGenerationFailure",
            503,
            format!("Unable to generate unique mac for host {host}."),
        ))
    }

    /// The MACs of all hosts.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn dvr_host_macs(&self) -> ApiResult<Vec<HostMac>> {
        let conn = self.core.db.read().await?;
        Ok(dvr::host_macs(&conn).await?)
    }

    /// Ports on `host` with an address of `subnet` that a distributed router serves, as the API
    /// shows them.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn dvr_ports_on_host(
        &self,
        ctx: &Context,
        host: &str,
        subnet: &str,
    ) -> ApiResult<Vec<Attrs>> {
        let on_host = Query::select()
            .column(B::PortId)
            .from(B::Table)
            .and_where(Expr::col(B::Host).eq(host))
            .to_owned();
        let on_subnet = Query::select()
            .column(I::PortId)
            .from(I::Table)
            .and_where(Expr::col(I::SubnetId).eq(subnet))
            .to_owned();
        let mut query = port::from();
        query
            .exprs(port::exprs())
            .and_where(Expr::col((P::Table, P::Id)).in_subquery(on_host))
            .and_where(Expr::col((P::Table, P::Id)).in_subquery(on_subnet))
            .cond_where(dvr::serviced(
                (P::Table, P::DeviceOwner),
                self.core.config.host_dvr_for_dhcp,
            ));
        if let Some(visible) = port::visible(ctx) {
            query.cond_where(visible);
        }
        let conn = self.core.db.read().await?;
        let mut ports = conn.fetch_map(&query, port::decode).await?;
        port::load_children(&conn, &mut ports).await?;
        Ok(ports.into_iter().map(|port| self.show_port(port)).collect())
    }

    /// A subnet as the API shows it, with `gateway_mac`: the MAC of the port that has `gateway`, or
    /// else the subnet's own gateway address. Empty when there is no such subnet or no such port.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn dvr_subnet(
        &self,
        ctx: &Context,
        subnet_id: &str,
        gateway: Option<&str>,
    ) -> ApiResult<Attrs> {
        let conn = self.core.db.read().await?;
        let Some(subnet) = subnet::by_ids(&conn, ctx, &[subnet_id]).await?.pop() else {
            return Ok(Attrs::new());
        };
        let mut out = views::subnet::subnet(subnet);
        let own = out.get("gateway_ip").and_then(Value::as_str).map(str::to_string);
        let Some(address) = gateway.map(str::to_string).or(own) else {
            tracing::warn!(subnet = subnet_id, "a distributed router's subnet has no gateway");
            return Ok(Attrs::new());
        };
        let with_address = Query::select()
            .column(I::PortId)
            .from(I::Table)
            .and_where(Expr::col(I::SubnetId).eq(subnet_id))
            .and_where(Expr::col(I::IpAddress).eq(address.as_str()))
            .to_owned();
        let macs = Query::select()
            .column(P::MacAddress)
            .from(P::Table)
            .and_where(Expr::col(P::Id).in_subquery(with_address))
            .to_owned();
        match conn.fetch_map(&macs, |r| r.text(0)).await?.into_iter().next() {
            Some(mac) => {
                out.insert("gateway_mac".into(), mac.into());
                Ok(out)
            }
            None => {
                tracing::warn!(subnet = subnet_id, address, "no port has the gateway's address");
                Ok(Attrs::new())
            }
        }
    }
}

/// Forgets the MAC of a host when its last agent is deleted, and tells the others.
pub(crate) struct ForgetMacs(Weak<Core>);

impl ForgetMacs {
    /// Subscribes on behalf of `core`, which the registry does not keep alive.
    pub(crate) fn subscribe(core: &Arc<Core>) {
        let this = Arc::new(Self(Arc::downgrade(core)));
        core.registry.subscribe(Resource::Agent, Phase::After, Action::Delete, this);
    }
}

#[async_trait]
impl Subscriber for ForgetMacs {
    fn name(&self) -> &'static str {
        "ml2 DVR MACs"
    }

    async fn after(&self, _: Resource, _: Action, payload: &Payload<'_>) -> ApiResult<()> {
        let host = payload.original.and_then(|agent| agent.get("host")).and_then(Value::as_str);
        let (Some(core), Some(host)) = (self.0.upgrade(), host) else { return Ok(()) };
        let conn = core.db.read().await?;
        let has_mac = dvr::host_mac(&conn, host).await?.is_some();
        let has_agents = !agents::on_host(&conn, host).await?.is_empty();
        drop(conn);
        if has_agents || !has_mac {
            return Ok(());
        }
        let tx = core.db.begin().await?;
        dvr::remove_host_mac(&tx, host).await?;
        let left = dvr::host_macs(&tx).await?;
        tx.commit().await?;
        core.notifier.dvr_mac_address_update(&left).await;
        Ok(())
    }
}
