//! The part of the schema needed to read `update2`: which columns are sets, maps or single values.

use std::collections::HashMap;

use serde_json::Value;

/// How a difference of a column is written in `update2` (ovsdb-server(7) §4.1.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// At most one value: the new value replaces the old.
    Single,
    /// A set: the difference lists what is in one of old and new only.
    Set,
    /// A map: the difference lists added, changed and (with their old value) removed pairs.
    Map,
}

/// Column kinds by table and column.
#[derive(Debug, Clone, Default)]
pub struct SchemaIndex {
    kinds: HashMap<String, HashMap<String, ColumnKind>>,
}

impl SchemaIndex {
    /// Reads the answer to `get_schema`.
    #[must_use]
    pub fn from_json(schema: &Value) -> Self {
        let mut kinds = HashMap::new();
        let tables = schema.get("tables").and_then(Value::as_object);
        for (table, definition) in tables.into_iter().flatten() {
            let columns = definition.get("columns").and_then(Value::as_object);
            let columns = columns
                .into_iter()
                .flatten()
                .map(|(name, column)| (name.clone(), kind(column.get("type"))))
                .collect();
            kinds.insert(table.clone(), columns);
        }
        Self { kinds }
    }

    /// The kind of a column; a column the schema does not have counts as single.
    #[must_use]
    pub fn kind(&self, table: &str, column: &str) -> ColumnKind {
        self.kinds
            .get(table)
            .and_then(|columns| columns.get(column))
            .copied()
            .unwrap_or(ColumnKind::Single)
    }

    /// Whether the schema has the column.
    #[must_use]
    pub fn has(&self, table: &str, column: &str) -> bool {
        self.kinds.get(table).is_some_and(|columns| columns.contains_key(column))
    }
}

fn kind(definition: Option<&Value>) -> ColumnKind {
    let Some(Value::Object(definition)) = definition else { return ColumnKind::Single };
    if definition.contains_key("value") {
        return ColumnKind::Map;
    }
    match definition.get("max") {
        Some(Value::String(_)) => ColumnKind::Set,
        Some(Value::Number(n)) if n.as_u64().is_some_and(|n| n > 1) => ColumnKind::Set,
        _ => ColumnKind::Single,
    }
}
