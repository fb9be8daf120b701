//! Networks as scheduling to DHCP agents sees them; the bindings are
//! [`crate::agent_bindings::DHCP`].

use sea_query::{Expr, ExprTrait, Query};

use crate::{
    Conn, DbResult,
    agent_bindings::sub_select,
    list::any_of,
    schema::{NetworkDhcpAgentBindings as B, Networks as N, Subnets as S},
};

/// Networks with a subnet that has DHCP, fewer than `most` agents, and not `agent` among them.
///
/// # Errors
/// What the database refused.
pub async fn short_of_agents(conn: &Conn, agent: &str, most: usize) -> DbResult<Vec<String>> {
    let mut dhcp = Query::select();
    dhcp.expr(Expr::val(1))
        .from(S::Table)
        .and_where(Expr::col((S::Table, S::NetworkId)).equals((N::Table, N::Id)))
        .and_where(Expr::col((S::Table, S::EnableDhcp)).eq(true));
    let of_network = || {
        Query::select()
            .from(B::Table)
            .and_where(Expr::col((B::Table, B::NetworkId)).equals((N::Table, N::Id)))
            .to_owned()
    };
    let mut mine = of_network();
    mine.expr(Expr::val(1)).and_where(Expr::col((B::Table, B::DhcpAgentId)).eq(agent));
    let mut count = of_network();
    count.expr(Expr::col((B::Table, B::NetworkId)).count());
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let query = Query::select()
        .column((N::Table, N::Id))
        .from(N::Table)
        .and_where(Expr::exists(dhcp))
        .and_where(Expr::not_exists(mine))
        .and_where(sub_select(count).lt(most))
        .to_owned();
    conn.fetch_map(&query, |r| r.text(0)).await
}

/// `availability_zone_hints` of networks as stored, by id. Networks that are gone are missing.
///
/// # Errors
/// What the database refused.
pub async fn zone_hints(conn: &Conn, networks: &[&str]) -> DbResult<Vec<(String, String)>> {
    let query = Query::select()
        .columns([N::Id, N::AvailabilityZoneHints])
        .from(N::Table)
        .and_where(any_of(
            Expr::col(N::Id),
            networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ))
        .to_owned();
    conn.fetch_map(&query, |r| (r.text(0), r.text(1))).await
}
