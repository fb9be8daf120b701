//! Routers as scheduling to L3 agents sees them; the bindings are [`crate::agent_bindings::L3`].

use neutrino_types::constants::device_owner;
use sea_query::{Expr, ExprTrait, JoinType, Order, Query};

use crate::{
    Conn, DbResult,
    list::any_of,
    schema::{
        IpAllocations as I, Ports as P, RouterL3AgentBindings as B, RouterPorts as O, Routers as R,
        Subnets as S,
    },
};

/// What a router wishes of the agent that gets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterWish {
    /// The router.
    pub router_id: String,
    /// Whether it is distributed: then only its centralised part is scheduled.
    pub distributed: bool,
    /// Whether it has a gateway.
    pub external: bool,
    /// Its `availability_zone_hints`.
    pub zones: Vec<String>,
}

/// Which routers to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which<'a> {
    /// These, as far as they exist.
    Of(&'a [&'a str]),
    /// All that no agent has.
    Unscheduled,
}

/// What routers wish of agents, by id.
///
/// # Errors
/// What the database refused.
pub async fn wishes(conn: &Conn, which: Which<'_>) -> DbResult<Vec<RouterWish>> {
    let mut query = Query::select();
    query
        .columns(
            [R::Id, R::Distributed, R::GwPortId, R::AvailabilityZoneHints].map(|c| (R::Table, c)),
        )
        .from(R::Table)
        .order_by((R::Table, R::Id), Order::Asc);
    match which {
        Which::Of(ids) => {
            let ids = ids.iter().map(ToString::to_string).collect();
            query.and_where(any_of(Expr::col((R::Table, R::Id)), ids));
        }
        Which::Unscheduled => {
            let mut bound = Query::select();
            bound
                .expr(Expr::val(1))
                .from(B::Table)
                .and_where(Expr::col((B::Table, B::RouterId)).equals((R::Table, R::Id)));
            query.and_where(Expr::not_exists(bound));
        }
    }
    conn.fetch_map(&query, |r| RouterWish {
        router_id: r.text(0),
        distributed: r.bool(1),
        external: r.opt_str(2).is_some(),
        // Empty text is no hint.
        zones: serde_json::from_str(r.str(3)).unwrap_or_default(),
    })
    .await
}

/// The routers whose gateway port has an address of one of `subnets`, each once.
///
/// # Errors
/// What the database refused.
pub async fn with_gateway_on(conn: &Conn, subnets: &[&str]) -> DbResult<Vec<String>> {
    let query = Query::select()
        .distinct()
        .column((P::Table, P::DeviceId))
        .from(I::Table)
        .join(
            JoinType::InnerJoin,
            P::Table,
            Expr::col((P::Table, P::Id)).equals((I::Table, I::PortId)),
        )
        .and_where(any_of(
            Expr::col((I::Table, I::SubnetId)),
            subnets.iter().map(ToString::to_string).collect(),
        ))
        .and_where(Expr::col((P::Table, P::DeviceOwner)).eq(device_owner::ROUTER_GATEWAY))
        .order_by((P::Table, P::DeviceId), Order::Asc)
        .to_owned();
    conn.fetch_map(&query, |r| r.text(0)).await
}

/// The routers with a port that has an address of a subnet from one of `pools`, each once.
///
/// # Errors
/// What the database refused.
pub async fn with_ports_from(conn: &Conn, pools: &[&str]) -> DbResult<Vec<String>> {
    let query = Query::select()
        .distinct()
        .column((O::Table, O::RouterId))
        .from(O::Table)
        .join(
            JoinType::InnerJoin,
            I::Table,
            Expr::col((I::Table, I::PortId)).equals((O::Table, O::PortId)),
        )
        .join(
            JoinType::InnerJoin,
            S::Table,
            Expr::col((S::Table, S::Id)).equals((I::Table, I::SubnetId)),
        )
        .and_where(any_of(
            Expr::col((S::Table, S::SubnetpoolId)),
            pools.iter().map(ToString::to_string).collect(),
        ))
        .order_by((O::Table, O::RouterId), Order::Asc)
        .to_owned();
    conn.fetch_map(&query, |r| r.text(0)).await
}

/// (router, port): the ports of `routers` whose owner is one of `owners`, by port.
///
/// # Errors
/// What the database refused.
pub async fn ports_of(
    conn: &Conn,
    routers: &[&str],
    owners: &[&str],
) -> DbResult<Vec<(String, String)>> {
    let texts = |values: &[&str]| values.iter().map(ToString::to_string).collect();
    let query = Query::select()
        .columns([O::RouterId, O::PortId])
        .from(O::Table)
        .and_where(any_of(Expr::col(O::RouterId), texts(routers)))
        .and_where(any_of(Expr::col(O::PortType), texts(owners)))
        .order_by(O::PortId, Order::Asc)
        .to_owned();
    conn.fetch_map(&query, |r| (r.text(0), r.text(1))).await
}
