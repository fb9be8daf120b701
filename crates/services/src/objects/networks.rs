//! Networks and their segments as objects.

use neutrino_db::{
    Conn,
    list::{ListSpec, scope},
    rbac::{self, ObjectType},
    sea_query::{Condition, Order},
};
use neutrino_ml2::models::network::{self, Network};
use neutrino_rpc::objects::{Attributes, catalog::NETWORK};
use neutrino_types::{ApiResult, Context};
use serde_json::{Value, json};

use super::{
    attributes,
    filters::{self, Filters},
    or_null, standard,
};

/// How networks are found.
static SPEC: ListSpec = ListSpec {
    resource: "network",
    from: network::from,
    id: network::id,
    columns: network::LISTED,
    computed,
    visibility: scope::everything,
    updated_at: None,
    tagged: false,
};

fn computed(ctx: &Context, field: &str, values: &[Value]) -> Option<ApiResult<Condition>> {
    (field == "shared")
        .then(|| Ok(rbac::is_shared(ObjectType::Network, ctx, &network::id(), values)))
}

pub(super) async fn find(conn: &Conn, filters: &Filters) -> ApiResult<Vec<Attributes>> {
    let mut query = network::from();
    query
        .exprs(network::exprs(&Context::admin()))
        .cond_where(filters::condition(&NETWORK, &SPEC, filters)?)
        .order_by_expr(network::id(), Order::Asc);
    let networks = conn.fetch_map(&query, network::decode).await?;
    let ids = networks.iter().map(|n| n.id.clone()).collect();
    let mut segments = segments::by_networks(conn, ids).await?;
    let with_segments = |n: &Network| attributes_of(n, segments.remove(&n.id).unwrap_or_default());
    Ok(networks.iter().map(with_segments).collect())
}

fn attributes_of(n: &Network, segments: Vec<Attributes>) -> Attributes {
    let hints: Vec<String> = serde_json::from_str(&n.az_hints).unwrap_or_default();
    let mut out = attributes! {
        "id": n.id,
        "project_id": n.project_id,
        "name": n.name,
        "status": n.status,
        "admin_state_up": n.admin_state_up,
        "vlan_transparent": Value::Null,
        "qinq": Value::Null,
        "availability_zone_hints": hints,
        "shared": n.shared,
        "mtu": n.mtu,
        "security": json!({"id": n.id, "port_security_enabled": n.port_security_enabled}),
        "segments": segments,
        "pvlan": Value::Null,
        "dns_domain": or_null(&n.dns_domain),
        "qos_policy_id": Value::Null,
    };
    standard(&mut out, n.revision, Some(&n.description), [&n.created_at, &n.updated_at]);
    out
}

/// Segments, which are only parts of other objects.
pub(super) mod segments {
    use std::collections::HashMap;

    use neutrino_db::{
        Conn, DbResult, RowRef,
        list::any_of,
        schema::NetworkSegments as S,
        sea_query::{Expr, Order, Query},
    };
    use neutrino_rpc::objects::Attributes;

    use super::super::{attributes, standard};

    /// The segments of networks, by network, in order.
    pub(in super::super) async fn by_networks(
        conn: &Conn,
        networks: Vec<String>,
    ) -> DbResult<HashMap<String, Vec<Attributes>>> {
        let mut out: HashMap<String, Vec<Attributes>> = HashMap::new();
        for (_, network, segment) in where_one_of(conn, S::NetworkId, networks).await? {
            out.entry(network).or_default().push(segment);
        }
        Ok(out)
    }

    /// The segments with these ids, by id.
    pub(in super::super) async fn by_ids(
        conn: &Conn,
        ids: Vec<String>,
    ) -> DbResult<HashMap<String, Attributes>> {
        let found = where_one_of(conn, S::Id, ids).await?;
        Ok(found.into_iter().map(|(id, _, segment)| (id, segment)).collect())
    }

    /// (id, network, segment); no statement when nothing is asked for.
    async fn where_one_of(
        conn: &Conn,
        column: S,
        values: Vec<String>,
    ) -> DbResult<Vec<(String, String, Attributes)>> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let query = Query::select()
            .columns([
                S::Id,
                S::NetworkId,
                S::Name,
                S::NetworkType,
                S::PhysicalNetwork,
                S::SegmentationId,
                S::IsDynamic,
                S::SegmentIndex,
                S::Description,
                S::RevisionNumber,
                S::CreatedAt,
                S::UpdatedAt,
            ])
            .from(S::Table)
            .and_where(any_of(Expr::col(column), values))
            .order_by(S::NetworkId, Order::Asc)
            .order_by(S::SegmentIndex, Order::Asc)
            .to_owned();
        conn.fetch_map(&query, |r| (r.text(0), r.text(1), decode(r))).await
    }

    fn decode(r: &RowRef<'_>) -> Attributes {
        let mut out = attributes! {
            "id": r.str(0),
            "network_id": r.str(1),
            "name": r.opt_str(2),
            "network_type": r.str(3),
            "physical_network": r.opt_str(4),
            "segmentation_id": r.opt_int(5),
            "is_dynamic": r.bool(6),
            "segment_index": r.int(7),
            "hosts": Vec::<String>::new(),
        };
        standard(&mut out, r.int(9), r.opt_str(8), [r.str(10), r.str(11)]);
        out
    }
}
