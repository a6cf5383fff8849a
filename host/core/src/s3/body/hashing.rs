//! Where a body is hashed: in place, or beside the I/O.
//!
//! A large body collects in a queue, and a blocking thread hashes what is in it while more arrives.
//! The thread stays only as long as there is enough to do, so a slow client holds none.

use super::chunked::{Frame, Trailer};
use super::verify::Verifier;
use crate::model::{Checksum, UploadError};
use futures_util::future::{Either, select};
use std::io;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinHandle};

/// Bodies up to this many bytes are hashed in place: a third of a millisecond at most, not much
/// more than a change of threads costs.
pub(super) const INLINE: u64 = 256 * 1024;
/// A queue of this many bytes is worth a change of threads.
const BATCH: usize = 256 * 1024;
/// The queue may grow to this while as much is hashed: 2 MiB together. Behind it the body waits.
const FULL: usize = 1024 * 1024;
/// What a frame counts beside its bytes, so that tiny chunks cannot pile up.
const FRAME_COST: usize = 128;

type Outcome = Result<Box<Verifier>, UploadError>;

/// A verifier with its queue. Used up by its first error.
pub(super) struct Hasher {
    worker: Worker,
    inline: bool,
    queue: Arc<Queue>,
}

enum Worker {
    Idle(Box<Verifier>),
    Busy(JoinHandle<Outcome>),
    Failed,
}

/// What waits to be hashed.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// Told each time when there is room again.
    room: Notify,
}

#[derive(Default)]
struct Waiting {
    frames: Vec<Frame>,
    /// What the frames count.
    cost: usize,
    /// Nothing more comes: the rest is worth a thread, however small.
    is_whole: bool,
    /// A thread is there and will look again.
    is_served: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, frame: Frame) {
        let bytes = match &frame {
            Frame::Data(bytes) => bytes.len(),
            Frame::Chunk(_) => 0,
        };
        let mut waiting = self.lock();
        waiting.cost += bytes + FRAME_COST;
        waiting.frames.push(frame);
    }

    /// What is to be hashed next; `None` ends the service.
    fn next(&self) -> Option<Vec<Frame>> {
        let mut waiting = self.lock();
        waiting.is_served = waiting.is_worth_a_thread();
        if !waiting.is_served {
            return None;
        }
        waiting.cost = 0;
        Some(mem::take(&mut waiting.frames))
    }

    /// Hashes until there is too little to do.
    fn serve(&self, mut verifier: Box<Verifier>) -> Outcome {
        while let Some(frames) = self.next() {
            self.room.notify_one();
            for frame in frames {
                verifier.update(frame)?;
            }
        }
        Ok(verifier)
    }
}

impl Waiting {
    fn is_worth_a_thread(&self) -> bool {
        self.cost >= BATCH || self.is_whole && !self.frames.is_empty()
    }
}

impl Hasher {
    /// For a body of `size` bytes, as far as that is known.
    pub(super) fn new(verifier: Verifier, size: Option<u64>) -> Self {
        Self {
            worker: Worker::Idle(Box::new(verifier)),
            inline: size.is_none_or(|size| size <= INLINE),
            queue: Arc::default(),
        }
    }

    /// Takes a frame. Of a large body this only notes it.
    pub(super) fn push(&mut self, frame: Frame) -> Result<(), UploadError> {
        match &mut self.worker {
            Worker::Failed => Err(UploadError::Incomplete),
            Worker::Idle(verifier) if self.inline => verifier.update(frame),
            Worker::Idle(_) | Worker::Busy(_) => {
                self.queue.push(frame);
                Ok(())
            }
        }
    }

    /// Waits until there is room for more and sees to it that hashing goes on. Fails when a
    /// mismatch was found meanwhile.
    pub(super) async fn make_room(&mut self) -> Result<(), UploadError> {
        loop {
            let (is_full, is_served, is_worth_a_thread) = {
                let waiting = self.queue.lock();
                let is_full = waiting.cost >= FULL;
                (is_full, waiting.is_served, waiting.is_worth_a_thread())
            };
            match mem::replace(&mut self.worker, Worker::Failed) {
                Worker::Idle(verifier) if is_worth_a_thread => {
                    self.worker = self.start(verifier)?;
                }
                Worker::Busy(mut job) if is_full && is_served => {
                    let room = pin!(self.queue.room.notified());
                    match select(room, &mut job).await {
                        Either::Left(_) => self.worker = Worker::Busy(job),
                        Either::Right((outcome, _)) => self.worker = Worker::Idle(ended(outcome)?),
                    }
                }
                Worker::Busy(job) if !is_served || job.is_finished() => {
                    self.worker = Worker::Idle(ended(job.await)?);
                }
                Worker::Failed => return Err(UploadError::Incomplete),
                rest @ (Worker::Idle(_) | Worker::Busy(_)) => {
                    self.worker = rest;
                    return Ok(());
                }
            }
        }
    }

    /// Waits for the rest and compares: the MD5 of the body, and the wanted checksum.
    pub(super) async fn finish(
        &mut self,
        trailer: &Trailer,
        signed_trailer: bool,
    ) -> Result<([u8; 16], Option<Checksum>), UploadError> {
        self.queue.lock().is_whole = true;
        loop {
            match mem::replace(&mut self.worker, Worker::Failed) {
                Worker::Busy(job) => self.worker = Worker::Idle(ended(job.await)?),
                Worker::Idle(verifier) if self.queue.lock().is_worth_a_thread() => {
                    self.worker = self.start(verifier)?;
                }
                Worker::Idle(verifier) => return verifier.finish(trailer, signed_trailer),
                Worker::Failed => return Err(UploadError::Incomplete),
            }
        }
    }

    /// Has the queue hashed by a blocking thread; here, when there is no runtime to ask.
    fn start(&self, verifier: Box<Verifier>) -> Result<Worker, UploadError> {
        let queue = Arc::clone(&self.queue);
        queue.lock().is_served = true;
        let Ok(runtime) = Handle::try_current() else {
            return queue.serve(verifier).map(Worker::Idle);
        };
        Ok(Worker::Busy(
            runtime.spawn_blocking(move || queue.serve(verifier)),
        ))
    }
}

fn ended(outcome: Result<Outcome, JoinError>) -> Outcome {
    outcome.map_err(|error| UploadError::Io(io::Error::other(error)))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::body::expected::{Expected, Framing};
    use bytes::Bytes;
    use md5::{Digest, Md5};

    fn hasher(size: usize) -> Hasher {
        let expected = Expected {
            size: Some(size as u64),
            framing: Framing::Plain,
            md5: None,
            sha256: None,
            checksum: None,
            wanted: None,
            signer: None,
        };
        Hasher::new(Verifier::new(expected), Some(size as u64))
    }

    #[tokio::test]
    async fn what_waits_to_be_hashed_is_bounded_however_small_the_pieces() {
        for (size, count) in [(100_000, 100), (1, 100_000)] {
            let mut hasher = hasher(10_000_000);
            let piece = Bytes::from(vec![7; size]);
            let mut highest = 0;
            for _ in 0..count {
                hasher.make_room().await.unwrap();
                assert!(hasher.queue.lock().cost < FULL);
                hasher.push(Frame::Data(piece.clone())).unwrap();
                highest = highest.max(hasher.queue.lock().cost);
            }
            assert!(highest >= BATCH, "nothing was put off");
            let (md5, _) = hasher.finish(&Trailer::default(), false).await.unwrap();
            assert_eq!(md5, <[u8; 16]>::from(Md5::digest(piece.repeat(count))));
        }
    }
}
