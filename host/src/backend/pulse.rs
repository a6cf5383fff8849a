//! Signs of life of a call: the deadline counts only time in which nothing happens that is the
//! plugin's to make happen.

use crate::model::ByteStream;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Native work (disk I/O that a guest started) and answers to its HTTP requests may hold a call's
/// deadline off, but not for longer than so many times the deadline: they may be another call's.
const MOST_EXTENSIONS: u32 = 10;

/// Turns of the event loop before the deadline gets a timer. Setting one may cost a call of the
/// system, and a quick call is over by then.
const TURNS: usize = 3;

/// Lets what is ready go first.
async fn turn() {
    let mut first = true;
    std::future::poll_fn(|cx| {
        if std::mem::take(&mut first) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// When a call last got on, and whether it waits for somebody else now.
#[derive(Debug)]
pub(super) struct Pulse {
    started: Instant,
    /// Milliseconds after `started`.
    last: AtomicU64,
    /// The host's side (a client that sends slowly, a lock, the database) is being waited for.
    waiting: AtomicU32,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        let (last, waiting) = (AtomicU64::new(0), AtomicU32::new(0));
        Arc::new(Self {
            started: Instant::now(),
            last,
            waiting,
        })
    }

    pub(super) fn beat(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Returns when nothing has happened for `patience`.
    pub(super) async fn stalled(&self, patience: Duration, native: &NativeWork) {
        let mut extensions = 0;
        let mut answers = native.answers();
        for _ in 0..TURNS {
            turn().await;
        }
        loop {
            let last = self.started + Duration::from_millis(self.last.load(Ordering::Relaxed));
            let deadline = last + patience * (extensions + 1);
            tokio::time::sleep_until(deadline).await;
            let answered = std::mem::replace(&mut answers, native.answers()) != answers;
            let idle =
                last == self.started + Duration::from_millis(self.last.load(Ordering::Relaxed));
            if self.waiting.load(Ordering::Relaxed) > 0 || !idle {
                self.waiting_is_progress();
                extensions = 0;
            } else if (native.running() || answered) && extensions < MOST_EXTENSIONS {
                extensions += 1;
            } else {
                return;
            }
        }
    }

    fn waiting_is_progress(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.beat();
        }
    }

    /// Somebody else is waited for now, or not any more.
    fn set_waiting(&self, waiting: bool) {
        if waiting {
            self.waiting.fetch_add(1, Ordering::Relaxed);
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A request body whose next piece may be waited for; see [`Self::watch`].
    pub(super) fn watch_request<B>(self: &Arc<Self>, body: B) -> Watched<B> {
        Watched {
            body,
            pulse: Arc::clone(self),
            waiting: false,
        }
    }

    /// A body that the plugin reads: each piece is a sign of life, and waiting for the next
    /// one is not the plugin's fault.
    pub(super) fn watch(self: &Arc<Self>, body: ByteStream) -> ByteStream {
        self.watch_request(body).boxed()
    }
}

/// A body of which each piece is a sign of life.
pub(super) struct Watched<B> {
    body: B,
    pulse: Arc<Pulse>,
    /// Somebody else owes the next piece.
    waiting: bool,
}

impl<B> Watched<B> {
    fn set_waiting(&mut self, waiting: bool) {
        if self.waiting != waiting {
            self.waiting = waiting;
            self.pulse.set_waiting(waiting);
        }
        self.pulse.beat();
    }
}

impl<B> Drop for Watched<B> {
    fn drop(&mut self) {
        self.set_waiting(false);
    }
}

impl Stream for Watched<ByteStream> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.body.poll_next_unpin(cx);
        self.set_waiting(next.is_pending());
        next
    }
}

impl<B: http_body::Body + Unpin> http_body::Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<B::Data>, B::Error>>> {
        let next = Pin::new(&mut self.body).poll_frame(cx);
        self.set_waiting(next.is_pending());
        next
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// Counts what the guests of one store have others do for them.
#[derive(Debug, Default)]
pub(super) struct NativeWork {
    /// Native work that is still running.
    running: AtomicU32,
    /// Answers to HTTP requests that have come.
    answers: AtomicU64,
}

impl NativeWork {
    pub(super) fn begin(self: &Arc<Self>) -> NativeGuard {
        self.running.fetch_add(1, Ordering::Relaxed);
        NativeGuard(Arc::clone(self))
    }

    /// An HTTP request was answered.
    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    fn running(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }

    fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}

pub(super) struct NativeGuard(Arc<NativeWork>);

impl Drop for NativeGuard {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Patience with whoever owes the next piece of a body.
pub(super) struct Patience {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, sleep: None }
    }

    /// The piece has come.
    pub(super) fn restore(&mut self) {
        self.sleep = None;
    }

    /// Ready when nothing has come for as long as that may take.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        sleep.as_mut().poll(cx)
    }
}

/// A body that the plugin makes: errs when the next piece does not come within `patience`.
pub(super) struct Patient {
    body: ByteStream,
    patience: Patience,
    /// Called once when patience has run out.
    give_up: Option<Box<dyn FnOnce() + Send>>,
}

impl Patient {
    pub(super) fn new(
        body: ByteStream,
        patience: Duration,
        give_up: impl FnOnce() + Send + 'static,
    ) -> Self {
        Self {
            body,
            patience: Patience::new(patience),
            give_up: Some(Box::new(give_up)),
        }
    }
}

impl Stream for Patient {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(next) = self.body.poll_next_unpin(cx) {
            self.patience.restore();
            return Poll::Ready(next);
        }
        ready!(self.patience.poll_over(cx));
        if let Some(give_up) = self.give_up.take() {
            give_up();
        }
        self.body = futures_util::stream::empty().boxed();
        let text = "the plugin stopped sending the body";
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, text))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    const PATIENCE: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn a_call_without_any_sign_of_life_stalls_after_its_patience() {
        let pulse = Pulse::new();
        let start = Instant::now();
        pulse.stalled(PATIENCE, &NativeWork::default()).await;
        assert!(start.elapsed() >= PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_the_client_does_not_count() {
        let pulse = Pulse::new();
        let slow = stream::once(async {
            tokio::time::sleep(PATIENCE * 10).await;
            Ok(Bytes::from_static(b"late"))
        });
        let mut body = pulse.watch(slow.boxed());
        let native = NativeWork::default();
        tokio::select! {
            () = pulse.stalled(PATIENCE, &native) => panic!("stalled while the client was slow"),
            piece = body.next() => assert!(piece.is_some()),
        }
        drop(body);
        pulse.stalled(PATIENCE, &native).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_body_that_comes_slowly_does_not_count_and_what_follows_it_does() {
        let pulse = Pulse::new();
        let slow = stream::once(async {
            tokio::time::sleep(PATIENCE * 10).await;
            Ok::<_, io::Error>(http_body::Frame::data(Bytes::from_static(b"late")))
        });
        let body = http_body_util::StreamBody::new(slow.boxed());
        let mut body = pulse.watch_request(body);
        let native = NativeWork::default();
        tokio::select! {
            () = pulse.stalled(PATIENCE, &native) => panic!("stalled while the body was slow"),
            piece = http_body_util::BodyExt::frame(&mut body) => assert!(piece.is_some()),
        }
        let start = Instant::now();
        pulse.stalled(PATIENCE, &native).await;
        assert!(start.elapsed() >= PATIENCE / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn native_work_holds_the_deadline_off_but_not_for_ever() {
        let native = Arc::new(NativeWork::default());
        let guard = native.begin();
        let pulse = Pulse::new();
        let start = Instant::now();
        pulse.stalled(PATIENCE, &native).await;
        assert!(start.elapsed() >= PATIENCE * (MOST_EXTENSIONS + 1));
        drop(guard);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_hold_the_deadline_off_but_not_for_ever() {
        let native = Arc::new(NativeWork::default());
        let answering = async {
            loop {
                native.answered();
                tokio::time::sleep(PATIENCE / 4).await;
            }
        };
        let pulse = Pulse::new();
        let start = Instant::now();
        tokio::select! {
            () = answering => {}
            () = pulse.stalled(PATIENCE, &native) => {}
        }
        assert!(start.elapsed() >= PATIENCE * (MOST_EXTENSIONS + 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_goes_on_errs_instead_of_hanging() {
        let (told, heard) = std::sync::mpsc::channel();
        let give_up = move || told.send(()).unwrap();
        let mut body = Patient::new(stream::pending().boxed(), PATIENCE, give_up);
        assert!(body.next().await.unwrap().is_err());
        assert!(heard.try_recv().is_ok());
        assert!(body.next().await.is_none());
    }
}
