//! Which broker to try next, and how long to wait before. Pure.

use std::time::Duration;

/// Clocks of reconnecting, as oslo.messaging names them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// `rabbit_retry_interval`: pause after the first round in which no host answered.
    pub interval: Duration,
    /// `rabbit_retry_backoff`: by which each further pause grows.
    pub backoff: Duration,
    /// `rabbit_interval_max`.
    pub max: Duration,
    /// `kombu_reconnect_delay`: pause after a connection was lost.
    pub delay: Duration,
    /// `kombu_reconnect_splay`: longest random addition to it.
    pub splay: Duration,
}

/// The hosts in the order in which they are tried.
#[derive(Debug)]
pub struct Hosts {
    order: Vec<usize>,
    at: usize,
    shuffle: bool,
    /// Hosts that failed one after the other since the last connection.
    failures: usize,
    retry: Retry,
}

impl Hosts {
    /// `count` hosts in random order; with `shuffle` the next one is drawn each time, else they
    /// take turns.
    #[must_use]
    pub fn new(count: usize, shuffle: bool, retry: Retry) -> Self {
        let mut order: Vec<usize> = (0..count.max(1)).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, rand::random_range(0..=i));
        }
        Self { order, at: 0, shuffle, failures: 0, retry }
    }

    /// Index of the host to try.
    #[must_use]
    pub fn current(&self) -> usize {
        self.order[self.at]
    }

    /// The current host did not answer. The pause before the next one is tried.
    pub fn failed(&mut self) -> Duration {
        self.failures += 1;
        self.at = if self.shuffle {
            rand::random_range(0..self.order.len())
        } else {
            (self.at + 1) % self.order.len()
        };
        if !self.failures.is_multiple_of(self.order.len()) {
            return Duration::ZERO;
        }
        let rounds = u32::try_from(self.failures / self.order.len() - 1).unwrap_or(u32::MAX);
        let pause = self.retry.interval.saturating_add(self.retry.backoff.saturating_mul(rounds));
        jittered(pause.min(self.retry.max))
    }

    /// The current host is connected.
    pub fn connected(&mut self) {
        self.failures = 0;
    }

    /// The connection to the current host was lost; it is tried first. The pause before.
    #[must_use]
    pub fn lost(&self) -> Duration {
        jittered(self.retry.delay) + self.retry.splay.mul_f64(rand::random())
    }
}

/// Keeps a thousand agents from returning in the same instant.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + 0.5 * rand::random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry() -> Retry {
        let s = Duration::from_secs;
        Retry { interval: s(1), backoff: s(2), max: s(30), delay: s(1), splay: s(0) }
    }

    #[test]
    fn hosts_take_turns_without_pause_until_a_round_has_failed() {
        let mut hosts = Hosts::new(3, false, retry());
        let mut seen = vec![hosts.current()];
        for n in 1..=9 {
            let pause = hosts.failed();
            assert_eq!(pause.is_zero(), n % 3 != 0, "{n}");
            seen.push(hosts.current());
        }
        assert_eq!(seen[0..3], seen[3..6]);
        seen.truncate(3);
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
    }

    #[test]
    fn pauses_grow_to_their_maximum_and_begin_again() {
        let mut hosts = Hosts::new(1, false, retry());
        for seconds in [1, 3, 5, 7] {
            let whole = Duration::from_secs(seconds);
            let pause = hosts.failed();
            assert!((whole / 2..=whole).contains(&pause), "{pause:?}");
        }
        for _ in 0..100 {
            assert!(hosts.failed() <= Duration::from_secs(30));
        }
        assert!(hosts.failed() >= Duration::from_secs(15));
        hosts.connected();
        assert!(hosts.lost() <= Duration::from_secs(1));
        assert!(hosts.failed() <= Duration::from_secs(1));
    }
}
