//! MariaDB/MySQL and PostgreSQL: a pool of connections, and transactions on them.

use std::{
    any::Any,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Done,
    errors::{Fate, fault},
    link::{Each, Link},
    script::{Begin, Part, Script, UNDO},
    tls,
};
use crate::{
    Dialect,
    error::{DbError, DbResult},
    options::DbOptions,
    row::RowRef,
    statement::Rendered,
    url::Server,
};

/// How long a message may take before its connection is given up: longer than the server waits for
/// a lock, so that this is for hosts that went silent.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The same for changes of the schema.
const DDL_TIMEOUT: Duration = Duration::from_secs(3600);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Stands for "no limit".
const MANY: usize = 10_000;

/// The connections to one database.
pub(crate) struct Pool {
    server: Server,
    options: DbOptions,
    write_turn: Arc<Semaphore>,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Held>>,
    /// Counts the times connections were found dead: those of an earlier time are not used again.
    generation: AtomicU64,
    /// Dropped after the connections are closed.
    _private: Option<Box<dyn Any + Send + Sync>>,
}

/// A connection and what decides whether it is used again.
struct Held {
    link: Link,
    since: Instant,
    generation: u64,
}

impl Pool {
    /// Connects, with the tries that the options allow; `private` is dropped with the pool.
    pub(crate) async fn open(
        server: Server,
        options: DbOptions,
        private: Option<Box<dyn Any + Send + Sync>>,
    ) -> DbResult<Self> {
        let most = options.max_pool_size.unwrap_or(MANY) + options.max_overflow.unwrap_or(MANY);
        let pool = Self {
            server,
            write_turn: Arc::new(Semaphore::new(1)),
            // One is the writer's.
            places: Arc::new(Semaphore::new(most.saturating_sub(1).max(1))),
            idle: Mutex::default(),
            generation: AtomicU64::new(0),
            options,
            _private: private,
        };
        let first = pool.connect_at_start().await?;
        pool.keep(first);
        Ok(pool)
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.server.dialect()
    }

    /// A transaction of the kind `begin`, not begun yet.
    pub(crate) async fn session(self: &Arc<Self>, begin: Begin) -> DbResult<Session> {
        let permit = if begin == Begin::Write {
            self.write_turn.clone().acquire_owned().await.map_err(|_| DbError::Closed)?
        } else {
            let place = self.places.clone().acquire_owned();
            tokio::time::timeout(self.options.pool_timeout, place)
                .await
                .map_err(|_| DbError::Busy { what: "a connection of the pool" })?
                .map_err(|_| DbError::Closed)?
        };
        let state = State { held: None, phase: Phase::Fresh };
        Ok(Session {
            pool: self.clone(),
            begin,
            state: tokio::sync::Mutex::new(state),
            permit: Some(permit),
        })
    }

    async fn connect_at_start(&self) -> DbResult<Held> {
        let mut tries = 0u32;
        loop {
            let error = match self.connect().await {
                Ok(held) => return Ok(held),
                Err(error) => error,
            };
            tries = tries.saturating_add(1);
            let again = self.options.max_retries.is_none_or(|most| tries <= most);
            if !again || !matches!(error, DbError::ConnectionLost { .. } | DbError::Busy { .. }) {
                return Err(error);
            }
            let database = self.server.shown();
            let retry_interval_s = self.options.retry_interval.as_secs_f32();
            tracing::warn!(database, %error, tries, retry_interval_s, "the database cannot be reached");
            tokio::time::sleep(self.options.retry_interval).await;
        }
    }

    async fn connect(&self) -> DbResult<Held> {
        let generation = self.generation.load(Ordering::Relaxed);
        let link = tokio::time::timeout(CONNECT_TIMEOUT, Link::open(&self.server, &self.options))
            .await
            .map_err(|timeout| DbError::ConnectionLost { source: Box::new(timeout) })?
            .map_err(|error| self.unconnected(error))?;
        Ok(Held { link, since: Instant::now(), generation })
    }

    fn unconnected(&self, error: sqlx::Error) -> DbError {
        if let Some((reason, advice)) = tls::advice(&error, self.dialect()) {
            return DbError::Tls { server: self.server.shown().to_owned(), reason, advice };
        }
        match fault(error, "") {
            (error @ (DbError::ConnectionLost { .. } | DbError::Busy { .. }), _) => error,
            (DbError::Other { source, .. }, _) => DbError::Other {
                attempted: format!("connecting to '{}'", self.server.shown()),
                source,
            },
            (error, _) => error,
        }
    }

    /// A connection: an idle one, or a new one.
    async fn connection(&self) -> DbResult<Held> {
        loop {
            let Some(held) = lock(&self.idle).pop() else { return self.connect().await };
            if self.is_good(&held) {
                return Ok(held);
            }
            goodbye(held);
        }
    }

    fn is_good(&self, held: &Held) -> bool {
        held.generation == self.generation.load(Ordering::Relaxed)
            && self.options.connection_recycle_time.is_none_or(|age| held.since.elapsed() < age)
    }

    /// Puts `held` to the idle ones, where there is room.
    fn keep(&self, held: Held) {
        let mut idle = lock(&self.idle);
        if self.is_good(&held) && idle.len() < self.options.max_pool_size.unwrap_or(MANY) {
            idle.push(held);
        } else {
            drop(idle);
            goodbye(held);
        }
    }

    /// A connection was found dead; those opened before are hardly better.
    fn forget_older(&self, dead: &Held) {
        // Only the first that finds out: the others know of connections that are forgotten already.
        let (old, new) = (dead.generation, dead.generation + 1);
        let first =
            self.generation.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed);
        if first.is_ok() {
            lock(&self.idle).clear();
        }
    }

    /// Rolls back what `held` has open and keeps it, without anyone waiting; then lets `permit` go.
    fn roll_back(self: Arc<Self>, mut held: Held, permit: Option<OwnedSemaphorePermit>) {
        // Without a runtime (the process ends) the connection closes, which rolls back as well.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            match tokio::time::timeout(ANSWER_TIMEOUT, held.link.run("ROLLBACK")).await {
                Ok(Ok(())) => self.keep(held),
                Ok(Err(error)) => tracing::debug!(%error, "rolling back failed"),
                Err(_) => tracing::debug!("rolling back was not answered"),
            }
            drop(permit);
        });
    }
}

/// Closes `held` in good manners, without anyone waiting.
fn goodbye(held: Held) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            // It is to be gone either way.
            let _ = tokio::time::timeout(CONNECT_TIMEOUT, held.link.close()).await;
        });
    }
}

/// The lock of plain data: a panic while holding it cannot have left it half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A transaction on one of the connections, begun by its first statement.
pub(crate) struct Session {
    pool: Arc<Pool>,
    begin: Begin,
    state: tokio::sync::Mutex<State>,
    permit: Option<OwnedSemaphorePermit>,
}

struct State {
    held: Option<Held>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Fresh,
    Open,
    Aborted,
}

impl Session {
    pub(crate) async fn fetch<T, F>(
        &self,
        statement: Rendered,
        mut state: T,
        mut step: F,
    ) -> DbResult<T>
    where
        T: Send,
        F: FnMut(&mut T, &RowRef<'_>) + Send,
    {
        self.run(&[statement], &mut |row| step(&mut state, row)).await?;
        Ok(state)
    }

    pub(crate) async fn execute(&self, statements: Vec<Rendered>) -> DbResult<Vec<Done>> {
        self.run(&statements, &mut |_| {}).await
    }

    /// Runs changes of the schema, without a way back to before each.
    pub(crate) async fn execute_ddl(&self, sql: Vec<String>) -> DbResult<()> {
        let dialect = self.pool.dialect();
        let script = |begin| Script::ddl(dialect, begin, &sql);
        self.exchange(script, &mut |_| {}, DDL_TIMEOUT).await.map(|_| ())
    }

    async fn run(&self, statements: &[Rendered], each: Each<'_>) -> DbResult<Vec<Done>> {
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        let dialect = self.pool.dialect();
        let script = |begin| Script::new(dialect, begin, statements);
        self.exchange(script, each, ANSWER_TIMEOUT).await
    }

    /// Runs a script; answers what each of its statements did.
    async fn exchange(
        &self,
        script: impl Fn(Option<Begin>) -> Script,
        each: Each<'_>,
        limit: Duration,
    ) -> DbResult<Vec<Done>> {
        let mut state = self.state.lock().await;
        let begin = match state.phase {
            Phase::Fresh => Some(self.begin),
            Phase::Open => None,
            Phase::Aborted => return Err(DbError::Aborted),
        };
        let script = script(begin);
        let mut held = match state.held.take() {
            Some(held) => held,
            // Nothing is tried again there, so it must not be a dead one.
            None if self.begin == Begin::Auto => self.pool.connect().await?,
            None => self.pool.connection().await?,
        };
        // Until the answer is there. A caller that goes away leaves a connection in the middle of
        // an exchange: it was taken out of the state, so that it closes.
        state.phase = Phase::Aborted;
        let mut done = Vec::new();
        let mut outcome = exchange(&mut held, &script, each, &mut done, limit).await;
        let unbegun = begin.is_some_and(|begin| begin != Begin::Auto) && done.is_empty();
        if unbegun && let Err((_, Fate::Lost | Fate::Unready)) = &outcome {
            // It was dead before; nothing of the transaction has happened.
            self.pool.forget_older(&held);
            held = self.pool.connect().await?;
            outcome = exchange(&mut held, &script, each, &mut done, limit).await;
        }
        match outcome {
            Ok(()) => {
                state.held = Some(held);
                let done = script.results(&done)?;
                state.phase = Phase::Open;
                Ok(done)
            }
            Err((error, fate)) => {
                let part = script.part(done.len());
                state.phase = self.after_error(fate, part, &mut held).await;
                match fate {
                    Fate::Lost | Fate::Unready => self.pool.forget_older(&held),
                    Fate::Kept | Fate::Aborted => state.held = Some(held),
                }
                Err(error)
            }
        }
    }

    /// What an error in `part` of a script leaves of the transaction.
    async fn after_error(&self, fate: Fate, part: Option<Part>, held: &mut Held) -> Phase {
        if self.begin == Begin::Auto && matches!(fate, Fate::Kept | Fate::Aborted) {
            // There is no transaction that could have suffered.
            return Phase::Open;
        }
        let Some(Part::Statement(_, guarded)) = part else { return Phase::Aborted };
        match (fate, self.pool.dialect()) {
            (Fate::Kept, Dialect::Postgres) if guarded => match held.link.run(UNDO).await {
                Ok(()) => Phase::Open,
                Err(error) => {
                    tracing::debug!(%error, "going back to before the statement failed");
                    Phase::Aborted
                }
            },
            (Fate::Kept, Dialect::Mysql) => Phase::Open,
            _ => Phase::Aborted,
        }
    }

    /// Ends the transaction and gives the connection back. `commit` only makes sense for writers.
    pub(crate) async fn end(mut self, commit: bool) -> DbResult<()> {
        let state = self.state.get_mut();
        if !commit || state.phase == Phase::Fresh || self.begin == Begin::Auto {
            return Ok(());
        }
        if state.phase == Phase::Aborted {
            return Err(DbError::Aborted);
        }
        let Some(mut held) = state.held.take() else { return Err(DbError::Aborted) };
        state.phase = Phase::Aborted;
        match exchange(&mut held, &Script::commit(), &mut |_| {}, &mut Vec::new(), ANSWER_TIMEOUT)
            .await
        {
            Ok(()) => {
                state.phase = Phase::Fresh;
                state.held = Some(held);
                Ok(())
            }
            Err((error, Fate::Lost)) => {
                self.pool.forget_older(&held);
                Err(DbError::CommitUnknown { source: Box::new(error) })
            }
            Err((error, Fate::Unready)) => {
                // Closed without waiting, which rolls back.
                self.pool.forget_older(&held);
                Err(error)
            }
            Err((error, Fate::Kept | Fate::Aborted)) => {
                state.held = Some(held);
                Err(error)
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let Some(held) = state.held.take() else { return };
        if self.begin == Begin::Auto {
            // What was set in this session, and its locks, go with it.
            goodbye(held);
        } else if state.phase == Phase::Fresh {
            self.pool.keep(held);
        } else {
            self.pool.clone().roll_back(held, self.permit.take());
        }
    }
}

/// One message on `held`.
async fn exchange(
    held: &mut Held,
    script: &Script,
    each: Each<'_>,
    done: &mut Vec<Done>,
    limit: Duration,
) -> Result<(), (DbError, Fate)> {
    match tokio::time::timeout(limit, held.link.exchange(&script.sql, each, done)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(fault(error, script.text(done.len()))),
        Err(silence) => Err((DbError::ConnectionLost { source: Box::new(silence) }, Fate::Lost)),
    }
}
