//! `gre`, `vxlan`, `geneve`: carried in IP tunnels between hosts.

use async_trait::async_trait;
use neutrino_db::{Conn, DbResult, Tx};
use neutrino_types::{ApiError, ApiResult, NetworkType};

use super::{
    SegmentRequest, TypeDriver,
    allocation::{GENEVE, GRE, IdTable, VXLAN},
    no_network_available,
};
use crate::{
    models::segment::{ReservedSegment, Segment},
    ranges::{GENEVE_SPACE, GRE_SPACE, IdRanges, IdSpace, VXLAN_SPACE},
};

/// One tunnel type's driver.
pub struct Tunnel {
    network_type: NetworkType,
    space: IdSpace,
    table: IdTable,
    ranges: IdRanges,
}

impl Tunnel {
    /// GRE with `tunnel_id_ranges`.
    #[must_use]
    pub fn gre(ranges: IdRanges) -> Self {
        Self { network_type: NetworkType::Gre, space: GRE_SPACE, table: GRE, ranges }
    }

    /// VXLAN with `vni_ranges`.
    #[must_use]
    pub fn vxlan(ranges: IdRanges) -> Self {
        Self { network_type: NetworkType::Vxlan, space: VXLAN_SPACE, table: VXLAN, ranges }
    }

    /// Geneve with `vni_ranges`.
    #[must_use]
    pub fn geneve(ranges: IdRanges) -> Self {
        Self { network_type: NetworkType::Geneve, space: GENEVE_SPACE, table: GENEVE, ranges }
    }

    fn segment(&self, id: u32) -> ReservedSegment {
        ReservedSegment {
            network_type: self.network_type,
            physical_network: None,
            segmentation_id: Some(id),
        }
    }
}

#[async_trait]
impl TypeDriver for Tunnel {
    fn network_type(&self) -> NetworkType {
        self.network_type
    }

    fn validate(&self, request: &SegmentRequest) -> ApiResult<()> {
        if request.physical_network.is_some() {
            return Err(ApiError::invalid_input(format!(
                "provider:physical_network specified for {} network",
                self.network_type
            )));
        }
        if request.segmentation_id.is_some_and(|id| !self.space.contains(id)) {
            return Err(ApiError::invalid_input(format!(
                "segmentation_id out of range ({} through {})",
                self.space.min, self.space.max
            )));
        }
        Ok(())
    }

    async fn reserve(&self, tx: &Tx, request: &SegmentRequest) -> ApiResult<ReservedSegment> {
        match request.segmentation_id.and_then(|id| u32::try_from(id).ok()) {
            Some(id) if self.table.take(tx, "", id).await? => Ok(self.segment(id)),
            Some(id) => Err(ApiError::conflict(
                "TunnelIdInUse",
                format!("Unable to create the network. The tunnel ID {id} is in use."),
            )),
            None => self.allocate(tx).await?.ok_or_else(no_network_available),
        }
    }

    async fn allocate(&self, tx: &Tx) -> ApiResult<Option<ReservedSegment>> {
        let id = self.table.take_any(tx, "", &self.ranges).await?;
        Ok(id.map(|id| self.segment(id)))
    }

    async fn release(&self, tx: &Tx, segment: &Segment) -> ApiResult<()> {
        if let Some(id) = segment.segmentation_id {
            self.table.release(tx, "", id).await?;
        }
        Ok(())
    }

    async fn sync(&self, conn: &Conn) -> DbResult<()> {
        self.table.drop_free(conn).await.map(|_| ())
    }
}
