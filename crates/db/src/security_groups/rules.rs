//! Rules of security groups.

use ipnet::IpNet;
use neutrino_types::{Context, new_id};
use sea_query::{Cond, Condition, Expr, ExprTrait, JoinType, Order, Query, SelectStatement};

use super::is_one_of;
use crate::{
    Conn, DbResult, Prepared, RowRef,
    schema::{DefaultSecurityGroups as D, SecurityGroupRules as R, SecurityGroups as G},
    time,
};

/// The traffic a rule is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Traffic {
    /// `ingress` or `egress`.
    pub direction: String,
    /// `IPv4` or `IPv6`.
    pub ethertype: String,
    /// Name or number; any when `None`.
    pub protocol: Option<String>,
    /// First port, or the ICMP type.
    pub port_range_min: Option<i64>,
    /// Last port, or the ICMP code.
    pub port_range_max: Option<i64>,
    /// Addresses of the other side, as the user gave them.
    pub remote_ip_prefix: Option<String>,
    /// Group the other side is in.
    pub remote_group_id: Option<String>,
    /// Address group the other side is in.
    pub remote_address_group_id: Option<String>,
}

impl Traffic {
    /// What is stored of it, in the order of the columns of rules and of default rules.
    pub(super) fn values(&self) -> [Expr; 8] {
        [
            self.direction.as_str().into(),
            self.ethertype.as_str().into(),
            self.protocol.clone().into(),
            self.port_range_min.into(),
            self.port_range_max.into(),
            self.remote_ip_prefix.clone().into(),
            self.remote_group_id.clone().into(),
            self.remote_address_group_id.clone().into(),
        ]
    }
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Rule id.
    pub id: String,
    /// Who made it.
    pub project_id: String,
    /// Its group.
    pub group_id: String,
    /// What it lets through.
    pub traffic: Traffic,
    /// The network of `remote_ip_prefix`.
    pub normalized_cidr: Option<String>,
    /// Description; `None` for rules that groups start with.
    pub description: Option<String>,
    /// Whether its group is a project's default one.
    pub in_default_group: bool,
    /// Revision.
    pub revision: i64,
    /// Creation time.
    pub created_at: String,
    /// Time of the last change.
    pub updated_at: String,
}

impl Rule {
    /// A rule of `group` that is not stored yet, created now.
    #[must_use]
    pub fn new(project: &str, group: &str, traffic: Traffic) -> Self {
        let now = time::now();
        let prefix = traffic.remote_ip_prefix.as_deref();
        Self {
            id: new_id(),
            project_id: project.into(),
            group_id: group.into(),
            normalized_cidr: prefix.and_then(network_of),
            traffic,
            created_at: now.clone(),
            updated_at: now,
            ..Self::default()
        }
    }
}

/// The network of `prefix`, its host bits cleared.
fn network_of(prefix: &str) -> Option<String> {
    prefix.parse::<IpNet>().ok().map(|net| net.trunc().to_string())
}

/// FROM clause of rule queries: rules with their groups.
#[must_use]
pub fn rule_from() -> SelectStatement {
    Query::select()
        .from(R::Table)
        .join(
            JoinType::InnerJoin,
            G::Table,
            Expr::col((G::Table, G::Id)).equals((R::Table, R::SecurityGroupId)),
        )
        .to_owned()
}

/// The condition that `ctx` may see a rule: its own, or of a group of its own.
#[must_use]
pub fn rule_visible(ctx: &Context) -> Option<Condition> {
    (!ctx.sees_all_projects()).then(|| {
        Cond::any()
            .add(Expr::col((R::Table, R::ProjectId)).eq(ctx.project()))
            .add(Expr::col((G::Table, G::ProjectId)).eq(ctx.project()))
    })
}

const COLUMNS: [R; 16] = [
    R::Id,
    R::ProjectId,
    R::SecurityGroupId,
    R::Direction,
    R::Ethertype,
    R::Protocol,
    R::PortRangeMin,
    R::PortRangeMax,
    R::RemoteIpPrefix,
    R::RemoteGroupId,
    R::RemoteAddressGroupId,
    R::NormalizedCidr,
    R::Description,
    R::RevisionNumber,
    R::CreatedAt,
    R::UpdatedAt,
];

/// Whether a rule's group is a project's default one.
#[must_use]
pub fn in_default_group() -> Expr {
    let default = Query::select()
        .expr(Expr::val(1))
        .from(D::Table)
        .and_where(Expr::col((D::Table, D::SecurityGroupId)).equals((R::Table, R::SecurityGroupId)))
        .to_owned();
    Expr::exists(default)
}

/// The columns [`Rule::decode`] reads.
#[must_use]
pub fn rule_exprs() -> Vec<Expr> {
    let mut out: Vec<Expr> = COLUMNS.into_iter().map(|c| Expr::col((R::Table, c))).collect();
    out.push(in_default_group());
    out
}

impl Rule {
    /// A row of [`rule_exprs`].
    #[must_use]
    pub fn decode(row: &RowRef<'_>) -> Self {
        Self {
            id: row.text(0),
            project_id: row.text(1),
            group_id: row.text(2),
            traffic: Traffic {
                direction: row.text(3),
                ethertype: row.text(4),
                protocol: row.opt_text(5),
                port_range_min: row.opt_int(6),
                port_range_max: row.opt_int(7),
                remote_ip_prefix: row.opt_text(8),
                remote_group_id: row.opt_text(9),
                remote_address_group_id: row.opt_text(10),
            },
            normalized_cidr: row.opt_text(11),
            description: row.opt_text(12),
            revision: row.int(13),
            created_at: row.text(14),
            updated_at: row.text(15),
            in_default_group: row.bool(16),
        }
    }
}

/// The rules of `groups`, by group and id.
///
/// # Errors
/// What the database refused.
pub async fn of_groups(conn: &Conn, groups: &[&str]) -> DbResult<Vec<Rule>> {
    let query = Query::select()
        .exprs(rule_exprs())
        .from(R::Table)
        .and_where(is_one_of((R::Table, R::SecurityGroupId), groups))
        .order_by((R::Table, R::SecurityGroupId), Order::Asc)
        .order_by((R::Table, R::Id), Order::Asc)
        .to_owned();
    conn.fetch_map(&query, Rule::decode).await
}

/// The other groups with rules whose remote group is `group`.
///
/// # Errors
/// What the database refused.
pub async fn groups_that_name(conn: &Conn, group: &str) -> DbResult<Vec<String>> {
    let query = Query::select()
        .distinct()
        .column(R::SecurityGroupId)
        .from(R::Table)
        .and_where(Expr::col(R::RemoteGroupId).eq(group))
        .and_where(Expr::col(R::SecurityGroupId).ne(group))
        .to_owned();
    conn.fetch_map(&query, |r| r.text(0)).await
}

/// Stores rules.
pub fn insert_rules<'a>(rules: impl Iterator<Item = &'a Rule>) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(R::Table).columns(COLUMNS);
    let mut rows = 0;
    for r in rules {
        rows += 1;
        let owner: [Expr; 3] =
            [r.id.as_str().into(), r.project_id.as_str().into(), r.group_id.as_str().into()];
        let rest: [Expr; 5] = [
            r.normalized_cidr.clone().into(),
            r.description.clone().into(),
            r.revision.into(),
            r.created_at.as_str().into(),
            r.updated_at.as_str().into(),
        ];
        statement.values_panic(owner.into_iter().chain(r.traffic.values()).chain(rest));
    }
    (rows > 0).then(|| Prepared::new(&statement))
}
