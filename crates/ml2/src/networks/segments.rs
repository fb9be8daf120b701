//! What segments and what MTU a user asks for.

use neutrino_types::{ApiError, ApiResult, Attrs};
use serde_json::Value;

use crate::{
    config::MtuConfig,
    drivers::types::{SegmentRequest, TypeManager, unsupported},
    models::segment::Segment,
    mtu::network_max_mtu,
    request,
};

/// The provider attributes.
pub(super) const PROVIDER: [&str; 3] =
    ["provider:network_type", "provider:physical_network", "provider:segmentation_id"];

/// The segments a create asks for by `provider:*` or `segments`; empty when the choice is ours.
///
/// # Errors
/// `SegmentsSetInConjunctionWithProviders`, `SegmentsContainDuplicateEntry`, `InvalidInput`.
pub(super) fn wanted(types: &TypeManager, item: &Attrs) -> ApiResult<Vec<SegmentRequest>> {
    let by_provider = PROVIDER.iter().any(|name| item.get(*name).is_some_and(|v| !v.is_null()));
    match request::list(item, "segments") {
        Some(_) if by_provider => Err(ApiError::bad_request(
            "SegmentsSetInConjunctionWithProviders",
            "Segments and provider values cannot both be set.",
        )),
        Some(list) => several(types, list),
        None if by_provider => Ok(vec![one(types, item)?]),
        None => Ok(Vec::new()),
    }
}

fn several(types: &TypeManager, list: &[Value]) -> ApiResult<Vec<SegmentRequest>> {
    let mut out: Vec<SegmentRequest> = Vec::with_capacity(list.len());
    for entry in list {
        let Some(entry) = entry.as_object() else { continue };
        let segment = one(types, entry)?;
        if !types.is_partial(&segment)? && out.contains(&segment) {
            return Err(ApiError::bad_request(
                "SegmentsContainDuplicateEntry",
                "Duplicate segment entry in request.",
            ));
        }
        out.push(segment);
    }
    Ok(out)
}

fn one(types: &TypeManager, attrs: &Attrs) -> ApiResult<SegmentRequest> {
    let Some(network_type) = request::text(attrs, PROVIDER[0]) else {
        return Err(ApiError::invalid_input("network_type required"));
    };
    let segment = SegmentRequest {
        network_type: network_type.parse().map_err(|_| unsupported(network_type))?,
        physical_network: request::text(attrs, PROVIDER[1]).map(str::to_string),
        segmentation_id: request::int(attrs, PROVIDER[2]),
    };
    types.validate(&segment)?;
    Ok(segment)
}

/// The network's MTU: the one asked for, or the largest possible when that is 0.
///
/// # Errors
/// `InvalidInput` when more is asked for than the segments carry.
pub(super) fn mtu(config: &MtuConfig, segments: &[Segment], asked: i64) -> ApiResult<u32> {
    let parts = segments.iter().map(|s| (s.network_type, s.physical_network.as_deref()));
    let max = network_max_mtu(config, parts);
    if asked > 0 && max > 0 && asked > i64::from(max) {
        return Err(ApiError::invalid_input(format!("Requested MTU is too big, maximum is {max}")));
    }
    match u32::try_from(asked) {
        Ok(asked) if asked > 0 => Ok(asked),
        _ => Ok(max),
    }
}
