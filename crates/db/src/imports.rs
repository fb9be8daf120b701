//! What was taken over from a Neutron database, and whether a server has run since.
//!
//! A row of `imports` says that the resources here came from elsewhere, so that taking them over
//! once more loses nothing, until a server has changed them.

use sea_query::{Expr, ExprTrait, Query};

use crate::{
    Conn, Db, DbResult, Tx,
    schema::{Imports as I, SecurityGroupDefaultRules},
    time,
};

/// Tables that hold rows in every new database.
pub const FILLED: &[&str] = &[SecurityGroupDefaultRules::Table.name()];

/// The last import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Where it was from, without a password.
    pub source: String,
    /// When it ended.
    pub finished_at: String,
    /// When a server first started on what it brought.
    pub used_at: Option<String>,
}

/// The last import into the database.
///
/// # Errors
/// What the database refused.
pub async fn last(conn: &Conn) -> DbResult<Option<Import>> {
    let select =
        Query::select().columns([I::Source, I::FinishedAt, I::UsedAt]).from(I::Table).to_owned();
    Ok(conn.fetch_opt(&select).await?.map(|row| Import {
        source: row.text(0),
        finished_at: row.text(1),
        used_at: row.opt_text(2),
    }))
}

/// Records that everything was taken over from `source`.
///
/// # Errors
/// What the database refused.
pub async fn record(tx: &Tx, source: &str) -> DbResult<()> {
    tx.execute(&Query::delete().from_table(I::Table).to_owned()).await?;
    let mut insert = Query::insert();
    insert.into_table(I::Table).columns([I::Id, I::Source, I::FinishedAt]).values_panic([
        Expr::val(1),
        Expr::val(source),
        Expr::val(time::now()),
    ]);
    tx.execute(&insert).await.map(|_| ())
}

/// Records that a server starts on what was imported, if anything was.
///
/// # Errors
/// What the database refused.
pub async fn mark_used(db: &Db) -> DbResult<()> {
    let update = Query::update()
        .table(I::Table)
        .value(I::UsedAt, time::now())
        .and_where(Expr::col(I::UsedAt).is_null())
        .to_owned();
    let once = async || {
        let tx = db.begin().await?;
        tx.execute(&update).await?;
        tx.commit().await
    };
    db.retries().run(once).await
}

/// Whether the database is one of Neutron's.
pub async fn is_neutron(db: &Db) -> bool {
    let select = Query::select().expr(Expr::val(1)).from("alembic_version").limit(1).to_owned();
    match db.read().await {
        Ok(conn) => conn.fetch_opt(&select).await.is_ok(),
        Err(_) => false,
    }
}
