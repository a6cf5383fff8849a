//! Where a body is hashed: in place, or beside the I/O.
//!
//! A large body collects in batches, and one batch at a time is hashed on a blocking thread while
//! the next one arrives. A thread is taken only while there is work, so a slow client holds none.

use super::chunked::{Frame, Trailer};
use super::verify::Verifier;
use crate::model::{Checksum, UploadError};
use std::io;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Bodies up to this many bytes are hashed in place: a third of a millisecond at most, not much
/// more than a change of threads costs.
pub(super) const INLINE: u64 = 256 * 1024;
/// A batch is worth a change of threads from here on.
const BATCH: usize = 256 * 1024;
/// The next batch may grow to this while one is hashed: 2 MiB together. Behind it the body waits.
const FULL: usize = 1024 * 1024;
/// What a frame counts beside its bytes, so that tiny chunks cannot pile up.
const FRAME_COST: usize = 128;

type Outcome = Result<Box<Verifier>, UploadError>;

/// A verifier with its batches. Used up by its first error.
pub(super) struct Hasher {
    worker: Worker,
    inline: bool,
    queue: Vec<Frame>,
    /// What the queue counts.
    queued: usize,
}

enum Worker {
    Idle(Box<Verifier>),
    Busy(JoinHandle<Outcome>),
    Failed,
}

impl Hasher {
    /// For a body of `size` bytes, as far as that is known.
    pub(super) fn new(verifier: Verifier, size: Option<u64>) -> Self {
        Self {
            worker: Worker::Idle(Box::new(verifier)),
            inline: size.is_none_or(|size| size <= INLINE),
            queue: Vec::new(),
            queued: 0,
        }
    }

    /// Takes a frame. In batches this only notes it.
    pub(super) fn push(&mut self, frame: Frame) -> Result<(), UploadError> {
        match &mut self.worker {
            Worker::Failed => Err(UploadError::Incomplete),
            Worker::Idle(verifier) if self.inline => verifier.update(frame),
            Worker::Idle(_) | Worker::Busy(_) => {
                let bytes = match &frame {
                    Frame::Data(bytes) => bytes.len(),
                    Frame::Chunk(_) => 0,
                };
                self.queued += bytes + FRAME_COST;
                self.queue.push(frame);
                Ok(())
            }
        }
    }

    /// Waits until there is room for more and sees to it that hashing goes on. Fails when a
    /// mismatch was found meanwhile.
    pub(super) async fn make_room(&mut self) -> Result<(), UploadError> {
        let ready = match &self.worker {
            Worker::Idle(_) => self.queued >= BATCH,
            Worker::Busy(job) => job.is_finished() || self.queued >= FULL,
            Worker::Failed => true,
        };
        if !ready {
            return Ok(());
        }
        let verifier = self.take_verifier().await?;
        self.worker = if self.queued >= BATCH {
            self.start(verifier)?
        } else {
            Worker::Idle(verifier)
        };
        Ok(())
    }

    /// Waits for the rest and compares: the MD5 of the body, and the wanted checksum.
    pub(super) async fn finish(
        &mut self,
        trailer: &Trailer,
        signed_trailer: bool,
    ) -> Result<([u8; 16], Option<Checksum>), UploadError> {
        let mut verifier = self.take_verifier().await?;
        if !self.queue.is_empty() {
            self.worker = self.start(verifier)?;
            verifier = self.take_verifier().await?;
        }
        verifier.finish(trailer, signed_trailer)
    }

    /// Takes the verifier out, when it has done what it was given.
    async fn take_verifier(&mut self) -> Outcome {
        match std::mem::replace(&mut self.worker, Worker::Failed) {
            Worker::Idle(verifier) => Ok(verifier),
            Worker::Busy(job) => job
                .await
                .map_err(|error| UploadError::Io(io::Error::other(error)))?,
            Worker::Failed => Err(UploadError::Incomplete),
        }
    }

    /// Hands the queue to a blocking thread; hashes it here when there is no runtime to ask.
    fn start(&mut self, mut verifier: Box<Verifier>) -> Result<Worker, UploadError> {
        self.queued = 0;
        let batch = std::mem::take(&mut self.queue);
        let work = move || {
            for frame in batch {
                verifier.update(frame)?;
            }
            Ok(verifier)
        };
        match Handle::try_current() {
            Ok(runtime) => Ok(Worker::Busy(runtime.spawn_blocking(work))),
            Err(_) => work().map(Worker::Idle),
        }
    }
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
                assert!(hasher.queued < FULL);
                hasher.push(Frame::Data(piece.clone())).unwrap();
                highest = highest.max(hasher.queued);
            }
            assert!(highest >= BATCH, "nothing was put off");
            let (md5, _) = hasher.finish(&Trailer::default(), false).await.unwrap();
            assert_eq!(md5, <[u8; 16]>::from(Md5::digest(piece.repeat(count))));
        }
    }
}
