//! Golden files of every migration's DDL, per backend. `NEUTRINO_UPDATE_GOLDENS=1` rewrites them.

use std::{fs, path::PathBuf};

use neutrino_db::{
    Dialect,
    migrations::{self, Migration},
};

fn golden(migration: &Migration, dialect: Dialect) -> PathBuf {
    let name = match dialect {
        Dialect::Sqlite => "sqlite",
        Dialect::Mysql => "mysql",
        Dialect::Postgres => "postgres",
    };
    let cases = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/ddl");
    cases.join(migration.revision).join(format!("{name}.sql"))
}

/// One column or constraint per line, for people and for diffs.
fn readable(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 256);
    let mut depth = 0;
    let table = sql.starts_with("CREATE TABLE");
    for c in sql.chars() {
        match c {
            '(' if table => {
                depth += 1;
                out.push(c);
                if depth == 1 {
                    out.push_str("\n   ");
                }
                continue;
            }
            ')' if table => {
                depth -= 1;
                if depth == 0 {
                    out.push('\n');
                }
            }
            _ => {}
        }
        out.push(c);
        if table && c == ',' && depth == 1 {
            out.push_str("\n   ");
        }
    }
    let trimmed: Vec<&str> = out.lines().map(str::trim_end).collect();
    format!("{};\n", trimmed.join("\n"))
}

#[test]
fn every_migration_renders_as_recorded_for_every_backend() {
    for migration in migrations::ALL {
        for dialect in [Dialect::Sqlite, Dialect::Mysql, Dialect::Postgres] {
            let steps = (migration.steps)();
            let text: String = steps.iter().map(|step| readable(&step.render(dialect))).collect();
            let path = golden(migration, dialect);
            if std::env::var_os("NEUTRINO_UPDATE_GOLDENS").is_some() {
                fs::create_dir_all(path.parent().expect("directory")).expect("create directory");
                fs::write(&path, &text).expect("write golden");
            }
            let wanted = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                text == wanted,
                "{} differs; a released migration must not change, a new one is recorded with \
                 NEUTRINO_UPDATE_GOLDENS=1",
                path.display()
            );
        }
    }
}

#[test]
fn revisions_sort_by_age() {
    let revisions: Vec<&str> = migrations::ALL.iter().map(|m| m.revision).collect();
    assert!(revisions.is_sorted(), "{revisions:?}");
    assert_eq!(revisions.last(), Some(&migrations::head()));
    assert_eq!(migrations::pending(None).expect("all").len(), revisions.len());
    assert!(migrations::pending(Some(migrations::head())).expect("none").is_empty());
}

#[test]
fn names_fit_every_backend() {
    for step in migrations::ALL.iter().flat_map(|m| (m.steps)()) {
        let sql = step.render(Dialect::Postgres);
        // Every other piece is between quotes.
        for name in sql.split('"').skip(1).step_by(2) {
            assert!(name.len() <= 63, "PostgreSQL cuts {name}");
        }
    }
}
