//! Tokens that were validated a short while ago.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// What is known of tokens, each for a while, and of so many at most.
#[derive(Debug)]
pub(crate) struct Cache<V> {
    entries: Mutex<HashMap<Box<str>, Entry<V>>>,
    keep: Duration,
    limit: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: Arc<V>,
    until: Instant,
}

impl<V> Cache<V> {
    /// An empty cache that keeps `limit` entries for `keep` each; nothing when that is zero.
    pub(crate) fn new(keep: Duration, limit: usize) -> Self {
        Self { entries: Mutex::default(), keep, limit }
    }

    /// What was put for `key`, unless its time is over.
    pub(crate) fn get(&self, key: &str, now: Instant) -> Option<Arc<V>> {
        self.entries().get(key).filter(|entry| entry.until > now).map(|entry| entry.value.clone())
    }

    /// Remembers `value`. When there is no room the half that ends first goes.
    pub(crate) fn put(&self, key: &str, value: Arc<V>, now: Instant) {
        if self.keep.is_zero() || self.limit == 0 {
            return;
        }
        let mut entries = self.entries();
        if entries.len() >= self.limit {
            entries.retain(|_, entry| entry.until > now);
        }
        if entries.len() >= self.limit {
            let mut ends: Vec<Instant> = entries.values().map(|entry| entry.until).collect();
            let middle = ends.len() / 2;
            let (_, median, _) = ends.select_nth_unstable(middle);
            let median = *median;
            entries.retain(|_, entry| entry.until > median);
        }
        entries.insert(key.into(), Entry { value, until: now + self.keep });
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Box<str>, Entry<V>>> {
        // Each change is one call on the map, so a panic elsewhere leaves it whole.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_end_after_their_time() {
        let cache = Cache::new(Duration::from_secs(300), 10);
        let start = Instant::now();
        cache.put("t", Arc::new(1), start);
        let after = |secs| cache.get("t", start + Duration::from_secs(secs)).map(|value| *value);
        assert_eq!((after(0), after(299), after(300)), (Some(1), Some(1), None));
        let off = Cache::new(Duration::ZERO, 10);
        off.put("t", Arc::new(1), start);
        assert!(off.get("t", start).is_none());
    }

    #[test]
    fn size_is_bounded_and_the_newest_stay() {
        let cache = Cache::new(Duration::from_secs(300), 10);
        let start = Instant::now();
        for n in 0..1_000u64 {
            cache.put(&n.to_string(), Arc::new(n), start + Duration::from_millis(n));
            assert!(cache.entries().len() <= 10);
        }
        let now = start + Duration::from_secs(1);
        assert!(cache.get("999", now).is_some() && cache.get("998", now).is_some());
        assert!(cache.get("900", now).is_none());
        // All of one moment: none ends before another.
        let cache = Cache::new(Duration::from_secs(300), 10);
        for n in 0..100 {
            cache.put(&n.to_string(), Arc::new(n), start);
            assert!(cache.entries().len() <= 10);
        }
    }
}
