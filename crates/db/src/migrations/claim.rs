//! Who of several servers changes the schema of a Galera cluster, where a lock is one node's only.
//!
//! A row of the table of steps, put there by a transaction of its own: nodes certify that there is
//! one. Nothing compares clocks (ADR 0014): a claim is taken over when nothing has moved for
//! [`PATIENCE`] by the taker's own clock.

use std::time::{Duration, Instant};

use sea_query::{Asterisk, Expr, ExprTrait, Query, SimpleExpr};

use crate::{
    Conn, DbError, DbResult,
    row::Row,
    schema::{RevisionSteps as S, Revisions},
};

/// What the row says in the place of a revision.
const CLAIM: &str = "claim";
/// How long nothing moves before a claim counts as a dead server's. A longer step of a living one
/// keeps its node's, and so the cluster's, other writes waiting: the takeover comes after it, and
/// the one that was taken from notices before its next step.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait in all.
const LIMIT: Duration = Duration::from_secs(1800);
/// How often to look.
const TICK: Duration = Duration::from_millis(200);

/// The right to change the schema.
pub(super) struct Claim {
    mine: i32,
}

impl Claim {
    /// Waits for it.
    ///
    /// # Errors
    /// [`DbError::Busy`] when others keep it; what the database refused.
    pub(super) async fn take(conn: &Conn) -> DbResult<Self> {
        // On one server, whoever gets here holds its lock: a claim is left from before.
        let patience = if is_cluster(conn).await? { PATIENCE } else { Duration::ZERO };
        let claim = Self { mine: rand::random_range(1..i32::MAX) };
        let begun = Instant::now();
        let mut seen: (Vec<Row>, Instant) = (Vec::new(), begun);
        while begun.elapsed() < LIMIT {
            if claim.insert(conn).await? {
                return Ok(claim);
            }
            let state = state(conn).await?;
            if state != seen.0 {
                tracing::info!("waiting for another server to upgrade the database");
                seen = (state, Instant::now());
            }
            if seen.1.elapsed() >= patience && claim.take_over(conn, &seen.0).await? {
                tracing::warn!("another server has left the database half upgraded");
                return Ok(claim);
            }
            tokio::time::sleep(TICK).await;
        }
        Err(DbError::Busy { what: "another server to upgrade the database" })
    }

    async fn insert(&self, conn: &Conn) -> DbResult<bool> {
        let mut insert = Query::insert();
        insert.into_table(S::Table).columns([S::Revision, S::Step, S::Refused]).values_panic([
            CLAIM.into(),
            self.mine.into(),
            false.into(),
        ]);
        match conn.execute(&insert).await {
            Ok(_) => Ok(true),
            Err(DbError::UniqueViolation { .. } | DbError::Deadlock { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts this claim in the place of the one in `state`, if it is still that.
    async fn take_over(&self, conn: &Conn, state: &[Row]) -> DbResult<bool> {
        let Some(row) = state.iter().find(|row| row.opt_str(0) == Some(CLAIM)) else {
            return Ok(false);
        };
        let changes = [(S::Step, self.mine.into())];
        match update(conn, changes.into(), row.int(1)).await {
            Err(DbError::Deadlock { .. }) => Ok(false),
            other => other,
        }
    }

    /// Whether it is still this server's; the others see that it is alive.
    ///
    /// # Errors
    /// [`DbError::Busy`] when it is not; what the database refused.
    pub(super) async fn renew(&self, conn: &Conn) -> DbResult<()> {
        let changes = [(S::Refused, Expr::col(S::Refused).not())];
        if update(conn, changes.into(), self.mine.into()).await? {
            return Ok(());
        }
        Err(DbError::Busy { what: "another server that upgrades the database" })
    }

    /// Gives it up.
    ///
    /// # Errors
    /// What the database refused.
    pub(super) async fn release(self, conn: &Conn) -> DbResult<()> {
        let mut delete = Query::delete();
        delete.from_table(S::Table).and_where(is(self.mine.into()));
        conn.execute(&delete).await.map(|_| ())
    }
}

/// Changes the claim of that number; answers whether there is one.
async fn update(conn: &Conn, changes: Vec<(S, SimpleExpr)>, number: i64) -> DbResult<bool> {
    let mut update = Query::update();
    update.table(S::Table).values(changes).and_where(is(number));
    Ok(conn.execute(&update).await? > 0)
}

fn is(number: i64) -> SimpleExpr {
    Expr::col(S::Revision).eq(CLAIM).and(Expr::col(S::Step).eq(number))
}

/// All that changes while the schema is upgraded: steps and the claim, and what is done.
async fn state(conn: &Conn) -> DbResult<Vec<Row>> {
    let mut out =
        conn.fetch_all(&Query::select().column(Asterisk).from(S::Table).to_owned()).await?;
    let done = Query::select().column(Revisions::Revision).from(Revisions::Table).to_owned();
    out.extend(conn.fetch_all(&done).await?);
    Ok(out)
}

async fn is_cluster(conn: &Conn) -> DbResult<bool> {
    let query = Query::select().expr(Expr::cust("@@wsrep_on")).to_owned();
    match conn.fetch_one(&query).await {
        Ok(row) => Ok(row.int(0) != 0),
        // MySQL has no such variable.
        Err(DbError::Other { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
