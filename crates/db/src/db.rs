//! The database handle: opening, the pool of readers, the one writer.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    conn::{Conn, Counters, StatementCounts, Tx},
    error::{DbError, DbResult},
    migrations,
    testing::TempDir,
    worker::{Role, Worker},
};

/// Most snapshots open at once by default; more readers wait their turn.
pub const DEFAULT_READERS: usize = 8;
/// How long to wait for a reader before reporting that none comes free.
const READER_TIMEOUT: Duration = Duration::from_secs(30);

/// The database. A cheap handle: clone it freely.
#[derive(Clone)]
pub struct Db(Arc<DbInner>);

/// What all handles share.
pub(crate) struct DbInner {
    pub(crate) counters: Arc<Counters>,
    path: PathBuf,
    durable: bool,
    writer: Worker,
    write_turn: Arc<Semaphore>,
    read_turn: Arc<Semaphore>,
    idle_readers: Mutex<Vec<Worker>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Removed after the threads ended, hence last.
    _private: Option<TempDir>,
}

impl Db {
    /// Opens the database and brings its schema to the newest revision.
    ///
    /// `sqlite:///abs/path.db` names a file (created if absent, with its directory);
    /// `sqlite://` is a private database that is gone with the last handle, for tests.
    ///
    /// # Errors
    /// An URL of another kind, a file that cannot be opened, a schema newer than this program.
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
        Self::open_with_readers(url, DEFAULT_READERS).await
    }

    /// Opens the database without touching its schema, for at most `readers` snapshots at once.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub async fn open_with_readers(url: &str, readers: usize) -> DbResult<Self> {
        let wrong = |reason: String| DbError::Url { url: redacted(url), reason };
        let Some(path) = url.strip_prefix("sqlite://") else {
            return Err(wrong("only sqlite:///path is supported".into()));
        };
        let (path, private) = if path.is_empty() {
            let dir = TempDir::new("db").map_err(|e| wrong(e.to_string()))?;
            (dir.path().join("neutrino.sqlite"), Some(dir))
        } else {
            // Four slashes are SQLAlchemy's way to write an absolute path.
            let path = PathBuf::from(path.replacen("//", "/", 1));
            if !path.is_absolute() {
                return Err(wrong("the path must be absolute".into()));
            }
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)
                    .map_err(|e| wrong(format!("creating {}: {e}", parent.display())))?;
            }
            (path, None)
        };
        // SQLite blocks: the async threads must not.
        tokio::task::spawn_blocking(move || Self::start(path, private, readers)).await.map_err(
            |e| DbError::Other { attempted: "opening the database".into(), source: Box::new(e) },
        )?
    }

    fn start(path: PathBuf, private: Option<TempDir>, readers: usize) -> DbResult<Self> {
        let durable = private.is_none();
        let (writer, thread) = Worker::spawn(&path, Role::Writer, durable, "db-writer".into())?;
        Ok(Self(Arc::new(DbInner {
            counters: Arc::default(),
            path,
            durable,
            writer,
            write_turn: Arc::new(Semaphore::new(1)),
            read_turn: Arc::new(Semaphore::new(readers.max(1))),
            idle_readers: Mutex::default(),
            threads: Mutex::new(vec![thread]),
            _private: private,
        })))
    }

    /// A snapshot for reading. See [`Conn`].
    ///
    /// # Errors
    /// [`DbError::Busy`] when no connection comes free for half a minute.
    pub async fn read(&self) -> DbResult<Conn> {
        let turn = self.0.read_turn.clone().acquire_owned();
        let permit = tokio::time::timeout(READER_TIMEOUT, turn)
            .await
            .map_err(|_| DbError::Busy { what: "a database connection for reading" })?
            .map_err(|_| DbError::Closed)?;
        let idle = lock(&self.0.idle_readers).pop();
        let worker = match idle {
            Some(worker) => worker,
            None => self.start_reader().await?,
        };
        Ok(self.conn(worker, Role::Reader, permit))
    }

    /// The write transaction, when it is this caller's turn. See [`Tx`].
    ///
    /// # Errors
    /// [`DbError::Closed`].
    pub async fn begin(&self) -> DbResult<Tx> {
        let turn = self.0.write_turn.clone().acquire_owned();
        let permit = turn.await.map_err(|_| DbError::Closed)?;
        Ok(Tx::new(self.conn(self.0.writer.clone(), Role::Writer, permit)))
    }

    /// Statements run since the database was opened, over all connections.
    #[must_use]
    pub fn counts(&self) -> StatementCounts {
        self.0.counters.get()
    }

    /// Where the database lives.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Applies the migrations that are missing, each in a transaction of its own; answers their
    /// revisions.
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
        migrations::current(&*self.begin().await?).await
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

    fn conn(&self, worker: Worker, role: Role, permit: OwnedSemaphorePermit) -> Conn {
        Conn::new(self.0.clone(), worker, role, permit)
    }

    async fn start_reader(&self) -> DbResult<Worker> {
        let (path, durable) = (self.0.path.clone(), self.0.durable);
        let opened = tokio::task::spawn_blocking(move || {
            Worker::spawn(&path, Role::Reader, durable, "db-reader".into())
        });
        let (worker, thread) = opened.await.map_err(|e| DbError::Other {
            attempted: "starting a database reader".into(),
            source: Box::new(e),
        })??;
        lock(&self.0.threads).push(thread);
        Ok(worker)
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("path", &self.0.path).finish_non_exhaustive()
    }
}

impl DbInner {
    pub(crate) fn give_back(&self, reader: Worker) {
        lock(&self.idle_readers).push(reader);
    }
}

impl Drop for DbInner {
    fn drop(&mut self) {
        // Closing every sender ends the threads, which close their connections: the last one
        // folds the write-ahead log into the database file. Wait for it, so that the file is
        // complete (or, if private, gone) when the last handle is.
        lock(&self.idle_readers).clear();
        self.writer = Worker::dead();
        for thread in lock(&self.threads).drain(..) {
            if thread.thread().id() != std::thread::current().id() {
                // A thread that panicked has nothing left to close.
                let _ = thread.join();
            }
        }
    }
}

/// The lock of plain data: a panic while holding it cannot have left it half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `url` without the password it may carry.
fn redacted(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://***{}", &url[..scheme], &url[at..])
        }
        _ => url.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use sea_query::{Expr, ExprTrait, Query};

    use super::*;
    use crate::schema::Quotas;

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
    async fn committed_is_kept_and_dropped_is_not() {
        let db = Db::open("sqlite://").await.expect("open");
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
        let db = Db::open("sqlite://").await.expect("open");
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
        let db = Db::open("sqlite://").await.expect("open");
        let conn = db.read().await.expect("reader");
        assert!(conn.execute(&insert("a", 1)).await.is_err());
    }

    #[tokio::test]
    async fn more_values_than_can_be_bound_are_stored_as_they_are() {
        use crate::schema::Tags;
        let db = Db::open("sqlite://").await.expect("open");
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
        let db = Db::open("sqlite://").await.expect("open");
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
        let db = Db::open("sqlite://").await.expect("open");
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
        let db = Db::open("sqlite://").await.expect("open");
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
        let path = private.path().to_path_buf();
        assert!(path.exists());
        drop(private);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn other_backends_are_refused_without_telling_the_password() {
        let error =
            Db::open("mysql+pymysql://neutron:secret@db/neutron").await.expect_err("refused");
        let text = error.to_string();
        assert!(
            text.contains("mysql+pymysql://***@db/neutron") && !text.contains("secret"),
            "{text}"
        );
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
