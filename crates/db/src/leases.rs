//! Rows of the `leases` table: what one server at a time does for all.
//!
//! Nothing here compares clocks: a lease is taken from its holder by whoever names the row it has
//! seen, and only if it is still that row.

use std::time::Duration;

use sea_query::{Expr, ExprTrait, Query};

use crate::{Conn, Db, DbError, DbResult, Prepared, schema::Leases as L};

/// Tries more where others wrote the same row at the same time, and the time between.
const RACES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(10);

/// Who holds a lease, and until when by the holder's own clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The server's process: `host:pid:start`.
    pub holder: String,
    /// UTC, as [`crate::time`] writes it. Changes with every renewal.
    pub expires_at: String,
}

/// The lease `name`, if anybody has it.
///
/// # Errors
/// What the database refused.
pub async fn find(conn: &Conn, name: &str) -> DbResult<Option<Lease>> {
    let query = Query::select()
        .columns([L::Holder, L::ExpiresAt])
        .from(L::Table)
        .and_where(Expr::col(L::Name).eq(name))
        .to_owned();
    let found = conn.fetch_opt(&query).await?;
    Ok(found.map(|row| Lease { holder: row.text(0), expires_at: row.text(1) }))
}

/// Puts `new` in the place of `seen` (of nothing, if nobody had it); answers whether `seen` was
/// still what is there. One statement decides.
///
/// # Errors
/// What the database refused.
pub async fn replace(db: &Db, name: &str, seen: Option<&Lease>, new: &Lease) -> DbResult<bool> {
    let values = [new.holder.as_str(), new.expires_at.as_str()];
    let statement = match seen {
        None => {
            let row = [name.into(), values[0].into(), values[1].into()];
            let mut insert = Query::insert();
            insert
                .into_table(L::Table)
                .columns([L::Name, L::Holder, L::ExpiresAt])
                .values_panic(row);
            Prepared::new(&insert)
        }
        Some(seen) => {
            let mut update = Query::update();
            update
                .table(L::Table)
                .values([(L::Holder, values[0].into()), (L::ExpiresAt, values[1].into())])
                .and_where(Expr::col(L::Name).eq(name))
                .and_where(Expr::col(L::Holder).eq(seen.holder.as_str()))
                .and_where(Expr::col(L::ExpiresAt).eq(seen.expires_at.as_str()));
            Prepared::new(&update)
        }
    };
    match run(db, &statement).await {
        Err(DbError::UniqueViolation { .. }) => Ok(false),
        changed => Ok(changed? > 0),
    }
}

/// Runs one statement in a transaction of its own; answers how many rows it changed. Servers on
/// several nodes of a cluster learn only at the commit that another one was faster.
async fn run(db: &Db, statement: &Prepared) -> DbResult<u64> {
    let once = async || {
        let tx = db.begin_unordered().await?;
        let changed = tx.execute_batch(vec![statement.clone()]).await?;
        tx.commit().await?;
        Ok(changed.first().copied().unwrap_or_default())
    };
    let mut outcome = once().await;
    // Others stay what they are: a row that is there already, a database that is away.
    for _ in 0..RACES {
        let Err(DbError::Deadlock { .. }) = &outcome else { break };
        tokio::time::sleep(PAUSE).await;
        outcome = once().await;
    }
    outcome
}

/// Gives the lease up if `holder` has it.
///
/// # Errors
/// What the database refused.
pub async fn release(db: &Db, name: &str, holder: &str) -> DbResult<()> {
    let mut delete = Query::delete();
    delete
        .from_table(L::Table)
        .and_where(Expr::col(L::Name).eq(name))
        .and_where(Expr::col(L::Holder).eq(holder));
    run(db, &Prepared::new(&delete)).await.map(|_| ())
}
