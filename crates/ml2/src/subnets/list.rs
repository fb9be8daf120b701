//! Lists of subnets.

use neutrino_db::{
    Db,
    list::{Column, ListSpec},
    schema::{Networks as N, SubnetServiceTypes as T, Subnets as S},
    sea_query::{Cond, Condition, Expr, ExprTrait, Query},
};
use neutrino_types::{ApiResult, Attrs, Context, ListQuery};
use serde_json::Value;

use crate::{
    models::subnet,
    networks::{plain_text, shared},
    views,
};

fn id() -> Expr {
    Expr::col((S::Table, S::Id))
}

/// How subnets are listed.
static SPEC: ListSpec = ListSpec {
    resource: "subnet",
    from: subnet::from,
    id,
    columns: &[
        Column::text("id", id),
        Column::text("name", || Expr::col((S::Table, S::Name))),
        Column::text("project_id", || Expr::col((S::Table, S::ProjectId))),
        Column::text("network_id", || Expr::col((S::Table, S::NetworkId))),
        Column::text("segment_id", || Expr::col((S::Table, S::SegmentId))).or_null(),
        Column::text("description", || Expr::col((S::Table, S::Description))),
        Column::int("ip_version", || Expr::col((S::Table, S::IpVersion))),
        Column::text("cidr", || Expr::col((S::Table, S::Cidr))),
        Column::text("gateway_ip", || Expr::col((S::Table, S::GatewayIp))).or_null(),
        Column::bool("enable_dhcp", || Expr::col((S::Table, S::EnableDhcp))),
        Column::text("ipv6_ra_mode", || Expr::col((S::Table, S::Ipv6RaMode))).or_null(),
        Column::text("ipv6_address_mode", || Expr::col((S::Table, S::Ipv6AddressMode))).or_null(),
        Column::text("subnetpool_id", || Expr::col((S::Table, S::SubnetpoolId))).or_null(),
        Column::bool("router:external", || Expr::col((N::Table, N::External))),
        Column::int("revision_number", || Expr::col((S::Table, S::RevisionNumber))),
        Column::text("created_at", || Expr::col((S::Table, S::CreatedAt))),
        Column::text("updated_at", || Expr::col((S::Table, S::UpdatedAt))),
    ],
    computed,
    visibility: subnet::visible,
    updated_at: Some(|| Expr::col((S::Table, S::UpdatedAt))),
    tagged: true,
};

fn computed(ctx: &Context, name: &str, values: &[Value]) -> Option<ApiResult<Condition>> {
    match name {
        "shared" => Some(Ok(shared(ctx, &Expr::col((S::Table, S::NetworkId)), values))),
        "service_types" => {
            let wanted: Vec<String> = values.iter().map(plain_text).collect();
            let having = Query::select()
                .column(T::SubnetId)
                .from(T::Table)
                .and_where(Expr::col(T::ServiceType).is_in(wanted))
                .to_owned();
            Some(Ok(Cond::all().add(id().in_subquery(having))))
        }
        _ => None,
    }
}

pub(super) async fn list(db: &Db, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
    let conn = db.read().await?;
    let page = SPEC.page(&conn, ctx, query).await?;
    let rows = conn.fetch_map(&page.select_exprs(subnet::exprs()), subnet::decode).await?;
    let subnets = subnet::load_children(&conn, page.arrange(rows)).await?;
    Ok(subnets.into_iter().map(views::subnet::subnet).collect())
}
