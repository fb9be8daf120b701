//! Bounded waits on predicates.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// First pause between two looks; each is half as long again as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

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
    let mut pause = FIRST_PAUSE;
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
            Err(_) => {
                thread::sleep(pause);
                pause = (pause * 3 / 2).min(LONGEST_PAUSE);
            }
        }
    }
}
