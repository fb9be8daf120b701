//! Subnets as objects.

use std::collections::HashMap;

use neutrino_db::{
    Conn, DbResult,
    list::{ListSpec, any_of, scope},
    schema::{IpAllocationPools as A, Subnets as S},
    sea_query::{Expr, Order, Query},
};
use neutrino_ml2::models::{
    network::{ACCESS_SHARED, granted},
    subnet::{self, Subnet},
};
use neutrino_rpc::objects::{Attributes, catalog::SUBNET};
use neutrino_types::ApiResult;
use serde_json::{Value, json};

use super::{
    attributes,
    filters::{self, Filters},
    standard,
};

/// How subnets are found.
static SPEC: ListSpec = ListSpec {
    resource: "subnet",
    from: subnet::from,
    id: subnet::id,
    columns: subnet::LISTED,
    computed: neutrino_db::list::nothing_computed,
    visibility: scope::everything,
    updated_at: None,
    tagged: false,
};

pub(super) async fn find(conn: &Conn, filters: &Filters) -> ApiResult<Vec<Attributes>> {
    let mut query = subnet::from();
    let exprs = subnet::exprs();
    let shared = exprs.len();
    query
        .exprs(exprs)
        .expr(granted((S::Table, S::NetworkId), "", &[ACCESS_SHARED]))
        .cond_where(filters::condition(&SUBNET, &SPEC, filters)?)
        .order_by_expr(subnet::id(), Order::Asc);
    let rows = conn.fetch_map(&query, move |r| (r.bool(shared), subnet::decode(r))).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (shared, found): (Vec<bool>, Vec<_>) =
        rows.into_iter().filter(|(_, found)| found.is_some()).unzip();
    let subnets = subnet::load_children(conn, found).await?;
    let mut pools = pools(conn, subnets.iter().map(|s| s.id.clone()).collect()).await?;
    let with_pools = |(s, shared): (&Subnet, bool)| {
        attributes_of(s, shared, pools.remove(&s.id).unwrap_or_default())
    };
    Ok(subnets.iter().zip(shared).map(with_pools).collect())
}

/// Allocation pools with their ids, by subnet.
async fn pools(conn: &Conn, subnets: Vec<String>) -> DbResult<HashMap<String, Vec<Value>>> {
    let query = Query::select()
        .columns([A::Id, A::SubnetId, A::FirstIp, A::LastIp])
        .from(A::Table)
        .and_where(any_of(Expr::col(A::SubnetId), subnets))
        .to_owned();
    let rows = conn
        .fetch_map(&query, |r| {
            let (id, subnet, start, end) = (r.str(0), r.str(1), r.str(2), r.str(3));
            let pool = json!({"id": id, "subnet_id": subnet, "start": start, "end": end});
            (r.text(1), pool)
        })
        .await?;
    let mut out: HashMap<String, Vec<Value>> = HashMap::new();
    for (subnet, pool) in rows {
        out.entry(subnet).or_default().push(pool);
    }
    Ok(out)
}

fn attributes_of(s: &Subnet, shared: bool, pools: Vec<Value>) -> Attributes {
    let servers = s.dns_nameservers.iter().enumerate();
    let servers = servers
        .map(|(order, address)| json!({"address": address, "subnet_id": s.id, "order": order}));
    let routes = s.host_routes.iter().map(|(destination, nexthop)| {
        json!({"subnet_id": s.id, "destination": destination, "nexthop": nexthop})
    });
    let mut out = attributes! {
        "id": s.id,
        "project_id": s.project_id,
        "name": s.name,
        "network_id": s.network_id,
        "segment_id": s.segment_id,
        "subnetpool_id": s.subnetpool_id,
        "ip_version": s.ip_version(),
        "cidr": s.cidr.to_string(),
        "gateway_ip": s.gateway_ip,
        "allocation_pools": pools,
        "enable_dhcp": s.enable_dhcp,
        "shared": shared,
        "dns_nameservers": servers.collect::<Vec<Value>>(),
        "dns_publish_fixed_ip": false,
        "host_routes": routes.collect::<Vec<Value>>(),
        "ipv6_ra_mode": s.ipv6_ra_mode,
        "ipv6_address_mode": s.ipv6_address_mode,
        "service_types": s.service_types,
        "external": s.external,
    };
    standard(&mut out, s.revision, Some(&s.description), [&s.created_at, &s.updated_at]);
    out
}
