//! What L3 agents are told of ports: the ports of routers with the subnets of their networks.

use std::collections::HashMap;

use neutrino_db::{
    Conn, address_scopes,
    schema::{Networks as N, Ports as P},
    sea_query::{Order, Query},
};
use neutrino_types::{ApiResult, Attrs};
use serde_json::{Value, json};

use crate::{
    models::{
        distinct, is_in,
        port::{self, Port},
        subnet::{self, Subnet},
    },
    views,
};

/// The ports with these ids, by id, as L3 agents see them: as the API shows them, and
/// - each of `fixed_ips` with `prefixlen`;
/// - `subnets`: those the port has an address of; `extra_subnets`: the others of its network;
/// - `mtu` of its network, `address_scopes` by IP version.
///
/// A port without addresses has nothing of that. Ports that are gone are missing. Costs the same
/// statements for any number of ports.
///
/// # Errors
/// What the database refused.
pub async fn router_ports(conn: &Conn, ids: &[&str]) -> ApiResult<Vec<Attrs>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = port::from();
    query
        .exprs(port::exprs())
        .and_where(is_in((P::Table, P::Id), ids.iter().copied()))
        .order_by((P::Table, P::Id), Order::Asc);
    let mut ports = conn.fetch_map(&query, port::decode).await?;
    port::load_children(conn, &mut ports).await?;
    let networks = distinct(ports.iter().map(|p| p.network_id.as_str()));
    let mtus: HashMap<String, u32> = network_mtus(conn, &networks).await?;
    let scopes = address_scopes::of_networks(conn, &networks).await?;
    let mut subnets: HashMap<String, Vec<Subnet>> = HashMap::new();
    for subnet in subnet::by_networks(conn, &networks).await? {
        subnets.entry(subnet.network_id.clone()).or_default().push(subnet);
    }
    let view = |port: Port| {
        let of_network = subnets.get(&port.network_id).map(Vec::as_slice).unwrap_or_default();
        let scope = |version| scopes.get(&(port.network_id.clone(), version));
        let network = Network {
            mtu: mtus.get(&port.network_id).copied().unwrap_or(0),
            address_scopes: json!({ "4": scope(4), "6": scope(6) }),
            subnets: of_network,
        };
        populated(port, network)
    };
    Ok(ports.into_iter().map(view).collect())
}

async fn network_mtus(conn: &Conn, ids: &[&str]) -> ApiResult<HashMap<String, u32>> {
    let query = Query::select()
        .columns([N::Id, N::Mtu])
        .from(N::Table)
        .and_where(is_in(N::Id, ids.iter().copied()))
        .to_owned();
    let rows =
        conn.fetch_map(&query, |r| (r.text(0), u32::try_from(r.int(1)).unwrap_or(0))).await?;
    Ok(rows.into_iter().collect())
}

/// What an L3 agent is told of a port's network.
struct Network<'a> {
    mtu: u32,
    address_scopes: Value,
    subnets: &'a [Subnet],
}

/// A port as an L3 agent sees it.
fn populated(mut port: Port, network: Network<'_>) -> Attrs {
    let fixed_ips = std::mem::take(&mut port.fixed_ips);
    // L3 agents serve no names.
    let mut out = views::port::port(port, None);
    let (own, others): (Vec<&Subnet>, Vec<&Subnet>) =
        network.subnets.iter().partition(|s| fixed_ips.iter().any(|ip| ip.subnet_id == s.id));
    let addresses = fixed_ips.iter().map(|ip| {
        let mut entry = json!({ "subnet_id": ip.subnet_id, "ip_address": ip.ip_address });
        if let Some(subnet) = own.iter().find(|s| s.id == ip.subnet_id) {
            entry["prefixlen"] = subnet.cidr.prefix_len().into();
        }
        entry
    });
    out.insert("fixed_ips".into(), addresses.collect());
    if fixed_ips.is_empty() {
        return out;
    }
    let list = |subnets: Vec<&Subnet>| subnets.into_iter().map(subnet_info).collect::<Value>();
    out.insert("subnets".into(), list(own));
    out.insert("extra_subnets".into(), list(others));
    out.insert("address_scopes".into(), network.address_scopes);
    out.insert("mtu".into(), network.mtu.into());
    out
}

fn subnet_info(subnet: &Subnet) -> Value {
    json!({
        "id": subnet.id,
        "cidr": subnet.cidr,
        "gateway_ip": subnet.gateway_ip,
        "dns_nameservers": subnet.dns_nameservers,
        "ipv6_ra_mode": subnet.ipv6_ra_mode,
        "subnetpool_id": subnet.subnetpool_id,
    })
}
