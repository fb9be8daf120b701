//! The local copy of the monitored tables.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{ColumnKind, Datum, OvsdbError, SchemaIndex};

/// One row: column to value. Columns that hold their type's default may be absent.
pub type Row = BTreeMap<String, Datum>;

/// One table: row id to row.
pub type Table = HashMap<Uuid, Arc<Row>>;

/// The monitored tables. Cheap to clone: rows and tables are shared.
#[derive(Debug, Clone, Default)]
pub struct Replica {
    tables: HashMap<String, Arc<Table>>,
}

impl Replica {
    /// The rows of `table`; `None` when it is not monitored or empty.
    #[must_use]
    pub fn table(&self, table: &str) -> Option<&Table> {
        self.tables.get(table).map(Arc::as_ref)
    }

    /// One row.
    #[must_use]
    pub fn row(&self, table: &str, id: Uuid) -> Option<&Row> {
        self.table(table)?.get(&id).map(Arc::as_ref)
    }

    /// The row of `table` whose `name` is `name`.
    #[must_use]
    pub fn by_name(&self, table: &str, name: &str) -> Option<(Uuid, &Row)> {
        self.table(table)?
            .iter()
            .find(|(_, row)| row.get("name").and_then(Datum::as_str) == Some(name))
            .map(|(id, row)| (*id, row.as_ref()))
    }
}

/// Applies a `table-updates2` object (the answer to `monitor_cond`, or an `update2`).
///
/// # Errors
/// An object that is not a `table-updates2`; the replica is then to be thrown away.
pub fn apply_updates2(
    replica: &mut Replica,
    schema: &SchemaIndex,
    updates: &Value,
) -> Result<(), OvsdbError> {
    let bad = |what: &str| OvsdbError::Protocol(format!("table-updates2: {what}"));
    for (name, rows) in updates.as_object().ok_or_else(|| bad("not an object"))? {
        let table = Arc::make_mut(replica.tables.entry(name.clone()).or_default());
        for (id, change) in rows.as_object().ok_or_else(|| bad("table is not an object"))? {
            let id = Uuid::try_parse(id).map_err(|_| bad("row id is not a UUID"))?;
            let change = change.as_object().ok_or_else(|| bad("row is not an object"))?;
            let Some((action, columns)) = change.iter().next() else { continue };
            match action.as_str() {
                "initial" | "insert" => {
                    let mut row = Row::new();
                    for (column, value) in object(columns)? {
                        let datum = Datum::from_json(value).ok_or_else(|| bad("bad value"))?;
                        row.insert(column.clone(), datum);
                    }
                    table.insert(id, Arc::new(row));
                }
                "modify" => {
                    let row = table.get_mut(&id).ok_or_else(|| bad("modify of an unknown row"))?;
                    let row = Arc::make_mut(row);
                    for (column, value) in object(columns)? {
                        let datum = Datum::from_json(value).ok_or_else(|| bad("bad value"))?;
                        modify(row, column, datum, schema.kind(name, column));
                    }
                }
                "delete" => {
                    table.remove(&id);
                }
                other => return Err(bad(&format!("unknown change '{other}'"))),
            }
        }
    }
    Ok(())
}

fn object(value: &Value) -> Result<&Map<String, Value>, OvsdbError> {
    value.as_object().ok_or_else(|| OvsdbError::Protocol("row columns are not an object".into()))
}

/// Applies the difference of one column.
fn modify(row: &mut Row, column: &str, difference: Datum, kind: ColumnKind) {
    let slot = row.entry(column.to_string()).or_insert_with(Datum::empty);
    match (kind, difference) {
        (ColumnKind::Set, Datum::Set(changed)) => {
            let mut atoms = slot.atoms().to_vec();
            for atom in changed {
                match atoms.binary_search(&atom) {
                    Ok(at) => {
                        atoms.remove(at);
                    }
                    Err(at) => atoms.insert(at, atom),
                }
            }
            *slot = Datum::Set(atoms);
        }
        (ColumnKind::Map, Datum::Map(changed)) => {
            let mut pairs = match std::mem::replace(slot, Datum::empty()) {
                Datum::Map(pairs) => pairs,
                Datum::Set(_) => BTreeMap::new(),
            };
            for (key, value) in changed {
                if pairs.get(&key) == Some(&value) {
                    pairs.remove(&key);
                } else {
                    pairs.insert(key, value);
                }
            }
            *slot = Datum::Map(pairs);
        }
        (_, value) => *slot = value,
    }
}
