//! Policies about objects other than networks, which all follow the same rules.

use std::collections::HashSet;

use neutrino_db::{
    Conn, DbResult,
    list::scope::{EVERYONE, SHARED},
    rbac::{self, ObjectType, Policy},
    schema::{
        AddressGroups, AddressScopes, Networks, Ports as P, SecurityGroupPortBindings as B,
        SecurityGroupRules as R, SecurityGroups, SubnetPools, Subnets,
    },
    sea_query::{DynIden, Expr, ExprTrait, IntoIden, Query},
    subnetpools,
};
use neutrino_types::{ApiError, Context};

use super::{
    Change,
    verdict::{Verdict, Veto},
};

/// Neutron's name for these rules.
const RULES: &str = "validate_rbac_policy_change";

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
    let loses = match change {
        Change::Create => false,
        // Everyone includes whoever it was shared with.
        Change::Retarget(target) => target != policy.target_project && target != EVERYONE,
        Change::Delete => true,
    };
    if matches!(change, Change::Create)
        && kind == ObjectType::SubnetPool
        && !scope_is_open(conn, policy).await?
    {
        return Err(Veto::by(
            "validate_rbac_policy_create",
            &no_access_to_scope(&policy.object_id),
        ));
    }
    if !loses || policy.action != SHARED || policy.target_project == owner {
        return Ok(());
    }
    if is_needed(conn, policy).await? {
        let details = Veto::Refused(format!("project_id={}", policy.target_project));
        return Err(Veto::by(RULES, &super::in_use(policy)(details)));
    }
    Ok(())
}

/// Whether the policy's target may use the address scope of the subnet pool, if the pool has one.
async fn scope_is_open(conn: &Conn, policy: &Policy) -> DbResult<bool> {
    let scope = subnetpools::scopes(conn, vec![policy.object_id.clone()]).await?;
    let Some(scope) = scope.get(&policy.object_id) else { return Ok(true) };
    let targets = rbac::targets(conn, ObjectType::AddressScope, scope, SHARED).await?;
    Ok(targets.iter().any(|target| *target == EVERYONE || *target == policy.target_project))
}

fn no_access_to_scope(pool: &str) -> ApiError {
    ApiError::bad_request(
        "RbacPolicyInitError",
        format!(
            "Failed to create RBAC policy on object {pool} because target project doesn't have \
             access to associated address scope.."
        ),
    )
}

async fn owner(conn: &Conn, object_type: ObjectType, id: &str) -> DbResult<Option<String>> {
    let table: DynIden = match object_type {
        ObjectType::AddressGroup => AddressGroups::Table.into_iden(),
        ObjectType::AddressScope => AddressScopes::Table.into_iden(),
        ObjectType::Network => Networks::Table.into_iden(),
        ObjectType::SecurityGroup => SecurityGroups::Table.into_iden(),
        ObjectType::SubnetPool => SubnetPools::Table.into_iden(),
    };
    let select = Query::select()
        .column("project_id")
        .from(table)
        .and_where(Expr::col("id").eq(id))
        .to_owned();
    Ok(conn.fetch_opt(&select).await?.map(|row| row.text(0)))
}

/// Whether projects use the object that no other policy lets use it.
///
/// As in Neutron the owner's own use counts against the policy for everyone, unless the owner is
/// named in a policy too.
async fn is_needed(conn: &Conn, policy: &Policy) -> DbResult<bool> {
    let users = users(conn, policy.object_type, &policy.object_id).await?;
    let targets = rbac::targets(conn, policy.object_type, &policy.object_id, SHARED).await?;
    if policy.target_project == EVERYONE {
        return Ok(users.iter().any(|user| !targets.contains(user)));
    }
    let open = targets.iter().any(|target| target == EVERYONE);
    Ok(!open && users.contains(&policy.target_project))
}

/// The projects that use an object: with ports in a security group, with rules about an address
/// group, with subnets from a subnet pool, with subnet pools in an address scope.
async fn users(conn: &Conn, object_type: ObjectType, id: &str) -> DbResult<HashSet<String>> {
    let mut select = Query::select();
    match object_type {
        ObjectType::Network => return Ok(HashSet::new()),
        ObjectType::AddressGroup => select
            .distinct()
            .column(R::ProjectId)
            .from(R::Table)
            .and_where(Expr::col(R::RemoteAddressGroupId).eq(id)),
        ObjectType::AddressScope => select
            .distinct()
            .column(SubnetPools::ProjectId)
            .from(SubnetPools::Table)
            .and_where(Expr::col(SubnetPools::AddressScopeId).eq(id)),
        ObjectType::SubnetPool => select
            .distinct()
            .column(Subnets::ProjectId)
            .from(Subnets::Table)
            .and_where(Expr::col(Subnets::SubnetpoolId).eq(id)),
        ObjectType::SecurityGroup => {
            let ports = Query::select()
                .column(B::PortId)
                .from(B::Table)
                .and_where(Expr::col(B::SecurityGroupId).eq(id))
                .to_owned();
            select
                .distinct()
                .column(P::ProjectId)
                .from(P::Table)
                .and_where(Expr::col(P::Id).in_subquery(ports))
        }
    };
    Ok(conn.fetch_map(&select, |row| row.text(0)).await?.into_iter().collect())
}
