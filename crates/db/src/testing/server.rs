//! Databases on a server, made and removed by one thread of the process.

use std::sync::{
    LazyLock,
    atomic::{AtomicU32, Ordering},
    mpsc::{self, Sender},
};

use sea_query::{Alias, Expr, ExprTrait, Query};

use super::{is_of_the_dead, other};
use crate::{Db, DbResult, Dialect};

/// How the databases of all test runs are called.
const PREFIX: &str = "neutrino_test_";

/// A database on a server; removed when dropped.
#[derive(Debug)]
pub(super) struct ServerDatabase {
    server: String,
    name: String,
}

impl ServerDatabase {
    /// Makes an empty one on the server at the URL `server`. Blocks.
    pub(super) fn create(server: &str) -> DbResult<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let database =
            Self { server: server.into(), name: format!("{PREFIX}{}_{n}", std::process::id()) };
        ask(&database.server, Job::Create(database.name.clone()))?;
        Ok(database)
    }

    /// The server's URL with this database for its own.
    pub(super) fn url(&self) -> String {
        let (place, query) = match self.server.split_once('?') {
            Some((place, query)) => (place, format!("?{query}")),
            None => (self.server.as_str(), String::new()),
        };
        let (place, _) = place.rsplit_once('/').unwrap_or((place, ""));
        format!("{place}/{}{query}", self.name)
    }
}

impl Drop for ServerDatabase {
    fn drop(&mut self) {
        if let Err(error) = ask(&self.server, Job::Remove(self.name.clone())) {
            tracing::warn!(%error, database = self.name, "removing a test database failed");
        }
    }
}

enum Job {
    Create(String),
    Remove(String),
}

type Request = (String, Job, Sender<DbResult<()>>);

/// Has the janitor do `job`, and waits.
fn ask(server: &str, job: Job) -> DbResult<()> {
    static JANITOR: LazyLock<Sender<Request>> = LazyLock::new(janitor);
    let (sender, answer) = mpsc::channel();
    JANITOR
        .send((server.into(), job, sender))
        .map_err(|e| other("asking for a database", e.to_string()))?;
    answer.recv().map_err(|e| other("waiting for a database", e))?
}

/// A thread with a connection that outlives every test's runtime.
fn janitor() -> Sender<Request> {
    let (sender, requests) = mpsc::channel::<Request>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let mut open: Option<Db> = None;
        for (server, job, answer) in requests {
            let done = match &runtime {
                Ok(runtime) => runtime.block_on(done(&mut open, &server, &job)),
                Err(error) => Err(other("starting a runtime", error.to_string())),
            };
            // Only fails when the asker is gone.
            let _ = answer.send(done);
        }
    });
    sender
}

async fn done(open: &mut Option<Db>, server: &str, job: &Job) -> DbResult<()> {
    let db = match open {
        Some(db) => db.clone(),
        None => {
            let db = Db::open_as_is(server).await?;
            sweep(&db).await?;
            open.insert(db).clone()
        }
    };
    match job {
        Job::Create(name) => run(&db, format!("CREATE DATABASE {name}")).await,
        Job::Remove(name) => remove(&db, name).await,
    }
}

/// Removes the databases of processes that no longer run.
async fn sweep(db: &Db) -> DbResult<()> {
    let (table, column) = match db.dialect() {
        Dialect::Postgres => (("pg_catalog", "pg_database"), "datname"),
        _ => (("information_schema", "schemata"), "schema_name"),
    };
    let names = Query::select()
        .column(Alias::new(column))
        .from((Alias::new(table.0), Alias::new(table.1)))
        .and_where(Expr::col(Alias::new(column)).like(format!("{PREFIX}%")))
        .to_owned();
    let found = db.auto_commit().await?.fetch_all(&names).await?;
    for name in found.iter().map(|row| row.str(0)) {
        if name.strip_prefix(PREFIX).is_some_and(is_of_the_dead) {
            // Another process may be sweeping too.
            remove(db, name).await?;
        }
    }
    Ok(())
}

async fn remove(db: &Db, name: &str) -> DbResult<()> {
    if db.dialect() == Dialect::Postgres {
        return run(db, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    }
    // A transaction that is open there would be waited for.
    let sessions = Query::select()
        .column(Alias::new("id"))
        .from((Alias::new("information_schema"), Alias::new("processlist")))
        .and_where(Expr::col(Alias::new("db")).eq(name))
        .to_owned();
    for session in db.auto_commit().await?.fetch_all(&sessions).await? {
        // It may end by itself meanwhile.
        let _ = run(db, format!("KILL {}", session.int(0))).await;
    }
    run(db, format!("DROP DATABASE IF EXISTS {name}")).await
}

async fn run(db: &Db, sql: String) -> DbResult<()> {
    db.auto_commit().await?.execute_ddl(vec![sql]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_an_url_is_replaced() {
        for (server, wanted) in [
            (
                "mysql+pymysql://u:p@h:1/neutron?charset=utf8",
                "mysql+pymysql://u:p@h:1/x?charset=utf8",
            ),
            ("postgresql://u:p@h/neutron", "postgresql://u:p@h/x"),
        ] {
            let database = ServerDatabase { server: server.into(), name: "x".into() };
            assert_eq!(database.url(), wanted);
            // It was never made.
            std::mem::forget(database);
        }
    }
}
