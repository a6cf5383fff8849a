//! From the bytes of a request to the pieces of an upload.

use super::chunked::{Decoder, Frame, Trailer};
use super::expected::{Expected, Framing};
use super::hashing::Hasher;
use super::verify::Verifier;
use crate::model::{ByteStream, Piece, UploadError};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use std::io;

/// A body that is being read. Nothing happens before [`Pieces::next`] is called.
pub(super) struct Pieces {
    body: ByteStream,
    /// Bytes of the object, if the client said how many.
    size: Option<u64>,
    /// What was read and not decoded yet.
    input: Bytes,
    /// `None` behind the end.
    framing: Option<Decoding>,
    /// The trailer must carry the right signature.
    signed_trailer: bool,
    hasher: Hasher,
}

enum Decoding {
    /// Bytes that are still to come, if the client said how many.
    Plain(Option<u64>),
    Chunked(Decoder),
}

impl Pieces {
    pub(super) fn new(expected: Expected, body: ByteStream) -> Self {
        let size = expected.size;
        // Without a key nobody can check signatures; then the framing may do without them.
        let signed = expected.signer.is_some();
        let (framing, signed_trailer) = match expected.framing {
            Framing::Plain => (Decoding::Plain(size), false),
            Framing::Chunked { trailer, .. } => {
                let decoder = Decoder::new(size.unwrap_or(0), signed, trailer);
                (Decoding::Chunked(decoder), signed && trailer)
            }
        };
        Self {
            body,
            size,
            input: Bytes::new(),
            framing: Some(framing),
            signed_trailer,
            hasher: Hasher::new(Verifier::new(expected), size),
        }
    }

    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// The pieces as a stream, which ends behind the first error.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Piece, UploadError>> + Send {
        stream::try_unfold(self, |mut pieces| async move {
            Ok(pieces.next().await?.map(|piece| (piece, pieces)))
        })
    }

    /// The next piece; `None` behind [`Piece::End`].
    ///
    /// Data go on before the digests and signatures over them are known: whoever receives them
    /// keeps them apart until `End`, and that comes only when everything was right.
    pub(super) async fn next(&mut self) -> Result<Option<Piece>, UploadError> {
        loop {
            let Some(framing) = &mut self.framing else {
                return Ok(None);
            };
            self.hasher.make_room().await?;
            match framing.next(&mut self.input)? {
                Some(Frame::Data(bytes)) => {
                    self.hasher.push(Frame::Data(bytes.clone()))?;
                    return Ok(Some(Piece::Data(bytes)));
                }
                Some(chunk @ Frame::Chunk(_)) => self.hasher.push(chunk)?,
                None => match self.body.next().await {
                    Some(Ok(bytes)) => self.input = bytes,
                    Some(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        return Err(UploadError::Incomplete);
                    }
                    Some(Err(error)) => return Err(UploadError::Io(error)),
                    None => return self.end().await.map(Some),
                },
            }
        }
    }

    async fn end(&mut self) -> Result<Piece, UploadError> {
        let trailer = match self.framing.take() {
            Some(framing) => framing.finish()?,
            None => Trailer::default(),
        };
        let (md5, checksum) = self.hasher.finish(&trailer, self.signed_trailer).await?;
        Ok(Piece::End { md5, checksum })
    }
}

impl Decoding {
    fn next(&mut self, input: &mut Bytes) -> Result<Option<Frame>, UploadError> {
        let remaining = match self {
            Self::Chunked(decoder) => return decoder.next(input),
            Self::Plain(remaining) => remaining,
        };
        if input.is_empty() {
            return Ok(None);
        }
        if let Some(remaining) = remaining {
            *remaining = remaining
                .checked_sub(input.len() as u64)
                .ok_or(UploadError::TooLong)?;
        }
        Ok(Some(Frame::Data(std::mem::take(input))))
    }

    fn finish(self) -> Result<Trailer, UploadError> {
        match self {
            Self::Chunked(decoder) => decoder.finish(),
            Self::Plain(Some(1..)) => Err(UploadError::Incomplete),
            Self::Plain(Some(0) | None) => Ok(Trailer::default()),
        }
    }
}
