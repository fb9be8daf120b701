//! Bounded waits on predicates.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Pause between two looks.
const INTERVAL: Duration = Duration::from_millis(20);

/// Looks until `look` returns `Ok`; its `Err` is what it saw instead.
///
/// # Errors
/// [`Error::Timeout`] with the last thing seen after `timeout`.
pub fn wait_until<T>(
    what: &str,
    timeout: Duration,
    mut look: impl FnMut() -> std::result::Result<T, String>,
) -> Result<T> {
    let deadline = Instant::now() + timeout;
    loop {
        match look() {
            Ok(value) => return Ok(value),
            Err(last) if Instant::now() >= deadline => {
                return Err(Error::Timeout {
                    what: what.to_owned(),
                    seconds: timeout.as_secs(),
                    last,
                });
            }
            Err(_) => thread::sleep(INTERVAL),
        }
    }
}
