//! Type drivers: what a network type accepts, reserves and releases.

mod allocation;
pub mod flat;
pub mod local;
pub mod tunnel;
pub mod vlan;

use async_trait::async_trait;
use neutrino_db::{Conn, DbResult, Tx};
use neutrino_types::{ApiError, ApiResult, NetworkType};

use crate::{
    config::Ml2Config,
    models::segment::{ReservedSegment, Segment},
};

/// A segment as a user asks for it (`provider:*`, or an entry of `segments`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentRequest {
    /// `provider:network_type`.
    pub network_type: NetworkType,
    /// `provider:physical_network`.
    pub physical_network: Option<String>,
    /// `provider:segmentation_id`, unchecked.
    pub segmentation_id: Option<i64>,
}

/// One network type (`api.TypeDriver`).
#[async_trait]
pub trait TypeDriver: Send + Sync {
    /// The type.
    fn network_type(&self) -> NetworkType;

    /// Checks a request without looking at what is in use.
    ///
    /// # Errors
    /// `InvalidInput`.
    fn validate(&self, request: &SegmentRequest) -> ApiResult<()>;

    /// Whether the driver must choose something the request leaves open.
    fn is_partial(&self, request: &SegmentRequest) -> bool {
        request.segmentation_id.is_none()
    }

    /// Reserves a valid request's segment, choosing what it leaves open.
    ///
    /// # Errors
    /// `VlanIdInUse`, `TunnelIdInUse`, `FlatNetworkInUse`, `NoNetworkAvailable`.
    async fn reserve(&self, tx: &Tx, request: &SegmentRequest) -> ApiResult<ReservedSegment>;

    /// Reserves any segment projects may have; `None` when the type has none (left).
    ///
    /// # Errors
    /// What the database refused.
    async fn allocate(&self, tx: &Tx) -> ApiResult<Option<ReservedSegment>>;

    /// Gives a segment back.
    ///
    /// # Errors
    /// What the database refused.
    async fn release(&self, tx: &Tx, segment: &Segment) -> ApiResult<()>;

    /// Brings stored state in line with the configuration, at start.
    ///
    /// # Errors
    /// What the database refused.
    async fn sync(&self, _conn: &Conn) -> DbResult<()> {
        Ok(())
    }
}

/// The type drivers in use.
pub struct TypeManager {
    drivers: Vec<Box<dyn TypeDriver>>,
    project_types: Vec<NetworkType>,
    external_type: Option<NetworkType>,
}

impl TypeManager {
    /// The drivers `config` names.
    #[must_use]
    pub fn new(config: &Ml2Config) -> Self {
        let make = |network_type: &NetworkType| -> Box<dyn TypeDriver> {
            match network_type {
                NetworkType::Local => Box::new(local::Local),
                NetworkType::Flat => Box::new(flat::Flat::new(config.flat_networks.clone())),
                NetworkType::Vlan => Box::new(vlan::Vlan::new(config.vlan_ranges.clone())),
                NetworkType::Gre => Box::new(tunnel::Tunnel::gre(config.gre_ranges.clone())),
                NetworkType::Vxlan => Box::new(tunnel::Tunnel::vxlan(config.vxlan_ranges.clone())),
                NetworkType::Geneve => {
                    Box::new(tunnel::Tunnel::geneve(config.geneve_ranges.clone()))
                }
            }
        };
        Self {
            drivers: config.type_drivers.iter().map(make).collect(),
            project_types: config.project_network_types.clone(),
            external_type: config.external_network_type,
        }
    }

    /// Brings stored state in line with the configuration.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn sync(&self, conn: &Conn) -> DbResult<()> {
        for driver in &self.drivers {
            driver.sync(conn).await?;
        }
        Ok(())
    }

    fn driver(&self, network_type: NetworkType) -> ApiResult<&dyn TypeDriver> {
        self.drivers
            .iter()
            .find(|d| d.network_type() == network_type)
            .map(AsRef::as_ref)
            .ok_or_else(|| unsupported(network_type.as_str()))
    }

    /// Checks what a user asks for; see [`TypeDriver::validate`].
    ///
    /// # Errors
    /// `InvalidInput`.
    pub fn validate(&self, request: &SegmentRequest) -> ApiResult<()> {
        self.driver(request.network_type)?.validate(request)
    }

    /// Whether the driver must choose something.
    ///
    /// # Errors
    /// `InvalidInput` for a type that is not offered.
    pub fn is_partial(&self, request: &SegmentRequest) -> ApiResult<bool> {
        Ok(self.driver(request.network_type)?.is_partial(request))
    }

    /// Reserves what a user asks for; see [`TypeDriver::reserve`].
    ///
    /// # Errors
    /// As [`TypeDriver::reserve`].
    pub async fn reserve(&self, tx: &Tx, request: &SegmentRequest) -> ApiResult<ReservedSegment> {
        self.driver(request.network_type)?.reserve(tx, request).await
    }

    /// Reserves a segment for a project's network: the first type of `project_network_types` (or
    /// `external_network_type` for an external network) that has one.
    ///
    /// # Errors
    /// `NoNetworkAvailable`.
    pub async fn allocate(&self, tx: &Tx, external: bool) -> ApiResult<ReservedSegment> {
        let types = match self.external_type.filter(|_| external) {
            Some(network_type) => vec![network_type],
            None => self.project_types.clone(),
        };
        for network_type in types {
            if let Some(segment) = self.driver(network_type)?.allocate(tx).await? {
                return Ok(segment);
            }
        }
        Err(no_network_available())
    }

    /// Gives a segment back. A type that is no longer offered keeps its row: an operator who
    /// brings the type back finds the id taken rather than given out twice.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn release(&self, tx: &Tx, segment: &Segment) -> ApiResult<()> {
        match self.driver(segment.network_type) {
            Ok(driver) => driver.release(tx, segment).await,
            Err(_) => {
                tracing::warn!(
                    network_type = %segment.network_type,
                    segmentation_id = segment.segmentation_id,
                    "no type driver to release a segment"
                );
                Ok(())
            }
        }
    }
}

/// `InvalidInput` for a network type that is not offered.
#[must_use]
pub fn unsupported(network_type: &str) -> ApiError {
    ApiError::invalid_input(format!("network_type value '{network_type}' not supported"))
}

/// `NoNetworkAvailable` (503).
#[must_use]
pub fn no_network_available() -> ApiError {
    ApiError::new(
        "NoNetworkAvailable",
        503,
        "Unable to create the network. No project network is available for allocation.",
    )
}
