//! RBAC policies: who besides its owner may use an object.
//!
//! One table per type of object, as in Neutron, so that a policy goes with its object; all have
//! the same columns.

use neutrino_types::{ApiError, Context, new_id};
use sea_query::{
    Condition, Expr, ExprTrait, IntoColumnRef, IntoIden, Query, SelectStatement, UnionType,
};
use serde_json::Value;

use crate::{
    Conn, DbResult,
    list::scope::{EVERYONE, EXTERNAL, SHARED},
    row::RowRef,
    schema::{
        AddressGroupRbacs, AddressScopeRbacs, NetworkRbacs as R, SecurityGroupRbacs,
        SubnetPoolRbacs,
    },
};

/// Types of objects that can be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectType {
    /// Address groups.
    AddressGroup,
    /// Address scopes.
    AddressScope,
    /// Networks.
    Network,
    /// Security groups.
    SecurityGroup,
    /// Subnet pools.
    SubnetPool,
}

impl ObjectType {
    /// Every type.
    pub const ALL: [Self; 5] = [
        Self::AddressGroup,
        Self::AddressScope,
        Self::Network,
        Self::SecurityGroup,
        Self::SubnetPool,
    ];

    /// `object_type` in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddressGroup => "address_group",
            Self::AddressScope => "address_scope",
            Self::Network => "network",
            Self::SecurityGroup => "security_group",
            Self::SubnetPool => "subnetpool",
        }
    }

    /// The type called `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// What a policy on such an object may allow.
    #[must_use]
    pub const fn actions(self) -> &'static [&'static str] {
        match self {
            Self::Network => &[SHARED, EXTERNAL],
            Self::AddressGroup | Self::AddressScope | Self::SecurityGroup | Self::SubnetPool => {
                &[SHARED]
            }
        }
    }

    const fn table(self) -> &'static str {
        match self {
            Self::AddressGroup => AddressGroupRbacs::Table.name(),
            Self::AddressScope => AddressScopeRbacs::Table.name(),
            Self::Network => R::Table.name(),
            Self::SecurityGroup => SecurityGroupRbacs::Table.name(),
            Self::SubnetPool => SubnetPoolRbacs::Table.name(),
        }
    }
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its id.
    pub id: String,
    /// Who made it.
    pub project_id: String,
    /// What kind of object it is about.
    pub object_type: ObjectType,
    /// The object.
    pub object_id: String,
    /// Who gains access: a project, or [`EVERYONE`].
    pub target_project: String,
    /// What it allows.
    pub action: String,
}

/// Every policy of every type: the columns of [`COLUMNS`].
#[must_use]
pub fn all() -> SelectStatement {
    let mut types = ObjectType::ALL.into_iter().map(|object_type| {
        Query::select()
            .columns([R::Id, R::ProjectId, R::ObjectId, R::TargetProject, R::Action])
            .expr_as(Expr::val(object_type.name()), OBJECT_TYPE)
            .from(object_type.table())
            .to_owned()
    });
    let mut out = types.next().unwrap_or_default();
    for select in types {
        out.union(UnionType::All, select);
    }
    out
}

const OBJECT_TYPE: &str = "object_type";

/// The columns [`decode`] reads.
pub const COLUMNS: [&str; 6] = [
    R::Id.name(),
    R::ProjectId.name(),
    R::ObjectId.name(),
    R::TargetProject.name(),
    R::Action.name(),
    OBJECT_TYPE,
];

/// A row of [`COLUMNS`].
#[must_use]
pub fn decode(row: &RowRef<'_>) -> Policy {
    Policy {
        id: row.text(0),
        project_id: row.text(1),
        object_id: row.text(2),
        target_project: row.text(3),
        action: row.text(4),
        // The name was put there by `all`.
        object_type: ObjectType::parse(row.str(5)).unwrap_or(ObjectType::Network),
    }
}

/// The policy `id`, if `visible` does not exclude it.
///
/// # Errors
/// What the database refused.
pub async fn by_id(conn: &Conn, id: &str, visible: Option<Condition>) -> DbResult<Option<Policy>> {
    let mut select = Query::select();
    select.columns(COLUMNS).from_subquery(all(), ALIAS).and_where(Expr::col(R::Id).eq(id));
    if let Some(visible) = visible {
        select.cond_where(visible);
    }
    Ok(conn.fetch_map(&select, decode).await?.pop())
}

/// Name of [`all`] as a subquery.
pub const ALIAS: &str = "rbac_policies";

/// Stores a new policy.
///
/// # Errors
/// `UniqueViolation` when there is one with the same object, target and action; `ForeignKey` when
/// there is no such object.
pub async fn insert(conn: &Conn, policy: &Policy) -> DbResult<()> {
    let insert = Query::insert()
        .into_table(policy.object_type.table())
        .columns([R::Id, R::ProjectId, R::ObjectId, R::TargetProject, R::Action])
        .values_panic([
            policy.id.as_str().into(),
            policy.project_id.as_str().into(),
            policy.object_id.as_str().into(),
            policy.target_project.as_str().into(),
            policy.action.as_str().into(),
        ])
        .to_owned();
    conn.execute(&insert).await.map(|_| ())
}

/// Shares `object` of `owner` with everyone.
///
/// # Errors
/// As [`insert`].
pub async fn share(
    conn: &Conn,
    object_type: ObjectType,
    object: &str,
    owner: &str,
) -> DbResult<()> {
    let policy = Policy {
        id: new_id(),
        project_id: owner.to_string(),
        object_type,
        object_id: object.to_string(),
        target_project: EVERYONE.to_string(),
        action: SHARED.to_string(),
    };
    insert(conn, &policy).await
}

/// Gives the policy's access to its `target_project`.
///
/// # Errors
/// As [`insert`].
pub async fn retarget(conn: &Conn, policy: &Policy) -> DbResult<()> {
    let update = Query::update()
        .table(policy.object_type.table())
        .value(R::TargetProject, policy.target_project.as_str())
        .and_where(Expr::col(R::Id).eq(policy.id.as_str()))
        .to_owned();
    conn.execute(&update).await.map(|_| ())
}

/// Removes the policy.
///
/// # Errors
/// What the database refused.
pub async fn delete(conn: &Conn, policy: &Policy) -> DbResult<()> {
    let delete = Query::delete()
        .from_table(policy.object_type.table())
        .and_where(Expr::col(R::Id).eq(policy.id.as_str()))
        .to_owned();
    conn.execute(&delete).await.map(|_| ())
}

/// Who may do `action` to an object by some policy: projects and [`EVERYONE`].
///
/// # Errors
/// What the database refused.
pub async fn targets(
    conn: &Conn,
    object_type: ObjectType,
    object: &str,
    action: &str,
) -> DbResult<Vec<String>> {
    let select = Query::select()
        .column(R::TargetProject)
        .from(object_type.table())
        .and_where(Expr::col(R::ObjectId).eq(object))
        .and_where(Expr::col(R::Action).eq(action))
        .to_owned();
    conn.fetch_map(&select, |row| row.text(0)).await
}

/// The condition that some policy lets `project` do one of `actions` to the object in the column
/// `object`. Without a project only policies for everyone count.
#[must_use]
pub fn granted(
    object_type: ObjectType,
    object: impl IntoColumnRef,
    project: &str,
    actions: &[&str],
) -> Expr {
    let table = object_type.table();
    let column = |c: R| Expr::col((table.into_iden(), c.into_iden()));
    let mut grant = Query::select();
    grant
        .expr(Expr::val(1))
        .from(table)
        .and_where(column(R::ObjectId).eq(Expr::col(object)))
        .and_where(column(R::Action).is_in(actions.iter().copied()));
    if project.is_empty() {
        grant.and_where(column(R::TargetProject).eq(EVERYONE));
    } else {
        grant.and_where(column(R::TargetProject).is_in([EVERYONE, project]));
    }
    Expr::exists(grant)
}

/// Ids of the objects that policies open to the caller's project for one of `actions`.
#[must_use]
pub fn open_to(object_type: ObjectType, ctx: &Context, actions: &[&str]) -> SelectStatement {
    Query::select()
        .column(R::ObjectId)
        .from(object_type.table())
        .and_where(Expr::col(R::TargetProject).is_in([ctx.project(), EVERYONE]))
        .and_where(Expr::col(R::Action).is_in(actions.iter().copied()))
        .to_owned()
}

/// The condition that the object with the id `object` is shared with the caller, or is not: as the
/// `values` of the filter `shared` say.
#[must_use]
pub fn is_shared(
    object_type: ObjectType,
    ctx: &Context,
    object: &Expr,
    values: &[Value],
) -> Condition {
    let truth = |v: &Value| match v {
        Value::Bool(b) => *b,
        Value::String(s) => s.eq_ignore_ascii_case("true") || s == "1",
        other => other.as_i64() == Some(1),
    };
    let open = || object.clone().in_subquery(open_to(object_type, ctx, &[SHARED]));
    // However often a user repeats them, there are two values.
    let (yes, no) = (values.iter().any(truth), values.iter().any(|v| !truth(v)));
    Condition::any().add_option(yes.then(open)).add_option(no.then(|| open().not()))
}

/// `InvalidSharedSetting` (409): projects use `network` (a name or id) by the access to be taken
/// away.
#[must_use]
pub fn invalid_shared_setting(network: &str) -> ApiError {
    ApiError::conflict(
        "InvalidSharedSetting",
        format!(
            "Unable to reconfigure sharing settings for network {network}. Multiple projects are \
             using it."
        ),
    )
}

/// Every policy of `project`, whatever it is about, one row each.
#[must_use]
pub(crate) fn of_project(project: &str) -> SelectStatement {
    Query::select()
        .column(R::ProjectId)
        .from_subquery(all(), ALIAS)
        .and_where(Expr::col(R::ProjectId).eq(project))
        .to_owned()
}
