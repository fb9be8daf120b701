//! `flat`: untagged on a physical network, which carries one such network.

use async_trait::async_trait;
use neutrino_db::{
    DbError, Tx,
    schema::FlatAllocations as F,
    sea_query::{Expr, ExprTrait, Query},
};
use neutrino_types::{ApiError, ApiResult, NetworkType};

use super::{SegmentRequest, TypeDriver};
use crate::models::segment::{ReservedSegment, Segment};

/// The flat type driver.
pub struct Flat {
    /// Physical networks allowed; `None` is any.
    physical_networks: Option<Vec<String>>,
}

impl Flat {
    /// A driver for `flat_networks`.
    #[must_use]
    pub fn new(physical_networks: Option<Vec<String>>) -> Self {
        Self { physical_networks }
    }
}

#[async_trait]
impl TypeDriver for Flat {
    fn network_type(&self) -> NetworkType {
        NetworkType::Flat
    }

    fn validate(&self, request: &SegmentRequest) -> ApiResult<()> {
        let Some(physical_network) = request.physical_network.as_deref() else {
            return Err(ApiError::invalid_input(
                "physical_network required for flat provider network",
            ));
        };
        match &self.physical_networks {
            Some(allowed) if allowed.is_empty() => {
                return Err(ApiError::invalid_input("Flat provider networks are disabled"));
            }
            Some(allowed) if !allowed.iter().any(|n| n == physical_network) => {
                return Err(ApiError::invalid_input(format!(
                    "physical_network '{physical_network}' unknown for flat provider network"
                )));
            }
            _ => {}
        }
        if request.segmentation_id.is_some_and(|id| id != 0) {
            return Err(ApiError::invalid_input(
                "segmentation_id prohibited for flat provider network",
            ));
        }
        Ok(())
    }

    fn is_partial(&self, _: &SegmentRequest) -> bool {
        false
    }

    async fn reserve(&self, tx: &Tx, request: &SegmentRequest) -> ApiResult<ReservedSegment> {
        let name = request.physical_network.clone().unwrap_or_default();
        let insert = Query::insert()
            .into_table(F::Table)
            .columns([F::PhysicalNetwork])
            .values_panic([name.as_str().into()])
            .to_owned();
        match tx.execute(&insert).await {
            Ok(_) => Ok(ReservedSegment {
                network_type: NetworkType::Flat,
                physical_network: Some(name),
                segmentation_id: None,
            }),
            Err(DbError::UniqueViolation { .. }) => Err(ApiError::conflict(
                "FlatNetworkInUse",
                format!("Unable to create the flat network. Physical network {name} is in use."),
            )),
            Err(e) => Err(e.into()),
        }
    }

    async fn allocate(&self, _: &Tx) -> ApiResult<Option<ReservedSegment>> {
        Ok(None)
    }

    async fn release(&self, tx: &Tx, segment: &Segment) -> ApiResult<()> {
        let name = segment.physical_network.as_deref().unwrap_or_default();
        let delete = Query::delete()
            .from_table(F::Table)
            .and_where(Expr::col(F::PhysicalNetwork).eq(name))
            .to_owned();
        tx.execute(&delete).await?;
        Ok(())
    }
}
