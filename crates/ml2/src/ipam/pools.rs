//! Allocation pools: the defaults around a gateway, and the checks on pools users give.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use neutrino_types::{ApiError, ApiResult};

use super::addr::{bounds, from_number, net_version, to_number, version};

/// A closed range of addresses of one subnet, as numbers within its IP version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pool {
    /// 4 or 6.
    pub version: u8,
    /// First address.
    pub first: u128,
    /// Last address.
    pub last: u128,
}

impl Pool {
    /// A pool from the texts of its ends; `None` when they are no addresses of one version or
    /// the wrong way round.
    #[must_use]
    pub fn parse(start: &str, end: &str) -> Option<Self> {
        let (start, end): (IpAddr, IpAddr) = (start.parse().ok()?, end.parse().ok()?);
        let (first, last) = (to_number(start), to_number(end));
        (version(start) == version(end) && first <= last).then_some(Self {
            version: version(start),
            first,
            last,
        })
    }

    /// First address.
    #[must_use]
    pub fn start(&self) -> IpAddr {
        from_number(self.version, self.first)
    }

    /// Last address.
    #[must_use]
    pub fn end(&self) -> IpAddr {
        from_number(self.version, self.last)
    }

    /// How many addresses there are (saturating at the largest number).
    #[must_use]
    pub fn size(&self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }

    /// Whether the address lies in the pool.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        version(ip) == self.version && (self.first..=self.last).contains(&to_number(ip))
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for Pool {
    /// As Neutron's messages show it: `10.0.0.2-10.0.0.9`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start(), self.end())
    }
}

/// The addresses hosts may have: all but the network address and, for IPv4 up to /30, the
/// broadcast address.
fn host_bounds(net: &IpNet) -> (u128, u128) {
    let (first, last) = bounds(net);
    if first == last {
        return (first, last);
    }
    match net {
        IpNet::V4(v4) if v4.prefix_len() <= 30 => (first + 1, last - 1),
        IpNet::V4(_) => (first, last),
        IpNet::V6(_) => (first + 1, last),
    }
}

/// The pools of a subnet without given ones: every host address but the gateway.
#[must_use]
pub fn default_pools(net: &IpNet, gateway: Option<IpAddr>) -> Vec<Pool> {
    let version = net_version(net);
    let (first, last) = host_bounds(net);
    if first == last {
        return vec![Pool { version, first, last }];
    }
    let gateway = gateway.filter(|g| super::addr::version(*g) == version).map(to_number);
    match gateway.filter(|g| (first..=last).contains(g)) {
        None => vec![Pool { version, first, last }],
        Some(gateway) => {
            let before = (gateway > first).then(|| Pool { version, first, last: gateway - 1 });
            let after = (gateway < last).then(|| Pool { version, first: gateway + 1, last });
            before.into_iter().chain(after).collect()
        }
    }
}

/// The gateway of a subnet without a given one: the address after the network address, even
/// where that lies outside (single-address subnets), as in Neutron.
#[must_use]
pub fn default_gateway(net: &IpNet) -> IpAddr {
    let (first, _) = bounds(net);
    from_number(net_version(net), first.saturating_add(1))
}

/// Checks given pools: of the subnet's version, within it, not overlapping.
///
/// # Errors
/// `InvalidAllocationPool`, `OutOfBoundsAllocationPool`, `OverlappingAllocationPools`.
pub fn validate(net: &IpNet, pools: &[Pool]) -> ApiResult<()> {
    let (first, last) = host_bounds(net);
    for pool in pools {
        if pool.version != net_version(net) {
            return Err(ApiError::bad_request(
                "InvalidAllocationPool",
                format!("The allocation pool {pool} is not valid."),
            ));
        }
        if pool.first < first || pool.last > last {
            return Err(ApiError::bad_request(
                "OutOfBoundsAllocationPool",
                format!("The allocation pool {pool} spans beyond the subnet cidr {net}."),
            ));
        }
    }
    for (i, left) in pools.iter().enumerate() {
        if let Some(right) = pools[i + 1..].iter().find(|right| left.overlaps(right)) {
            return Err(ApiError::conflict(
                "OverlappingAllocationPools",
                format!("Found overlapping allocation pools: {left} {right} for subnet {net}."),
            ));
        }
    }
    Ok(())
}

/// Checks that the gateway is not given to ports.
///
/// # Errors
/// `GatewayConflictWithAllocationPools`.
pub fn gateway_outside(gateway: IpAddr, pools: &[Pool]) -> ApiResult<()> {
    match pools.iter().find(|p| p.contains(gateway)) {
        None => Ok(()),
        Some(pool) => Err(ApiError::conflict(
            "GatewayConflictWithAllocationPools",
            format!("Gateway ip {gateway} conflicts with allocation pool {pool}."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipam::addr::parse_net;

    fn net(text: &str) -> IpNet {
        parse_net(text).expect("valid")
    }

    fn defaults(cidr: &str, gateway: Option<&str>) -> Vec<String> {
        let gateway = gateway.map(|g| g.parse().expect("valid"));
        default_pools(&net(cidr), gateway).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn default_pools_leave_out_what_hosts_must_not_have() {
        assert_eq!(defaults("10.0.0.0/24", Some("10.0.0.1")), ["10.0.0.2-10.0.0.254"]);
        assert_eq!(defaults("10.0.0.0/24", None), ["10.0.0.1-10.0.0.254"]);
        assert_eq!(
            defaults("10.0.0.0/24", Some("10.0.0.9")),
            ["10.0.0.1-10.0.0.8", "10.0.0.10-10.0.0.254"]
        );
        assert_eq!(defaults("10.0.0.0/24", Some("10.9.0.1")), ["10.0.0.1-10.0.0.254"]);
        assert_eq!(defaults("10.0.0.0/31", None), ["10.0.0.0-10.0.0.1"]);
        assert_eq!(defaults("10.0.0.7/32", None), ["10.0.0.7-10.0.0.7"]);
        assert_eq!(defaults("fd00::/64", Some("fd00::1")), ["fd00::2-fd00::ffff:ffff:ffff:ffff"]);
    }

    #[test]
    fn default_gateway_is_the_first_host() {
        assert_eq!(default_gateway(&net("10.0.0.0/24")).to_string(), "10.0.0.1");
        assert_eq!(default_gateway(&net("fd00::/64")).to_string(), "fd00::1");
    }

    #[test]
    fn bad_pools_are_refused_as_neutron_does() {
        let cidr = net("10.0.0.0/24");
        let pool = |a: &str, b: &str| Pool::parse(a, b).expect("valid");
        let kind = |pools: &[Pool]| validate(&cidr, pools).expect_err("refused").kind;
        assert_eq!(kind(&[pool("fd00::1", "fd00::2")]), "InvalidAllocationPool");
        assert_eq!(kind(&[pool("10.0.0.0", "10.0.0.9")]), "OutOfBoundsAllocationPool");
        assert_eq!(kind(&[pool("10.0.0.9", "10.0.1.9")]), "OutOfBoundsAllocationPool");
        let overlap = validate(
            &cidr,
            &[
                pool("10.0.0.2", "10.0.0.9"),
                pool("10.0.0.20", "10.0.0.30"),
                pool("10.0.0.9", "10.0.0.12"),
            ],
        )
        .expect_err("refused");
        assert_eq!(overlap.status, 409);
        assert_eq!(
            overlap.message,
            "Found overlapping allocation pools: 10.0.0.2-10.0.0.9 10.0.0.9-10.0.0.12 for subnet \
             10.0.0.0/24."
        );
        assert!(validate(&cidr, &[pool("10.0.0.2", "10.0.0.9")]).is_ok());
        let conflict =
            gateway_outside("10.0.0.5".parse().expect("valid"), &[pool("10.0.0.2", "10.0.0.9")])
                .expect_err("refused");
        assert_eq!(conflict.kind, "GatewayConflictWithAllocationPools");
        assert!(Pool::parse("10.0.0.9", "10.0.0.2").is_none());
    }
}
