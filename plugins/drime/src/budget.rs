//! How many calls may be made: the service allows so many a minute and counts them for the
//! whole account.

use std::collections::VecDeque;

/// Calls a minute until the service says its own number.
const LIMIT: usize = 2000;
/// What is believed of that number.
const LARGEST_LIMIT: usize = 100_000;
const MINUTE: u64 = 60_000;
/// Who would have to wait longer than this is told to come back.
const LONGEST_WAIT: u64 = 20_000;
/// A client that has asked for something since may ask for more.
const ACTIVE: u64 = 2_000;
/// After so long it is worth asking again for a call that nobody waits for.
const SPARE: u64 = 500;
/// Failures in a row after which nobody asks for a while.
const FAILURES: u32 = 12;
/// The first such while; it doubles up to the last.
const PAUSE: u64 = 1_000;
const LONGEST_PAUSE: u64 = 30_000;
/// After so long it is worth asking again, whatever the service has said.
const LONGEST_CLOSED: u64 = 15 * MINUTE;

/// The calls of the last minute, and a breaker for when nothing works. Times are milliseconds.
///
/// Half of what a minute allows is made as it comes. The rest is spread over what is left of the
/// minute, so that nobody has to wait long for its end.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    /// When the calls of the last minute were made, or will be, in order.
    calls: VecDeque<u64>,
    /// What the service has said that remains, less what was asked since, and when.
    remains: Option<(usize, u64)>,
    /// The last call for a client.
    active: Option<u64>,
    /// Nobody may ask before.
    closed_until: u64,
    failures: u32,
    pause: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            limit: LIMIT,
            calls: VecDeque::new(),
            remains: None,
            active: None,
            closed_until: 0,
            failures: 0,
            pause: PAUSE,
        }
    }
}

impl Budget {
    /// Calls in any minute: a few less than the limit, because calls take their time to arrive.
    fn allowed(&self) -> usize {
        self.limit - self.limit.div_ceil(32).min(self.limit - 1)
    }

    /// Whether a call need not wait for its turn.
    fn is_free(&self, now: u64) -> bool {
        let half = |count: usize| count * 2 <= self.limit;
        // Others may use the account, too.
        let used_up = |(remains, told)| half(remains) && told + MINUTE > now;
        half(self.calls.len()) && !self.remains.is_some_and(used_up)
    }

    /// When the next call may be made.
    fn next(&mut self, now: u64) -> u64 {
        while self.calls.front().is_some_and(|at| at + MINUTE <= now) {
            self.calls.pop_front();
        }
        let (used, allowed) = (self.calls.len(), self.allowed());
        let last = self.calls.back().copied().unwrap_or_default();
        let soonest = now.max(last).max(self.closed_until);
        if let Some(behind) = used.checked_sub(allowed) {
            // So many are never made in one minute.
            let leaves = self.calls.get(behind).map_or(0, |at| at + MINUTE);
            return soonest.max(leaves);
        }
        if self.is_free(now) {
            return soonest;
        }
        let Some(first) = self.calls.front().copied() else {
            return soonest;
        };
        let rest = (first + MINUTE).saturating_sub(now.max(last));
        soonest.max(last + rest / (allowed - used) as u64)
    }

    fn note_call(&mut self, at: u64) {
        self.calls.push_back(at);
        if let Some((remains, _)) = &mut self.remains {
            *remains = remains.saturating_sub(1);
        }
    }

    /// Takes a call: how long to wait before it is made, or in what time to ask again.
    pub(crate) fn take(&mut self, now: u64) -> Result<u64, u64> {
        let at = self.next(now);
        let wait = at - now;
        if wait > LONGEST_WAIT {
            return Err(wait);
        }
        self.active = Some(at);
        self.note_call(at);
        Ok(wait)
    }

    /// Takes a call that nobody waits for, if no client could need it.
    pub(crate) fn take_spare(&mut self, now: u64) -> Result<u64, u64> {
        let at = self.next(now);
        let is_active = self.active.is_some_and(|at| at + ACTIVE > now);
        let is_spare = if is_active {
            self.is_free(now)
        } else {
            self.calls.len() * 10 < self.allowed() * 9
        };
        if at > now + SPARE || !is_spare {
            return Err((at - now).max(SPARE));
        }
        self.note_call(at);
        Ok(at - now)
    }

    /// Notes what an answer says about the limit.
    pub(crate) fn note(&mut self, now: u64, limit: Option<u32>, remaining: Option<u32>) {
        let number = |number: u32| {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            number.min(LARGEST_LIMIT)
        };
        if let Some(limit) = limit.filter(|limit| *limit > 0) {
            self.limit = number(limit);
        }
        if let Some(remaining) = remaining {
            self.remains = Some((number(remaining), now));
        }
    }

    /// The service asks for patience: everybody waits.
    pub(crate) fn close(&mut self, now: u64, millis: u64) {
        self.closed_until = self.closed_until.max(now + millis.min(LONGEST_CLOSED));
        self.remains = Some((0, now));
    }

    /// Something worked.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.pause = PAUSE;
    }

    /// Something failed that should have worked.
    pub(crate) fn failed(&mut self, now: u64) {
        self.failures = self.failures.saturating_add(1);
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

    /// When calls are made that come as soon as they can, several at once.
    fn times(budget: &mut Budget, count: usize, at_once: usize) -> Vec<u64> {
        let mut times: Vec<u64> = Vec::new();
        for n in 0..count {
            // The one that was made so many calls ago takes 150 ms.
            let now = n.checked_sub(at_once).map_or(0, |n| times[n] + 150);
            let now = now.max(times.last().copied().unwrap_or(0));
            times.push(now + budget.take(now).unwrap());
        }
        times
    }

    #[test]
    fn no_minute_has_more_calls_than_the_limit() {
        for (limit, at_once) in [(60, 1), (60, 100), (2000, 8), (2000, 64), (1, 1), (2, 3)] {
            let mut budget = Budget::default();
            budget.note(0, Some(limit), None);
            let limit = usize::try_from(limit).unwrap();
            let mut now = 0;
            let mut times = Vec::new();
            for n in 0..limit * 4 {
                match budget.take(now) {
                    Ok(wait) => times.push(now + wait),
                    Err(wait) => now += wait,
                }
                if n % at_once == 0 {
                    now = now.max(times.last().copied().unwrap_or(0));
                }
            }
            for (first, last) in times.iter().zip(times.iter().skip(limit)) {
                assert!(first + MINUTE <= *last, "{limit}: {first} and {last}");
            }
        }
    }

    #[test]
    fn half_of_a_minute_is_made_as_it_comes_and_the_rest_is_spread() {
        let mut budget = Budget::default();
        let times = times(&mut budget, 4_000, 8);
        assert_eq!(times[999], 999 / 8 * 150);
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(longest.unwrap() <= 150, "{longest:?}");
        assert!(times[1_936] <= MINUTE, "{}", times[1_936]);
        assert!(times[3_872] <= 2 * MINUTE, "{}", times[3_872]);
    }

    #[test]
    fn calls_that_nobody_waits_for_are_made_when_no_client_needs_them() {
        let mut budget = Budget::default();
        assert_eq!(budget.take_spare(0), Ok(0));
        assert_eq!(budget.take(0), Ok(0));
        assert_eq!(budget.take_spare(0), Ok(0));
        let times = times(&mut budget, 1_500, 8);
        let now = *times.last().unwrap();
        assert!(budget.take_spare(now).is_err());
        // The client has gone: there is something left of this minute, but not all of it.
        let later = now + ACTIVE;
        let spare = (0..1_000).filter(|_| budget.take_spare(later).is_ok());
        assert!((1..450).contains(&spare.count()));
        assert!(budget.take(later).is_ok());
    }

    #[test]
    fn who_would_wait_too_long_is_told_so() {
        let mut budget = Budget::default();
        budget.close(0, 60_000);
        assert_eq!(budget.take(0), Err(60_000));
        assert!(budget.take(59_000).is_ok());
    }

    #[test]
    fn what_the_service_says_beyond_all_measure_is_not_believed() {
        let mut budget = Budget::default();
        budget.note(0, Some(u32::MAX), Some(u32::MAX));
        assert_eq!(budget.limit, LARGEST_LIMIT);
        assert_eq!(budget.take(0), Ok(0));
        budget.close(5, u64::MAX);
        assert_eq!(budget.take(5), Err(LONGEST_CLOSED));
        assert!(budget.take(5 + LONGEST_CLOSED).is_ok());
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
    fn when_others_use_the_account_every_call_waits_for_its_turn() {
        let mut budget = Budget::default();
        budget.note(0, None, Some(900));
        assert_eq!(budget.take(0), Ok(0));
        assert!((20..40).contains(&budget.take(0).unwrap()));
        // Long ago.
        assert_eq!(budget.take(MINUTE + 100), Ok(0));
        assert_eq!(budget.take(MINUTE + 100), Ok(0));
    }

    #[test]
    fn after_a_pause_that_the_service_asked_for_not_all_come_at_once() {
        let mut budget = Budget::default();
        budget.close(0, 1_000);
        let times = times(&mut budget, 10, 100);
        assert!(times[0] >= 1_000);
        assert!(times[9] >= times[0] + 200, "{times:?}");
    }
}
