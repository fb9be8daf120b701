//! Rules that new groups start with.

use neutrino_types::{constants::PARENT_GROUP, new_id};
use sea_query::{Condition, Expr, ExprTrait, Iden, Query};

use super::rules::{Rule, Traffic};
use crate::{
    Conn, DbResult, Prepared, RowRef,
    schema::{AddressGroups, SecurityGroupDefaultRules as D, SecurityGroups},
};

/// A rule that new groups start with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefaultRule {
    /// Its id.
    pub id: String,
    /// What it lets through.
    pub traffic: Traffic,
    /// Description.
    pub description: String,
    /// Whether projects' default groups start with it.
    pub in_default: bool,
    /// Whether other groups start with it.
    pub in_others: bool,
}

impl DefaultRule {
    /// A default rule that is not stored yet.
    #[must_use]
    pub fn new(traffic: Traffic) -> Self {
        Self { id: new_id(), traffic, ..Self::default() }
    }

    /// The columns [`DefaultRule::decode`] reads.
    pub const COLUMNS: [D; 12] = [
        D::Id,
        D::Direction,
        D::Ethertype,
        D::Protocol,
        D::PortRangeMin,
        D::PortRangeMax,
        D::RemoteIpPrefix,
        D::RemoteGroupId,
        D::RemoteAddressGroupId,
        D::Description,
        D::UsedInDefaultSg,
        D::UsedInNonDefaultSg,
    ];

    /// A row of [`DefaultRule::COLUMNS`].
    #[must_use]
    pub fn decode(row: &RowRef<'_>) -> Self {
        Self {
            id: row.text(0),
            traffic: Traffic {
                direction: row.text(1),
                ethertype: row.text(2),
                protocol: row.opt_text(3),
                port_range_min: row.opt_int(4),
                port_range_max: row.opt_int(5),
                remote_ip_prefix: row.opt_text(6),
                remote_group_id: row.opt_text(7),
                remote_address_group_id: row.opt_text(8),
            },
            description: row.text(9),
            in_default: row.bool(10),
            in_others: row.bool(11),
        }
    }
}

/// Every default rule, or those that projects' default groups (`Some(true)`) or other groups
/// (`Some(false)`) start with: not those about a group or address group that is gone, as nobody
/// could make a group any more.
///
/// # Errors
/// What the database refused.
pub async fn all(conn: &Conn, default_group: Option<bool>) -> DbResult<Vec<DefaultRule>> {
    let mut query = Query::select();
    query.columns(DefaultRule::COLUMNS).from(D::Table);
    if let Some(default_group) = default_group {
        let used = if default_group { D::UsedInDefaultSg } else { D::UsedInNonDefaultSg };
        let group = has_remote(D::RemoteGroupId, SecurityGroups::Table, SecurityGroups::Id);
        let group = group.add(Expr::col(D::RemoteGroupId).eq(PARENT_GROUP));
        let addresses =
            has_remote(D::RemoteAddressGroupId, AddressGroups::Table, AddressGroups::Id);
        query.and_where(Expr::col(used).eq(true)).cond_where(group).cond_where(addresses);
    }
    conn.fetch_map(&query, DefaultRule::decode).await
}

/// The condition that `remote` names nothing, or something in `table`.
fn has_remote<T: Iden + Copy + 'static>(remote: D, table: T, id: T) -> Condition {
    let there = Query::select()
        .expr(Expr::val(1))
        .from(table)
        .and_where(Expr::col((table, id)).equals((D::Table, remote)))
        .to_owned();
    Condition::any().add(Expr::col(remote).is_null()).add(Expr::exists(there))
}

/// The rules `group` of `project` starts with.
#[must_use]
pub fn from_default_rules(
    defaults: &[DefaultRule],
    project: &str,
    group: &str,
    default_group: bool,
) -> Vec<Rule> {
    let rule = |default: &DefaultRule| {
        let mut traffic = default.traffic.clone();
        if traffic.remote_group_id.as_deref() == Some(PARENT_GROUP) {
            traffic.remote_group_id = Some(group.to_string());
        }
        Rule { in_default_group: default_group, ..Rule::new(project, group, traffic) }
    };
    let mut rules: Vec<Rule> = defaults.iter().map(rule).collect();
    // In the order they will be read in.
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    rules
}

/// Stores a default rule.
#[must_use]
pub fn insert_default(rule: &DefaultRule) -> Prepared {
    let rest: [Expr; 3] =
        [rule.description.as_str().into(), rule.in_default.into(), rule.in_others.into()];
    let values = std::iter::once(rule.id.as_str().into()).chain(rule.traffic.values()).chain(rest);
    let statement = Query::insert()
        .into_table(D::Table)
        .columns(DefaultRule::COLUMNS)
        .values_panic(values)
        .to_owned();
    Prepared::new(&statement)
}

/// Deletes a default rule.
#[must_use]
pub fn delete_default(id: &str) -> Prepared {
    Prepared::new(
        &Query::delete().from_table(D::Table).and_where(Expr::col(D::Id).eq(id)).to_owned(),
    )
}
