//! `local`: traffic stays on the host. Nothing is reserved.

use async_trait::async_trait;
use neutrino_db::Tx;
use neutrino_types::{ApiError, ApiResult, NetworkType};

use super::{SegmentRequest, TypeDriver};
use crate::models::segment::{ReservedSegment, Segment};

/// The local type driver.
pub struct Local;

const SEGMENT: ReservedSegment = ReservedSegment {
    network_type: NetworkType::Local,
    physical_network: None,
    segmentation_id: None,
};

#[async_trait]
impl TypeDriver for Local {
    fn network_type(&self) -> NetworkType {
        NetworkType::Local
    }

    fn validate(&self, request: &SegmentRequest) -> ApiResult<()> {
        let given = if request.physical_network.is_some() {
            "physical_network"
        } else if request.segmentation_id.is_some_and(|id| id != 0) {
            "segmentation_id"
        } else {
            return Ok(());
        };
        Err(ApiError::invalid_input(format!("{given} prohibited for local provider network")))
    }

    fn is_partial(&self, _: &SegmentRequest) -> bool {
        false
    }

    async fn reserve(&self, _: &Tx, _: &SegmentRequest) -> ApiResult<ReservedSegment> {
        Ok(SEGMENT)
    }

    async fn allocate(&self, _: &Tx) -> ApiResult<Option<ReservedSegment>> {
        Ok(Some(SEGMENT))
    }

    async fn release(&self, _: &Tx, _: &Segment) -> ApiResult<()> {
        Ok(())
    }
}
