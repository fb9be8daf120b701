//! Which hosts need a distributed router, and which routers a host needs.

use std::collections::{BTreeSet, HashMap};

use neutrino_db::{Conn, dvr};
use neutrino_types::ApiResult;

/// The hosts that need each of `routers` (those that are distributed): where ports are that it, or
/// a router on one of its networks, serves. Beside these it is where its centralised part is
/// scheduled. Two statements for any number of routers; `dhcp` is `host_dvr_for_dhcp`.
///
/// # Errors
/// What the database refused.
pub async fn hosts(
    conn: &Conn,
    routers: &[&str],
    dhcp: bool,
) -> ApiResult<HashMap<String, BTreeSet<String>>> {
    let connected = dvr::connected(conn, routers).await?;
    let others = connected.iter().map(|(_, other)| other.as_str());
    let all: BTreeSet<&str> = routers.iter().copied().chain(others).collect();
    let all: Vec<&str> = all.into_iter().collect();
    let mut direct: HashMap<String, BTreeSet<String>> = HashMap::new();
    for (router, host) in dvr::needing(conn, &all, dhcp).await? {
        direct.entry(router).or_default().insert(host);
    }
    let mut out = HashMap::with_capacity(routers.len());
    for router in routers {
        let of_others = connected.iter().filter(|(mine, _)| mine == router);
        let also = of_others.filter_map(|(_, other)| direct.get(other)).flatten();
        let own = direct.get(*router).into_iter().flatten();
        let hosts: BTreeSet<String> = own.chain(also).cloned().collect();
        if !hosts.is_empty() {
            out.insert((*router).to_string(), hosts);
        }
    }
    Ok(out)
}

/// The distributed routers `host` needs beside `bound`, those whose centralised part is scheduled
/// to it: for ports it has, and on networks of the others. Two statements; `dhcp` is
/// `host_dvr_for_dhcp`.
///
/// # Errors
/// What the database refused.
pub async fn routers_on(
    conn: &Conn,
    host: &str,
    bound: &[String],
    dhcp: bool,
) -> ApiResult<BTreeSet<String>> {
    let mut needed: BTreeSet<String> =
        dvr::needed_on(conn, host, dhcp).await?.into_iter().collect();
    let from: Vec<&str> = bound.iter().chain(&needed).map(String::as_str).collect();
    if !from.is_empty() {
        let connected = dvr::connected(conn, &from).await?;
        needed.extend(connected.into_iter().map(|(_, other)| other));
    }
    needed.retain(|router| !bound.contains(router));
    Ok(needed)
}
