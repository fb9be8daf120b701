//! Visibility: what a caller without admin rights sees.

use neutrino_types::Context;
use sea_query::{Condition, Expr, ExprTrait, IntoColumnRef, Query, SelectStatement};

use crate::schema::NetworkRbacs;

/// RBAC action behind `shared`.
pub const SHARED: &str = "access_as_shared";
/// RBAC action behind `router:external`.
pub const EXTERNAL: &str = "access_as_external";
/// RBAC target that means every project.
pub const EVERYONE: &str = "*";

/// Everyone sees everything (resources whose policy admits only admins).
#[must_use]
pub fn everything(_: &Context) -> Option<Condition> {
    None
}

/// Rows of the caller's project.
#[must_use]
pub fn owned(project_id: impl IntoColumnRef, ctx: &Context) -> Expr {
    Expr::col(project_id).eq(ctx.project())
}

/// Ids of the networks shared with every project: those whose `shared` attribute is true. A
/// caller also sees `shared` true when its own project is a target ([`crate::rbac::open_to`]).
#[must_use]
pub fn networks_open_to_everyone(action: &'static str) -> SelectStatement {
    Query::select()
        .column((NetworkRbacs::Table, NetworkRbacs::ObjectId))
        .from(NetworkRbacs::Table)
        .and_where(Expr::col((NetworkRbacs::Table, NetworkRbacs::TargetProject)).eq(EVERYONE))
        .and_where(Expr::col((NetworkRbacs::Table, NetworkRbacs::Action)).eq(action))
        .to_owned()
}
