//! The open connections of a server, and which of them make room when there is no place left.

use futures_util::task::AtomicWaker;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// What a connection is doing, as its two ends know it: the socket below hyper, and the
/// exchange above it. None of the bits: it waits for a request.
struct Phase;

impl Phase {
    /// The first bytes of a request are there.
    const HEAD: u8 = 1;
    /// A request is being answered.
    const BUSY: u8 = 2;
    /// Not all of an answer has reached the system.
    const UNSENT: u8 = 4;
    /// It was asked to make room, and will unless a request comes first.
    const LEAVING: u8 = 8;
    /// There was a request.
    const USED: u8 = 16;
}

/// How often to look, in the time in which a connection may stand still, whether it moves.
const LOOKS: u32 = 30;

/// A connection, for those who decide about it.
pub(super) struct Link {
    opened: Instant,
    /// When the present wait began: microseconds after it was opened.
    since: AtomicU64,
    phase: AtomicU8,
    /// How often bytes came or went.
    moves: AtomicU64,
    linger: AtomicBool,
    /// Whoever waits for a request, or for a handshake.
    waiting: AtomicWaker,
}

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// For a request.
    Request,
    /// For the rest of a request's head.
    Head,
    /// For us, or for the client to take an answer.
    Answer,
    /// For nothing more: it makes room for another one. `true` in the middle of a head.
    Leaving(bool),
}

/// What the client of a connection loses when it has to make room; who loses least goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Loss {
    /// Nothing: it had the time to ask for something, or to shake hands, and did not.
    Nothing,
    /// A connection that could have been used again.
    Reuse,
    /// A request whose head does not get on.
    Head,
    /// Perhaps a request that is under way.
    Start,
}

impl Link {
    fn new() -> Self {
        Self {
            opened: Instant::now(),
            since: AtomicU64::new(0),
            phase: AtomicU8::new(0),
            moves: AtomicU64::new(0),
            linger: AtomicBool::new(false),
            waiting: AtomicWaker::new(),
        }
    }

    fn phase(&self) -> u8 {
        self.phase.load(Ordering::Acquire)
    }

    fn waits_from_now(&self) {
        let since = self.opened.elapsed().as_micros();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.since.store(since, Ordering::Relaxed);
    }

    pub(super) fn request_began(&self) {
        let phase = Phase::BUSY | Phase::UNSENT | Phase::USED;
        self.phase.store(phase, Ordering::Release);
    }

    /// The answer is complete, and hyper has all of it.
    pub(super) fn request_ended(&self) {
        self.phase.fetch_and(!Phase::BUSY, Ordering::Release);
    }

    /// Everything that hyper had was sent.
    pub(super) fn flushed(&self) {
        let phase = self.phase();
        if phase & Phase::UNSENT != 0 && phase & Phase::BUSY == 0 {
            self.waits_from_now();
            self.phase.fetch_and(!Phase::UNSENT, Ordering::Release);
        }
    }

    /// Whether these were the first bytes of a head.
    pub(super) fn bytes_came(&self) -> bool {
        let phase = self.phase();
        if phase & (Phase::BUSY | Phase::UNSENT) != 0 {
            return false;
        }
        if phase & Phase::HEAD == 0 {
            self.waits_from_now();
        }
        self.phase.fetch_or(Phase::HEAD, Ordering::Release);
        self.phase.fetch_and(!Phase::LEAVING, Ordering::Release);
        phase & Phase::HEAD == 0
    }

    /// It ends, as soon as the client has everything.
    pub(super) fn closes(&self) {
        self.phase.fetch_or(Phase::BUSY, Ordering::Release);
    }

    /// What it waits for. Also wakes `cx` when that is changed from outside.
    pub(super) fn poll_wait(&self, cx: &Context<'_>) -> Wait {
        self.waiting.register(cx.waker());
        let phase = self.phase();
        let head = phase & Phase::HEAD != 0;
        if phase & (Phase::BUSY | Phase::UNSENT) != 0 {
            Wait::Answer
        } else if phase & Phase::LEAVING != 0 {
            Wait::Leaving(head)
        } else if head {
            Wait::Head
        } else {
            Wait::Request
        }
    }

    /// Waits until it has to make room.
    pub(super) async fn leaving(&self) {
        poll_fn(|cx| match self.poll_wait(cx) {
            Wait::Leaving(_) => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
    }

    /// The client may still be sending when the connection is closed.
    pub(super) fn linger(&self) {
        self.linger.store(true, Ordering::Relaxed);
    }

    pub(super) fn lingers(&self) -> bool {
        self.linger.load(Ordering::Relaxed)
    }

    /// Whether its client owes the head of a request: the first one, or the rest of one.
    pub(super) fn awaits_a_head(&self) -> bool {
        let phase = self.phase() & !Phase::LEAVING;
        phase == 0 || phase & !Phase::USED == Phase::HEAD
    }

    /// Whether no request is under way: none of its answer is still to be sent.
    pub(super) fn asks_nothing(&self) -> bool {
        self.phase() & (Phase::BUSY | Phase::UNSENT) == 0
    }

    /// Bytes have come or gone.
    pub(super) fn moves(&self) {
        // Nobody else does it.
        let moves = self.moves.load(Ordering::Relaxed);
        self.moves.store(moves.wrapping_add(1), Ordering::Relaxed);
    }

    /// Returns when nothing has come or gone for so long.
    pub(super) async fn stands_still(&self, limit: Duration) {
        let mut seen = self.moves.load(Ordering::Relaxed);
        let mut looks = 0;
        while looks < LOOKS {
            tokio::time::sleep(limit / LOOKS).await;
            let now = self.moves.load(Ordering::Relaxed);
            let moved = std::mem::replace(&mut seen, now) != now;
            looks = if moved { 0 } else { looks + 1 };
        }
    }

    /// What would be lost with it, and since when it waits; `None` if it may not be ended.
    fn loss(&self, now: Instant, grace: Duration) -> Option<(Loss, Instant)> {
        let phase = self.phase();
        let since = self.opened + Duration::from_micros(self.since.load(Ordering::Relaxed));
        let stalls = now.duration_since(since) >= grace;
        let loss = match phase & !Phase::USED {
            0 if phase & Phase::USED != 0 => Loss::Reuse,
            0 if stalls => Loss::Nothing,
            0 => Loss::Start,
            Phase::HEAD if stalls => Loss::Head,
            _ => return None,
        };
        Some((loss, since))
    }

    /// Ends it, unless a request has come meanwhile.
    fn make_room(&self) {
        let wish = |phase| {
            let waits = phase & (Phase::BUSY | Phase::UNSENT) == 0;
            waits.then_some(phase | Phase::LEAVING)
        };
        let (set, get) = (Ordering::AcqRel, Ordering::Acquire);
        if self.phase.fetch_update(set, get, wish).is_ok() {
            self.waiting.wake();
        }
    }
}

/// The open connections of a server, in the order in which they came.
pub(super) struct Crowd {
    /// How long a connection has for its first request or the head of one before it is taken for
    /// one that does not get on.
    grace: Duration,
    last: AtomicU64,
    links: Mutex<BTreeMap<u64, Arc<Link>>>,
}

impl Crowd {
    pub(super) fn new(grace: Duration) -> Self {
        Self {
            grace,
            last: AtomicU64::new(0),
            links: Mutex::default(),
        }
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends up to `count` connections that wait for their clients: those that never asked for
    /// anything, those between two requests, and those whose request does not get on, each in the
    /// order in which they began to wait. One that is just being opened goes only if there is no
    /// other. A request that is being answered is left alone.
    pub(super) fn make_room(&self, count: usize) {
        let links = self.links();
        let leave = |link: &&Arc<Link>| link.phase() & Phase::LEAVING != 0;
        let leaving = links.values().filter(leave).count();
        let now = Instant::now();
        let able = links.values();
        let able = able.filter_map(|link| Some((link.loss(now, self.grace)?, link)));
        let mut able: Vec<_> = able.collect();
        able.sort_by_key(|(loss, _)| *loss);
        let sure = able.partition_point(|((loss, _), _)| *loss < Loss::Start);
        if sure + leaving > 0 {
            able.truncate(sure);
        }
        for (_, link) in able.iter().take(count.saturating_sub(leaving)) {
            link.make_room();
        }
    }

    /// A new connection.
    pub(super) fn enter(self: &Arc<Self>) -> Member {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let link = Arc::new(Link::new());
        self.links().insert(number, Arc::clone(&link));
        Member {
            link,
            crowd: Arc::clone(self),
            number,
        }
    }
}

/// A connection that is in the crowd.
pub(super) struct Member {
    pub(super) link: Arc<Link>,
    crowd: Arc<Crowd>,
    number: u64,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.crowd.links().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(2);

    /// Connections, and which of them were asked to go, by their names.
    struct Scene {
        crowd: Arc<Crowd>,
        members: Vec<(&'static str, Member)>,
    }

    impl Scene {
        fn new() -> Self {
            Self {
                crowd: Arc::new(Crowd::new(GRACE)),
                members: Vec::new(),
            }
        }

        fn add(&mut self, name: &'static str) -> Arc<Link> {
            let member = self.crowd.enter();
            let link = Arc::clone(&member.link);
            self.members.push((name, member));
            link
        }

        /// One between two requests.
        fn add_used(&mut self, name: &'static str) -> Arc<Link> {
            let link = self.add(name);
            link.bytes_came();
            link.request_began();
            link.request_ended();
            link.flushed();
            link
        }

        /// Those that go when so many shall. They are gone then.
        fn gone(&mut self, count: usize) -> Vec<&'static str> {
            self.crowd.make_room(count);
            let leaves = |(_, member): &(_, Member)| member.link.phase() & Phase::LEAVING != 0;
            let (gone, rest) = self.members.drain(..).partition(leaves);
            self.members = rest;
            let gone: Vec<(&str, Member)> = gone;
            gone.iter().map(|(name, _)| *name).collect()
        }
    }

    async fn pass(time: Duration) {
        tokio::time::advance(time).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_loses_least_goes_first() {
        let mut scene = Scene::new();
        let busy = scene.add("busy");
        busy.request_began();
        let sending = scene.add("sending");
        sending.request_began();
        sending.request_ended();
        scene.add("half a head").bytes_came();
        scene.add_used("idle");
        scene.add("silent");
        pass(GRACE).await;
        scene.add_used("idle for less long");
        scene.add("young half").bytes_came();
        scene.add("young");
        let order: Vec<_> = (0..9).flat_map(|_| scene.gone(1)).collect();
        let expected = [
            "silent",
            "idle",
            "idle for less long",
            "half a head",
            "young",
        ];
        assert_eq!(order, expected);
        pass(GRACE).await;
        assert_eq!(scene.gone(9), ["young half"]);
        // Nobody is cut off in the middle of an answer.
        assert_eq!(scene.gone(9), [""; 0]);
        busy.request_ended();
        sending.flushed();
        assert_eq!(scene.gone(9), ["sending"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_wait_counts_and_not_the_age() {
        let mut scene = Scene::new();
        let old = scene.add_used("old");
        pass(GRACE).await;
        scene.add_used("new");
        pass(GRACE).await;
        old.request_began();
        old.request_ended();
        old.flushed();
        assert_eq!(scene.gone(1), ["new"]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_asked_than_are_needed() {
        let mut scene = Scene::new();
        for name in ["a", "b", "c", "d"] {
            scene.add_used(name);
        }
        scene.crowd.make_room(2);
        scene.crowd.make_room(2);
        assert_eq!(scene.gone(2), ["a", "b"]);
        // A connection that is being opened stays while there are others.
        scene.add("young");
        assert_eq!(scene.gone(9), ["c", "d"]);
        assert_eq!(scene.gone(9), ["young"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_comes_meanwhile_is_answered() {
        let mut scene = Scene::new();
        let link = scene.add_used("used");
        scene.crowd.make_room(1);
        assert!(link.bytes_came());
        assert_eq!(link.phase() & Phase::LEAVING, 0);
        link.request_began();
        assert_eq!(scene.gone(1), [""; 0]);
    }
}
