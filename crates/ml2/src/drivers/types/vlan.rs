//! `vlan`: 802.1Q on physical networks.

use async_trait::async_trait;
use neutrino_db::{Conn, DbResult, Tx};
use neutrino_types::{ApiError, ApiResult, NetworkType};

use super::{SegmentRequest, TypeDriver, allocation::VLAN, no_network_available};
use crate::{
    models::segment::{ReservedSegment, Segment},
    ranges::{VLAN_SPACE, VlanRanges},
};

/// The VLAN type driver.
pub struct Vlan {
    ranges: VlanRanges,
}

impl Vlan {
    /// A driver for `network_vlan_ranges`.
    #[must_use]
    pub fn new(ranges: VlanRanges) -> Self {
        Self { ranges }
    }

    async fn take_any(
        &self,
        tx: &Tx,
        physical_network: Option<&str>,
    ) -> DbResult<Option<ReservedSegment>> {
        for (name, ranges) in self.ranges.iter() {
            if physical_network.is_some_and(|wanted| wanted != name) {
                continue;
            }
            if let Some(id) = VLAN.take_any(tx, name, ranges).await? {
                return Ok(Some(segment(name, id)));
            }
        }
        Ok(None)
    }
}

fn segment(physical_network: &str, id: u32) -> ReservedSegment {
    ReservedSegment {
        network_type: NetworkType::Vlan,
        physical_network: Some(physical_network.to_string()),
        segmentation_id: Some(id),
    }
}

#[async_trait]
impl TypeDriver for Vlan {
    fn network_type(&self) -> NetworkType {
        NetworkType::Vlan
    }

    fn validate(&self, request: &SegmentRequest) -> ApiResult<()> {
        match (request.physical_network.as_deref(), request.segmentation_id) {
            (Some(name), _) if self.ranges.get(name).is_none() => Err(ApiError::invalid_input(
                format!("physical_network '{name}' unknown for VLAN provider network"),
            )),
            (Some(_), Some(id)) if !VLAN_SPACE.contains(id) => {
                Err(ApiError::invalid_input(format!(
                    "segmentation_id out of range ({} through {})",
                    VLAN_SPACE.min, VLAN_SPACE.max
                )))
            }
            (None, Some(_)) => Err(ApiError::invalid_input(
                "segmentation_id requires physical_network for VLAN provider network",
            )),
            _ => Ok(()),
        }
    }

    async fn reserve(&self, tx: &Tx, request: &SegmentRequest) -> ApiResult<ReservedSegment> {
        let name = request.physical_network.as_deref();
        let id = request.segmentation_id.and_then(|id| u32::try_from(id).ok());
        match (name, id) {
            (Some(name), Some(id)) => {
                if VLAN.take(tx, name, id).await? {
                    return Ok(segment(name, id));
                }
                Err(ApiError::conflict(
                    "VlanIdInUse",
                    format!(
                        "Unable to create the network. The VLAN {id} on physical network {name} \
                         is in use."
                    ),
                ))
            }
            _ => self.take_any(tx, name).await?.ok_or_else(no_network_available),
        }
    }

    async fn allocate(&self, tx: &Tx) -> ApiResult<Option<ReservedSegment>> {
        Ok(self.take_any(tx, None).await?)
    }

    async fn release(&self, tx: &Tx, segment: &Segment) -> ApiResult<()> {
        if let (Some(name), Some(id)) = (&segment.physical_network, segment.segmentation_id) {
            VLAN.release(tx, name, id).await?;
        }
        Ok(())
    }

    async fn sync(&self, conn: &Conn) -> DbResult<()> {
        VLAN.drop_free(conn).await.map(|_| ())
    }
}
