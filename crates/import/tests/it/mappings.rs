//! The mappings as a whole: complete, and the statements they make.

use std::collections::{BTreeMap, BTreeSet};

use neutrino_db::{Dialect as Ours, migrations};
use neutrino_import::{
    left::{DERIVED, LACKING},
    mapping,
    select::{Dialect, select},
};

use crate::golden;

/// Tables of ours that no source fills.
const OWN: [&str; 4] = ["imports", "leases", "neutrino_revisions", "write_turn"];

#[test]
fn statements_on_the_source() {
    for (dialect, file) in [(Dialect::Mysql, "mysql.sql"), (Dialect::Postgres, "postgres.sql")] {
        let mut out = String::new();
        for mapping in mapping::all() {
            let sql = dialect.render(&select(mapping, dialect));
            let sql = sql.replace(" FROM ", "\n  FROM ").replace(" LEFT JOIN ", "\n  LEFT JOIN ");
            let sql = sql.replace(" WHERE ", "\n  WHERE ").replace(" ORDER BY ", "\n  ORDER BY ");
            out.push_str(&format!("-- {}\n{sql};\n", mapping.target));
        }
        golden::check(file, &out);
    }
}

/// Every column of every table of ours, from the migrations.
fn schema() -> BTreeMap<String, BTreeSet<String>> {
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let quoted = |text: &str| text.split('"').nth(1).unwrap_or_default().to_string();
    let steps = migrations::ALL.iter().flat_map(|migration| (migration.steps)());
    for sql in steps.map(|step| step.render(Ours::Sqlite)) {
        let (name, columns) = if let Some(rest) = sql.strip_prefix("CREATE TABLE ") {
            let (_, body) = rest.split_once('(').unwrap_or_default();
            let columns = body.split(", ").map(str::trim).filter(|part| part.starts_with('"'));
            (quoted(rest), columns.map(quoted).collect())
        } else if let Some((table, column)) = sql.split_once(" ADD COLUMN ") {
            (quoted(table), BTreeSet::from([quoted(column)]))
        } else {
            continue;
        };
        tables.entry(name).or_default().extend(columns);
    }
    tables
}

#[test]
fn every_column_of_ours_is_filled() {
    let mapped: BTreeMap<String, BTreeSet<String>> = mapping::all()
        .map(|m| (m.target.into(), m.columns.iter().map(|c| c.to.into()).collect()))
        .collect();
    let mut wanted = schema();
    wanted.retain(|table, _| !OWN.contains(&table.as_str()));
    assert_eq!(mapped, wanted);
    assert_eq!(mapped.len(), mapping::all().count(), "a table is filled twice");
}

#[test]
fn keys_and_references_are_of_the_tables_they_name() {
    let mut before = BTreeSet::new();
    for mapping in mapping::all() {
        for name in mapping.key {
            assert!(mapping.columns.iter().any(|c| c.to == *name), "{} {name}", mapping.target);
        }
        let sources: Vec<_> =
            std::iter::once(mapping.from).chain(mapping.joins.iter().map(|j| j.table)).collect();
        let columns = mapping.columns.iter().flat_map(|c| c.from.iter().chain(&c.and));
        let refers = mapping.refers.iter().map(|(at, _)| at);
        for (table, column) in columns.chain(refers).chain(mapping.looks_at) {
            assert!(sources.contains(table), "{}: {table}.{column}", mapping.target);
        }
        for (at, table) in mapping.refers {
            assert!(before.contains(table), "{}: {at:?} is of {table}", mapping.target);
        }
        before.insert(mapping.target);
    }
}

#[test]
fn a_table_is_carried_or_left_and_not_both() {
    let carried: BTreeSet<_> = mapping::all().map(|m| m.from).collect();
    let left: Vec<_> =
        LACKING.iter().map(|l| l.table).chain(DERIVED.iter().map(|(table, _)| *table)).collect();
    for table in &left {
        assert!(!carried.contains(table), "{table}");
    }
    assert_eq!(left.iter().collect::<BTreeSet<_>>().len(), left.len());
}
