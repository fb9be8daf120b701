//! `/v2.0/floatingip-pools`: the subnets floating IPs can be taken from.

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_db::{
    list::{ListSpec, nothing_computed},
    schema::{Networks as N, Subnets as S},
    sea_query::{Expr, ExprTrait, JoinType, Query, SelectStatement},
};
use neutrino_ml2::models::network;
use neutrino_types::{ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin};
use serde_json::json;

use crate::{l3::Inner, read_only};

/// The collection.
pub(in crate::l3) struct Pools(pub(in crate::l3) Arc<Inner>);

/// IPv4 subnets of external networks.
fn from() -> SelectStatement {
    Query::select()
        .from(S::Table)
        .join(
            JoinType::InnerJoin,
            N::Table,
            Expr::col((N::Table, N::Id)).equals((S::Table, S::NetworkId)),
        )
        .and_where(Expr::col((N::Table, N::External)).eq(true))
        .and_where(Expr::col((S::Table, S::IpVersion)).eq(4))
        .to_owned()
}

/// How pools are listed.
static SPEC: ListSpec = ListSpec {
    resource: "floatingip_pool",
    from,
    id: || Expr::col((S::Table, S::Id)),
    columns: &[],
    computed: nothing_computed,
    visibility: network::visible,
    updated_at: None,
    tagged: false,
};

#[async_trait]
impl ResourcePlugin for Pools {
    async fn create(&self, _: &Context, _: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        Err(read_only::not_offered())
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        let conn = self.0.db.read().await?;
        let page = SPEC.page(&conn, ctx, query).await?;
        let select = page.select([S::Id, S::Name, S::NetworkId, S::Cidr].map(|c| (S::Table, c)));
        let project = ctx.project_id.clone();
        let pool = move |row: &neutrino_db::RowRef<'_>| -> Attrs {
            let pairs = [
                ("subnet_id", json!(row.str(0))),
                ("subnet_name", json!(row.str(1))),
                ("project_id", json!(project)),
                ("network_id", json!(row.str(2))),
                ("cidr", json!(row.str(3))),
                ("tenant_id", json!(project)),
            ];
            pairs.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
        };
        Ok(page.arrange(conn.fetch_map(&select, pool).await?))
    }

    async fn get(&self, _: &Context, id: &str) -> ApiResult<Attrs> {
        Err(ApiError::resource_not_found("floatingip_pool", id))
    }

    async fn update(&self, _: &Context, _: &str, _: Attrs, _: Option<i64>) -> ApiResult<Attrs> {
        Err(read_only::not_offered())
    }

    async fn delete(&self, _: &Context, _: &str, _: Option<i64>) -> ApiResult<()> {
        Err(read_only::not_offered())
    }
}
