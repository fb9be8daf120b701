//! The loop every role runs in: woken, it observes and reconciles everything again.
//!
//! A wake-up carries no data, so any number of them before an activation count as one, and none
//! is lost while an activation runs. A failed activation is repeated after a pause that doubles;
//! a wake-up ends the pause early.

use std::{
    fmt::Display,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};

/// One role's activation.
#[async_trait]
pub trait Reconcile: Send {
    /// What an activation tells about itself, for the status.
    type Report: Clone + Send + Sync + 'static;
    /// Why an activation did not reach the desired state.
    type Error: Display + Send;

    /// Brings the host to the desired state, reading everything it needs anew.
    async fn activate(&mut self) -> Result<Self::Report, Self::Error>;
}

/// When a reconciler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Activate also without a wake-up after this long; `None` for never.
    pub period: Option<Duration>,
    /// Wait this long after a wake-up for more of them.
    pub settle: Duration,
    /// First pause after a failure.
    pub min_backoff: Duration,
    /// Longest pause after failures.
    pub max_backoff: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            period: None,
            settle: Duration::ZERO,
            min_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(30),
        }
    }
}

/// What a reconciler is doing and how it went.
#[derive(Clone, Debug, PartialEq)]
pub struct Status<R> {
    /// Activations finished.
    pub activations: u64,
    /// Whether one runs now.
    pub running: bool,
    /// When the last one began.
    pub started_at: Option<SystemTime>,
    /// How long the last finished one took.
    pub duration: Option<Duration>,
    /// Failures since the last success.
    pub failures: u32,
    /// Why the last one failed; `None` after a success.
    pub error: Option<String>,
    /// What the last successful one told.
    pub report: Option<R>,
}

impl<R> Default for Status<R> {
    fn default() -> Self {
        Self {
            activations: 0,
            running: false,
            started_at: None,
            duration: None,
            failures: 0,
            error: None,
            report: None,
        }
    }
}

/// Wakes a reconciler. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// Something changed. Never blocks; many wake-ups before an activation count as one.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// A running reconciler; stops when dropped, an activation in progress with it.
pub struct Reconciler<R> {
    waker: Waker,
    status: watch::Receiver<Status<R>>,
    task: JoinHandle<()>,
}

impl<R> Drop for Reconciler<R> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<R: Clone + Send + Sync + 'static> Reconciler<R> {
    /// Runs `role`, called `name` in the log. The first activation waits for a wake-up.
    pub fn spawn<T>(name: &'static str, role: T, options: Options) -> Self
    where
        T: Reconcile<Report = R> + 'static,
    {
        let waker = Waker::default();
        let (sender, status) = watch::channel(Status::default());
        let task = tokio::spawn(run(name, role, options, waker.clone(), sender));
        Self { waker, status, task }
    }

    /// Wakes it.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// A handle that wakes it.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// What it is doing, to be watched.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status<R>> {
        self.status.clone()
    }
}

async fn run<T: Reconcile>(
    name: &'static str,
    mut role: T,
    options: Options,
    waker: Waker,
    status: watch::Sender<Status<T::Report>>,
) {
    let mut backoff: Option<Duration> = None;
    loop {
        match backoff.or(options.period) {
            // Elapsing is the retry, or the periodic activation.
            Some(pause) => drop(timeout(pause, waker.0.notified()).await),
            None => waker.0.notified().await,
        }
        if !options.settle.is_zero() {
            tokio::time::sleep(options.settle).await;
        }
        status.send_modify(|s| {
            s.running = true;
            s.started_at = Some(SystemTime::now());
        });
        let begun = Instant::now();
        let result = role.activate().await;
        let duration = begun.elapsed();
        backoff = match &result {
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(reconciler = name, error = %error, "activation failed, will retry");
                let next = backoff.map_or(options.min_backoff, |b| b * 2);
                Some(next.min(options.max_backoff))
            }
        };
        status.send_modify(|s| {
            s.running = false;
            s.activations += 1;
            s.duration = Some(duration);
            match result {
                Ok(report) => {
                    s.failures = 0;
                    s.error = None;
                    s.report = Some(report);
                }
                Err(error) => {
                    s.failures += 1;
                    s.error = Some(error.to_string());
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    struct Role {
        gate: mpsc::Receiver<Result<u32, &'static str>>,
    }

    #[async_trait]
    impl Reconcile for Role {
        type Report = u32;
        type Error = &'static str;

        async fn activate(&mut self) -> Result<u32, &'static str> {
            self.gate.recv().await.unwrap_or(Err("gate closed"))
        }
    }

    async fn until<R: Clone>(
        status: &mut watch::Receiver<Status<R>>,
        what: impl FnMut(&Status<R>) -> bool,
    ) -> Status<R> {
        timeout(Duration::from_secs(10), status.wait_for(what))
            .await
            .expect("in time")
            .expect("running")
            .clone()
    }

    #[tokio::test]
    async fn wake_ups_during_an_activation_become_one_more() {
        let (gate, receiver) = mpsc::channel(8);
        let reconciler = Reconciler::spawn("test", Role { gate: receiver }, Options::default());
        let mut status = reconciler.status();
        reconciler.wake();
        until(&mut status, |s| s.running).await;
        for _ in 0..100 {
            reconciler.wake();
        }
        for n in 1..=3 {
            gate.send(Ok(n)).await.expect("running");
        }
        until(&mut status, |s| s.activations == 2).await;
        // The third value stays in the gate: there was no third wake-up.
        assert_eq!(until(&mut status, |s| !s.running).await.report, Some(2));
        assert_eq!(gate.capacity(), 7);
    }

    #[tokio::test]
    async fn failure_is_retried_with_growing_pauses() {
        let (gate, receiver) = mpsc::channel(8);
        let options = Options { min_backoff: Duration::from_millis(20), ..Options::default() };
        let reconciler = Reconciler::spawn("test", Role { gate: receiver }, options);
        let mut status = reconciler.status();
        let begun = Instant::now();
        reconciler.wake();
        for result in [Err("a"), Err("b"), Ok(1)] {
            gate.send(result).await.expect("running");
        }
        let failed = until(&mut status, |s| s.failures == 2).await;
        assert_eq!(failed.error.as_deref(), Some("b"));
        let done = until(&mut status, |s| s.report.is_some()).await;
        assert_eq!((done.failures, done.activations), (0, 3));
        assert!(begun.elapsed() >= Duration::from_millis(60), "paused 20 ms, then 40 ms");
    }
}
