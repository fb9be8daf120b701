//! How often one address may ask: two sliding windows per address, as haproxy's stick tables.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

/// Addresses remembered at a time (haproxy's table as Neutron sizes it).
const ADDRESSES: usize = 10_000;

/// Most queries in one window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Length of the window.
    pub window: Duration,
    /// Queries it may hold.
    pub queries: u32,
}

/// The limits of one proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Whether IPv6 sources are limited; IPv4 sources otherwise.
    pub ipv6: bool,
    /// `base_window_duration` and `base_query_rate_limit`.
    pub base: Rate,
    /// `burst_window_duration` and `burst_query_rate_limit`.
    pub burst: Rate,
}

/// Queries of the running window and of the one before it.
#[derive(Debug, Clone, Copy)]
struct Counter {
    begun: Instant,
    current: u32,
    previous: u32,
}

impl Counter {
    fn new(now: Instant) -> Self {
        Self { begun: now, current: 0, previous: 0 }
    }

    /// Counts one query; answers how many the last `window` held, the older window counting by
    /// the share of it that lies within.
    fn count(&mut self, window: Duration, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(self.begun);
        if elapsed >= window {
            self.previous = if elapsed < window * 2 { self.current } else { 0 };
            self.current = 0;
            self.begun = if elapsed < window * 2 { self.begun + window } else { now };
        }
        self.current = self.current.saturating_add(1);
        let left = window.saturating_sub(now.saturating_duration_since(self.begun));
        let share = left.as_secs_f64() / window.as_secs_f64().max(f64::MIN_POSITIVE);
        // At most `previous`, so the cast cannot cut anything but the fraction.
        self.current.saturating_add((f64::from(self.previous) * share) as u32)
    }
}

#[derive(Debug)]
struct Source {
    base: Counter,
    burst: Counter,
    seen: Instant,
}

/// What the addresses of one proxy have asked lately.
#[derive(Debug)]
pub struct RateLimiter {
    limit: RateLimit,
    sources: HashMap<IpAddr, Source>,
}

impl RateLimiter {
    /// Nothing was asked yet.
    #[must_use]
    pub fn new(limit: RateLimit) -> Self {
        Self { limit, sources: HashMap::new() }
    }

    /// Counts a query of `source` at `now`; whether it is within the limits.
    pub fn allows(&mut self, source: IpAddr, now: Instant) -> bool {
        let source = source.to_canonical();
        if source.is_ipv6() != self.limit.ipv6 {
            return true;
        }
        if self.sources.len() >= ADDRESSES && !self.sources.contains_key(&source) {
            self.make_room(now);
        }
        let entry = self.sources.entry(source).or_insert_with(|| Source {
            base: Counter::new(now),
            burst: Counter::new(now),
            seen: now,
        });
        entry.seen = now;
        let RateLimit { base, burst, .. } = self.limit;
        // Both count every query, also a refused one.
        let base_ok = entry.base.count(base.window, now) <= base.queries;
        let burst_ok = entry.burst.count(burst.window, now) <= burst.queries;
        base_ok && burst_ok
    }

    /// Forgets whoever was silent for the longer window; when nobody was, the longest silent
    /// quarter, so that a full table is not searched for each new address.
    fn make_room(&mut self, now: Instant) {
        let window = self.limit.base.window.max(self.limit.burst.window);
        self.sources.retain(|_, source| now.saturating_duration_since(source.seen) < window);
        if self.sources.len() < ADDRESSES {
            return;
        }
        let mut seen: Vec<Instant> = self.sources.values().map(|source| source.seen).collect();
        let (_, newest_to_go, _) = seen.select_nth_unstable(ADDRESSES / 4);
        let newest_to_go = *newest_to_go;
        self.sources.retain(|_, source| source.seen > newest_to_go);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(queries: u32) -> RateLimiter {
        let rate = Rate { window: Duration::from_secs(10), queries };
        RateLimiter::new(RateLimit { ipv6: false, base: rate, burst: rate })
    }

    #[test]
    fn window_slides() {
        let (mut limiter, start) = (limiter(2), Instant::now());
        let address = "10.0.0.1".parse().expect("address");
        let mut at = |secs| limiter.allows(address, start + Duration::from_secs(secs));
        assert!(at(0) && at(1));
        assert!(!at(2), "the third within ten seconds");
        assert!(!at(11), "nine tenths of the last window still count");
        assert!(at(60), "long silence");
    }

    #[test]
    fn others_are_not_affected() {
        let (mut limiter, now) = (limiter(1), Instant::now());
        let address = |text: &str| text.parse().expect("address");
        assert!(limiter.allows(address("10.0.0.1"), now));
        assert!(!limiter.allows(address("::ffff:10.0.0.1"), now), "the same address, mapped");
        assert!(limiter.allows(address("10.0.0.2"), now));
        for _ in 0..5 {
            assert!(limiter.allows(address("fe80::1"), now), "the other version is not limited");
        }
    }

    #[test]
    fn table_is_bounded() {
        let (mut limiter, now) = (limiter(1), Instant::now());
        for n in 0..20_000_u32 {
            limiter.allows(IpAddr::V4(n.into()), now + Duration::from_micros(n.into()));
        }
        assert!((ADDRESSES / 2..=ADDRESSES).contains(&limiter.sources.len()));
    }
}
