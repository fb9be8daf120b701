//! What binds a subnet pool to its address scope.

use std::collections::HashSet;

use neutrino_db::{
    Conn, address_scopes,
    schema::Subnets as S,
    sea_query::{Expr, ExprTrait, Query},
    subnetpools::{self, SubnetPool},
};
use neutrino_ml2::ipam::{addr::parse_net, prefixes::Prefixes};
use neutrino_types::{ApiError, ApiResult, Context};

fn not_found(scope: &str) -> ApiError {
    ApiError::resource_not_found("address_scope", scope)
}

/// Whoever only shares the scope of the pool may not change the pool.
///
/// # Errors
/// `IllegalSubnetPoolUpdate`.
pub(super) async fn check_owner(
    conn: &Conn,
    ctx: &Context,
    pool: &str,
    scope: &str,
) -> ApiResult<()> {
    let found = address_scopes::by_id(conn, ctx, scope).await?.ok_or_else(|| not_found(scope))?;
    if ctx.is_admin || found.project_id == ctx.project() {
        return Ok(());
    }
    Err(ApiError::bad_request(
        "IllegalSubnetPoolUpdate",
        format!(
            "Illegal subnetpool update : subnetpool {pool} cannot be updated when associated with \
             shared address scope {scope}."
        ),
    ))
}

/// Whether the pool may be in its scope: one the caller may use, of its IP version, without a pool
/// that overlaps it; and no network is left with subnets of two scopes.
///
/// # Errors
/// `AddressScopeNotFound`, `IllegalSubnetPoolIpVersionAssociationToAddressScope`,
/// `NetworkAddressScopeAffinityError`, `AddressScopePrefixConflict`.
pub(super) async fn check(conn: &Conn, ctx: &Context, pool: &SubnetPool) -> ApiResult<()> {
    let Some(id) = pool.address_scope_id.as_deref() else { return Ok(()) };
    let scope = address_scopes::by_id(conn, ctx, id).await?.ok_or_else(|| not_found(id))?;
    if scope.ip_version != pool.ip_version {
        return Err(ApiError::bad_request(
            "IllegalSubnetPoolIpVersionAssociationToAddressScope",
            format!(
                "Illegal subnetpool association: subnetpool {} cannot associate with address scope \
                 {id} because subnetpool ip_version is not {}.",
                pool.id, scope.ip_version
            ),
        ));
    }
    check_networks(conn, pool).await?;
    let of = |pool: &SubnetPool| {
        let nets: Vec<_> = pool.prefixes.iter().filter_map(|text| parse_net(text)).collect();
        Prefixes::new(&nets)
    };
    let own = of(pool);
    let others = subnetpools::of_scope(conn, id).await?;
    if others.iter().any(|other| other.id != pool.id && !of(other).is_disjoint(&own)) {
        return Err(ApiError::conflict(
            "AddressScopePrefixConflict",
            "Failed to associate address scope: subnetpools within an address scope must have \
             unique prefixes.",
        ));
    }
    Ok(())
}

/// Networks with subnets of the pool have no others of its IP version.
async fn check_networks(conn: &Conn, pool: &SubnetPool) -> ApiResult<()> {
    let own = subnetpools::allocations(conn, &pool.id).await?;
    let networks: HashSet<&str> = own.iter().map(|block| block.network_id.as_str()).collect();
    if networks.is_empty() {
        return Ok(());
    }
    let other = Query::select()
        .column(S::Id)
        .from(S::Table)
        .and_where(Expr::col(S::NetworkId).is_in(networks))
        .and_where(Expr::col(S::IpVersion).eq(i32::from(pool.ip_version)))
        .and_where(
            Expr::col(S::SubnetpoolId)
                .is_null()
                .or(Expr::col(S::SubnetpoolId).ne(pool.id.as_str())),
        )
        .limit(1)
        .to_owned();
    match conn.fetch_opt(&other).await? {
        None => Ok(()),
        Some(_) => Err(ApiError::bad_request(
            "NetworkAddressScopeAffinityError",
            "Subnets of the same address family hosted on the same network must all participate \
             in the same address scope.",
        )),
    }
}
