//! Which agents serve which resources: what [`DHCP`] (networks) and [`L3`] (routers) have in
//! common.

use chrono::{DateTime, TimeDelta, Utc};
use neutrino_types::constants::agent_type;
use sea_query::{Cond, Expr, ExprTrait, Iden, JoinType, Order, Query, SelectStatement, SimpleExpr};

use crate::{
    Conn, DbResult, Prepared,
    list::any_of,
    schema::{Agents as A, NetworkDhcpAgentBindings as N, RouterL3AgentBindings as R},
    time,
};

/// Networks and the DHCP agents that serve them.
pub const DHCP: BindingTable<N> = BindingTable {
    agent_type: agent_type::DHCP,
    table: N::Table,
    resource: N::NetworkId,
    agent: N::DhcpAgentId,
    index: N::BindingIndex,
    // What it reports does not matter to placement.
    reads_configurations: false,
    counts_as_load: true,
};

/// Routers and the L3 agents that have them.
pub const L3: BindingTable<R> = BindingTable {
    agent_type: agent_type::L3,
    table: R::Table,
    resource: R::RouterId,
    agent: R::L3AgentId,
    index: R::BindingIndex,
    reads_configurations: true,
    counts_as_load: false,
};

/// What scheduling and notification need of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoundAgent {
    /// UUID.
    pub id: String,
    /// Its host.
    pub host: String,
    /// Its zone.
    pub availability_zone: Option<String>,
    /// Whether an operator lets it have resources.
    pub admin_state_up: bool,
    /// First report of the running process.
    pub started_at: String,
    /// Last report.
    pub heartbeat_timestamp: String,
    /// Load as last reported, plus what was scheduled since.
    pub load: i64,
    /// How many resources it serves.
    pub bound: u32,
    /// What it reported of its configuration, as JSON; empty where its table does not read it.
    pub configurations: String,
}

impl BoundAgent {
    /// Whether it reported within `down_time` before `now`.
    #[must_use]
    pub fn is_alive(&self, now: DateTime<Utc>, down_time: TimeDelta) -> bool {
        time::parse(&self.heartbeat_timestamp).is_some_and(|beat| now - beat <= down_time)
    }
}

/// An agent serves a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The network or router.
    pub resource_id: String,
    /// The agent.
    pub agent_id: String,
    /// Its place among the resource's agents, from 1.
    pub index: u32,
}

/// All agents of a type, and which of them serve the resources asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosting {
    /// Every agent, by id.
    pub agents: Vec<BoundAgent>,
    /// The bindings of the resources asked for.
    pub bindings: Vec<Binding>,
}

impl Hosting {
    /// The agents that serve `resource`.
    pub fn of<'a>(&'a self, resource: &'a str) -> impl Iterator<Item = &'a BoundAgent> + 'a {
        let bound = self.bindings.iter().filter(move |b| b.resource_id == resource);
        bound.filter_map(|b| self.agents.iter().find(|a| a.id == b.agent_id))
    }
}

/// A table that binds resources to agents.
#[derive(Clone, Copy, Debug)]
pub struct BindingTable<C> {
    agent_type: &'static str,
    table: C,
    resource: C,
    agent: C,
    index: C,
    reads_configurations: bool,
    counts_as_load: bool,
}

/// First column of the binding in [`BindingTable::hosting`].
const BINDING: usize = 9;

impl<C: Iden + Copy + Send + Sync + 'static> BindingTable<C> {
    fn col(&self, column: C) -> Expr {
        Expr::col((self.table, column))
    }

    /// All agents with their bindings to `resources`, by one statement.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn hosting(&self, conn: &Conn, resources: &[&str]) -> DbResult<Hosting> {
        conn.fetch_fold(&self.select(resources), Hosting::default(), |out, r| {
            if out.agents.last().is_none_or(|last| last.id != r.str(0)) {
                out.agents.push(BoundAgent {
                    id: r.text(0),
                    host: r.text(1),
                    availability_zone: r.opt_text(2),
                    admin_state_up: r.bool(3),
                    started_at: r.text(4),
                    heartbeat_timestamp: r.text(5),
                    load: r.int(6),
                    bound: u32::try_from(r.int(7)).unwrap_or(u32::MAX),
                    configurations: r.text(8),
                });
            }
            if let Some(resource_id) = r.opt_text(BINDING) {
                let index = u32::try_from(r.int(BINDING + 1)).unwrap_or(0);
                out.bindings.push(Binding { resource_id, agent_id: r.text(0), index });
            }
        })
        .await
    }

    fn select(&self, resources: &[&str]) -> SelectStatement {
        let mut count = Query::select();
        count
            .expr(Expr::col(self.resource).count())
            .from(self.table)
            .and_where(self.col(self.agent).equals((A::Table, A::Id)));
        let of_resources = Cond::all()
            .add(self.col(self.agent).equals((A::Table, A::Id)))
            .add(any_of(self.col(self.resource), ids(resources)));
        let configurations: SimpleExpr = if self.reads_configurations {
            Expr::col((A::Table, A::Configurations))
        } else {
            Expr::val("")
        };
        let columns = [
            A::Id,
            A::Host,
            A::AvailabilityZone,
            A::AdminStateUp,
            A::StartedAt,
            A::HeartbeatTimestamp,
            A::Load,
        ];
        Query::select()
            .columns(columns.map(|c| (A::Table, c)))
            .expr(sub_select(count))
            .expr(configurations)
            .columns([self.resource, self.index].map(|c| (self.table, c)))
            .from(A::Table)
            .join(JoinType::LeftJoin, self.table, of_resources)
            .and_where(Expr::col((A::Table, A::AgentType)).eq(self.agent_type))
            .order_by((A::Table, A::Id), Order::Asc)
            .order_by((self.table, self.index), Order::Asc)
            .to_owned()
    }

    /// The resources `agent` serves.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn resources_of(&self, conn: &Conn, agent: &str) -> DbResult<Vec<String>> {
        let query = Query::select()
            .column(self.resource)
            .from(self.table)
            .and_where(Expr::col(self.agent).eq(agent))
            .order_by(self.resource, Order::Asc)
            .to_owned();
        conn.fetch_map(&query, |r| r.text(0)).await
    }

    /// Every binding of these agents.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn of_agents(&self, conn: &Conn, agents: &[&str]) -> DbResult<Vec<Binding>> {
        let query = Query::select()
            .columns([self.resource, self.agent, self.index])
            .from(self.table)
            .and_where(any_of(Expr::col(self.agent), ids(agents)))
            .order_by(self.resource, Order::Asc)
            .to_owned();
        conn.fetch_map(&query, |r| Binding {
            resource_id: r.text(0),
            agent_id: r.text(1),
            index: u32::try_from(r.int(2)).unwrap_or(0),
        })
        .await
    }

    /// Statements that store new bindings (and count them as load of their agents, where that is
    /// what load means); none for none.
    #[must_use]
    pub fn insert(&self, bindings: &[Binding]) -> Vec<Prepared> {
        if bindings.is_empty() {
            return Vec::new();
        }
        let mut rows = Query::insert();
        rows.into_table(self.table).columns([self.resource, self.agent, self.index]);
        let mut load: Vec<(&str, i64)> = Vec::new();
        for b in bindings {
            rows.values_panic([
                b.resource_id.as_str().into(),
                b.agent_id.as_str().into(),
                b.index.into(),
            ]);
            match load.iter_mut().find(|(id, _)| *id == b.agent_id) {
                Some((_, n)) => *n += 1,
                None => load.push((&b.agent_id, 1)),
            }
        }
        let mut out = vec![Prepared::new(&rows)];
        if !self.counts_as_load {
            return out;
        }
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

    /// Takes resources from agents; answers how many bindings there were.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn remove(&self, conn: &Conn, agent: &str, resources: &[&str]) -> DbResult<u64> {
        let rows = Query::delete()
            .from_table(self.table)
            .and_where(Expr::col(self.agent).eq(agent))
            .and_where(any_of(Expr::col(self.resource), ids(resources)))
            .to_owned();
        conn.execute(&rows).await
    }
}

fn ids(values: &[&str]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

pub(crate) fn sub_select(query: SelectStatement) -> Expr {
    Expr::SubQuery(None, Box::new(query.into()))
}
