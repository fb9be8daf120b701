//! Port forwardings as objects.

use neutrino_db::{
    Conn,
    list::{Column, ListSpec, nothing_computed, scope},
    port_forwardings::{self as rows, PortForwarding},
    schema::{FloatingIps as F, PortForwardings as W},
    sea_query::{Expr, ExprTrait, JoinType, Order, SelectStatement},
};
use neutrino_rpc::objects::{Attributes, catalog::PORT_FORWARDING};
use neutrino_types::ApiResult;

use super::{
    attributes,
    filters::{self, Filters},
    standard,
};

fn col(column: W) -> Expr {
    Expr::col((W::Table, column))
}

/// By what port forwardings can be asked for.
static SPEC: ListSpec = ListSpec {
    resource: "port_forwarding",
    from,
    id: || col(W::Id),
    columns: &[
        Column::text("id", || col(W::Id)),
        Column::text("floatingip_id", || col(W::FloatingIpId)),
        Column::text("protocol", || col(W::Protocol)),
        Column::text("internal_port_id", || col(W::InternalNeutronPortId)),
        Column::text("internal_ip_address", || col(W::InternalIpAddress)),
    ],
    computed: nothing_computed,
    visibility: scope::everything,
    updated_at: None,
    tagged: false,
};

/// Port forwardings with their floating IPs.
fn from() -> SelectStatement {
    let of_this = Expr::col((F::Table, F::Id)).equals((W::Table, W::FloatingIpId));
    rows::from().join(JoinType::InnerJoin, F::Table, of_this).to_owned()
}

pub(super) async fn find(conn: &Conn, filters: &Filters) -> ApiResult<Vec<Attributes>> {
    let mut query = from();
    let address = rows::COLUMNS.len();
    query
        .columns(rows::COLUMNS.map(|column| (W::Table, column)))
        .columns([F::FloatingIpAddress, F::RouterId].map(|column| (F::Table, column)))
        .cond_where(filters::condition(&PORT_FORWARDING, &SPEC, filters)?)
        .order_by((W::Table, W::Id), Order::Asc);
    let found = conn
        .fetch_map(&query, move |r| {
            // Without a router nothing is forwarded, and the object cannot say so.
            let router = r.opt_text(address + 1)?;
            Some(attributes_of(&rows::decode(r), r.str(address), &router))
        })
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// A port forwarding of a floating IP with this address on this router.
pub(crate) fn attributes_of(p: &PortForwarding, address: &str, router: &str) -> Attributes {
    let mut out = attributes! {
        "id": p.id,
        "floatingip_id": p.floating_ip_id,
        "external_port": p.external.single(),
        "external_port_range": p.external.to_string(),
        "protocol": p.protocol,
        "internal_port_id": p.internal_port_id,
        "internal_ip_address": p.internal_ip_address,
        "internal_port": p.internal.single(),
        "internal_port_range": p.internal.to_string(),
        "floating_ip_address": address,
        "router_id": router,
    };
    standard(&mut out, p.revision, Some(&p.description), [&p.created_at, &p.updated_at]);
    out
}
