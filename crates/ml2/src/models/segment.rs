//! Segments of networks (`networksegments`).

use std::collections::HashMap;

use neutrino_db::{
    Conn, DbResult, RowRef,
    schema::NetworkSegments as S,
    sea_query::{Expr, ExprTrait, InsertStatement, Order, Query, SelectStatement},
    time,
};
use neutrino_types::{NetworkType, new_id};

use super::is_in;

/// One segment of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Segment id.
    pub id: String,
    /// Its network.
    pub network_id: String,
    /// Type; unknown ones (of a newer release) are not loaded.
    pub network_type: NetworkType,
    /// Physical network of flat and VLAN segments.
    pub physical_network: Option<String>,
    /// VLAN id, VNI or tunnel key.
    pub segmentation_id: Option<u32>,
    /// Made by a driver for a binding, not by the user.
    pub is_dynamic: bool,
}

impl Segment {
    /// A segment that is not stored yet.
    #[must_use]
    pub fn new(network_id: &str, reserved: ReservedSegment) -> Self {
        Self {
            id: new_id(),
            network_id: network_id.to_string(),
            network_type: reserved.network_type,
            physical_network: reserved.physical_network,
            segmentation_id: reserved.segmentation_id,
            is_dynamic: false,
        }
    }
}

/// What a type driver reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservedSegment {
    /// Type.
    pub network_type: NetworkType,
    /// Physical network of flat and VLAN segments.
    pub physical_network: Option<String>,
    /// VLAN id, VNI or tunnel key.
    pub segmentation_id: Option<u32>,
}

fn select() -> SelectStatement {
    Query::select()
        .columns([
            S::Id,
            S::NetworkId,
            S::NetworkType,
            S::PhysicalNetwork,
            S::SegmentationId,
            S::IsDynamic,
        ])
        .from(S::Table)
        .to_owned()
}

fn decode(row: &RowRef<'_>) -> Option<Segment> {
    Some(Segment {
        id: row.text(0),
        network_id: row.text(1),
        network_type: row.str(2).parse().ok()?,
        physical_network: row.opt_text(3),
        segmentation_id: row.opt_int(4).and_then(|n| u32::try_from(n).ok()),
        is_dynamic: row.bool(5),
    })
}

/// Segments of several networks, by network, in the order of their index.
///
/// # Errors
/// What the database refused.
pub async fn by_networks(
    conn: &Conn,
    network_ids: &[&str],
) -> DbResult<HashMap<String, Vec<Segment>>> {
    let mut out: HashMap<String, Vec<Segment>> = HashMap::new();
    let mut query = select();
    query
        .and_where(is_in(S::NetworkId, network_ids.iter().copied()))
        .order_by(S::NetworkId, Order::Asc)
        .order_by(S::SegmentIndex, Order::Asc);
    for segment in conn.fetch_map(&query, decode).await?.into_iter().flatten() {
        out.entry(segment.network_id.clone()).or_default().push(segment);
    }
    Ok(out)
}

/// Segments with these ids.
///
/// # Errors
/// What the database refused.
pub async fn by_ids(conn: &Conn, ids: &[&str]) -> DbResult<HashMap<String, Segment>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut query = select();
    query.and_where(is_in(S::Id, ids.iter().copied()));
    let found = conn.fetch_map(&query, decode).await?;
    Ok(found.into_iter().flatten().map(|s| (s.id.clone(), s)).collect())
}

/// Stores the segments of new networks, numbered within each network.
#[must_use]
pub fn insert<'a>(segments: impl IntoIterator<Item = &'a Segment>) -> InsertStatement {
    let now = time::now();
    let mut statement = Query::insert();
    statement.into_table(S::Table).columns([
        S::Id,
        S::NetworkId,
        S::NetworkType,
        S::PhysicalNetwork,
        S::SegmentationId,
        S::IsDynamic,
        S::SegmentIndex,
        S::Description,
        S::RevisionNumber,
        S::CreatedAt,
        S::UpdatedAt,
    ]);
    let mut index: HashMap<&str, i32> = HashMap::new();
    for segment in segments {
        let at = index.entry(segment.network_id.as_str()).or_insert(0);
        statement.values_panic([
            segment.id.as_str().into(),
            segment.network_id.as_str().into(),
            segment.network_type.as_str().into(),
            segment.physical_network.clone().into(),
            segment.segmentation_id.map(i64::from).into(),
            segment.is_dynamic.into(),
            (*at).into(),
            "".into(),
            0.into(),
            now.as_str().into(),
            now.as_str().into(),
        ]);
        *at += 1;
    }
    statement
}

/// Changes a segment's segmentation id.
///
/// # Errors
/// What the database refused.
pub async fn set_segmentation_id(conn: &Conn, id: &str, segmentation_id: u32) -> DbResult<()> {
    let statement = Query::update()
        .table(S::Table)
        .value(S::SegmentationId, i64::from(segmentation_id))
        .and_where(Expr::col(S::Id).eq(id))
        .to_owned();
    conn.execute(&statement).await.map(|_| ())
}
