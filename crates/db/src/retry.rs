//! Trying again what lost a race or its connection.
//!
//! [`retrying`] runs an operation up to `db_max_retries` times. An operation that has committed
//! something is not run again, or what it did would be done twice; what may still fail after a
//! commit is wrapped in a `retrying` of its own. The bounds come from the outermost one
//! ([`Retries::run`]), which the server puts around every request and every call of an agent.

use std::{
    future::Future,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use neutrino_types::{ApiError, ApiResult};

use crate::DbError;

/// An error that says whether trying again may help.
pub trait Retriable {
    /// Whether it may.
    fn is_retriable(&self) -> bool;
    /// The same error once no further try is made.
    #[must_use]
    fn exhausted(self) -> Self;
}

impl Retriable for ApiError {
    fn is_retriable(&self) -> bool {
        self.retriable
    }

    fn exhausted(mut self) -> Self {
        self.retriable = false;
        self
    }
}

impl Retriable for DbError {
    fn is_retriable(&self) -> bool {
        Self::is_retriable(self)
    }

    fn exhausted(self) -> Self {
        self
    }
}

/// How often and when an operation is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retries {
    /// Most tries after the first one; `None`: no limit.
    pub most: Option<u32>,
    /// Longest wait before the first of them.
    pub first: Duration,
    /// Whether the wait doubles each time.
    pub doubling: bool,
    /// What it does not grow beyond.
    pub longest: Duration,
}

impl Default for Retries {
    /// oslo.db's, but from a few milliseconds on: a turn at the database is short.
    fn default() -> Self {
        Self {
            most: Some(20),
            first: Duration::from_millis(5),
            doubling: true,
            longest: Duration::from_secs(2),
        }
    }
}

/// What an operation under way knows of its tries.
struct Scope {
    retries: Retries,
    commits: AtomicU32,
}

tokio::task_local! {
    static SCOPE: Scope;
}

/// Counts a commit of the operation under way.
pub(crate) fn committed() {
    // Outside an operation nobody asks.
    let _ = SCOPE.try_with(|scope| scope.commits.fetch_add(1, Ordering::Relaxed));
}

fn commits() -> u32 {
    SCOPE.try_with(|scope| scope.commits.load(Ordering::Relaxed)).unwrap_or_default()
}

impl Retries {
    /// Runs `attempt` until it succeeds, fails for good, has committed something, or was tried
    /// often enough.
    ///
    /// # Errors
    /// Of the last attempt.
    pub async fn run<T, E, F, A>(self, attempt: F) -> Result<T, E>
    where
        E: Retriable + std::fmt::Display,
        F: FnMut() -> A,
        A: Future<Output = Result<T, E>>,
    {
        let scope = Scope { retries: self, commits: AtomicU32::new(0) };
        SCOPE.scope(scope, self.attempts(attempt)).await
    }

    async fn attempts<T, E, F, A>(self, mut attempt: F) -> Result<T, E>
    where
        E: Retriable + std::fmt::Display,
        F: FnMut() -> A,
        A: Future<Output = Result<T, E>>,
    {
        let before = commits();
        let mut tries = 0;
        loop {
            let error = match attempt().await {
                Err(error) if error.is_retriable() => error,
                other => return other,
            };
            if self.most.is_some_and(|most| tries >= most) || commits() != before {
                return Err(error.exhausted());
            }
            let wait = self.wait(tries, rand::random());
            tries += 1;
            let wait_ms = wait.as_millis();
            tracing::debug!(%error, tries, wait_ms, "an operation is tried again");
            tokio::time::sleep(wait).await;
        }
    }

    /// The wait after `tries` tries; `random` in [0, 1) spreads those that lost the same race.
    fn wait(self, tries: u32, random: f64) -> Duration {
        let factor = if self.doubling { 2f64.powi(tries.min(30).cast_signed()) } else { 1.0 };
        let longest = self.longest.as_secs_f64();
        Duration::from_secs_f64((self.first.as_secs_f64() * factor).min(longest) * random)
    }
}

/// Runs `attempt` as [`Retries::run`] does, with the bounds of the operation it is part of.
///
/// # Errors
/// Of the last attempt.
pub async fn retrying<T, F, A>(attempt: F) -> ApiResult<T>
where
    F: FnMut() -> A,
    A: Future<Output = ApiResult<T>>,
{
    match SCOPE.try_with(|scope| scope.retries) {
        Ok(retries) => retries.attempts(attempt).await,
        Err(_) => Retries::default().run(attempt).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Retries =
        Retries { most: Some(3), first: Duration::ZERO, doubling: true, longest: Duration::ZERO };

    fn lost() -> ApiError {
        ApiError::conflict("RetryRequest", "lost a race").retriable()
    }

    /// Runs an operation that fails `failures` times; answers its result and how often it ran.
    async fn run(failures: u32, commits: bool) -> (ApiResult<u32>, u32) {
        let ran = AtomicU32::new(0);
        let result = QUICK
            .run(|| async {
                let n = ran.fetch_add(1, Ordering::Relaxed);
                if commits {
                    committed();
                }
                if n < failures { Err(lost()) } else { Ok(n) }
            })
            .await;
        (result, ran.into_inner())
    }

    #[tokio::test]
    async fn what_lost_is_tried_again_within_bounds() {
        assert!(matches!(run(2, false).await, (Ok(2), 3)));
        let (result, ran) = run(9, false).await;
        assert_eq!(ran, 4);
        assert!(!result.expect_err("lost").retriable, "nobody tries further");
    }

    #[tokio::test]
    async fn what_has_committed_is_not_done_twice() {
        assert!(matches!(run(1, true).await, (Err(_), 1)));
    }

    #[tokio::test]
    async fn tries_do_not_multiply() {
        let ran = AtomicU32::new(0);
        let result: ApiResult<()> = QUICK
            .run(|| {
                retrying(|| async {
                    ran.fetch_add(1, Ordering::Relaxed);
                    Err(lost())
                })
            })
            .await;
        assert_eq!((result.is_err(), ran.into_inner()), (true, 4));
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let retries = Retries::default();
        let ms = |tries| retries.wait(tries, 1.0).as_millis();
        assert_eq!((ms(0), ms(1), ms(4), ms(25)), (5, 10, 80, 2000));
        assert_eq!(retries.wait(3, 0.0), Duration::ZERO);
    }
}
