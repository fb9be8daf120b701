//! Lists of networks.

use neutrino_db::{
    list::{ListSpec, any_of},
    rbac::{self, ObjectType},
    schema::{NetworkSegments as S, Networks as N},
    sea_query::{Cond, Condition, Expr, ExprTrait, Query},
};
use neutrino_types::{ApiResult, Attrs, Context, ListQuery};
use serde_json::Value;

use crate::{models::network, plugin::Core};

/// How networks are listed.
static SPEC: ListSpec = ListSpec {
    resource: "network",
    from: network::from,
    id: network::id,
    columns: network::LISTED,
    computed,
    visibility: network::visible,
    updated_at: Some(|| Expr::col((N::Table, N::UpdatedAt))),
    tagged: true,
};

fn computed(ctx: &Context, name: &str, values: &[Value]) -> Option<ApiResult<Condition>> {
    let column = match name {
        "shared" => return Some(Ok(shared(ctx, &network::id(), values))),
        "provider:network_type" => S::NetworkType,
        "provider:physical_network" => S::PhysicalNetwork,
        "provider:segmentation_id" => S::SegmentationId,
        _ => return None,
    };
    let mut any = Cond::any();
    if values.iter().any(Value::is_null) {
        any = any.add(Expr::col(column).is_null());
    }
    let given = values.iter().filter(|v| !v.is_null());
    any = if column == S::SegmentationId {
        any.add(Expr::col(column).is_in(given.filter_map(number).collect::<Vec<i64>>()))
    } else {
        any.add(any_of(Expr::col(column), given.map(plain_text).collect()))
    };
    let networks = Query::select().column(S::NetworkId).from(S::Table).cond_where(any).to_owned();
    Some(Ok(Cond::all().add(network::id().in_subquery(networks))))
}

/// The condition that the network with id `network` is (or is not) shared with the caller.
pub(crate) fn shared(ctx: &Context, network: &Expr, values: &[Value]) -> Condition {
    rbac::is_shared(ObjectType::Network, ctx, network, values)
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => n.as_i64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

/// A filter value as text.
pub(crate) fn plain_text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

pub(super) async fn list(core: &Core, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
    let conn = core.db.read().await?;
    let page = SPEC.page(&conn, ctx, query).await?;
    let rows = conn.fetch_map(&page.select_exprs(network::exprs(ctx)), network::decode).await?;
    let mut networks = page.arrange(rows);
    let children = [
        "subnets",
        "tags",
        "segments",
        "availability_zones",
        "ipv4_address_scope",
        "ipv6_address_scope",
    ];
    let wanted = |name: &str| {
        query.fields.is_empty()
            || query.fields.iter().any(|f| f == name || f.starts_with("provider:"))
    };
    if children.iter().any(|name| wanted(name)) {
        network::load_children(&conn, &mut networks).await?;
    }
    Ok(networks.into_iter().map(|n| core.show_network(n)).collect())
}
