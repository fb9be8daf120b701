//! A source row as a row of ours. Pure.

use std::{cmp::Ordering, collections::HashSet};

use crate::{
    convert::{Cell, Kind},
    mapping::{Mapping, Verdict},
    source::Values,
};

/// The rows that were not carried: table of ours and id. What refers to them is not carried either.
pub type LeftIds = HashSet<(&'static str, String)>;

/// What a source row becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Converted {
    /// A row of ours, and what it lost, if anything.
    Row(Vec<Cell>, Option<String>),
    /// Nothing, and why.
    Left(String),
}

/// Converts a row that [`crate::select::select`] answered.
#[must_use]
pub fn convert(mapping: &Mapping, values: &Values, left: &LeftIds) -> Converted {
    let (own, rest) = values.split_at(mapping.columns.len().min(values.len()));
    let seconds = mapping.columns.iter().filter(|column| column.and.is_some()).count();
    let (seconds, rest) = rest.split_at(seconds.min(rest.len()));
    let (refers, looks_at) = rest.split_at(mapping.refers.len().min(rest.len()));
    let verdict = (mapping.judge)(looks_at);
    if let Verdict::Leave(reason) = verdict {
        return Converted::Left(reason);
    }
    for (((_, column), table), id) in mapping.refers.iter().zip(refers) {
        if let Some(id) = id
            && left.contains(&(*table, id.clone()))
        {
            return Converted::Left(format!("its {column}, {id} of {table}, is not carried"));
        }
    }
    let mut seconds = seconds.iter();
    let cells = mapping.columns.iter().zip(own).map(|(column, value)| {
        let and = column.and.and_then(|_| seconds.next()).and_then(|and| and.as_deref());
        column.convert.apply(value.as_deref(), and).map_err(|e| format!("{}: {e}", column.to))
    });
    match cells.collect() {
        Ok(cells) => Converted::Row(
            cells,
            match verdict {
                Verdict::CarryWithout(what) => Some(what),
                Verdict::Carry | Verdict::Leave(_) => None,
            },
        ),
        Err(reason) => Converted::Left(reason),
    }
}

/// The name of a row in the report: the values of its key as far as it has them.
#[must_use]
pub fn name(mapping: &Mapping, values: &Values) -> String {
    let of = |name: &&str| {
        let at = mapping.columns.iter().position(|column| column.to == *name)?;
        values.get(at)?.clone()
    };
    let parts = mapping.key.iter().map(|name| of(name).unwrap_or_else(|| "?".into()));
    parts.collect::<Vec<_>>().join(" ")
}

/// Where the columns of `mapping`'s key stand among its columns.
#[must_use]
pub fn key_positions(mapping: &Mapping) -> Vec<usize> {
    let of = |name: &&str| mapping.columns.iter().position(|column| column.to == *name);
    mapping.key.iter().filter_map(of).collect()
}

/// The order of two rows of ours by the columns at `key`: texts by their bytes, numbers as such.
#[must_use]
pub fn by_key(key: &[usize], a: &[Cell], b: &[Cell]) -> Ordering {
    key.iter().map(|i| a[*i].cmp(&b[*i])).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

/// A cell of ours as the database answered it.
#[must_use]
pub fn cell(row: &neutrino_db::RowRef<'_>, i: usize, kind: Kind) -> Cell {
    match kind {
        Kind::Flag => row.opt_bool(i).map_or(Cell::Null, Cell::Flag),
        Kind::Int => row.opt_int(i).map_or(Cell::Null, Cell::Int),
        Kind::Text => row.opt_text(i).map_or(Cell::Null, Cell::Text),
    }
}
