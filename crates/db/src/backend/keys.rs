//! Which columns each unique key of the schema has, for backends that name the key only.

use std::{collections::HashMap, sync::LazyLock};

use crate::{Dialect, migrations};

/// `table.column, table.column` by index name, and by table for primary keys.
struct Keys {
    indices: HashMap<String, String>,
    primary: HashMap<String, String>,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let mut keys = Keys { indices: HashMap::new(), primary: HashMap::new() };
    for step in migrations::ALL.iter().flat_map(|m| (m.steps)()) {
        keys.learn(&step.render(Dialect::Sqlite));
    }
    keys
});

impl Keys {
    fn learn(&mut self, sql: &str) {
        // Every other piece is a name, between quotes.
        let names: Vec<&str> = sql.split('"').skip(1).step_by(2).collect();
        if sql.starts_with("CREATE UNIQUE INDEX") {
            if let [index, table, columns @ ..] = names.as_slice() {
                self.indices.insert((*index).to_string(), of(table, columns));
            }
        } else if sql.starts_with("CREATE TABLE")
            && let (Some(table), Some((_, key))) = (names.first(), sql.split_once("PRIMARY KEY ("))
        {
            let end = key.find(')').unwrap_or(key.len());
            let columns: Vec<&str> = key[..end].split('"').skip(1).step_by(2).collect();
            self.primary.insert((*table).to_string(), of(table, &columns));
        }
    }
}

fn of(table: &str, columns: &[&str]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| format!("{table}.{column}")).collect();
    columns.join(", ")
}

/// The columns of unique index `index`, as `table.column, ...`.
pub(super) fn of_index(index: &str) -> Option<&'static str> {
    KEYS.indices.get(index).map(String::as_str)
}

/// The columns of the primary key of `table`, as `table.column, ...`.
pub(super) fn of_primary(table: &str) -> Option<&'static str> {
    KEYS.primary.get(table).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_name() {
        assert_eq!(of_primary("quotas"), Some("quotas.project_id, quotas.resource"));
        assert_eq!(of_index("ix_routerports_port_id"), Some("routerports.port_id"));
        assert_eq!(of_index("ix_networks_name"), None, "is not unique");
    }
}
