//! Floating IPs behind distributed routers: where the instances are that they lead to, and the
//! ports through which hosts reach their external networks.

use std::collections::HashMap;

use neutrino_types::constants::device_owner;
use sea_query::{Expr, ExprTrait, JoinType, Order, Query};

use super::migration_target;
use crate::{
    Conn, DbResult, Prepared,
    list::any_of,
    schema::{
        DvrFipGatewayPorts as G, FloatingIps as F, PortBindings as B, Ports as P, Routers as R,
    },
};

/// `status` of the binding in force.
const ACTIVE: &str = "ACTIVE";

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// Where a port is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortHost {
    /// Its host; empty while it is on none.
    pub host: String,
    /// The host it migrates to.
    pub migrating_to: Option<String>,
}

impl PortHost {
    /// The hosts it is on, or will be.
    #[must_use]
    pub fn hosts(&self) -> Vec<&str> {
        let mut out: Vec<&str> = self.migrating_to.as_deref().into_iter().collect();
        if !self.host.is_empty() {
            out.push(&self.host);
        }
        out
    }
}

/// Where `ports` are, by id; those that are gone are missing.
///
/// # Errors
/// What the database refused.
pub async fn port_hosts(conn: &Conn, ports: &[&str]) -> DbResult<HashMap<String, PortHost>> {
    let query = Query::select()
        .columns([B::PortId, B::Host, B::Profile])
        .from(B::Table)
        .and_where(any_of(Expr::col(B::PortId), texts(ports)))
        .and_where(Expr::col(B::Status).eq(ACTIVE))
        .to_owned();
    let rows = conn
        .fetch_map(&query, |r| {
            let at = PortHost { host: r.text(1), migrating_to: migration_target(r.str(2)) };
            (r.text(0), at)
        })
        .await?;
    Ok(rows.into_iter().collect())
}

/// A floating IP that leads to a port through a distributed router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distributed {
    /// Its external network.
    pub network_id: String,
    /// The router.
    pub router_id: String,
}

/// The floating IPs of `port` behind distributed routers.
///
/// # Errors
/// What the database refused.
pub async fn floating_ips_of(conn: &Conn, port: &str) -> DbResult<Vec<Distributed>> {
    let query = Query::select()
        .column((F::Table, F::FloatingNetworkId))
        .column((R::Table, R::Id))
        .from(F::Table)
        .join(
            JoinType::InnerJoin,
            R::Table,
            Expr::col((R::Table, R::Id)).equals((F::Table, F::RouterId)),
        )
        .and_where(Expr::col((F::Table, F::FixedPortId)).eq(port))
        .and_where(Expr::col((R::Table, R::Distributed)).eq(true))
        .order_by((F::Table, F::Id), Order::Asc)
        .to_owned();
    conn.fetch_map(&query, |r| Distributed { network_id: r.text(0), router_id: r.text(1) }).await
}

/// Those of `routers` that are distributed.
///
/// # Errors
/// What the database refused.
pub async fn distributed(conn: &Conn, routers: &[&str]) -> DbResult<Vec<String>> {
    let query = Query::select()
        .column(R::Id)
        .from(R::Table)
        .and_where(any_of(Expr::col(R::Id), texts(routers)))
        .and_where(Expr::col(R::Distributed).eq(true))
        .to_owned();
    conn.fetch_map(&query, |r| r.text(0)).await
}

/// Whether `router` is distributed and has a gateway, and so a centralised part.
///
/// # Errors
/// What the database refused.
pub async fn has_centre(conn: &Conn, router: &str) -> DbResult<bool> {
    let query = Query::select()
        .column(R::Id)
        .from(R::Table)
        .and_where(Expr::col(R::Id).eq(router))
        .and_where(Expr::col(R::Distributed).eq(true))
        .and_where(Expr::col(R::GwPortId).is_not_null())
        .to_owned();
    Ok(conn.fetch_opt(&query).await?.is_some())
}

/// Which agent gateway ports to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateways<'a> {
    /// All of an agent.
    OfAgent(&'a str),
    /// All of an external network.
    OfNetwork(&'a str),
    /// The one of an agent on an external network.
    One {
        /// The agent.
        agent: &'a str,
        /// The external network.
        network: &'a str,
    },
}

/// The port through which a host's `fip-` namespace is on an external network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentGateway {
    /// The port.
    pub port_id: String,
    /// The host's L3 agent.
    pub agent_id: String,
    /// The external network.
    pub network_id: String,
}

/// Agent gateway ports, by id.
///
/// # Errors
/// What the database refused.
pub async fn agent_gateways(conn: &Conn, which: Gateways<'_>) -> DbResult<Vec<AgentGateway>> {
    let mut query = Query::select();
    query
        .columns([P::Id, P::DeviceId, P::NetworkId])
        .from(P::Table)
        .and_where(Expr::col(P::DeviceOwner).eq(device_owner::AGENT_GATEWAY))
        .order_by(P::Id, Order::Asc);
    let (agent, network) = match which {
        Gateways::OfAgent(agent) => (Some(agent), None),
        Gateways::OfNetwork(network) => (None, Some(network)),
        Gateways::One { agent, network } => (Some(agent), Some(network)),
    };
    if let Some(agent) = agent {
        query.and_where(Expr::col(P::DeviceId).eq(agent));
    }
    if let Some(network) = network {
        query.and_where(Expr::col(P::NetworkId).eq(network));
    }
    conn.fetch_map(&query, |r| AgentGateway {
        port_id: r.text(0),
        agent_id: r.text(1),
        network_id: r.text(2),
    })
    .await
}

/// Notes that an agent is given a port on an external network; the key refuses a second one.
#[must_use]
pub fn insert_agent_gateway(network: &str, agent: &str) -> Prepared {
    let statement = Query::insert()
        .into_table(G::Table)
        .columns([G::NetworkId, G::AgentId])
        .values_panic([network.into(), agent.into()])
        .to_owned();
    Prepared::new(&statement)
}

/// Forgets that agents were given ports on an external network: one, or all.
#[must_use]
pub fn delete_agent_gateways(network: &str, agent: Option<&str>) -> Prepared {
    let mut statement = Query::delete();
    statement.from_table(G::Table).and_where(Expr::col(G::NetworkId).eq(network));
    if let Some(agent) = agent {
        statement.and_where(Expr::col(G::AgentId).eq(agent));
    }
    Prepared::new(&statement)
}

/// Whether any router has its gateway on an external network.
///
/// # Errors
/// What the database refused.
pub async fn has_gateways(conn: &Conn, network: &str) -> DbResult<bool> {
    let query = Query::select()
        .column(P::Id)
        .from(P::Table)
        .and_where(Expr::col(P::NetworkId).eq(network))
        .and_where(Expr::col(P::DeviceOwner).eq(device_owner::ROUTER_GATEWAY))
        .limit(1)
        .to_owned();
    Ok(conn.fetch_opt(&query).await?.is_some())
}
