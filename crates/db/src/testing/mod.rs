//! Databases for tests: private, and nothing of them left behind.
//!
//! They are SQLite's, or, where the environment variable [`TEST_DATABASE`] holds the URL of a
//! MariaDB, MySQL or PostgreSQL server whose user may make databases, that server's. The example
//! `with-database` of `neutrino-service-sandbox` starts such a server for a command.

mod directory;
mod server;

use std::path::Path;

use sea_query::{Alias, Asterisk, Iden, Query};

pub use self::directory::TempDir;
use self::server::ServerDatabase;
use crate::{Db, DbError, DbOptions, DbResult, migrations, schema};

/// Environment variable with the URL of the server that tests make their databases on.
pub const TEST_DATABASE: &str = "NEUTRINO_TEST_DATABASE";

/// An empty database of its own; gone when dropped.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    _kept: Kept,
}

#[derive(Debug)]
#[expect(dead_code, reason = "kept until the database is no longer used")]
enum Kept {
    Directory(TempDir),
    Server(ServerDatabase),
}

impl TestDatabase {
    /// Makes one, without a schema.
    ///
    /// # Errors
    /// When the directory or the server's database cannot be made.
    pub async fn new() -> DbResult<Self> {
        if let Some(server) = server_url() {
            // What it waits for happens on another thread.
            let made = tokio::task::spawn_blocking(move || ServerDatabase::create(&server));
            let database = made.await.map_err(|e| other("making a test database", e))??;
            return Ok(Self { url: database.url(), _kept: Kept::Server(database) });
        }
        let directory = TempDir::new("db").map_err(|e| other("making a directory", e))?;
        let url = format!("sqlite:///{}/neutron.sqlite", directory.path().display());
        Ok(Self { url, _kept: Kept::Directory(directory) })
    }

    /// What `[database] connection` is to be for it. Several may open it, one after the other or
    /// side by side.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// The server tests are to use; `None`: SQLite.
fn server_url() -> Option<String> {
    std::env::var(TEST_DATABASE).ok().filter(|url| !url.is_empty())
}

/// A private database with the newest schema; gone with the last handle.
///
/// # Errors
/// As [`Db::open`].
pub async fn db() -> DbResult<Db> {
    let db = empty_db().await?;
    db.upgrade().await?;
    Ok(db)
}

/// A private database without a schema; gone with the last handle.
///
/// # Errors
/// As [`Db::open`].
pub async fn empty_db() -> DbResult<Db> {
    if server_url().is_none() {
        // Does not wait for the disk, unlike one at a path.
        return Db::open_as_is("sqlite://").await;
    }
    let database = TestDatabase::new().await?;
    let url = database.url().to_owned();
    Db::open_kept(&url, DbOptions::default(), Some(Box::new(database))).await
}

/// Every row of every table as text, for a test that sees that nothing changed. What servers write
/// by themselves is left out.
///
/// # Errors
/// What the database refused.
pub async fn dump(db: &Db) -> DbResult<String> {
    let own = [schema::Leases::Table.unquoted(), schema::WriteTurn::Table.unquoted()];
    let conn = db.read().await?;
    let mut out = String::new();
    for table in migrations::tables() {
        if own.contains(&table.as_str()) {
            continue;
        }
        let rows = Query::select().column(Asterisk).from(Alias::new(&table)).to_owned();
        let rows = conn.fetch_all(&rows).await?;
        let mut lines: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
        lines.sort();
        out.push_str(&format!("{table}: {}\n{}\n", lines.len(), lines.join("\n")));
    }
    Ok(out)
}

/// Whether a thing whose name goes on with `<process id>-` or `<process id>_` was made by a process
/// that no longer runs.
fn is_of_the_dead(name: &str) -> bool {
    let pid = name.split(['-', '_']).next().and_then(|pid| pid.parse::<u32>().ok());
    pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
}

fn other(attempted: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DbError {
    DbError::Other { attempted: attempted.into(), source: source.into() }
}
