//! Bodies across the boundary.
//!
//! Every stream that the host hands to a plugin is a [`BodyProducer`]. When the plugin passes
//! such a stream on unread (to a file, to an outgoing request, or back to us), [`take_body`]
//! recovers the native body, so its bytes touch neither guest memory nor the store.

use crate::model::ByteStream;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use futures_util::{SinkExt as _, Stream};
use std::any::{Any, TypeId};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;
use wasmtime::component::{
    Destination, Source, StreamConsumer, StreamProducer, StreamReader, StreamResult,
};
use wasmtime::{AsContextMut, Result, StoreContextMut};

/// The most that crosses the boundary at once when a guest reads or makes a body itself.
const PIECE: usize = 64 * 1024;

/// Host-to-plugin stream.
pub(super) struct BodyProducer {
    body: ByteStream,
    /// Bytes that the reader had no room for. Kept here and not in `Destination::set_buffer`,
    /// because `StreamReader::try_into` discards that buffer silently.
    pending: Bytes,
}

impl BodyProducer {
    pub(super) fn new(body: ByteStream) -> Self {
        Self {
            body,
            pending: Bytes::new(),
        }
    }
}

impl<D> StreamProducer<D> for BodyProducer {
    type Item = u8;
    type Buffer = Bytes;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut target: Destination<'a, u8, Bytes>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let room = target.remaining(&mut store);
        loop {
            if !self.pending.is_empty() {
                match room {
                    // A zero-length read only asks for readiness.
                    Some(0) => {}
                    Some(room) => {
                        let count = room.min(self.pending.len()).min(PIECE);
                        let piece = self.pending.split_to(count);
                        let mut target = target.as_direct(store, count);
                        if let Some(space) = target.remaining().get_mut(..count) {
                            space.copy_from_slice(&piece);
                        }
                        target.mark_written(count);
                    }
                    // The reader is the host: no copy.
                    None => target.set_buffer(std::mem::take(&mut self.pending)),
                }
                return Poll::Ready(Ok(StreamResult::Completed));
            }
            match self.body.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(bytes))) => self.pending = bytes,
                // A stream carries no error, so it just ends. Uploads learn the reason from
                // their verdict, downloads from the length check.
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Ok(StreamResult::Dropped)),
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn try_into(me: Pin<Box<Self>>, ty: TypeId) -> Result<Box<dyn Any>, Pin<Box<Self>>> {
        if ty != TypeId::of::<ByteStream>() {
            return Err(me);
        }
        let Self { body, pending } = *Pin::into_inner(me);
        let whole: ByteStream = if pending.is_empty() {
            body
        } else {
            stream::once(async move { Ok(pending) }).chain(body).boxed()
        };
        Ok(Box::new(whole))
    }
}

/// Plugin-to-host stream, for bytes that a plugin makes or transforms itself.
struct BodyConsumer(PollSender<Bytes>);

impl<D> StreamConsumer<D> for BodyConsumer {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        match self.0.poll_reserve(cx) {
            Poll::Ready(Ok(())) => {
                let mut source = source.as_direct(store);
                let offered = source.remaining();
                let count = offered.len().min(PIECE);
                if let Some(piece) = offered.get(..count).filter(|piece| !piece.is_empty()) {
                    let piece = Bytes::copy_from_slice(piece);
                    source.mark_read(count);
                    let _ = self.0.start_send_unpin(piece);
                }
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Where the bytes of a stream come from that a plugin handed over.
pub(super) enum Taken {
    /// A body of ours: no byte passes through the sandbox.
    Native(ByteStream),
    /// Bytes that the guest makes; ends when the guest ends or dies.
    Guest(ByteStream),
}

impl Taken {
    pub(super) fn into_stream(self) -> ByteStream {
        match self {
            Self::Native(body) | Self::Guest(body) => body,
        }
    }
}

/// The bytes behind a stream that a plugin gave us.
pub(super) fn take_body<T: 'static>(
    mut store: impl AsContextMut<Data = T>,
    body: StreamReader<u8>,
) -> Result<Taken> {
    match body.try_into::<ByteStream>(&mut store) {
        Ok(body) => Ok(Taken::Native(body)),
        Err(body) => {
            let (sender, receiver) = mpsc::channel(2);
            body.pipe(store, BodyConsumer(PollSender::new(sender)))?;
            let pieces = stream::unfold(receiver, async |mut receiver| {
                receiver.recv().await.map(|piece| (Ok(piece), receiver))
            });
            Ok(Taken::Guest(pieces.boxed()))
        }
    }
}

/// Exactly `length` bytes: cuts a longer body, and turns a shorter one into an error.
pub(super) struct Exactly<S> {
    body: Option<S>,
    left: u64,
}

impl<S> Exactly<S> {
    pub(super) fn new(body: S, length: u64) -> Self {
        Self {
            body: Some(body),
            left: length,
        }
    }
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Stream for Exactly<S> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.left == 0 {
                self.body = None;
            }
            let Some(body) = &mut self.body else {
                return Poll::Ready(None);
            };
            let next = match body.poll_next_unpin(cx) {
                Poll::Ready(next) => next,
                Poll::Pending => return Poll::Pending,
            };
            match next {
                Some(Ok(mut piece)) => {
                    if piece.is_empty() {
                        continue;
                    }
                    let count = piece
                        .len()
                        .min(usize::try_from(self.left).unwrap_or(usize::MAX));
                    piece.truncate(count);
                    self.left -= count as u64;
                    return Poll::Ready(Some(Ok(piece)));
                }
                Some(Err(error)) => {
                    self.body = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.body = None;
                    let left = self.left;
                    let text = format!("the plugin's body ended {left} bytes early");
                    return Poll::Ready(Some(Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        text,
                    ))));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(pieces: &[&'static str]) -> ByteStream {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|p| Ok(Bytes::from_static(p.as_bytes())))
            .collect();
        stream::iter(pieces).boxed()
    }

    #[tokio::test]
    async fn a_longer_body_is_cut_at_the_promised_length() {
        let got: Vec<_> = Exactly::new(body(&["abc", "", "def", "ghi"]), 5)
            .collect()
            .await;
        let got: Vec<_> = got.into_iter().map(Result::unwrap).collect();
        assert_eq!(got.concat(), b"abcde");
    }

    #[tokio::test]
    async fn a_shorter_body_ends_in_an_error() {
        let got: Vec<_> = Exactly::new(body(&["abc"]), 5).collect().await;
        assert_eq!(got.len(), 2);
        assert_eq!(
            got[1].as_ref().unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }
}
