//! The database handle: opening, snapshots, write transactions.

use std::{any::Any, path::Path, sync::Arc};

use crate::{
    Dialect, Retries,
    backend::{Backend, Session, remote, script::Begin, sqlite},
    conn::{Conn, Counters, StatementCounts, Tx},
    error::{DbError, DbResult},
    migrations,
    options::DbOptions,
    testing::TempDir,
    url::{self, Target},
};

/// The database. A cheap handle: clone it freely.
#[derive(Clone)]
pub struct Db {
    backend: Arc<Backend>,
    counters: Arc<Counters>,
    retries: Retries,
}

impl Db {
    /// Opens the database and brings its schema to the newest revision.
    ///
    /// `sqlite:///abs/path.db` names a file (created if absent, with its directory);
    /// `sqlite://` is a private database that is gone with the last handle, for tests;
    /// `mysql+pymysql://user:password@host/name` and `postgresql://user:password@host/name` are
    /// databases of a server, with the query parameters of PyMySQL and libpq.
    ///
    /// # Errors
    /// An URL of another kind, a database that cannot be opened, a schema newer than this program.
    pub async fn open(url: &str) -> DbResult<Self> {
        let db = Self::open_as_is(url).await?;
        db.upgrade().await?;
        Ok(db)
    }

    /// Opens the database without touching its schema.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub async fn open_as_is(url: &str) -> DbResult<Self> {
        Self::open_with(url, DbOptions::default()).await
    }

    /// Opens the database without touching its schema, connecting as `options` say.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub async fn open_with(url: &str, options: DbOptions) -> DbResult<Self> {
        Self::open_kept(url, options, None).await
    }

    /// As [`Db::open_with`]; `kept` is dropped once the last connection is closed, such as the
    /// server that a test started for itself.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub async fn open_kept(
        url: &str,
        options: DbOptions,
        kept: Option<Box<dyn Any + Send + Sync>>,
    ) -> DbResult<Self> {
        let wrong = |reason: String| DbError::Url { url: url::redacted(url), reason };
        let retries = options.retries;
        let backend = match url::parse(url).map_err(wrong)? {
            Target::Server(server) => {
                Backend::Remote(Arc::new(remote::Pool::open(server, options, kept).await?))
            }
            Target::Sqlite(path) => {
                let (path, private) = match path {
                    Some(path) => (path, None),
                    None => {
                        let dir = TempDir::new("db").map_err(|e| wrong(e.to_string()))?;
                        (dir.path().join("neutrino.sqlite"), Some(dir))
                    }
                };
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent)
                        .map_err(|e| wrong(format!("creating {}: {e}", parent.display())))?;
                }
                // SQLite blocks: the async threads must not.
                let opened = tokio::task::spawn_blocking(move || {
                    sqlite::Pool::open(path, private, options.sqlite_readers)
                });
                Backend::Sqlite(Arc::new(opened.await.map_err(|e| DbError::Other {
                    attempted: "opening the database".into(),
                    source: Box::new(e),
                })??))
            }
        };
        Ok(Self { backend: Arc::new(backend), counters: Arc::default(), retries })
    }

    /// What the database speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.backend.dialect()
    }

    /// How requests and calls that lost a race or the database are to be tried again.
    #[must_use]
    pub fn retries(&self) -> Retries {
        self.retries
    }

    /// A snapshot for reading. See [`Conn`].
    ///
    /// # Errors
    /// [`DbError::Busy`] when no connection comes free in time.
    pub async fn read(&self) -> DbResult<Conn> {
        Ok(self.conn(self.backend.session(Begin::Read).await?))
    }

    /// The write transaction, when it is this caller's turn. See [`Tx`].
    ///
    /// Writers of all servers on the database take turns (ADR 0011): what this one reads stays
    /// true until it commits.
    ///
    /// # Errors
    /// [`DbError::Closed`].
    pub async fn begin(&self) -> DbResult<Tx> {
        Ok(Tx::new(self.conn(self.backend.session(Begin::Write).await?)))
    }

    /// A write transaction beside those that take turns, for changes that are right whatever
    /// others change: a heartbeat, a row that nobody else writes.
    ///
    /// # Errors
    /// [`DbError::Busy`] when no connection comes free in time; [`DbError::Closed`].
    pub async fn begin_unordered(&self) -> DbResult<Tx> {
        Ok(Tx::new(self.conn(self.backend.session(Begin::Unordered).await?)))
    }

    /// Statements run since the database was opened, over all connections.
    #[must_use]
    pub fn counts(&self) -> StatementCounts {
        self.counters.get()
    }

    /// The file of a SQLite database.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.backend.path()
    }

    /// Applies the migrations that are missing; answers their revisions. Of several servers that
    /// do so at a time, one applies them and the others wait.
    ///
    /// # Errors
    /// [`DbError::UnknownRevision`]; what the database refused.
    pub async fn upgrade(&self) -> DbResult<Vec<&'static str>> {
        migrations::upgrade(self).await
    }

    /// The revision the schema is at; `None` before the first migration.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn current_revision(&self) -> DbResult<Option<String>> {
        migrations::current(&*self.begin_unordered().await?).await
    }

    /// Refuses a schema that is not at the newest revision.
    ///
    /// # Errors
    /// [`DbError::NotUpgraded`], [`DbError::UnknownRevision`].
    pub async fn require_head(&self) -> DbResult<()> {
        let current = self.current_revision().await?;
        if current.as_deref() == Some(migrations::head()) {
            return Ok(());
        }
        migrations::pending(current.as_deref())?;
        let found = current.unwrap_or_else(|| "base".into());
        Err(DbError::NotUpgraded { found, head: migrations::head() })
    }

    /// A connection on which each statement is committed by itself.
    pub(crate) async fn auto_commit(&self) -> DbResult<Conn> {
        Ok(self.conn(self.backend.session(Begin::Auto).await?))
    }

    fn conn(&self, session: Session) -> Conn {
        Conn::new(session, self.dialect(), self.counters.clone())
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("dialect", &self.dialect()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use sea_query::{Expr, ExprTrait, Query};

    use super::*;
    use crate::{schema::Quotas, testing};

    fn insert(project: &str, limit: i32) -> sea_query::InsertStatement {
        Query::insert()
            .into_table(Quotas::Table)
            .columns([Quotas::ProjectId, Quotas::Resource, Quotas::Limit])
            .values_panic([project.into(), "port".into(), limit.into()])
            .to_owned()
    }

    fn select(project: &str) -> sea_query::SelectStatement {
        Query::select()
            .column(Quotas::Limit)
            .from(Quotas::Table)
            .and_where(Expr::col(Quotas::ProjectId).eq(project))
            .to_owned()
    }

    async fn limit_of(db: &Db, project: &str) -> Option<i64> {
        let conn = db.read().await.expect("reader");
        conn.fetch_opt(&select(project)).await.expect("select").map(|row| row.int(0))
    }

    #[tokio::test]
    async fn what_follows_a_commit_sees_it_and_no_other() {
        let db = testing::db().await.expect("open");
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        for (project, commits) in [("a", true), ("b", false)] {
            let mut tx = db.begin().await.expect("begin");
            for n in [1, 2] {
                let (db, seen) = (db.clone(), Arc::clone(&seen));
                tx.on_commit(async move {
                    // Turns at writing are free again, too.
                    drop(db.begin().await.expect("begin"));
                    let limit = limit_of(&db, project).await;
                    seen.lock().expect("alone").push((n, limit));
                });
            }
            tx.execute(&insert(project, 7)).await.expect("insert");
            if commits {
                tx.commit().await.expect("commit");
            }
        }
        assert_eq!(*seen.lock().expect("alone"), [(1, Some(7)), (2, Some(7))]);
    }

    #[tokio::test]
    async fn committed_is_kept_and_dropped_is_not() {
        let db = testing::db().await.expect("open");
        let tx = db.begin().await.expect("begin");
        assert_eq!(tx.execute(&insert("a", 1)).await.expect("insert"), 1);
        assert_eq!(limit_of(&db, "a").await, None, "seen before commit");
        tx.commit().await.expect("commit");
        let tx = db.begin().await.expect("begin");
        tx.execute(&insert("b", 2)).await.expect("insert");
        drop(tx);
        let tx = db.begin().await.expect("begin after a dropped one");
        assert_eq!(tx.fetch_all(&select("b")).await.expect("select"), vec![]);
        drop(tx);
        assert_eq!(limit_of(&db, "a").await, Some(1));
        assert_eq!(limit_of(&db, "b").await, None);
    }

    #[tokio::test]
    async fn a_reader_sees_one_moment() {
        let db = testing::db().await.expect("open");
        let conn = db.read().await.expect("reader");
        assert_eq!(conn.fetch_all(&select("a")).await.expect("select"), vec![]);
        let tx = db.begin().await.expect("begin");
        tx.execute(&insert("a", 1)).await.expect("insert");
        tx.commit().await.expect("commit");
        assert_eq!(conn.fetch_all(&select("a")).await.expect("select"), vec![]);
        drop(conn);
        assert_eq!(limit_of(&db, "a").await, Some(1));
    }

    #[tokio::test]
    async fn readers_cannot_write() {
        let db = testing::db().await.expect("open");
        let conn = db.read().await.expect("reader");
        assert!(conn.execute(&insert("a", 1)).await.is_err());
    }

    #[tokio::test]
    async fn more_values_than_can_be_bound_are_stored_as_they_are() {
        use crate::schema::Tags;
        let db = testing::db().await.expect("open");
        let odd = ["it's", "a\\b", "\"", "?", "ä\n;--"];
        let mut insert = Query::insert();
        insert.into_table(Tags::Table).columns([Tags::ResourceId, Tags::Tag, Tags::ResourceType]);
        for n in 0..20_000 {
            insert.values_panic([n.to_string().into(), odd[n % 5].into(), "ports".into()]);
        }
        let tx = db.begin().await.expect("begin");
        assert_eq!(tx.execute(&insert).await.expect("insert"), 20_000);
        for (n, odd) in odd.iter().enumerate() {
            let of = |id: usize| {
                Query::select()
                    .column(Tags::Tag)
                    .from(Tags::Table)
                    .and_where(Expr::col(Tags::ResourceId).eq(id.to_string()))
                    .to_owned()
            };
            let row = tx.fetch_one(&of(19_995 + n)).await.expect("row");
            assert_eq!(row.text(0), *odd);
        }
    }

    #[tokio::test]
    async fn statements_are_counted() {
        let db = testing::db().await.expect("open");
        let before = db.counts();
        let tx = db.begin().await.expect("begin");
        tx.execute(&insert("a", 1)).await.expect("insert");
        tx.fetch_all(&select("a")).await.expect("select");
        tx.execute_batch(vec![
            crate::Prepared::new(&insert("b", 1)),
            crate::Prepared::new(&insert("c", 1)),
        ])
        .await
        .expect("batch");
        let wanted = StatementCounts { selects: 1, writes: 3 };
        assert_eq!(tx.counts(), wanted);
        assert_eq!(db.counts() - before, wanted);
    }

    #[tokio::test]
    async fn a_duplicate_is_named_and_the_transaction_goes_on() {
        let db = testing::db().await.expect("open");
        let tx = db.begin().await.expect("begin");
        tx.execute(&insert("a", 1)).await.expect("insert");
        let error = tx.execute(&insert("a", 2)).await.expect_err("duplicate");
        assert!(error.duplicates("quotas", "project_id"), "{error}");
        tx.execute(&insert("b", 2)).await.expect("insert after a refused one");
        tx.commit().await.expect("commit");
        assert_eq!(limit_of(&db, "b").await, Some(2));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_thousand_writers_take_turns() {
        let db = testing::db().await.expect("open");
        let tasks: Vec<_> = (0..1000)
            .map(|n| {
                let db = db.clone();
                tokio::spawn(async move {
                    let tx = db.begin().await?;
                    tx.execute(&insert(&format!("p{n}"), n)).await?;
                    tx.commit().await
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("task").expect("write");
        }
        let conn = db.read().await.expect("reader");
        let all = Query::select().column(Quotas::Limit).from(Quotas::Table).to_owned();
        assert_eq!(conn.fetch_all(&all).await.expect("select").len(), 1000);
    }

    #[tokio::test]
    async fn a_file_survives_and_a_private_one_does_not() {
        let dir = TempDir::new("open").expect("dir");
        let url = format!("sqlite://{}/sub/neutrino.db", dir.path().display());
        let db = Db::open(&url).await.expect("open");
        let tx = db.begin().await.expect("begin");
        tx.execute(&insert("a", 1)).await.expect("insert");
        tx.commit().await.expect("commit");
        drop(db);
        let db = Db::open(&url).await.expect("open again");
        assert_eq!(limit_of(&db, "a").await, Some(1));
        assert_eq!(db.upgrade().await.expect("upgrade"), Vec::<&str>::new());
        db.require_head().await.expect("at head");

        let private = Db::open("sqlite://").await.expect("open");
        let path = private.path().expect("file").to_path_buf();
        assert!(path.exists());
        drop(private);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn other_backends_are_refused_without_telling_the_password() {
        let error = Db::open("oracle://neutron:secret@db/neutron").await.expect_err("refused");
        let text = error.to_string();
        assert!(text.contains("oracle://***@db/neutron") && !text.contains("secret"), "{text}");
    }

    #[tokio::test]
    async fn a_schema_of_another_version_is_refused() {
        let dir = TempDir::new("rev").expect("dir");
        let url = format!("sqlite://{}/n.db", dir.path().display());
        let db = Db::open_as_is(&url).await.expect("open");
        assert!(matches!(db.require_head().await, Err(DbError::NotUpgraded { .. })));
        db.upgrade().await.expect("upgrade");
        let tx = db.begin().await.expect("begin");
        let mut newer = Query::insert();
        newer
            .into_table(crate::schema::Revisions::Table)
            .columns([crate::schema::Revisions::Revision, crate::schema::Revisions::AppliedAt])
            .values_panic(["9999_later".into(), crate::time::now().into()]);
        tx.execute(&newer).await.expect("insert");
        tx.commit().await.expect("commit");
        assert!(matches!(db.upgrade().await, Err(DbError::UnknownRevision { .. })));
        assert!(matches!(db.require_head().await, Err(DbError::UnknownRevision { .. })));
    }
}
