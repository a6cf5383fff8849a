//! How many calls may be made: the service allows so many a minute and counts them for the
//! whole account.

/// Calls a minute until the service says its own number.
const LIMIT: f64 = 2000.0;
/// Who would have to wait longer than this is told to come back.
const LONGEST_WAIT: u64 = 20_000;
/// Failures in a row after which nobody asks for a while.
const FAILURES: u32 = 12;
/// The first such while; it doubles up to the last.
const PAUSE: u64 = 1_000;
const LONGEST_PAUSE: u64 = 30_000;

/// A token bucket, and a breaker for when nothing works. Times are milliseconds.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: f64,
    tokens: f64,
    filled: u64,
    /// Nobody may ask before.
    closed_until: u64,
    failures: u32,
    pause: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            limit: LIMIT,
            tokens: LIMIT / 10.0,
            filled: 0,
            closed_until: 0,
            failures: 0,
            pause: PAUSE,
        }
    }
}

impl Budget {
    /// A tenth of the limit at once and nine tenths over the minute: never more than the limit.
    fn burst(&self) -> f64 {
        self.limit / 10.0
    }

    fn rate(&self) -> f64 {
        self.limit * 0.9 / 60_000.0
    }

    /// Takes a call: how long to wait before it is made, or in what time to ask again.
    pub(crate) fn take(&mut self, now: u64) -> Result<u64, u64> {
        #[expect(clippy::cast_precision_loss, reason = "times are short")]
        let grown = now.saturating_sub(self.filled) as f64 * self.rate();
        self.tokens = (self.tokens + grown).min(self.burst());
        self.filled = now;
        let closed = self.closed_until.saturating_sub(now);
        let missing = (1.0 - self.tokens).max(0.0) / self.rate();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and clamped by the cast"
        )]
        let wait = closed.max(missing.ceil() as u64);
        if wait > LONGEST_WAIT {
            return Err(wait);
        }
        self.tokens -= 1.0;
        Ok(wait)
    }

    /// Notes what an answer says about the limit.
    pub(crate) fn note(&mut self, limit: Option<u32>, remaining: Option<u32>) {
        if let Some(limit) = limit.filter(|limit| *limit > 0) {
            self.limit = limit.into();
            self.tokens = self.tokens.min(self.burst());
        }
        if let Some(remaining) = remaining {
            self.tokens = self.tokens.min(remaining.into());
        }
    }

    /// The service asks for patience: everybody waits.
    pub(crate) fn close(&mut self, now: u64, millis: u64) {
        self.closed_until = self.closed_until.max(now + millis);
        self.tokens = self.tokens.min(1.0);
    }

    /// Something worked.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.pause = PAUSE;
    }

    /// Something failed that should have worked.
    pub(crate) fn failed(&mut self, now: u64) {
        self.failures += 1;
        if self.failures >= FAILURES && now >= self.closed_until {
            self.closed_until = now + self.pause;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The breaker is open: for how long still.
    pub(crate) fn broken(&self, now: u64) -> Option<u64> {
        let left = self.closed_until.saturating_sub(now);
        (self.failures >= FAILURES && left > 0).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_has_more_calls_than_the_limit() {
        let mut budget = Budget::default();
        budget.note(Some(60), None);
        let mut times = Vec::new();
        let mut now = 0;
        for _ in 0..200 {
            now += budget.take(now).unwrap();
            times.push(now);
        }
        for (at, start) in times.iter().enumerate() {
            let within = times
                .iter()
                .skip(at)
                .filter(|t| **t < start + 60_000)
                .count();
            assert!(within <= 60, "{within} in a minute");
        }
    }

    #[test]
    fn who_would_wait_too_long_is_told_so() {
        let mut budget = Budget::default();
        budget.close(0, 60_000);
        assert_eq!(budget.take(0), Err(60_000));
        assert!(budget.take(59_000).is_ok());
    }

    #[test]
    fn many_failures_in_a_row_open_the_breaker_and_a_success_closes_it() {
        let mut budget = Budget::default();
        for _ in 1..FAILURES {
            budget.failed(0);
        }
        assert_eq!(budget.broken(0), None);
        budget.failed(0);
        assert_eq!(budget.broken(0), Some(PAUSE));
        assert_eq!(budget.broken(PAUSE), None);
        budget.succeeded();
        assert_eq!(budget.broken(0), None);
    }

    #[test]
    fn what_remains_by_the_service_is_all_that_is_taken_at_once() {
        let mut budget = Budget::default();
        budget.note(None, Some(2));
        assert_eq!(budget.take(0), Ok(0));
        assert_eq!(budget.take(0), Ok(0));
        assert!(budget.take(0).unwrap() > 0);
    }
}
