//! Distributed routing: the MACs by which hosts' routers are known to other hosts' switches, and
//! the ports a distributed router serves on the host they are on.

mod floating;
mod hosts;

use neutrino_types::{MacAddr, constants::device_owner};
use sea_query::{Cond, Condition, Expr, ExprTrait, IntoColumnRef, Order, Query, SelectStatement};
use serde::Serialize;

use crate::{Conn, DbResult, RowRef, schema::DvrHostMacs as M};

pub use floating::*;
pub use hosts::*;

/// The MAC of a host's routers, as agents are told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostMac {
    /// The host.
    pub host: String,
    /// Its MAC.
    pub mac_address: String,
}

fn select() -> SelectStatement {
    Query::select()
        .columns([M::Host, M::MacAddress])
        .from(M::Table)
        .order_by(M::Host, Order::Asc)
        .to_owned()
}

fn decode(row: &RowRef<'_>) -> HostMac {
    HostMac { host: row.text(0), mac_address: row.text(1) }
}

/// The MACs of all hosts, by host.
///
/// # Errors
/// What the database refused.
pub async fn host_macs(conn: &Conn) -> DbResult<Vec<HostMac>> {
    conn.fetch_map(&select(), decode).await
}

/// The MAC of one host.
///
/// # Errors
/// What the database refused.
pub async fn host_mac(conn: &Conn, host: &str) -> DbResult<Option<HostMac>> {
    let mut query = select();
    query.and_where(Expr::col(M::Host).eq(host));
    Ok(conn.fetch_map(&query, decode).await?.pop())
}

/// Gives `host` a MAC. The keys of the table find a host that has one and a MAC that is taken.
///
/// # Errors
/// A duplicate of `host` or of `mac_address`; what the database refused.
pub async fn add_host_mac(conn: &Conn, host: &str, mac: MacAddr) -> DbResult<HostMac> {
    let new = HostMac { host: host.to_string(), mac_address: mac.to_string() };
    let statement = Query::insert()
        .into_table(M::Table)
        .columns([M::Host, M::MacAddress])
        .values_panic([host.into(), new.mac_address.as_str().into()])
        .to_owned();
    conn.execute(&statement).await?;
    Ok(new)
}

/// Forgets the MAC of `host`; answers whether it had one.
///
/// # Errors
/// What the database refused.
pub async fn remove_host_mac(conn: &Conn, host: &str) -> DbResult<bool> {
    let statement =
        Query::delete().from_table(M::Table).and_where(Expr::col(M::Host).eq(host)).to_owned();
    Ok(conn.execute(&statement).await? > 0)
}

/// Owners, beside instances, whose ports a distributed router serves where they are.
fn other_serviced(dhcp: bool) -> impl Iterator<Item = &'static str> {
    [device_owner::TRUNK_SUBPORT].into_iter().chain(dhcp.then_some(device_owner::DHCP))
}

/// Whether a distributed router serves ports of `owner` on the host they are on: it must be there.
/// `dhcp` is `host_dvr_for_dhcp`.
#[must_use]
pub fn is_serviced(owner: &str, dhcp: bool) -> bool {
    owner.starts_with(device_owner::COMPUTE_PREFIX) || other_serviced(dhcp).any(|o| o == owner)
}

/// [`is_serviced`] as a condition on the column of the owner.
#[must_use]
pub fn serviced(owner: impl IntoColumnRef, dhcp: bool) -> Condition {
    let owner = Expr::col(owner);
    // A range instead of LIKE: no wildcards to escape, and it can use a key. `;` follows `:`.
    let instance = Cond::all()
        .add(owner.clone().gte(device_owner::COMPUTE_PREFIX))
        .add(owner.clone().lt("compute;"));
    other_serviced(dhcp)
        .fold(Cond::any().add(instance), |any, other| any.add(owner.clone().eq(other)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Ports;

    #[test]
    fn instances_subports_and_perhaps_dhcp_are_served() {
        for (owner, with, without) in [
            ("compute:nova", true, true),
            ("compute:", true, true),
            ("trunk:subport", true, true),
            ("network:dhcp", true, false),
            ("network:router_interface", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_serviced(owner, true), is_serviced(owner, false)), (with, without));
        }
    }

    #[tokio::test]
    async fn the_condition_says_the_same() {
        let db = crate::testing::db().await.expect("open");
        let conn = db.read().await.expect("reader");
        let owners = [
            "compute:nova",
            "compute:",
            "compute",
            "computer:x",
            "trunk:subport",
            "network:dhcp",
            "network:router_interface",
            "",
        ];
        for dhcp in [true, false] {
            for owner in owners {
                let text = Query::select().expr_as(Expr::val(owner), Ports::DeviceOwner).to_owned();
                let query = Query::select()
                    .column(Ports::DeviceOwner)
                    .from_subquery(text, Ports::Table)
                    .cond_where(serviced((Ports::Table, Ports::DeviceOwner), dhcp))
                    .to_owned();
                let found = conn.fetch_opt(&query).await.expect("query").is_some();
                assert_eq!(found, is_serviced(owner, dhcp), "{owner} {dhcp}");
            }
        }
    }

    #[tokio::test]
    async fn a_host_and_a_mac_come_once() {
        let db = crate::testing::db().await.expect("open");
        let tx = db.begin().await.expect("begin");
        let mac = |n| MacAddr([0xfa, 0x16, 0x3f, 0, 0, n]);
        add_host_mac(&tx, "b", mac(1)).await.expect("first");
        let twice = add_host_mac(&tx, "c", mac(1)).await.expect_err("taken");
        assert!(twice.duplicates("dvr_host_macs", "mac_address"), "{twice}");
        let again = add_host_mac(&tx, "b", mac(2)).await.expect_err("has one");
        assert!(again.duplicates("dvr_host_macs", "host"), "{again}");
        add_host_mac(&tx, "a", mac(3)).await.expect("second");
        let hosts: Vec<String> =
            host_macs(&tx).await.expect("all").into_iter().map(|m| m.host).collect();
        assert_eq!(hosts, ["a", "b"]);
        assert!(remove_host_mac(&tx, "a").await.expect("removed"));
        assert!(!remove_host_mac(&tx, "a").await.expect("gone"));
        assert_eq!(host_mac(&tx, "a").await.expect("none"), None);
    }
}
