//! Small requests at the least cost: signed before the clock starts, sent by one blocking thread on
//! each connection. What the processor does while it is measured, it does for the server.

use crate::report::Row;
use crate::target::Target;
use crate::{Job, Phase};
use pys3local_tests::client::{Body, Error};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Signatures are made anew after so many seconds; servers take them for 15 minutes.
const FRESH: f64 = 600.0;

/// Runs a phase of puts or gets until its time is up.
pub(crate) fn measure(
    target: &Target,
    job: &Job,
    concurrency: usize,
    seconds: f64,
) -> Result<Row, Error> {
    if seconds > FRESH {
        return Err(format!("--seconds is {FRESH} at most").into());
    }
    let method = if job.phase == Phase::Put {
        "PUT"
    } else {
        "GET"
    };
    let body = match &job.body {
        Body::Full(body) if job.phase == Phase::Put => body.clone(),
        _ => bytes::Bytes::new(),
    };
    let hash = if method == "PUT" {
        &job.hash
    } else {
        pys3local_tests::sign::EMPTY_SHA256
    };
    let requests: Vec<Vec<u8>> = (0..job.keys.max(1))
        .map(|number| {
            let sent = Body::Full(body.clone());
            let mut request = target
                .object(method, &Job::small_key(number), hash, sent)
                .head();
            request.extend_from_slice(&body);
            request
        })
        .collect();
    let mut connections = Vec::new();
    for _ in 0..concurrency {
        connections.push(Connection::open(target.address())?);
    }
    let next = AtomicUsize::new(0);
    let mut row = Row::new(job.phase, concurrency);
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(seconds);
    let work = |mut connection: Connection| -> Result<(u64, Vec<Duration>), Error> {
        let (mut bytes, mut latencies) = (0, Vec::new());
        loop {
            let begun = Instant::now();
            if begun >= end && !latencies.is_empty() {
                return Ok((bytes, latencies));
            }
            let number = next.fetch_add(1, Ordering::Relaxed) % requests.len();
            let request = requests.get(number).ok_or("there is nothing to send")?;
            let received = connection.exchange(request)?;
            bytes += received.max(body.len() as u64);
            latencies.push(begun.elapsed());
        }
    };
    let done: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = connections
            .into_iter()
            .map(|connection| scope.spawn(|| work(connection)))
            .collect();
        workers
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect()
    });
    row.elapsed = start.elapsed();
    for worker in done {
        let (bytes, latencies) = worker.map_err(|_| "a worker panicked")??;
        row.bytes += bytes;
        row.latencies.extend(latencies);
    }
    Ok(row)
}

/// One connection, and room for an answer's head and some of its body.
struct Connection {
    socket: TcpStream,
    room: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self, Error> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let room = vec![0; 64 << 10];
        Ok(Self { socket, room })
    }

    /// Sends a request and reads its answer away; answers how many bytes the body had.
    fn exchange(&mut self, request: &[u8]) -> Result<u64, Error> {
        self.socket.write_all(request)?;
        let (mut filled, mut seen) = (0, 0);
        let head = loop {
            let room = self.room.get_mut(filled..).filter(|room| !room.is_empty());
            let read = self
                .socket
                .read(room.ok_or("the head of an answer is too long")?)?;
            if read == 0 {
                return Err("the server closed the connection".into());
            }
            filled += read;
            let found = self.room.get(seen..filled).unwrap_or_default();
            if let Some(end) = found.windows(4).position(|four| four == b"\r\n\r\n") {
                break seen + end + 4;
            }
            seen = filled.saturating_sub(3);
        };
        let (length, status) = parse(self.room.get(..head).unwrap_or_default())?;
        let mut left = length
            .checked_sub((filled - head) as u64)
            .ok_or("more than one answer")?;
        while left > 0 {
            let most = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(self.room.len());
            let read = self
                .socket
                .read(self.room.get_mut(..most).unwrap_or_default())?;
            if read == 0 {
                return Err("an answer ends early".into());
            }
            left -= read as u64;
        }
        // Servers of files have created something, or have nothing to say.
        match status {
            200 | 201 | 204 => Ok(length),
            other => Err(format!("status {other}").into()),
        }
    }
}

/// Length of the body and status that the head of an answer tells.
fn parse(head: &[u8]) -> Result<(u64, u16), Error> {
    let head = std::str::from_utf8(head)?;
    let status = head.split(' ').nth(1).ok_or("no answer of HTTP")?.parse()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    let length = match length {
        Some(length) => length.trim().parse()?,
        None if status == 204 => 0,
        None => return Err("an answer does not tell its length".into()),
    };
    Ok((length, status))
}
