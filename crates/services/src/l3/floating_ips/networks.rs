//! What happens to floating IPs when their external network goes.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Registry, Resource, Subscriber};
use neutrino_db::{
    schema::FloatingIps as F,
    sea_query::{Expr, ExprTrait, Query},
};
use neutrino_types::{ApiResult, Context, ResourcePlugin};

use super::FloatingIps;
use crate::l3::Inner;

/// Listens to networks.
struct NetworkWatch {
    // The registry, which `Inner` holds, holds this.
    inner: Weak<Inner>,
}

/// Lets floating IPs that lead nowhere go with their network.
pub(in crate::l3) fn subscribe(inner: &Arc<Inner>, registry: &Registry) {
    let watch = Arc::new(NetworkWatch { inner: Arc::downgrade(inner) });
    registry.subscribe(Resource::Network, Phase::Before, Action::Delete, watch);
}

#[async_trait]
impl Subscriber for NetworkWatch {
    fn name(&self) -> &'static str {
        "floating_ips"
    }

    /// They go before it is known whether the network can: those that lead somewhere keep it.
    async fn before(&self, _: Resource, _: Action, payload: &Payload<'_>) -> ApiResult<()> {
        let Some(inner) = self.inner.upgrade() else { return Ok(()) };
        let query = Query::select()
            .column(F::Id)
            .from(F::Table)
            .and_where(Expr::col(F::FloatingNetworkId).eq(payload.id))
            .and_where(Expr::col(F::RouterId).is_null())
            .and_where(Expr::col(F::FixedPortId).is_null())
            .to_owned();
        let idle = inner.db.read().await?.fetch_map(&query, |row| row.text(0)).await?;
        let floating_ips = FloatingIps(inner);
        for id in idle {
            match floating_ips.delete(&Context::admin(), &id, None).await {
                Err(gone) if gone.status == 404 => {}
                answer => answer?,
            }
        }
        Ok(())
    }
}
