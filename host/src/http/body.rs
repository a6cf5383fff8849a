//! Bodies between hyper and the [`ByteStream`]s of the layers below, without copying.

use super::exchange::Exchange;
use super::patience::Patience;
use crate::model::ByteStream;
use crate::s3::ReplyBody;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The body of a request for the layers below. Trailers of HTTP itself are dropped: S3 has its
/// own inside the body.
pub(super) fn incoming(body: Body) -> ByteStream {
    body.into_data_stream().map_err(io_error).boxed()
}

/// axum wraps errors; below, their kind matters.
fn io_error(error: axum::Error) -> io::Error {
    match error.into_inner().downcast::<io::Error>() {
        Ok(error) => *error,
        Err(other) => io::Error::other(other),
    }
}

/// The body of a request as it arrives: fails when the client stops sending.
pub(super) struct RequestBody {
    inner: Incoming,
    patience: Patience,
    exchange: Arc<Exchange>,
}

impl RequestBody {
    pub(super) fn new(inner: Incoming, silence: Duration, exchange: Arc<Exchange>) -> Self {
        if http_body::Body::is_end_stream(&inner) {
            exchange.request_is_whole();
        }
        Self {
            inner,
            patience: Patience::new(silence),
            exchange,
        }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let Poll::Ready(next) = Pin::new(&mut this.inner).poll_frame(cx) else {
            return match this.patience.poll_end(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) => Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into()))),
            };
        };
        this.patience.rest();
        Poll::Ready(match next {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                this.exchange.has_received(bytes);
                if this.inner.is_end_stream() {
                    this.exchange.request_is_whole();
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => Some(Err(connection_error(error))),
            None => {
                this.exchange.request_is_whole();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn connection_error(error: hyper::Error) -> io::Error {
    let kind = if error.is_parse() {
        io::ErrorKind::InvalidData
    } else if error.is_timeout() {
        io::ErrorKind::TimedOut
    } else {
        io::ErrorKind::UnexpectedEof
    };
    io::Error::new(kind, error)
}

/// The body of a reply. An error breaks the connection off, which is the only way left to tell
/// the client: its `Content-Length` is then not fulfilled.
pub(super) enum Outgoing {
    /// Nothing, or nothing more.
    Empty,
    Full(Bytes),
    Stream {
        stream: ByteStream,
        /// Bytes that the stream still has to yield.
        left: u64,
        /// The last chunk is held until the stream has ended: an error in place of the end must
        /// not come after the client has the announced number of bytes.
        last: Bytes,
    },
    /// Of unknown length: chunked.
    Late(ByteStream),
}

impl From<ReplyBody> for Outgoing {
    fn from(body: ReplyBody) -> Self {
        match body {
            ReplyBody::Empty => Self::Empty,
            ReplyBody::Full(bytes) => Self::Full(bytes),
            ReplyBody::Late(stream) => Self::Late(stream),
            ReplyBody::Stream { length, stream } => Self::Stream {
                stream,
                left: length,
                last: Bytes::new(),
            },
        }
    }
}

impl Outgoing {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let (stream, left, last) = match self {
            Self::Empty => return Poll::Ready(None),
            Self::Full(bytes) => return Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Self::Late(stream) => return stream.poll_next_unpin(cx),
            Self::Stream { stream, left, last } => (stream, left, last),
        };
        loop {
            let Some(chunk) = std::task::ready!(stream.poll_next_unpin(cx)) else {
                let whole = *left == 0;
                return Poll::Ready(match std::mem::take(last) {
                    _ if !whole => Some(Err(io::ErrorKind::UnexpectedEof.into())),
                    last if last.is_empty() => None,
                    last => Some(Ok(last)),
                });
            };
            let chunk = match chunk {
                Ok(chunk) if chunk.is_empty() => continue,
                Ok(chunk) => chunk,
                Err(error) => return Poll::Ready(Some(Err(error))),
            };
            match left.checked_sub(chunk.len() as u64) {
                None => {
                    let error = io::Error::other("the body is longer than announced");
                    return Poll::Ready(Some(Err(error)));
                }
                Some(0) => {
                    *left = 0;
                    *last = chunk;
                }
                Some(rest) => {
                    *left = rest;
                    return Poll::Ready(Some(Ok(chunk)));
                }
            }
        }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let chunk = std::task::ready!(self.poll_chunk(cx));
        let ended = match &chunk {
            Some(Ok(_)) => matches!(&*self, Self::Full(_) | Self::Stream { left: 0, .. }),
            Some(Err(_)) | None => true,
        };
        if ended {
            *self = Self::Empty;
        }
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream { .. } | Self::Late(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Empty => 0,
            Self::Full(bytes) => bytes.len() as u64,
            Self::Stream { left, last, .. } => left + last.len() as u64,
            Self::Late(_) => return SizeHint::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body_util::BodyExt;

    fn body(length: u64, chunks: Vec<io::Result<&'static str>>) -> Outgoing {
        let chunks = chunks.into_iter().map(|chunk| chunk.map(Bytes::from));
        let stream = stream::iter(chunks).boxed();
        Outgoing::from(ReplyBody::Stream { length, stream })
    }

    /// The chunks that were sent, and whether the body ended well.
    async fn sent(mut body: Outgoing) -> (Vec<String>, bool) {
        let mut chunks = Vec::new();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => {
                    chunks.push(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap());
                }
                Err(_) => return (chunks, false),
            }
        }
        (chunks, true)
    }

    #[tokio::test]
    async fn a_whole_stream_is_sent_as_it_comes() {
        let found = sent(body(6, vec![Ok("abc"), Ok(""), Ok("def")])).await;
        assert_eq!(found, (vec!["abc".into(), "def".into()], true));
    }

    #[tokio::test]
    async fn an_error_in_place_of_the_end_holds_the_last_chunk_back() {
        let failed = || Err(io::Error::other("rot"));
        assert_eq!(
            sent(body(6, vec![Ok("abc"), Ok("def"), failed()])).await,
            (vec!["abc".into()], false)
        );
        assert_eq!(sent(body(0, vec![failed()])).await, (vec![], false));
    }

    #[tokio::test]
    async fn a_stream_of_the_wrong_length_is_an_error() {
        assert_eq!(
            sent(body(6, vec![Ok("abc")])).await,
            (vec!["abc".into()], false)
        );
        assert_eq!(
            sent(body(3, vec![Ok("abc"), Ok("d")])).await,
            (vec![], false)
        );
        assert_eq!(sent(body(2, vec![Ok("abc")])).await, (vec![], false));
    }

    #[tokio::test]
    async fn empty_bodies_end_at_once() {
        assert_eq!(sent(Outgoing::Empty).await, (vec![], true));
        assert_eq!(sent(body(0, vec![])).await, (vec![], true));
    }

    #[tokio::test]
    async fn the_announced_length_counts_what_is_held_back() {
        let mut whole = body(6, vec![Ok("abc"), Ok("def")]);
        assert_eq!(http_body::Body::size_hint(&whole).exact(), Some(6));
        whole.frame().await.unwrap().unwrap();
        assert_eq!(http_body::Body::size_hint(&whole).exact(), Some(3));
    }
}
