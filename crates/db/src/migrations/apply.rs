//! Applying migrations: what was applied is recorded, one server at a time applies.
//!
//! SQLite and PostgreSQL change their schema in a transaction, one per migration. MariaDB and MySQL
//! commit each change by itself, so there each step is recorded before it is tried: a migration
//! that was cut short goes on at the step it was cut at.

use std::time::Duration;

use sea_query::{Alias, Asterisk, Expr, ExprTrait, Func, OnConflict, Order, Query};

use super::{Migration, claim::Claim, ddl, pending};
use crate::{
    Conn, Db, DbError, DbResult, Dialect,
    schema::{RevisionSteps as S, Revisions},
    statement::Rendered,
    time,
};

/// The PostgreSQL lock that whoever changes the schema holds, without the time limit that other
/// locks have. The number is ours: the bytes of "neutrino".
const POSTGRES_LOCK: [&str; 2] =
    ["SET LOCAL lock_timeout = 0", "SELECT pg_advisory_xact_lock(7954892309893344879)"];
/// The same of MariaDB, where locks are the server's and not the database's; the wait is bounded
/// by [`LOCK_TRIES`] times 20 s.
const MYSQL_LOCK: &str = "GET_LOCK(CONCAT('neutrino.', LEFT(DATABASE(), 50)), 20)";
const MYSQL_UNLOCK: &str = "DO RELEASE_LOCK(CONCAT('neutrino.', LEFT(DATABASE(), 50)))";
const LOCK_TRIES: u32 = 90;
const RACE_PAUSE: Duration = Duration::from_millis(100);

/// The revision the schema seen by `conn` (a writer) is at.
pub(crate) async fn current(conn: &Conn) -> DbResult<Option<String>> {
    if conn.dialect() == Dialect::Mysql {
        return if has_own_tables(conn).await? { newest(conn).await } else { Ok(None) };
    }
    conn.execute_ddl(vec![ddl::revisions_table().render(conn.dialect())]).await?;
    newest(conn).await
}

/// Whether the two tables about revisions are there. A change of the schema, be it of nothing, makes
/// all nodes of a cluster wait and may lose against what is written there: none is made in vain.
async fn has_own_tables(conn: &Conn) -> DbResult<bool> {
    let count = Query::select()
        .expr(Func::count(Expr::col(Asterisk)))
        .from((Alias::new("information_schema"), Alias::new("tables")))
        .and_where(Expr::col(Alias::new("table_schema")).eq(Expr::cust("DATABASE()")))
        .and_where(
            Expr::col(Alias::new("table_name")).is_in([Revisions::Table.name(), S::Table.name()]),
        )
        .to_owned();
    Ok(conn.fetch_one(&count).await?.int(0) == 2)
}

async fn newest(conn: &Conn) -> DbResult<Option<String>> {
    let newest = Query::select()
        .column(Revisions::Revision)
        .from(Revisions::Table)
        .order_by(Revisions::Revision, Order::Desc)
        .limit(1)
        .to_owned();
    Ok(conn.fetch_opt(&newest).await?.map(|row| row.text(0)))
}

async fn record(conn: &Conn, migration: &Migration) -> DbResult<()> {
    let mut record = Query::insert();
    record
        .into_table(Revisions::Table)
        .columns([Revisions::Revision, Revisions::AppliedAt])
        .values_panic([Expr::val(migration.revision), Expr::val(time::now())]);
    conn.execute(&record).await.map(|_| ())
}

fn announce(migration: &Migration) {
    tracing::info!(
        revision = migration.revision,
        title = migration.title,
        "upgrading the database"
    );
}

pub(crate) async fn upgrade(db: &Db) -> DbResult<Vec<&'static str>> {
    let dialect = db.dialect();
    if dialect == Dialect::Mysql {
        return by_steps(db).await;
    }
    let mut applied = Vec::new();
    loop {
        // Looked up again in each transaction: another process may be upgrading too.
        let tx = db.begin_unordered().await?;
        if dialect == Dialect::Postgres {
            tx.execute_ddl(POSTGRES_LOCK.map(String::from).into()).await?;
        }
        let at = current(&tx).await?;
        let Some(next) = pending(at.as_deref())?.first() else {
            // Keeps the table of revisions, which `current` may just have made.
            tx.commit().await?;
            return Ok(applied);
        };
        announce(next);
        tx.execute_ddl((next.steps)().iter().map(|step| step.render(dialect)).collect()).await?;
        record(&tx, next).await?;
        tx.commit().await?;
        applied.push(next.revision);
    }
}

/// As [`upgrade`], for a database that commits each change of the schema by itself.
async fn by_steps(db: &Db) -> DbResult<Vec<&'static str>> {
    let conn = db.auto_commit().await?;
    lock(&conn).await?;
    let applied = claim_and_apply(&conn).await;
    conn.execute_ddl(vec![MYSQL_UNLOCK.into()]).await?;
    applied
}

async fn make_own_tables(conn: &Conn) -> DbResult<()> {
    let tables = [ddl::revisions_table(), ddl::revision_steps_table()];
    for _ in 0..LOCK_TRIES {
        if has_own_tables(conn).await? {
            return Ok(());
        }
        let sql = tables.iter().map(|table| table.render(Dialect::Mysql)).collect();
        match conn.execute_ddl(sql).await {
            // Another node makes them.
            Err(DbError::Deadlock { .. }) => tokio::time::sleep(RACE_PAUSE).await,
            other => return other,
        }
    }
    Err(DbError::Busy { what: "another server to upgrade the database" })
}

async fn claim_and_apply(conn: &Conn) -> DbResult<Vec<&'static str>> {
    make_own_tables(conn).await?;
    if pending(newest(conn).await?.as_deref())?.is_empty() {
        return Ok(Vec::new());
    }
    let claim = Claim::take(conn).await?;
    let applied = apply_by_steps(conn, &claim).await;
    // After a lost connection it stays, for the next one to take over.
    if let Err(error) = claim.release(conn).await {
        tracing::warn!(%error, "the right to upgrade the database runs out by itself");
    }
    applied
}

async fn lock(conn: &Conn) -> DbResult<()> {
    let lock = Query::select().expr(Expr::cust(MYSQL_LOCK)).to_owned();
    for _ in 0..LOCK_TRIES {
        match conn.fetch_one(&lock).await {
            Ok(row) if row.int(0) == 1 => return Ok(()),
            Ok(_) => tracing::info!("waiting for another server to upgrade the database"),
            // A cluster may refuse this kind of lock; the claim is what counts there.
            Err(error @ DbError::Other { .. }) => {
                tracing::info!(%error, "upgrading the database without a lock of the server");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    Err(DbError::Busy { what: "another server to upgrade the database" })
}

async fn apply_by_steps(conn: &Conn, claim: &Claim) -> DbResult<Vec<&'static str>> {
    // Looked up again: another server may have been upgrading meanwhile.
    let at = newest(conn).await?;
    let mut applied = Vec::new();
    for migration in pending(at.as_deref())? {
        announce(migration);
        apply_steps(conn, claim, migration).await?;
        record(conn, migration).await?;
        applied.push(migration.revision);
    }
    Ok(applied)
}

/// How far a migration came before.
struct Reached {
    /// The step that was tried last.
    step: i64,
    /// Whether the database refused it, so that it is known not to be done.
    refused: bool,
}

async fn apply_steps(conn: &Conn, claim: &Claim, migration: &Migration) -> DbResult<()> {
    let reached = reached(conn, migration).await?;
    for (n, step) in (0..).zip((migration.steps)()) {
        if reached.as_ref().is_some_and(|reached| n < reached.step) {
            continue;
        }
        claim.renew(conn).await?;
        let (marked, sql) = (mark(migration, n, false)?, step.render(Dialect::Mysql));
        let Err(error) = conn.execute_ddl(vec![marked, sql]).await else { continue };
        let perhaps_done = reached.as_ref().is_some_and(|r| r.step == n && !r.refused);
        if perhaps_done && error.is_there_already() {
            tracing::info!(revision = migration.revision, step = n, "this step was done before");
            continue;
        }
        if !matches!(error, DbError::ConnectionLost { .. }) {
            conn.execute_ddl(vec![mark(migration, n, true)?]).await?;
        }
        return Err(error);
    }
    Ok(())
}

async fn reached(conn: &Conn, migration: &Migration) -> DbResult<Option<Reached>> {
    let select = Query::select()
        .columns([S::Step, S::Refused])
        .from(S::Table)
        .and_where(Expr::col(S::Revision).eq(migration.revision))
        .to_owned();
    let row = conn.fetch_opt(&select).await?;
    Ok(row.map(|row| Reached { step: row.int(0), refused: row.bool(1) }))
}

/// The statement that records that step `n` is being tried, or was refused.
fn mark(migration: &Migration, n: i64, refused: bool) -> DbResult<String> {
    let mut mark = Query::insert();
    mark.into_table(S::Table)
        .columns([S::Revision, S::Step, S::Refused])
        .values_panic([migration.revision.into(), n.into(), refused.into()])
        .on_conflict(
            OnConflict::column(S::Revision).update_columns([S::Step, S::Refused]).to_owned(),
        );
    Ok(Rendered::new(&mark, Dialect::Mysql)?.sql)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{migrations::ALL, testing};

    #[tokio::test]
    async fn servers_that_start_at_a_time_upgrade_once() {
        let db = testing::empty_db().await.expect("database");
        let (one, two) = tokio::join!(db.upgrade(), db.upgrade());
        let mut applied = [one.expect("one"), two.expect("two")].concat();
        applied.sort_unstable();
        let all: Vec<&str> = ALL.iter().map(|migration| migration.revision).collect();
        assert_eq!(applied, all);
        db.require_head().await.expect("newest");
    }

    #[tokio::test]
    async fn a_migration_that_was_cut_short_goes_on_where_it_was() {
        let db = testing::empty_db().await.expect("database");
        if db.dialect() != Dialect::Mysql {
            // A migration is one transaction.
            return;
        }
        let first = &ALL[0];
        let mut done = vec![ddl::revisions_table(), ddl::revision_steps_table()]
            .into_iter()
            .chain((first.steps)());
        let before: Vec<String> =
            done.by_ref().take(2 + 4).map(|step| step.render(Dialect::Mysql)).collect();
        let conn = db.auto_commit().await.expect("session");
        conn.execute_ddl(before).await.expect("what was done");
        conn.execute_ddl(vec![mark(first, 3, false).expect("mark")]).await.expect("mark");
        // On one server its claim is nobody's any more.
        let claim = format!("INSERT INTO {} VALUES ('claim', 7, FALSE)", S::Table.name());
        conn.execute_ddl(vec![claim]).await.expect("claim");
        assert_eq!(db.upgrade().await.expect("upgrade").len(), ALL.len());
    }

    #[tokio::test]
    async fn tables_of_others_are_not_taken_over() {
        let db = testing::empty_db().await.expect("database");
        let tx = db.begin_unordered().await.expect("begin");
        let theirs = vec!["CREATE TABLE networks (id INTEGER)".to_string()];
        tx.execute_ddl(theirs).await.expect("theirs");
        tx.commit().await.expect("commit");
        for _ in 0..2 {
            db.upgrade().await.expect_err("there is such a table");
        }
    }
}
