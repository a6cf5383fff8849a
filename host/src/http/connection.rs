//! A connection: its timeouts, and how it ends.

use super::Site;
use super::crowd::{Link, Wait};
use super::exchange;
use super::metrics::Metrics;
use super::patience::Patience;
use super::refusal::Refusal;
use super::server::{Limits, Stop};
use bytes::{Buf, Bytes};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Headers of one request. In the 2 KB that S3 allows, 1049 entries of user metadata have room: no
/// more names have a single byte, or two. Above 100, hyper takes room on the heap for each head that
/// it reads, which costs the same (150 ns) for any number, since it is not filled.
const HEADERS: usize = 1200;

/// Serves one connection to its end, and answers whether that was a stop that broke it off.
pub(super) async fn drive<S, T>(
    socket: S,
    site: T,
    limits: Limits,
    (stop, link): (Stop, Arc<Link>),
    metrics: Metrics,
) -> bool
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T: Site,
{
    let refusal = Refusal {
        site: site.clone(),
        metrics: metrics.clone(),
    };
    let socket = Socket::new(socket, link.clone(), refusal, &limits);
    let exchanges = service_fn(|request| {
        let (link, metrics) = (link.clone(), metrics.clone());
        exchange::answer(site.clone(), request, limits.silence, link, metrics)
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None) // The socket has one, and one of its own for idle connections.
        .max_headers(HEADERS)
        .half_close(true) // Who has asked for everything may say so, and gets all the answers.
        .serve_connection(TokioIo::new(socket), exchanges);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stop.at_once() => return true,
        () = stop.gracefully() => {
            if link.awaits_a_head() {
                return false; // hyper would wait for it.
            }
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = stop.at_once() => return true,
                () = link.stands_still(limits.drain) => return true,
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
struct Socket<S, T> {
    inner: S,
    link: Arc<Link>,
    idle: Patience,
    head: Patience,
    reply: Patience,
    closing: Option<Lingering>,
    refusal: Refusal<T>,
    /// What is left to be written of the answer to what is no request.
    refusing: Option<Bytes>,
    limits: Limits,
}

/// What is left to be thrown away before the socket is closed. Closing it with unread bytes in
/// it would reset the connection, and the client might lose the reply.
struct Lingering {
    bytes: u64,
    patience: Patience,
}

impl<S, T> Socket<S, T> {
    fn new(inner: S, link: Arc<Link>, refusal: Refusal<T>, limits: &Limits) -> Self {
        Self {
            inner,
            link,
            idle: Patience::new(limits.idle),
            head: Patience::new(limits.head),
            reply: Patience::new(limits.silence),
            closing: None,
            refusal,
            refusing: None,
            limits: limits.clone(),
        }
    }
}

impl<S, T> Socket<S, T> {
    fn note_write(&self, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(_))) {
            self.link.moves();
        }
    }

    fn watch_write<R>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.reply.rest();
            return written;
        }
        ready!(self.reply.poll_end(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin, T: Unpin> AsyncRead for Socket<S, T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let read = Pin::new(&mut this.inner).poll_read(cx, buffer);
        if read.is_ready() {
            this.link.moves();
            this.idle.rest();
            if this.link.bytes_came() {
                this.head.rest();
            }
            return read;
        }
        match this.link.poll_wait(cx) {
            // As if the client had closed: nothing is lost.
            Wait::Leaving(false) => Poll::Ready(Ok(())),
            Wait::Request => this.idle.poll_end(cx).map(Ok),
            Wait::Leaving(true) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Wait::Head => {
                let ended = this.head.poll_end(cx);
                ended.map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            Wait::Answer => {
                this.idle.rest();
                this.head.rest();
                Poll::Pending
            }
        }
    }
}

impl<S: AsyncWrite + Unpin, T: Site> Socket<S, T> {
    /// Writes what hyper writes, or what the application answers to what hyper cannot read.
    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.link.asks_nothing() {
            if self.refusing.is_none() {
                self.refusing = self.refusal.instead_of(bytes);
            }
            if let Some(answer) = &mut self.refusing {
                // The client may still be sending.
                self.link.linger();
                while !answer.is_empty() {
                    let count = ready!(Pin::new(&mut self.inner).poll_write(cx, answer))?;
                    if count == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    answer.advance(count);
                }
                return Poll::Ready(Ok(bytes.len()));
            }
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, T: Site> AsyncWrite for Socket<S, T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.write(cx, bytes);
        self.note_write(&written);
        self.watch_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match slices {
            [bytes] => self.write(cx, bytes),
            _ => Pin::new(&mut self.inner).poll_write_vectored(cx, slices),
        };
        self.note_write(&written);
        self.watch_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        if flushed.is_ready() {
            self.link.flushed();
        }
        self.watch_write(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            this.link.closes();
            let shut = Pin::new(&mut this.inner).poll_shutdown(cx);
            ready!(this.watch_write(cx, shut))?;
            if !this.link.lingers() {
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
