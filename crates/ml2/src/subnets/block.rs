//! Where a new subnet's block comes from: the request, or a subnet pool.

use ipnet::IpNet;
use neutrino_db::{
    Conn,
    subnetpools::{self, SubnetPool},
};
use neutrino_types::{ApiError, ApiResult, Attrs, Context};

use super::validate::{self, bad_request};
use crate::{
    ipam::{
        addr::{net_version, parse_net},
        prefixes::{Prefixes, quota_units},
    },
    models::{distinct, subnet::Subnet},
    request,
};

/// A new subnet's block.
pub(super) struct Block {
    pub(super) cidr: IpNet,
    /// The pool it is taken from.
    pub(super) pool: Option<String>,
}

/// The block that `item` asks for on `network`. `there` are the subnets of the networks concerned,
/// those of the same request included.
///
/// # Errors
/// `BadRequest`, `InvalidInput`, `SubnetPoolNotFound`; `NetworkSubnetPoolAffinityError` and
/// `NetworkAddressScopeAffinityError`; the pool's refusals.
pub(super) async fn of(
    conn: &Conn,
    ctx: &Context,
    item: &Attrs,
    project: &str,
    network: &str,
    there: &[Subnet],
) -> ApiResult<Block> {
    let given = request::text(item, "cidr");
    if given.is_some() && item.get("prefixlen").is_some_and(|v| !v.is_null()) {
        return Err(bad_request("cidr and prefixlen must not be supplied together"));
    }
    let given = given.map(|text| validate::cidr(item, text)).transpose()?;
    let siblings = || there.iter().filter(|subnet| subnet.network_id == network);
    match (pool(conn, ctx, item, given.as_ref()).await?, given) {
        (None, None) => Err(bad_request("a subnetpool must be specified in the absence of a cidr")),
        (None, Some(cidr)) => {
            let version = net_version(&cidr);
            let pooled = |s: &Subnet| s.subnetpool_id.is_some() && s.ip_version() == version;
            if siblings().any(pooled) { Err(other_pool()) } else { Ok(Block { cidr, pool: None }) }
        }
        (Some(pool), given) => {
            if given.is_none() && request::list(item, "allocation_pools").is_some() {
                return Err(bad_request(
                    "allocation_pools allowed only for specific subnet requests.",
                ));
            }
            check_version(item, &pool)?;
            check_affinity(conn, &pool, siblings()).await?;
            subnetpools::lock(conn, &pool.id).await?;
            let taken = taken(conn, &pool, there).await?;
            let cidr = take(item, project, &pool, given, &taken)?;
            Ok(Block { cidr, pool: Some(pool.id) })
        }
    }
}

/// The pool that `item` names, or the default one if it wants that.
async fn pool(
    conn: &Conn,
    ctx: &Context,
    item: &Attrs,
    given: Option<&IpNet>,
) -> ApiResult<Option<SubnetPool>> {
    let wants_default = request::flag(item, "use_default_subnetpool").unwrap_or(false);
    let Some(id) = request::text(item, "subnetpool_id") else {
        if !wants_default {
            return Ok(None);
        }
        let version = given.map(|cidr| i64::from(net_version(cidr)));
        let Some(version) = version.or_else(|| request::int(item, "ip_version")) else {
            return Err(bad_request(
                "ip_version must be specified in the absence of cidr and subnetpool_id",
            ));
        };
        let found = subnetpools::default_of(conn, ctx, if version == 6 { 6 } else { 4 }).await?;
        let absent = || bad_request(&format!("No default subnetpool found for IPv{version}"));
        return found.map(Some).ok_or_else(absent);
    };
    if wants_default {
        return Err(bad_request(
            "subnetpool_id and use_default_subnetpool cannot both be specified",
        ));
    }
    let found = subnetpools::by_id(conn, ctx, id).await?;
    found.map(Some).ok_or_else(|| ApiError::resource_not_found("subnetpool", id))
}

fn check_version(item: &Attrs, pool: &SubnetPool) -> ApiResult<()> {
    match request::int(item, "ip_version") {
        Some(version) if version != i64::from(pool.ip_version) => Err(bad_request(&format!(
            "Cannot allocate IPv{version} subnet from IPv{} subnet pool",
            pool.ip_version
        ))),
        _ => Ok(()),
    }
}

fn other_pool() -> ApiError {
    ApiError::bad_request(
        "NetworkSubnetPoolAffinityError",
        "Subnets hosted on the same network must be allocated from the same subnet pool.",
    )
}

/// Subnets of one version on a network come from one pool, or from pools of one address scope.
async fn check_affinity<'a>(
    conn: &Conn,
    pool: &SubnetPool,
    siblings: impl Iterator<Item = &'a Subnet>,
) -> ApiResult<()> {
    let same_version = siblings.filter(|s| s.ip_version() == pool.ip_version);
    let pools: Vec<Option<&str>> = same_version.map(|s| s.subnetpool_id.as_deref()).collect();
    if pools.iter().all(|other| *other == Some(pool.id.as_str())) {
        return Ok(());
    }
    let ids = distinct(pools.into_iter().flatten()).into_iter().map(str::to_string).collect();
    let scopes = subnetpools::scopes(conn, ids).await?;
    match scopes.values().next() {
        None => Err(other_pool()),
        Some(scope) if pool.address_scope_id.as_ref() == Some(scope) => Ok(()),
        Some(_) => Err(ApiError::bad_request(
            "NetworkAddressScopeAffinityError",
            "Subnets of the same address family hosted on the same network must all participate \
             in the same address scope.",
        )),
    }
}

/// What was taken from a pool: owner and block, in the database and by the same request.
async fn taken(
    conn: &Conn,
    pool: &SubnetPool,
    there: &[Subnet],
) -> ApiResult<Vec<(String, IpNet)>> {
    let stored = subnetpools::allocations(conn, &pool.id).await?;
    let new = there.iter().filter(|s| {
        s.subnetpool_id.as_ref() == Some(&pool.id)
            && !stored.iter().any(|known| known.subnet_id == s.id)
    });
    let new = new.map(|s| (s.project_id.clone(), s.cidr));
    let old = stored.iter().filter_map(|a| Some((a.project_id.clone(), parse_net(&a.cidr)?)));
    Ok(old.chain(new).collect())
}

/// Chooses the block.
fn take(
    item: &Attrs,
    project: &str,
    pool: &SubnetPool,
    given: Option<IpNet>,
    taken: &[(String, IpNet)],
) -> ApiResult<IpNet> {
    let wanted = request::int(item, "prefixlen").map(|n| u8::try_from(n).unwrap_or(u8::MAX));
    let length = given.map_or(wanted.unwrap_or(pool.default_prefixlen), |cidr| cidr.prefix_len());
    check_length(pool, length)?;
    check_quota(project, pool, length, taken)?;
    let prefixes: Vec<IpNet> = pool.prefixes.iter().filter_map(|p| parse_net(p)).collect();
    let free = Prefixes::new(&prefixes).without(&Prefixes::new(taken.iter().map(|(_, net)| net)));
    // A gateway without a block says where the block lies.
    let around_gateway = || {
        let gateway = request::text(item, "gateway_ip")?.parse().ok()?;
        Some(IpNet::new(gateway, length).ok()?.trunc())
    };
    match given.or_else(around_gateway) {
        Some(cidr) if free.has_block(&cidr) => Ok(cidr),
        Some(_) => Err(no_room(
            "Cannot allocate requested subnet from the available set of prefixes".to_string(),
        )),
        None => free.next_block(length).ok_or_else(|| {
            no_room(format!("Insufficient prefix space to allocate subnet size /{length}"))
        }),
    }
}

fn no_room(reason: String) -> ApiError {
    // Neutron maps this one to no client error.
    ApiError::new("SubnetAllocationError", 500, format!("Failed to allocate subnet: {reason}."))
}

fn check_length(pool: &SubnetPool, length: u8) -> ApiResult<()> {
    let refuse = |kind: &'static str, word: &str, bound: u8| {
        let text = format!(
            "Unable to allocate subnet with prefix length {length}, {word} allowed prefix is \
             {bound}."
        );
        Err(ApiError::bad_request(kind, text))
    };
    if length > pool.max_prefixlen {
        return refuse("MaxPrefixSubnetAllocationError", "maximum", pool.max_prefixlen);
    }
    if length < pool.min_prefixlen {
        return refuse("MinPrefixSubnetAllocationError", "minimum", pool.min_prefixlen);
    }
    Ok(())
}

fn check_quota(
    project: &str,
    pool: &SubnetPool,
    length: u8,
    taken: &[(String, IpNet)],
) -> ApiResult<()> {
    // Neutron takes 0 as no limit.
    let Some(quota) = pool.default_quota.filter(|quota| *quota > 0) else { return Ok(()) };
    let units = |length: u8| quota_units(pool.ip_version, length);
    let own = taken.iter().filter(|(owner, _)| owner == project);
    let used: f64 = own.map(|(_, net)| units(net.prefix_len())).sum();
    #[expect(clippy::cast_precision_loss, reason = "quotas beyond 2^53 addresses limit nobody")]
    if used + units(length) > quota as f64 {
        return Err(ApiError::conflict(
            "SubnetPoolQuotaExceeded",
            "Per-project subnet pool prefix quota exceeded.",
        ));
    }
    Ok(())
}
