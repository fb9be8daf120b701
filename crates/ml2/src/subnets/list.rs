//! Lists of subnets.

use neutrino_db::{
    Db,
    list::ListSpec,
    schema::{SubnetServiceTypes as T, Subnets as S},
    sea_query::{Cond, Condition, Expr, ExprTrait, Query},
};
use neutrino_types::{ApiResult, Attrs, Context, ListQuery};
use serde_json::Value;

use crate::{
    models::subnet,
    networks::{plain_text, shared},
    views,
};

/// How subnets are listed.
static SPEC: ListSpec = ListSpec {
    resource: "subnet",
    from: subnet::from,
    id: subnet::id,
    columns: subnet::LISTED,
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
            Some(Ok(Cond::all().add(subnet::id().in_subquery(having))))
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
