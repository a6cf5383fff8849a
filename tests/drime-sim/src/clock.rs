//! The simulator's time, which tests may move.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, in UTC.
pub type Millis = u64;

/// Where a clock that stands still starts: 2026-01-05T08:30:00Z.
const FROZEN_START: Millis = 1_767_601_800_000;

/// The time of timestamps, rate windows, listing lag and the expiry of URLs.
///
/// Latency and delays are not its subject: they pass in real time.
#[derive(Debug, Clone)]
pub struct Clock {
    frozen: bool,
    offset: Arc<AtomicU64>,
}

impl Clock {
    /// The machine's time, plus what [`Clock::advance`] adds.
    pub fn system() -> Self {
        Self {
            frozen: false,
            offset: Arc::default(),
        }
    }

    /// Moves only by [`Clock::advance`].
    pub fn frozen() -> Self {
        Self {
            frozen: true,
            offset: Arc::default(),
        }
    }

    /// The time now.
    pub fn now(&self) -> Millis {
        let base = if self.frozen {
            FROZEN_START
        } else {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            millis(since.unwrap_or_default())
        };
        base + self.offset.load(Ordering::SeqCst)
    }

    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        self.offset.fetch_add(millis(by), Ordering::SeqCst);
    }
}

fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
