//! Policies about objects other than networks, which all follow the same rules.

use neutrino_db::{
    Conn, DbResult,
    rbac::{ObjectType, Policy},
    schema::AddressGroups,
    sea_query::{DynIden, Expr, ExprTrait, IntoIden, Query},
};
use neutrino_types::{ApiError, Context};

use super::{
    Change,
    verdict::{Verdict, Veto},
};

/// Neutron's name for these rules.
const RULES: &str = "validate_rbac_policy_change";

fn table(object_type: ObjectType) -> Option<DynIden> {
    match object_type {
        ObjectType::AddressGroup => Some(AddressGroups::Table.into_iden()),
        ObjectType::Network => None,
    }
}

/// Whether `ctx` may make the change, and the object bears it.
pub(super) async fn check(
    conn: &Conn,
    ctx: &Context,
    policy: &Policy,
    change: Change<'_>,
) -> Verdict {
    let kind = policy.object_type;
    let Some(owner) = owner(conn, kind, &policy.object_id).await? else {
        return Err(Veto::by(RULES, &ApiError::resource_not_found(kind.name(), &policy.object_id)));
    };
    if !matches!(change, Change::Delete) && !ctx.is_admin && owner != ctx.project() {
        let reason = ApiError::invalid_input(
            "Only admins can manipulate policies on objects they do not own",
        );
        return Err(Veto::by(RULES, &reason));
    }
    Ok(())
}

async fn owner(conn: &Conn, object_type: ObjectType, id: &str) -> DbResult<Option<String>> {
    let Some(table) = table(object_type) else { return Ok(None) };
    let select = Query::select()
        .column("project_id")
        .from(table)
        .and_where(Expr::col("id").eq(id))
        .to_owned();
    Ok(conn.fetch_opt(&select).await?.map(|row| row.text(0)))
}
