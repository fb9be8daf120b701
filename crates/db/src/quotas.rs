//! Quotas: limits per project, and counting against them.
//!
//! Usage is counted from the resources' own tables, never kept in a counter that could drift; the
//! count stops at the limit, so it costs at most what the limit allows.

use std::collections::BTreeMap;

use neutrino_types::{ApiError, ApiResult};
use sea_query::{Alias, Expr, ExprTrait, OnConflict, Query, SelectStatement};

use crate::{
    Conn, DbResult, rbac,
    schema::{
        FloatingIps, Networks, Ports, Quotas, Routers, SecurityGroupRules, SecurityGroups,
        SubnetPools, Subnets,
    },
};

/// The limit that means none.
pub const UNLIMITED: i64 = -1;

/// Limits of projects that have none of their own (`[quotas]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaDefaults {
    /// Limit by resource (member name, e.g. `port`).
    pub limits: BTreeMap<String, i64>,
    /// Limit of every other resource (`default_quota`).
    pub other: i64,
}

impl Default for QuotaDefaults {
    /// Neutron's defaults for the resources that exist here.
    fn default() -> Self {
        let limits = [
            ("network", 100),
            ("subnet", 100),
            ("port", 500),
            ("router", 10),
            ("floatingip", 50),
            ("router_route", 30),
            ("security_group", 10),
            ("security_group_rule", 100),
            ("rbac_policy", 10),
        ];
        Self {
            limits: limits.into_iter().map(|(k, v)| (k.to_string(), v)).collect(),
            other: UNLIMITED,
        }
    }
}

impl QuotaDefaults {
    /// The limit of `resource`.
    #[must_use]
    pub fn get(&self, resource: &str) -> i64 {
        self.limits.get(resource).copied().unwrap_or(self.other)
    }
}

/// Refuses `delta` more of `resource` for `project` if its quota does not allow them. Costs one
/// statement when the project's limit is unlimited, else two. Called in the transaction that
/// creates them, so that what is counted is what will be there.
///
/// # Errors
/// `OverQuota` (409).
pub async fn ensure(
    conn: &Conn,
    project: &str,
    resource: &str,
    delta: u64,
    defaults: &QuotaDefaults,
) -> ApiResult<()> {
    let limit = match limit_of(conn, project, resource).await? {
        Some(limit) => limit,
        None => defaults.get(resource),
    };
    let Ok(limit) = u64::try_from(limit) else { return Ok(()) };
    if used(conn, project, resource, Some(limit)).await?.saturating_add(delta) > limit {
        return Err(over_quota(&[resource]));
    }
    Ok(())
}

/// As [`ensure`], `each` more for each of `owners`, who may come several times.
///
/// # Errors
/// `OverQuota` (409).
pub async fn ensure_each<'a>(
    conn: &Conn,
    resource: &str,
    owners: impl Iterator<Item = &'a str>,
    each: usize,
    defaults: &QuotaDefaults,
) -> ApiResult<()> {
    let each = u64::try_from(each).unwrap_or(u64::MAX);
    let mut wanted: BTreeMap<&str, u64> = BTreeMap::new();
    for owner in owners {
        let more = wanted.entry(owner).or_insert(0);
        *more = more.saturating_add(each);
    }
    for (project, delta) in wanted {
        ensure(conn, project, resource, delta, defaults).await?;
    }
    Ok(())
}

/// `OverQuota` (409) for `resources`.
#[must_use]
pub fn over_quota(resources: &[&str]) -> ApiError {
    let list: Vec<String> = resources.iter().map(|r| format!("'{r}'")).collect();
    ApiError::conflict("OverQuota", format!("Quota exceeded for resources: [{}].", list.join(", ")))
}

/// How many of `resource` the project has, counted up to `cap`. Resources that are not kept in
/// this database count 0.
///
/// # Errors
/// What the database refused.
pub async fn used(conn: &Conn, project: &str, resource: &str, cap: Option<u64>) -> DbResult<u64> {
    let Some(mut rows) = rows_of(resource, project) else { return Ok(0) };
    if let Some(cap) = cap {
        rows.limit(cap);
    }
    let count = Query::select()
        .expr(Expr::cust("COUNT(*)"))
        .from_subquery(rows, Alias::new("counted"))
        .to_owned();
    Ok(u64::try_from(conn.fetch_one(&count).await?.int(0)).unwrap_or(0))
}

fn rows_of(resource: &str, project: &str) -> Option<SelectStatement> {
    let mut rows = Query::select();
    match resource {
        "network" => rows.column(Networks::ProjectId).from(Networks::Table),
        "subnet" => rows.column(Subnets::ProjectId).from(Subnets::Table),
        "port" => rows.column(Ports::ProjectId).from(Ports::Table),
        "router" => rows.column(Routers::ProjectId).from(Routers::Table),
        "floatingip" => rows.column(FloatingIps::ProjectId).from(FloatingIps::Table),
        "rbac_policy" => return Some(rbac::of_project(project)),
        "security_group" => rows.column(SecurityGroups::ProjectId).from(SecurityGroups::Table),
        "security_group_rule" => {
            rows.column(SecurityGroupRules::ProjectId).from(SecurityGroupRules::Table)
        }
        "subnetpool" => rows.column(SubnetPools::ProjectId).from(SubnetPools::Table),
        _ => return None,
    };
    Some(rows.and_where(Expr::col("project_id").eq(project)).to_owned())
}

/// The project's own limit of `resource`, if it has one.
///
/// # Errors
/// What the database refused.
pub async fn limit_of(conn: &Conn, project: &str, resource: &str) -> DbResult<Option<i64>> {
    let select = Query::select()
        .column(Quotas::Limit)
        .from(Quotas::Table)
        .and_where(Expr::col(Quotas::ProjectId).eq(project))
        .and_where(Expr::col(Quotas::Resource).eq(resource))
        .to_owned();
    Ok(conn.fetch_opt(&select).await?.map(|row| row.int(0)))
}

/// The limits the project has of its own, by resource.
///
/// # Errors
/// What the database refused.
pub async fn limits_of(conn: &Conn, project: &str) -> DbResult<BTreeMap<String, i64>> {
    let select = Query::select()
        .columns([Quotas::Resource, Quotas::Limit])
        .from(Quotas::Table)
        .and_where(Expr::col(Quotas::ProjectId).eq(project))
        .to_owned();
    let rows = conn.fetch_map(&select, |row| (row.text(0), row.int(1))).await?;
    Ok(rows.into_iter().collect())
}

/// Every project's own limits.
///
/// # Errors
/// What the database refused.
pub async fn all_limits(conn: &Conn) -> DbResult<BTreeMap<String, BTreeMap<String, i64>>> {
    let select = Query::select()
        .columns([Quotas::ProjectId, Quotas::Resource, Quotas::Limit])
        .from(Quotas::Table)
        .to_owned();
    let mut out: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    for row in conn.fetch_all(&select).await? {
        out.entry(row.text(0)).or_default().insert(row.text(1), row.int(2));
    }
    Ok(out)
}

/// Gives the project its own limit of `resource`.
///
/// # Errors
/// What the database refused.
pub async fn set_limit(conn: &Conn, project: &str, resource: &str, limit: i64) -> DbResult<()> {
    let mut upsert = Query::insert();
    upsert
        .into_table(Quotas::Table)
        .columns([Quotas::ProjectId, Quotas::Resource, Quotas::Limit])
        .values_panic([project.into(), resource.into(), limit.into()])
        .on_conflict(
            OnConflict::columns([Quotas::ProjectId, Quotas::Resource])
                .update_column(Quotas::Limit)
                .to_owned(),
        );
    conn.execute(&upsert).await?;
    Ok(())
}

/// Takes the project's own limits away; answers how many it had.
///
/// # Errors
/// What the database refused.
pub async fn delete_limits(conn: &Conn, project: &str) -> DbResult<u64> {
    let delete = Query::delete()
        .from_table(Quotas::Table)
        .and_where(Expr::col(Quotas::ProjectId).eq(project))
        .to_owned();
    conn.execute(&delete).await
}
