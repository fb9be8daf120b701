//! Carries a Neutron 29 database over into ours (`neutrino db import`).
//!
//! The source is read in one read-only transaction and not changed. Ours is written in one
//! transaction: an import that is killed has done nothing and is started again. One that is run
//! again makes ours as the source is then; rows that are so already are left alone. Every row that
//! cannot be carried is told with its reason, every table that is not is named and counted
//! (ADR 12).
//!
//! [`mapping`] says as data what becomes what, [`convert`] how values do, [`left`] what is not
//! carried. [`carry`] walks the rows of both sides, in the order of their key.

mod carry;
pub mod convert;
pub mod left;
pub mod mapping;
pub mod report;
pub mod row;
pub mod select;
mod source;
mod target;

use std::collections::BTreeSet;

use neutrino_db::{
    Conn, Db, DbError, imports,
    sea_query::{Alias, Expr, ExprTrait, Func, Query},
    url,
};

pub use report::{Event, LeftCount, Report, TableCount};
pub use source::HEADS;

use crate::{
    carry::Notes,
    left::{DERIVED, LACKING},
    mapping::Mapping,
    row::LeftIds,
    select::Dialect,
    source::{REVISIONS, Source},
    target::Table,
};

/// Why an import was not done. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The source's URL cannot be read.
    #[error("the source's URL cannot be used: {reason}")]
    Url {
        /// Why not.
        reason: String,
    },
    /// The source refused.
    #[error("{attempted}: {source}")]
    Source {
        /// What was attempted.
        attempted: String,
        /// The driver's error.
        source: sqlx::Error,
    },
    /// The source is no Neutron database.
    #[error("the source is no Neutron database: it has no table '{REVISIONS}'")]
    NoNeutron,
    /// The source is of another release.
    #[error(
        "the source is at revision {found}, not at {} of Neutron 29.0.0: bring it there first \
         (`neutron-db-manage upgrade heads` of Neutron 29.0.0); a newer one cannot be read",
        HEADS.join(", ")
    )]
    Revision {
        /// Its revisions.
        found: String,
    },
    /// The target is a Neutron database.
    #[error(
        "the target is a Neutron database itself: name another one, empty, in [database] connection"
    )]
    TargetIsNeutron,
    /// The target holds what no import brought.
    #[error(
        "the target's table '{table}' holds rows though nothing was ever imported into it: name \
         an empty database in [database] connection"
    )]
    Foreign {
        /// The first such table.
        table: &'static str,
    },
    /// A server has run on the target since the last import.
    #[error(
        "a server has run on the target since {since}, after the last import: what it changed \
         would be lost. `--overwrite` makes the target as the source is all the same"
    )]
    InUse {
        /// When it started.
        since: String,
    },
    /// The target refused.
    #[error(transparent)]
    Target(#[from] DbError),
}

/// Makes `db` as the Neutron database at `url` is, upgrading its schema first. `overwrite` also
/// when a server has run on it since the last import. `tell` hears of every row that is not carried
/// as it is.
///
/// # Errors
/// [`ImportError`]; nothing was changed then.
pub async fn import(
    url: &str,
    db: &Db,
    overwrite: bool,
    tell: &mut (dyn FnMut(&Event) + Send),
) -> Result<Report, ImportError> {
    let server = match url::parse(url) {
        Ok(url::Target::Server(server)) => server,
        Ok(url::Target::Sqlite(_)) => {
            let reason = "Neutron keeps its data in mysql:// or postgresql://".into();
            return Err(ImportError::Url { reason });
        }
        Err(reason) => return Err(ImportError::Url { reason }),
    };
    let mut source = Source::open(&server).await?;
    let tables = tables_of(&mut source).await?;
    check_source(&mut source, &tables).await?;
    if imports::is_neutron(db).await {
        return Err(ImportError::TargetIsNeutron);
    }
    db.upgrade().await?;
    let tx = db.begin().await?;
    check_target(&tx, overwrite).await?;

    let mut notes = Notes { left: LeftIds::new(), tell };
    let mut report = Report::default();
    let mut removed = Vec::new();
    for mapping in mapping::all().rev() {
        removed.push(carry::remove(&mut source, &tx, mapping).await?);
    }
    for (mapping, (gone, replaced)) in mapping::all().zip(removed.into_iter().rev()) {
        let mut count = carry::write(&mut source, &tx, mapping, &mut notes).await?;
        count.removed += gone;
        // Deleted and inserted anew.
        let replaced = Ord::min(replaced, count.new);
        count.changed += replaced;
        count.new -= replaced;
        report.tables.push(count);
    }
    report.left = leave(&mut source, &tables, &mut notes).await?;
    imports::record(&tx, server.shown()).await?;
    tx.commit().await?;
    source.close().await?;
    Ok(report)
}

/// The tables of the source.
async fn tables_of(source: &mut Source) -> Result<BTreeSet<String>, ImportError> {
    let (name, schema, kind) = ("table_name", "table_schema", "table_type");
    let current = match source.dialect() {
        Dialect::Mysql => "database",
        Dialect::Postgres => "current_schema",
    };
    let select = Query::select()
        .column(name)
        .from((Alias::new("information_schema"), Alias::new("tables")))
        .and_where(Expr::col(schema).eq(Func::cust(current)))
        .and_where(Expr::col(kind).eq("BASE TABLE"))
        .to_owned();
    Ok(source.all(&select).await?.into_iter().flatten().flatten().collect())
}

async fn check_source(source: &mut Source, tables: &BTreeSet<String>) -> Result<(), ImportError> {
    if !tables.contains(REVISIONS) {
        return Err(ImportError::NoNeutron);
    }
    let select = select::columns_of(REVISIONS, &["version_num"], source.dialect());
    let found: Vec<String> = source.all(&select).await?.into_iter().flatten().flatten().collect();
    if found == HEADS { Ok(()) } else { Err(ImportError::Revision { found: found.join(", ") }) }
}

/// Refuses a target that holds something of its own.
async fn check_target(conn: &Conn, overwrite: bool) -> Result<(), ImportError> {
    match imports::last(conn).await? {
        Some(imports::Import { used_at: Some(since), .. }) if !overwrite => {
            Err(ImportError::InUse { since })
        }
        Some(_) => Ok(()),
        None => {
            for mapping in mapping::all().filter(|m| !imports::FILLED.contains(&m.target)) {
                if !Table::new(mapping).is_empty(conn).await? {
                    return Err(ImportError::Foreign { table: mapping.target });
                }
            }
            Ok(())
        }
    }
}

/// Tells what of the source is not carried: rows of what we lack, and whole tables nobody knows.
async fn leave(
    source: &mut Source,
    tables: &BTreeSet<String>,
    notes: &mut Notes<'_>,
) -> Result<Vec<LeftCount>, ImportError> {
    let mut out = Vec::new();
    for lacking in LACKING.iter().filter(|lacking| tables.contains(lacking.table)) {
        let select = select::columns_of(lacking.table, lacking.name_by, source.dialect());
        let rows = notes.leave_all(source.rows(&select), lacking).await?;
        if rows > 0 {
            let (table, what) = (lacking.table.into(), lacking.what.into());
            out.push(LeftCount { table, what, rows });
        }
    }
    let known = known_tables();
    for table in tables.iter().filter(|table| !known.contains(table.as_str())) {
        let select = select::count(table, source.dialect());
        let count = source.all(&select).await?.into_iter().flatten().flatten().next();
        let rows = count.and_then(|count| count.parse().ok()).unwrap_or(0);
        if rows > 0 {
            let what = "no table of Neutron 29.0.0".into();
            out.push(LeftCount { table: table.clone(), what, rows });
        }
    }
    Ok(out)
}

/// Every source table that something is known of.
#[must_use]
pub fn known_tables() -> BTreeSet<&'static str> {
    let read = |m: &'static Mapping| std::iter::once(m.from).chain(m.joins.iter().map(|j| j.table));
    let lacking = LACKING.iter().map(|lacking| lacking.table);
    let derived = DERIVED.iter().map(|(table, _)| *table);
    mapping::all().flat_map(read).chain(lacking).chain(derived).collect()
}
