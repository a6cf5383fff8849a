//! A connection: its timeouts, and how it ends.

use super::exchange;
use super::metrics::Metrics;
use super::patience::Patience;
use super::server::{Limits, Stop};
use axum::Router;
use futures_util::task::AtomicWaker;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a connection is doing, as its two ends know it: the socket below hyper, and the
/// exchange above it.
#[derive(Default)]
pub(super) struct Link {
    phase: AtomicU8,
    used: AtomicBool,
    linger: AtomicBool,
    /// Another connection needs the place of this one.
    unwanted: AtomicBool,
    /// Whoever waits for a request.
    waiting: AtomicWaker,
}

/// No request.
const IDLE: u8 = 0;
/// The first bytes of a request are there.
const HEAD: u8 = 1;
/// A request is being answered.
const BUSY: u8 = 2;

impl Link {
    pub(super) fn request_began(&self) {
        self.used.store(true, Ordering::Relaxed);
        self.phase.store(BUSY, Ordering::Relaxed);
    }

    pub(super) fn request_ended(&self) {
        self.phase.store(IDLE, Ordering::Relaxed);
    }

    /// The client may still be sending when the connection is closed.
    pub(super) fn linger(&self) {
        self.linger.store(true, Ordering::Relaxed);
    }

    fn bytes_came(&self) -> bool {
        let phase = &self.phase;
        phase
            .compare_exchange(IDLE, HEAD, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Ends the connection if it still has no request.
    fn make_way(&self) {
        self.unwanted.store(true, Ordering::Release);
        self.waiting.wake();
    }

    /// Whether nothing was ever received.
    fn is_fresh(&self) -> bool {
        !self.used.load(Ordering::Relaxed) && self.phase.load(Ordering::Relaxed) == IDLE
    }
}

/// The open connections of a server, in the order in which they came.
#[derive(Default)]
pub(super) struct Crowd {
    last: AtomicU64,
    links: Mutex<BTreeMap<u64, Arc<Link>>>,
}

impl Crowd {
    fn links(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends so many connections that never asked for anything, the oldest first. Others are left
    /// alone.
    pub(super) fn make_room(&self, count: usize) {
        let links = self.links();
        let wanted = |link: &&Arc<Link>| !link.unwanted.load(Ordering::Relaxed);
        let fresh = links.values().filter(|link| link.is_fresh());
        for link in fresh.filter(wanted).take(count) {
            link.make_way();
        }
    }

    /// A new connection.
    pub(super) fn enter(self: &Arc<Self>) -> Member {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let link = Arc::new(Link::default());
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

/// Serves one connection to its end, and answers whether that was a stop that broke it off.
pub(super) async fn drive<S>(
    socket: S,
    router: Router,
    limits: Limits,
    (stop, link): (Stop, Arc<Link>),
    metrics: Metrics,
) -> bool
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let socket = Socket::new(socket, link.clone(), &limits);
    let router = TowerToHyperService::new(router);
    let exchanges = service_fn(|request| {
        let (link, metrics) = (link.clone(), metrics.clone());
        exchange::answer(router.clone(), request, limits.silence, link, metrics)
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None) // The socket has one, and one of its own for idle connections.
        .serve_connection(TokioIo::new(socket), exchanges);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stop.at_once() => return true,
        () = stop.gracefully() => {
            if link.is_fresh() {
                return false; // hyper would wait for a first request.
            }
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = stop.at_once() => return true,
            }
        }
    };
    if let Err(error) = ended {
        // The client's doing, or said already where a reply was broken off.
        tracing::debug!(%error, "a connection ended early");
    }
    false
}

/// A socket that knows how long to wait: for a request, for the rest of its head, and for a
/// client that does not take its reply. (Bodies have a timeout of their own, since only their
/// reader knows whether it waits for the client.)
struct Socket<S> {
    inner: S,
    link: Arc<Link>,
    idle: Patience,
    head: Patience,
    reply: Patience,
    closing: Option<Lingering>,
    limits: Limits,
}

/// What is left to be thrown away before the socket is closed. Closing it with unread bytes in
/// it would reset the connection, and the client might lose the reply.
struct Lingering {
    bytes: u64,
    patience: Patience,
}

impl<S> Socket<S> {
    fn new(inner: S, link: Arc<Link>, limits: &Limits) -> Self {
        Self {
            inner,
            link,
            idle: Patience::new(limits.idle),
            head: Patience::new(limits.head),
            reply: Patience::new(limits.silence),
            closing: None,
            limits: limits.clone(),
        }
    }
}

impl<S> Socket<S> {
    fn watch_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.reply.rest();
            return written;
        }
        ready!(self.reply.poll_end(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let read = Pin::new(&mut this.inner).poll_read(cx, buffer);
        if read.is_ready() {
            this.idle.rest();
            if this.link.bytes_came() {
                this.head.rest();
            }
            return read;
        }
        // Also during a request, which may end without another look at the socket.
        this.link.waiting.register(cx.waker());
        match this.link.phase.load(Ordering::Relaxed) {
            // As if the client had closed: nothing is lost.
            IDLE => {
                if this.link.unwanted.load(Ordering::Acquire) {
                    return Poll::Ready(Ok(()));
                }
                this.idle.poll_end(cx).map(Ok)
            }
            HEAD => this
                .head
                .poll_end(cx)
                .map(|()| Err(io::ErrorKind::TimedOut.into())),
            _ => {
                this.idle.rest();
                this.head.rest();
                Poll::Pending
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.watch_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.watch_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            if !this.link.linger.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let left = this.closing.get_or_insert_with(|| Lingering {
            bytes: this.limits.linger_bytes,
            patience: Patience::new(this.limits.linger),
        });
        let mut trash = [0; 16 * 1024];
        loop {
            if left.patience.poll_end(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut trash);
            let read = ready!(Pin::new(&mut this.inner).poll_read(cx, &mut buffer));
            let bytes = buffer.filled().len() as u64;
            left.bytes = left.bytes.saturating_sub(bytes);
            if read.is_err() || bytes == 0 || left.bytes == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
