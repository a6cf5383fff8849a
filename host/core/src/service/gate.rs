//! The two-phase body: bytes flow to the store while they are checked, and the last of them
//! stay behind until the outcome is known.

use super::ServiceError;
use crate::model::{ByteStream, Checksum, Piece, Upload, UploadError};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

/// At most so many bytes stay behind: small enough to send at once, and not empty unless the
/// object is, so that an upstream that counts bytes never sees a bad upload complete.
const TAIL: usize = 64 * 1024;

/// Pieces between the client's connection and the store: hashing and writing overlap.
const PIECES_IN_FLIGHT: usize = 2;

/// The service's end of a body. Dropping it before [`Feed::finish`] makes the body err.
pub(super) struct Feed {
    pieces: mpsc::Sender<Fed>,
    /// Resolves when the store asks for the first bytes.
    wanted: oneshot::Receiver<Infallible>,
}

enum Fed {
    Data(Bytes),
    End,
}

/// An upload that is whole and correct, and whose tail the store has not seen yet.
pub(super) struct Whole {
    /// MD5 of all bytes.
    pub(super) md5: [u8; 16],
    /// The wanted checksum of all bytes.
    pub(super) checksum: Option<Checksum>,
    tail: Bytes,
}

/// Why nothing may be published.
pub(super) enum Halt {
    /// The store has dropped the body: its answer tells why.
    StoreLeft,
    /// The upload is bad or not wanted any more.
    Refused(ServiceError),
}

impl<E: Into<ServiceError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// A body for the store, and the means to fill it.
pub(super) fn body() -> (Feed, ByteStream) {
    let (sender, receiver) = mpsc::channel(PIECES_IN_FLIGHT);
    let (unwanted, wanted) = oneshot::channel();
    let body = Gated {
        pieces: receiver,
        unwanted: Some(unwanted),
        ended: false,
    };
    let pieces = sender;
    (Feed { pieces, wanted }, body.boxed())
}

impl Feed {
    /// Passes an upload on to the store, all but its tail, and returns when every check of it
    /// has passed and the store has begun to read. `stop` ends it early with a reason.
    pub(super) async fn pass(
        &mut self,
        upload: Upload,
        stop: impl Future<Output = ServiceError>,
    ) -> Result<Whole, Halt> {
        let declared = upload.size;
        let mut stop = pin!(stop);
        if upload.on_demand {
            self.is_wanted(declared, &mut stop).await?;
        }
        let mut pieces = upload.pieces;
        let mut held = Bytes::new();
        let mut size: u64 = 0;
        loop {
            let piece = tokio::select! {
                biased;
                piece = pieces.next() => piece,
                // A store has no reason to keep the body of an empty object.
                () = self.pieces.closed(), if declared > 0 => return Err(Halt::StoreLeft),
                reason = &mut stop => return Err(Halt::Refused(reason)),
            };
            match piece.unwrap_or(Err(UploadError::Incomplete))? {
                Piece::Data(bytes) => {
                    size += bytes.len() as u64;
                    if size > declared {
                        return Err(UploadError::TooLong.into());
                    }
                    self.send(std::mem::replace(&mut held, bytes)).await?;
                }
                Piece::End { .. } if size < declared => return Err(UploadError::Incomplete.into()),
                Piece::End { md5, checksum } => {
                    let tail = held.split_off(held.len().saturating_sub(TAIL));
                    self.send(held).await?;
                    // What follows takes the key's lock. A store that has not begun may be waiting
                    // for its turn, and those who have theirs for that lock.
                    if !upload.on_demand {
                        self.is_wanted(declared, &mut stop).await?;
                    }
                    return Ok(Whole {
                        md5,
                        checksum,
                        tail,
                    });
                }
            }
        }
    }

    /// Waits, once, until the store asks for the first bytes.
    async fn is_wanted(
        &mut self,
        declared: u64,
        stop: &mut (impl Future<Output = ServiceError> + Unpin),
    ) -> Result<(), Halt> {
        tokio::select! {
            biased;
            _ = &mut self.wanted => {}
            reason = stop => return Err(Halt::Refused(reason)),
        }
        // It was not wanted, it was dropped.
        if self.pieces.is_closed() && declared > 0 {
            return Err(Halt::StoreLeft);
        }
        Ok(())
    }

    async fn send(&self, bytes: Bytes) -> Result<(), Halt> {
        if bytes.is_empty() {
            return Ok(());
        }
        let sent = self.pieces.send(Fed::Data(bytes)).await;
        sent.map_err(|_| Halt::StoreLeft)
    }

    /// Releases the tail and ends the body. A store that has left meanwhile says so itself.
    pub(super) async fn finish(self, whole: Whole) {
        if self.send(whole.tail).await.is_ok() {
            let _ = self.pieces.send(Fed::End).await;
        }
    }
}

/// The store's end of a body.
struct Gated {
    pieces: mpsc::Receiver<Fed>,
    /// Dropped when the first bytes are asked for.
    unwanted: Option<oneshot::Sender<Infallible>>,
    ended: bool,
}

impl Stream for Gated {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.unwanted = None;
        Poll::Ready(match ready!(self.pieces.poll_recv(cx)) {
            Some(Fed::Data(bytes)) => Some(Ok(bytes)),
            Some(Fed::End) => {
                self.ended = true;
                None
            }
            None => {
                self.ended = true;
                let reason = "the upload was given up";
                Some(Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    reason,
                )))
            }
        })
    }
}

/// The client that waits for an operation.
pub(super) struct Client(oneshot::Receiver<Infallible>);

impl Client {
    /// Resolves when nobody waits for the answer any more.
    pub(super) async fn left(&mut self) -> ServiceError {
        let _ = (&mut self.0).await;
        UploadError::Incomplete.into()
    }
}

/// Runs `work` to its end, even if the future that waits for it is dropped. Work that can
/// still be given up asks the [`Client`].
pub(super) async fn to_the_end<T, F>(work: impl FnOnce(Client) -> F) -> Result<T, ServiceError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ServiceError>> + Send + 'static,
{
    let (_waiting, left) = oneshot::channel();
    // Boxed: the runtime moves a task about while it begins and ends it.
    let work = Box::pin(work(Client(left)).in_current_span());
    let task = tokio::spawn(work);
    match task.await {
        Ok(outcome) => outcome,
        Err(error) => Err(ServiceError::Internal(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::{join, pending};
    use proptest::prelude::*;

    fn upload(size: u64, pieces: Vec<Result<Piece, UploadError>>) -> Upload {
        Upload {
            on_demand: false,
            promised: None,
            wanted: crate::model::Wanted::default(),
            size,
            pieces: futures_util::stream::iter(pieces).boxed(),
        }
    }

    fn data(len: usize) -> Piece {
        Piece::Data(vec![7; len].into())
    }

    const END: Result<Piece, UploadError> = Ok(Piece::End {
        md5: [1; 16],
        checksum: None,
    });

    /// What the store has seen when the upload is known to be good, and in all.
    async fn through(upload: Upload) -> (Result<usize, Halt>, usize, Option<io::Error>) {
        let (mut feed, mut body) = super::body();
        let seen = std::sync::atomic::AtomicUsize::new(0);
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        let feeding = async {
            let whole = feed.pass(upload, pending()).await?;
            // The store reads all that it can get before the tail is released.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let before = seen.load(relaxed);
            feed.finish(whole).await;
            Ok(before)
        };
        let reading = async {
            while let Some(piece) = body.next().await {
                match piece {
                    Ok(bytes) => _ = seen.fetch_add(bytes.len(), relaxed),
                    Err(error) => return Some(error),
                }
            }
            None
        };
        let (before, error) = join(feeding, reading).await;
        (before, seen.load(relaxed), error)
    }

    #[tokio::test]
    async fn an_upload_that_errs_or_is_cut_off_makes_the_body_err() {
        let bad: [(u64, Vec<_>); 5] = [
            (3, vec![Ok(data(3)), Err(UploadError::TooLong)]),
            (3, vec![Ok(data(3))]),
            (3, vec![Ok(data(2)), END]),
            (3, vec![Ok(data(4)), END]),
            (0, vec![Err(UploadError::Incomplete)]),
        ];
        for (size, pieces) in bad {
            let (outcome, _, error) = through(upload(size, pieces)).await;
            assert!(matches!(
                outcome,
                Err(Halt::Refused(ServiceError::Upload(_)))
            ));
            assert!(error.is_some());
        }
    }

    #[tokio::test]
    async fn an_empty_upload_ends_without_bytes() {
        let (outcome, all, error) = through(upload(0, vec![END])).await;
        assert!(matches!(outcome, Ok(0)) && all == 0 && error.is_none());
    }

    #[tokio::test]
    async fn an_upload_is_not_known_to_be_good_before_the_store_reads_it() {
        let (mut feed, mut body) = super::body();
        let mut passing = Box::pin(feed.pass(upload(3, vec![Ok(data(3)), END]), pending()));
        assert!(futures_util::poll!(&mut passing).is_pending());
        assert!(futures_util::poll!(body.next()).is_pending());
        assert!(matches!(passing.await, Ok(Whole { .. })));

        let (mut feed, body) = super::body();
        drop(body);
        let outcome = feed.pass(upload(3, vec![Ok(data(3)), END]), pending());
        assert!(matches!(outcome.await, Err(Halt::StoreLeft)));
    }

    #[tokio::test]
    async fn a_store_that_drops_the_body_ends_the_wait_for_pieces() {
        let (mut feed, body) = super::body();
        drop(body);
        let endless = Upload {
            on_demand: false,
            promised: None,
            wanted: crate::model::Wanted::default(),
            size: 9,
            pieces: futures_util::stream::pending().boxed(),
        };
        let outcome = feed.pass(endless, pending()).await;
        assert!(matches!(outcome, Err(Halt::StoreLeft)));
    }

    proptest! {
        #[test]
        fn the_last_bytes_wait_for_the_outcome(sizes in prop::collection::vec(1usize..150_000, 1..6)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let total: usize = sizes.iter().sum();
            let mut pieces: Vec<_> = sizes.into_iter().map(|len| Ok(data(len))).collect();
            pieces.push(END);
            let (before, all, error) = runtime.block_on(through(upload(total as u64, pieces)));
            let Ok(before) = before else { panic!("refused") };
            prop_assert!(before < total && total - before <= TAIL);
            prop_assert_eq!(all, total);
            prop_assert!(error.is_none());
        }
    }
}
