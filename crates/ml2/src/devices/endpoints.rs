//! Tunnel endpoints: which host has which address for which tunnel type.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Resource, Subscriber};
use neutrino_db::{
    Conn, DbResult, retrying,
    schema::{GeneveEndpoints, GreEndpoints, VxlanEndpoints},
    sea_query::{Alias, Cond, Expr, ExprTrait, Query},
};
use neutrino_rpc::shapes::TunnelEndpoint;
use neutrino_types::{ApiError, ApiResult, NetworkType};
use serde_json::Value;

use crate::{drivers::types::unsupported, plugin::Core};

/// IANA's port of VXLAN.
const VXLAN_PORT: u16 = 4789;
const IP: &str = "ip_address";
const HOST: &str = "host";
const UDP_PORT: &str = "udp_port";

/// The program whose deletion as an agent takes its endpoints along.
const OVS_AGENT: &str = "neutron-openvswitch-agent";

/// The table of one tunnel type.
#[derive(Clone, Copy)]
struct Table {
    name: &'static str,
    /// VXLAN's endpoints tell their UDP port.
    has_port: bool,
}

fn table(network_type: NetworkType) -> Option<Table> {
    let (name, has_port) = match network_type {
        NetworkType::Gre => (GreEndpoints::Table.name(), false),
        NetworkType::Vxlan => (VxlanEndpoints::Table.name(), true),
        NetworkType::Geneve => (GeneveEndpoints::Table.name(), false),
        NetworkType::Local | NetworkType::Flat | NetworkType::Vlan => return None,
    };
    Some(Table { name, has_port })
}

/// What [`record`] did.
struct Recorded {
    /// All endpoints of the type.
    all: Vec<TunnelEndpoint>,
    /// The address the host had before.
    replaced: Option<String>,
}

impl Table {
    async fn all(self, conn: &Conn) -> DbResult<Vec<TunnelEndpoint>> {
        let mut query = Query::select();
        query.columns([Alias::new(IP), Alias::new(HOST)]).from(Alias::new(self.name));
        if self.has_port {
            query.column(Alias::new(UDP_PORT));
        }
        let has_port = self.has_port;
        conn.fetch_map(&query, move |r| TunnelEndpoint {
            ip_address: r.text(0),
            host: r.opt_text(1),
            udp_port: has_port.then(|| u16::try_from(r.int(2)).unwrap_or(VXLAN_PORT)),
        })
        .await
    }

    async fn delete(self, conn: &Conn, condition: Cond) -> DbResult<u64> {
        let statement =
            Query::delete().from_table(Alias::new(self.name)).cond_where(condition).to_owned();
        conn.execute(&statement).await
    }

    async fn insert(self, conn: &Conn, ip: &str, host: Option<&str>) -> DbResult<()> {
        let mut columns = vec![Alias::new(IP), Alias::new(HOST)];
        let mut values: Vec<Expr> = vec![ip.into(), host.map(str::to_string).into()];
        if self.has_port {
            columns.push(Alias::new(UDP_PORT));
            values.push(i32::from(VXLAN_PORT).into());
        }
        let statement = Query::insert()
            .into_table(Alias::new(self.name))
            .columns(columns)
            .values_panic(values)
            .to_owned();
        conn.execute(&statement).await.map(|_| ())
    }
}

pub(super) async fn sync(
    core: &Core,
    tunnel_ip: &str,
    tunnel_type: &str,
    host: Option<&str>,
) -> ApiResult<Vec<TunnelEndpoint>> {
    let Ok(ip) = tunnel_ip.parse::<std::net::IpAddr>() else {
        return Err(ApiError::invalid_input(format!(
            "Tunnel IP value needed by the ML2 plugin: '{tunnel_ip}' is none"
        )));
    };
    let network_type = tunnel_type.parse::<NetworkType>().map_err(|_| unsupported(tunnel_type))?;
    let offered = core.config.type_drivers.contains(&network_type);
    let Some(table) = table(network_type).filter(|_| offered) else {
        return Err(unsupported(tunnel_type));
    };
    let ip = ip.to_string();
    let recorded = retrying(|| record(core, table, &ip, host)).await?;
    if let Some(old) = &recorded.replaced {
        core.notifier.tunnel_delete(old, network_type).await;
    }
    core.notifier.tunnel_update(&ip, network_type).await;
    Ok(recorded.all)
}

async fn record(core: &Core, table: Table, ip: &str, host: Option<&str>) -> ApiResult<Recorded> {
    let tx = core.db.begin().await?;
    let there = table.all(&tx).await?;
    let by_ip = there.iter().find(|e| e.ip_address == ip);
    let by_host = host.and_then(|host| there.iter().find(|e| e.host.as_deref() == Some(host)));
    if let (Some(found), Some(_)) = (by_ip, host)
        && found.host.is_some()
        && found.host.as_deref() != host
    {
        return Err(ApiError::invalid_input(format!(
            "Tunnel IP {ip} in use with host {}",
            found.host.as_deref().unwrap_or_default()
        )));
    }
    if by_ip.is_some_and(|e| e.host.as_deref() == host || host.is_none()) {
        return Ok(Recorded { all: there, replaced: None });
    }
    let replaced = by_host.map(|e| e.ip_address.clone());
    let mut old = Cond::any().add(Expr::col(Alias::new(IP)).eq(ip));
    if let Some(host) = host {
        old = old.add(Expr::col(Alias::new(HOST)).eq(host));
    }
    table.delete(&tx, old).await?;
    table.insert(&tx, ip, host).await?;
    let all = table.all(&tx).await?;
    tx.commit().await?;
    Ok(Recorded { all, replaced })
}

/// Forgets the endpoints of agents that are deleted and tells the others (in Neutron
/// `delete_agent_notified`).
pub(crate) struct ForgetDeleted(Weak<Core>);

impl ForgetDeleted {
    /// Subscribes on behalf of `core`, which the registry does not keep alive.
    pub(crate) fn subscribe(core: &Arc<Core>) {
        let this = Arc::new(Self(Arc::downgrade(core)));
        core.registry.subscribe(Resource::Agent, Phase::After, Action::Delete, this);
    }
}

#[async_trait]
impl Subscriber for ForgetDeleted {
    fn name(&self) -> &'static str {
        "ml2 tunnel endpoints"
    }

    async fn after(&self, _: Resource, _: Action, payload: &Payload<'_>) -> ApiResult<()> {
        let (Some(core), Some(agent)) = (self.0.upgrade(), payload.original) else {
            return Ok(());
        };
        let said = agent.get("configurations");
        let ip = said.and_then(|c| c.get("tunneling_ip")).and_then(Value::as_str);
        let types = said.and_then(|c| c.get("tunnel_types")).and_then(Value::as_array);
        match (agent.get("binary").and_then(Value::as_str), ip, types) {
            (Some(OVS_AGENT), Some(ip), Some(types)) => forget(&core, ip, types).await,
            _ => Ok(()),
        }
    }
}

async fn forget(core: &Core, ip: &str, types: &[Value]) -> ApiResult<()> {
    let types = types.iter().filter_map(Value::as_str);
    for network_type in types.filter_map(|t| t.parse::<NetworkType>().ok()) {
        let Some(table) = table(network_type) else { continue };
        let tx = core.db.begin().await?;
        table.delete(&tx, Cond::all().add(Expr::col(Alias::new(IP)).eq(ip))).await?;
        tx.commit().await?;
        core.notifier.tunnel_delete(ip, network_type).await;
    }
    Ok(())
}
