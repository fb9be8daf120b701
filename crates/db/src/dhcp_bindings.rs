//! Rows of `networkdhcpagentbindings`: which DHCP agents serve which networks.

use chrono::{DateTime, TimeDelta, Utc};
use neutrino_types::constants::agent_type;
use sea_query::{Cond, Expr, ExprTrait, JoinType, Order, Query, SelectStatement};

use crate::{
    Conn, DbResult, Prepared,
    list::any_of,
    schema::{Agents as A, NetworkDhcpAgentBindings as B, Networks as N, Subnets as S},
    time,
};

/// What scheduling and notification need of a DHCP agent; its configuration stays unread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DhcpAgent {
    /// UUID.
    pub id: String,
    /// Its host.
    pub host: String,
    /// Its zone.
    pub availability_zone: Option<String>,
    /// Whether an operator lets it have networks.
    pub admin_state_up: bool,
    /// First report of the running process.
    pub started_at: String,
    /// Last report.
    pub heartbeat_timestamp: String,
    /// Load as last reported, plus what was scheduled since.
    pub load: i64,
    /// How many networks it serves.
    pub networks: u32,
}

impl DhcpAgent {
    /// Whether it reported within `down_time` before `now`.
    #[must_use]
    pub fn is_alive(&self, now: DateTime<Utc>, down_time: TimeDelta) -> bool {
        time::parse(&self.heartbeat_timestamp).is_some_and(|beat| now - beat <= down_time)
    }
}

/// An agent serves a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The network.
    pub network_id: String,
    /// The agent.
    pub agent_id: String,
    /// Its place among the network's agents, from 1.
    pub index: u32,
}

/// All DHCP agents, and which of them serve the networks asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosting {
    /// Every DHCP agent, by id.
    pub agents: Vec<DhcpAgent>,
    /// The bindings of the networks asked for.
    pub bindings: Vec<Binding>,
}

impl Hosting {
    /// The agents that serve `network`.
    pub fn of<'a>(&'a self, network: &'a str) -> impl Iterator<Item = &'a DhcpAgent> + 'a {
        let bound = self.bindings.iter().filter(move |b| b.network_id == network);
        bound.filter_map(|b| self.agents.iter().find(|a| a.id == b.agent_id))
    }
}

fn ids<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    values.into_iter().map(str::to_string).collect()
}

/// All DHCP agents with their bindings to `networks`, by one statement.
///
/// # Errors
/// What the database refused.
pub async fn hosting(conn: &Conn, networks: &[&str]) -> DbResult<Hosting> {
    let mut count = Query::select();
    count
        .expr(Expr::col(B::NetworkId).count())
        .from(B::Table)
        .and_where(Expr::col((B::Table, B::DhcpAgentId)).equals((A::Table, A::Id)));
    let of_networks = Cond::all()
        .add(Expr::col((B::Table, B::DhcpAgentId)).equals((A::Table, A::Id)))
        .add(any_of(Expr::col((B::Table, B::NetworkId)), ids(networks.iter().copied())));
    let query = Query::select()
        .columns(
            [
                A::Id,
                A::Host,
                A::AvailabilityZone,
                A::AdminStateUp,
                A::StartedAt,
                A::HeartbeatTimestamp,
                A::Load,
            ]
            .map(|c| (A::Table, c)),
        )
        .expr(sub_select(count))
        .columns([B::NetworkId, B::BindingIndex].map(|c| (B::Table, c)))
        .from(A::Table)
        .join(JoinType::LeftJoin, B::Table, of_networks)
        .and_where(Expr::col((A::Table, A::AgentType)).eq(agent_type::DHCP))
        .order_by((A::Table, A::Id), Order::Asc)
        .to_owned();
    conn.fetch_fold(&query, Hosting::default(), |out, r| {
        if out.agents.last().is_none_or(|last| last.id != r.str(0)) {
            out.agents.push(DhcpAgent {
                id: r.text(0),
                host: r.text(1),
                availability_zone: r.opt_text(2),
                admin_state_up: r.bool(3),
                started_at: r.text(4),
                heartbeat_timestamp: r.text(5),
                load: r.int(6),
                networks: u32::try_from(r.int(7)).unwrap_or(u32::MAX),
            });
        }
        if let Some(network_id) = r.opt_text(8) {
            let index = u32::try_from(r.int(9)).unwrap_or(0);
            out.bindings.push(Binding { network_id, agent_id: r.text(0), index });
        }
    })
    .await
}

fn sub_select(query: SelectStatement) -> Expr {
    Expr::SubQuery(None, Box::new(query.into()))
}

/// The networks `agent` serves.
///
/// # Errors
/// What the database refused.
pub async fn networks_of(conn: &Conn, agent: &str) -> DbResult<Vec<String>> {
    let query = Query::select()
        .column(B::NetworkId)
        .from(B::Table)
        .and_where(Expr::col(B::DhcpAgentId).eq(agent))
        .order_by(B::NetworkId, Order::Asc)
        .to_owned();
    conn.fetch_map(&query, |r| r.text(0)).await
}

/// Every binding of these agents.
///
/// # Errors
/// What the database refused.
pub async fn of_agents(conn: &Conn, agents: &[&str]) -> DbResult<Vec<Binding>> {
    let query = Query::select()
        .columns([B::NetworkId, B::DhcpAgentId, B::BindingIndex])
        .from(B::Table)
        .and_where(any_of(Expr::col(B::DhcpAgentId), ids(agents.iter().copied())))
        .order_by(B::NetworkId, Order::Asc)
        .to_owned();
    conn.fetch_map(&query, |r| Binding {
        network_id: r.text(0),
        agent_id: r.text(1),
        index: u32::try_from(r.int(2)).unwrap_or(0),
    })
    .await
}

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
        .and_where(any_of(Expr::col(N::Id), ids(networks.iter().copied())))
        .to_owned();
    conn.fetch_map(&query, |r| (r.text(0), r.text(1))).await
}

/// Statements that store new bindings and count them as load of their agents; none for none.
#[must_use]
pub fn insert(bindings: &[Binding]) -> Vec<Prepared> {
    if bindings.is_empty() {
        return Vec::new();
    }
    let mut rows = Query::insert();
    rows.into_table(B::Table).columns([B::NetworkId, B::DhcpAgentId, B::BindingIndex]);
    let mut load: Vec<(&str, i64)> = Vec::new();
    for b in bindings {
        rows.values_panic([
            b.network_id.as_str().into(),
            b.agent_id.as_str().into(),
            b.index.into(),
        ]);
        match load.iter_mut().find(|(id, _)| *id == b.agent_id) {
            Some((_, n)) => *n += 1,
            None => load.push((&b.agent_id, 1)),
        }
    }
    let mut out = vec![Prepared::new(&rows)];
    for (agent, n) in load {
        let more = Query::update()
            .table(A::Table)
            .value(A::Load, Expr::col(A::Load).add(n))
            .and_where(Expr::col(A::Id).eq(agent))
            .to_owned();
        out.push(Prepared::new(&more));
    }
    out
}

/// Takes networks from agents; answers how many bindings there were.
///
/// # Errors
/// What the database refused.
pub async fn remove(conn: &Conn, agent: &str, networks: &[&str]) -> DbResult<u64> {
    let rows = Query::delete()
        .from_table(B::Table)
        .and_where(Expr::col(B::DhcpAgentId).eq(agent))
        .and_where(any_of(Expr::col(B::NetworkId), ids(networks.iter().copied())))
        .to_owned();
    conn.execute(&rows).await
}
