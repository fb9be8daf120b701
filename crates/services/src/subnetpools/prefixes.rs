//! The prefixes of a pool, and the lengths of its blocks.

use neutrino_db::subnetpools::{Allocation, SubnetPool};
use neutrino_ml2::ipam::{
    addr::{net_version, parse_net},
    prefixes::Prefixes,
};
use neutrino_types::{ApiError, ApiResult, Attrs, request};

/// `min_prefixlen` and `max_prefixlen` of a pool of `version` that says none.
pub(super) fn default_bounds(version: u8) -> (u8, u8) {
    if version == 4 { (8, 32) } else { (64, 128) }
}

fn illegal(reason: &str) -> ApiError {
    ApiError::bad_request(
        "IllegalSubnetPoolPrefixUpdate",
        format!("Illegal update to prefixes: {reason}."),
    )
}

/// The addresses in `texts`, all of one IP version.
///
/// # Errors
/// `EmptySubnetPoolPrefixList`, `PrefixVersionMismatch`; `AddrFormatError` for what is no CIDR.
fn parse(texts: &[String]) -> ApiResult<(u8, Prefixes)> {
    let nets = texts
        .iter()
        .map(|text| {
            let absent = || {
                let text = format!("invalid IPNetwork {text}");
                ApiError::bad_request("AddrFormatError", text)
            };
            parse_net(text).ok_or_else(absent)
        })
        .collect::<ApiResult<Vec<_>>>()?;
    let Some(version) = nets.first().map(net_version) else {
        return Err(ApiError::bad_request(
            "EmptySubnetPoolPrefixList",
            "Empty subnet pool prefix list.",
        ));
    };
    if nets.iter().any(|net| net_version(net) != version) {
        return Err(ApiError::bad_request(
            "PrefixVersionMismatch",
            "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.",
        ));
    }
    Ok((version, Prefixes::new(&nets)))
}

fn texts(prefixes: &Prefixes) -> Vec<String> {
    prefixes.blocks().iter().map(ToString::to_string).collect()
}

/// IP version and prefixes of a new pool.
///
/// # Errors
/// As [`parse`].
pub(super) fn of_new(given: &[String]) -> ApiResult<(u8, Vec<String>)> {
    let (version, prefixes) = parse(given)?;
    Ok((version, texts(&prefixes)))
}

/// The prefixes of a pool that is to have `wanted`: none may go.
///
/// # Errors
/// `IllegalSubnetPoolPrefixUpdate`, and as [`parse`].
pub(super) fn grown(pool: &SubnetPool, wanted: &[String]) -> ApiResult<Vec<String>> {
    let (version, wanted) = parse(wanted)?;
    let (_, present) = parse(&pool.prefixes)?;
    if version != pool.ip_version || !present.is_subset(&wanted) {
        return Err(illegal("Existing prefixes must be a subset of the new prefixes"));
    }
    Ok(texts(&wanted))
}

/// The prefixes of a pool that is to lose `unwanted`, of which `taken` are in use.
///
/// # Errors
/// `IllegalSubnetPoolPrefixUpdate`, and as [`parse`].
pub(super) fn shrunk(
    pool: &SubnetPool,
    unwanted: &[String],
    taken: &[Allocation],
) -> ApiResult<Vec<String>> {
    let (_, unwanted) = parse(unwanted)?;
    let (_, present) = parse(&pool.prefixes)?;
    if present.is_disjoint(&unwanted) {
        return Ok(pool.prefixes.clone());
    }
    let taken: Vec<_> = taken.iter().filter_map(|block| parse_net(&block.cidr)).collect();
    if !Prefixes::new(&taken).is_disjoint(&unwanted) {
        return Err(illegal("One or more the prefixes to be removed is in use by a subnet."));
    }
    Ok(texts(&present.without(&unwanted)))
}

/// Takes lengths and quota over from `changes`.
///
/// # Errors
/// `IllegalSubnetPoolPrefixBounds`.
pub(super) fn set_bounds(pool: &mut SubnetPool, changes: &Attrs) -> ApiResult<()> {
    let length = |name: &str, present: u8| match request::int(changes, name) {
        None => i64::from(present),
        Some(given) => given,
    };
    let min = length("min_prefixlen", pool.min_prefixlen);
    let max = length("max_prefixlen", pool.max_prefixlen);
    let default = length("default_prefixlen", pool.default_prefixlen);
    let widest = i64::from(default_bounds(pool.ip_version).1);
    let rules = [
        (min > max, ("min_prefixlen", min), ("max_prefixlen", max)),
        (max > widest, ("max_prefixlen", max), ("ip_version_max", widest)),
        (default < min, ("default_prefixlen", default), ("min_prefixlen", min)),
        (default > max, ("default_prefixlen", default), ("max_prefixlen", max)),
    ];
    for (broken, (name, value), (bound, limit)) in rules {
        if broken {
            return Err(ApiError::bad_request(
                "IllegalSubnetPoolPrefixBounds",
                format!("Illegal prefix bounds: {name}={value}, {bound}={limit}."),
            ));
        }
    }
    // All lie between 0 and 128 now.
    let byte = |length: i64| u8::try_from(length).unwrap_or(u8::MAX);
    (pool.min_prefixlen, pool.max_prefixlen) = (byte(min), byte(max));
    pool.default_prefixlen = byte(default);
    if changes.contains_key("default_quota") {
        pool.default_quota = request::int(changes, "default_quota");
    }
    Ok(())
}
