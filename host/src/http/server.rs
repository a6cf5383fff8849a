//! Listening, accepting, and stopping in order.

use super::Site;
use super::connection;
use super::crowd::{Crowd, Link};
use super::metrics::Metrics;
use super::tls::Tls;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What clients may use up.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once. A further one takes the place of one that waits for its client, or waits
    /// itself while all of them are being answered.
    pub connections: usize,
    /// How long a handshake, a first request or the head of one may take while others wait for the
    /// place.
    pub grace: Duration,
    /// How long a connection may stay open without a request.
    pub idle: Duration,
    /// How long the head of a request may take from its first byte.
    pub head: Duration,
    /// How long a client may send nothing of a body that it owes, or take nothing of a reply.
    pub silence: Duration,
    /// How long a running request may stand still after a stop.
    pub drain: Duration,
    /// How long to go on reading a body that nobody wants, so that the client sees the reply.
    pub linger: Duration,
    /// How many bytes of it.
    pub linger_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            grace: Duration::from_secs(2),
            idle: Duration::from_secs(75),
            head: Duration::from_secs(30),
            silence: Duration::from_mins(1),
            drain: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            linger_bytes: 16 << 20,
        }
    }
}

/// A way to ask a running server to stop. Clones ask the same server.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    gracefully: CancellationToken,
    at_once: CancellationToken,
}

impl Stop {
    /// Accept nothing more, and finish what is running, for as long as it gets on.
    pub fn finish(&self) {
        self.gracefully.cancel();
    }

    /// Break everything off.
    pub fn break_off(&self) {
        self.gracefully.cancel();
        self.at_once.cancel();
    }

    /// Whether somebody has asked.
    pub fn is_asked(&self) -> bool {
        self.gracefully.is_cancelled()
    }

    pub(super) async fn gracefully(&self) {
        self.gracefully.cancelled().await;
    }

    /// Waits until somebody has asked to break everything off.
    pub async fn at_once(&self) {
        self.at_once.cancelled().await;
    }
}

/// How a server came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every running request was finished.
    Whole,
    /// So many connections were broken off.
    BrokenOff(usize),
}

/// For servers whose connections have no thread of their own.
pub fn no_place() -> Option<(Handle, ())> {
    None
}

/// Connections that the system keeps until we accept them; it may keep fewer. Beyond that clients
/// have to try again, a second later.
const BACKLOG: u32 = 4096;

/// Listens on the first of `candidates` that can be had. Must be called within a tokio runtime.
pub fn bind(candidates: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in candidates {
        match listen(*address) {
            Ok(listener) => return Ok(listener),
            // The other candidate would listen beside whoever has the port.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A port of connections that have just ended can be had; one that somebody listens on cannot.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `stop` asks otherwise, and answers when the last connection has ended.
/// With `tls`, every connection begins with a handshake. `place` may name the thread on which the
/// next connection is served, and gives something that is dropped when it has ended.
pub async fn serve<G: Send + 'static>(
    listener: TcpListener,
    site: impl Site,
    limits: Limits,
    stop: Stop,
    metrics: Metrics,
    tls: Option<Tls>,
    place: impl Fn() -> Option<(Handle, G)> + Send,
) -> Drained {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let crowd = Arc::new(Crowd::new(limits.grace));
    // Of a flood of connections not each has to wait until another one has ended.
    let some = (limits.connections / 16).max(1);
    let connections = TaskTracker::new();
    let broken_off = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.gracefully() => break,
            accepted = accept(&listener, &slots, &crowd, some) => accepted,
        };
        let Some((socket, slot)) = accepted else {
            break;
        };
        let open = metrics.connection();
        let (tls, site, limits) = (tls.clone(), site.clone(), limits.clone());
        let (stop, metrics, member) = (stop.clone(), metrics.clone(), crowd.enter());
        let broken_off = broken_off.clone();
        let (thread, seat) = place().unzip();
        let thread = thread.unwrap_or_else(Handle::current);
        connections.spawn_on(
            async move {
                // Whoever serves it has to be the one who is told about it.
                let socket = match TcpStream::from_std(socket) {
                    Ok(socket) => socket,
                    Err(error) => return tracing::warn!(%error, "a connection could not be served"),
                };
                let link = Arc::clone(&member.link);
                let connection = connect(socket, tls, site, limits, (stop, link), metrics);
                if connection.await {
                    broken_off.fetch_add(1, Ordering::Relaxed);
                }
                drop((member, slot, open, seat));
            },
            &thread,
        );
    }
    drop(listener); // From here on the system refuses connections.
    connections.close();
    connections.wait().await;
    match broken_off.load(Ordering::Relaxed) {
        0 => Drained::Whole,
        count => Drained::BrokenOff(count),
    }
}

/// Serves a connection, behind a handshake where there has to be one; see [`connection::drive`].
async fn connect(
    socket: TcpStream,
    tls: Option<Tls>,
    site: impl Site,
    limits: Limits,
    (stop, link): (Stop, Arc<Link>),
    metrics: Metrics,
) -> bool {
    let Some(tls) = tls else {
        return connection::drive(socket, site, limits, (stop, link), metrics).await;
    };
    let shaken = tokio::select! {
        biased;
        () = stop.gracefully() => return false, // Nothing was asked yet.
        () = link.leaving() => return false,
        shaken = tls.accept(socket, limits.head) => shaken,
    };
    match shaken {
        Ok(stream) => connection::drive(stream, site, limits, (stop, link), metrics).await,
        Err(error) => {
            tracing::debug!(%error, "a connection ended before it was secure");
            false
        }
    }
}

/// The next connection, when there is room for it; `None` if there never will be.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    crowd: &Crowd,
    some: usize,
) -> Option<(std::net::TcpStream, OwnedSemaphorePermit)> {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                // Without it a small reply can wait 40 ms for the client's acknowledgement.
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%error, "a connection was gone before it was served");
                    continue;
                }
                let Ok(socket) = socket.into_std() else {
                    continue;
                };
                return Some((socket, room(slots, crowd, some).await?));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // No file descriptors left, most likely. Some will come back.
                crowd.make_room(some);
                tracing::warn!(%error, "cannot accept connections; trying again");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Room for one more connection. Who has it may have got a request since it was asked to go, and
/// others end theirs, so some are asked again soon.
async fn room(slots: &Arc<Semaphore>, crowd: &Crowd, some: usize) -> Option<OwnedSemaphorePermit> {
    loop {
        if let Ok(slot) = slots.clone().try_acquire_owned() {
            return Some(slot);
        }
        crowd.make_room(some);
        let slot = slots.clone().acquire_owned();
        if let Ok(slot) = tokio::time::timeout(Duration::from_millis(20), slot).await {
            return slot.ok();
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
