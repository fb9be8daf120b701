//! Who of several servers does what only one has to do: the holder of a lease.
//!
//! Servers' clocks need not agree. A server takes the lease of another one when its row has not
//! changed for as long as a lease lasts, by the taker's own monotonic clock; holders change the row
//! three times in that time. So a lease is free at the latest one lease after its holder died, at
//! once when it stopped in order, and what a holder does twice because it stalled longer than its
//! lease must be harmless: all of it decides again inside a transaction.

use std::time::{Duration, Instant};

use chrono::Utc;
use neutrino_db::{
    Db, DbResult,
    leases::{self, Lease},
    time,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval_at},
};

/// What is to be done about the row of a lease.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It is ours, or nobody's, or its holder is gone: put ours in the place of what was seen.
    Take,
    /// Somebody else's, who may be alive.
    Wait,
}

/// What is known of a lease by looking at its row now and then. Pure.
#[derive(Debug)]
struct Watching {
    me: String,
    lasts: Duration,
    /// The row as last seen, and since when it has been that.
    seen: Option<(Lease, Instant)>,
}

impl Watching {
    fn look(&mut self, found: Option<&Lease>, now: Instant) -> Step {
        let Some(found) = found else {
            self.seen = None;
            return Step::Take;
        };
        if found.holder == self.me {
            return Step::Take;
        }
        let since = match &self.seen {
            Some((seen, since)) if seen == found => *since,
            _ => now,
        };
        self.seen = Some((found.clone(), since));
        if now.duration_since(since) >= self.lasts { Step::Take } else { Step::Wait }
    }
}

/// A lease that is held, or tried for, until this is dropped or [`Keeper::stop`]ped.
#[derive(Debug)]
pub struct Keeper {
    db: Db,
    name: &'static str,
    me: String,
    held: watch::Receiver<Option<Instant>>,
    lasts: Duration,
    task: JoinHandle<()>,
}

/// How long the lease of [`Keeper`]s lasts that stand by for agents silent for `down_time`: no longer
/// than those who wait for them would notice, and long enough to stay on through a slow moment.
#[must_use]
pub fn duration(down_time: Duration) -> Duration {
    down_time.clamp(Duration::from_secs(3), Duration::from_secs(60))
}

/// Says whether this server holds a lease.
#[derive(Clone, Debug)]
pub struct Holding {
    held: watch::Receiver<Option<Instant>>,
    lasts: Duration,
}

impl Holding {
    /// Whether the lease is this server's now. Not for longer than it lasts after it was renewed:
    /// a server that cannot reach the database stops to hold it by itself.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.held.borrow().is_some_and(|renewed| renewed.elapsed() < self.lasts)
    }
}

/// A name for this process that no other one has, on whatever host.
#[must_use]
pub fn process_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}:{}:{}", host.trim(), std::process::id(), Utc::now().timestamp_micros())
}

impl Keeper {
    /// Tries for the lease `name` as `me`, for `lasts` at a time; a first time before this answers.
    pub async fn start(db: Db, name: &'static str, me: &str, lasts: Duration) -> Self {
        let (sender, held) = watch::channel(None);
        let watching = Watching { me: me.to_string(), lasts, seen: None };
        let mut trying = Trying { db: db.clone(), name, watching, held: sender };
        trying.once().await;
        let task = tokio::spawn(trying.on_and_on());
        Self { db, name, me: me.to_string(), held, lasts, task }
    }

    /// Says whether the lease is held, for those who do what it is about.
    #[must_use]
    pub fn holding(&self) -> Holding {
        Holding { held: self.held.clone(), lasts: self.lasts }
    }

    /// Gives the lease up, for another server to take it at once.
    pub async fn stop(self) {
        self.task.abort();
        if let Err(error) = leases::release(&self.db, self.name, &self.me).await {
            tracing::warn!(lease = self.name, %error, "the lease runs out by itself");
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tries for a lease.
struct Trying {
    db: Db,
    name: &'static str,
    watching: Watching,
    held: watch::Sender<Option<Instant>>,
}

impl Trying {
    async fn on_and_on(mut self) {
        let period = self.watching.lasts / 3;
        let mut ticks = interval_at(tokio::time::Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.once().await;
        }
    }

    async fn once(&mut self) {
        let name = self.name;
        // When the row is written, not when that is known, the lease begins to last.
        let now = Instant::now();
        match self.look(now).await {
            Ok(ours) => {
                let was = self.held.send_replace(ours.then_some(now)).is_some();
                match (was, ours) {
                    (false, true) => tracing::info!(lease = name, "a lease was taken"),
                    (true, false) => tracing::warn!(lease = name, "a lease was lost"),
                    _ => {}
                }
            }
            Err(error) => tracing::error!(lease = name, %error, "cannot renew or take a lease"),
        }
    }

    /// Looks at the row and acts upon it; answers whether the lease is ours.
    async fn look(&mut self, now: Instant) -> DbResult<bool> {
        let conn = self.db.read().await?;
        let found = leases::find(&conn, self.name).await?;
        drop(conn);
        if self.watching.look(found.as_ref(), now) == Step::Wait {
            return Ok(false);
        }
        let until = Utc::now() + self.watching.lasts;
        let ours = Lease { holder: self.watching.me.clone(), expires_at: time::to_text(until) };
        leases::replace(&self.db, self.name, found.as_ref(), &ours).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Duration = Duration::from_secs(30);

    fn row(holder: &str, expires_at: &str) -> Lease {
        Lease { holder: holder.into(), expires_at: expires_at.into() }
    }

    #[test]
    fn a_lease_is_taken_when_its_row_has_not_changed_for_as_long_as_it_lasts() {
        let start = Instant::now();
        let mut b = Watching { me: "b".into(), lasts: LASTS, seen: None };
        let mut at = |seconds, found: Option<Lease>| {
            b.look(found.as_ref(), start + Duration::from_secs(seconds))
        };
        assert_eq!(at(0, Some(row("a", "1"))), Step::Wait);
        assert_eq!(at(20, Some(row("a", "2"))), Step::Wait, "renewed");
        assert_eq!(at(49, Some(row("a", "2"))), Step::Wait);
        assert_eq!(at(50, Some(row("a", "2"))), Step::Take, "its holder is gone");
        assert_eq!(at(51, Some(row("b", "3"))), Step::Take, "ours: renewed");
        assert_eq!(at(52, Some(row("c", "4"))), Step::Wait, "lost");
        assert_eq!(at(53, None), Step::Take, "given up");
    }

    #[tokio::test]
    async fn one_of_two_takes_what_was_seen() {
        let db = neutrino_db::testing::db().await.expect("database");
        let (a, b) = (row("a", "1"), row("b", "1"));
        assert!(leases::replace(&db, "l", None, &a).await.expect("asked"));
        assert!(!leases::replace(&db, "l", None, &b).await.expect("asked"), "somebody was faster");
        assert!(leases::replace(&db, "l", Some(&a), &b).await.expect("asked"));
        assert!(!leases::replace(&db, "l", Some(&a), &row("c", "1")).await.expect("asked"));
        leases::release(&db, "l", "a").await.expect("nothing to give up");
        let conn = db.read().await.expect("connection");
        assert_eq!(leases::find(&conn, "l").await.expect("asked"), Some(b));
        drop(conn);
        leases::release(&db, "l", "b").await.expect("given up");
        let conn = db.read().await.expect("connection");
        assert_eq!(leases::find(&conn, "l").await.expect("asked"), None);
    }
}
