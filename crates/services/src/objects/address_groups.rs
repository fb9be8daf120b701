//! Address groups as objects.

use neutrino_db::{
    Conn, address_groups as rows,
    list::{ListSpec, scope},
    rbac::{self, ObjectType},
    schema::AddressGroups as G,
    sea_query::{Condition, Expr, Order, Query},
};
use neutrino_rpc::objects::{Attributes, catalog::ADDRESS_GROUP};
use neutrino_types::{ApiResult, Context};
use serde_json::{Value, json};

use super::{
    attributes,
    filters::{self, Filters},
    standard,
};

fn id() -> Expr {
    Expr::col((G::Table, G::Id))
}

/// How address groups are found.
static SPEC: ListSpec = ListSpec {
    resource: "address_group",
    from: || Query::select().from(G::Table).to_owned(),
    id,
    columns: crate::address_groups::LISTED,
    computed,
    visibility: scope::everything,
    updated_at: None,
    tagged: false,
};

fn computed(ctx: &Context, field: &str, values: &[Value]) -> Option<ApiResult<Condition>> {
    (field == "shared").then(|| Ok(rbac::is_shared(ObjectType::AddressGroup, ctx, &id(), values)))
}

pub(super) async fn find(conn: &Conn, filters: &Filters) -> ApiResult<Vec<Attributes>> {
    let mut query = (SPEC.from)();
    query
        .exprs(rows::exprs(&Context::admin()))
        .cond_where(filters::condition(&ADDRESS_GROUP, &SPEC, filters)?)
        .order_by_expr(id(), Order::Asc);
    let groups = conn.fetch_map(&query, rows::decode).await?;
    let ids: Vec<&str> = groups.iter().map(|group| group.id.as_str()).collect();
    let mut members = rows::members(conn, &ids).await?;
    let with_members = |group: &rows::AddressGroup| {
        attributes_of(group, members.remove(&group.id).unwrap_or_default())
    };
    Ok(groups.iter().map(with_members).collect())
}

fn attributes_of(g: &rows::AddressGroup, members: Vec<String>) -> Attributes {
    let addresses =
        members.into_iter().map(|address| json!({"address": address, "address_group_id": g.id}));
    let mut out = attributes! {
        "id": g.id,
        "name": g.name,
        "project_id": g.project_id,
        "shared": g.shared,
        "addresses": addresses.collect::<Vec<Value>>(),
    };
    standard(&mut out, g.revision, Some(&g.description), [&g.created_at, &g.updated_at]);
    out
}
