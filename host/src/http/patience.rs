//! Waiting for somebody else, but not for ever.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long something may stay pending.
///
/// Most waits are short and there are many of them, so the timer is not moved for each: it is
/// left to ring, and then looks how long the present wait has really been.
pub(super) struct Patience {
    limit: Duration,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: None,
            timer: None,
        }
    }

    /// The wait is over, or has not begun.
    pub(super) fn rest(&mut self) {
        self.since = None;
    }

    /// Call while waiting. Ready when this wait has lasted too long.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = *self.since.get_or_insert_with(Instant::now) + self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_after_its_limit() {
        let mut patience = Patience::new(LIMIT);
        let start = Instant::now();
        poll_fn(|cx| patience.poll_end(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_wait_has_the_whole_limit() {
        let mut patience = Patience::new(LIMIT);
        let first = tokio::time::timeout(LIMIT / 2, poll_fn(|cx| patience.poll_end(cx)));
        assert!(first.await.is_err());
        patience.rest();
        let start = Instant::now();
        poll_fn(|cx| patience.poll_end(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 10);
    }
}
