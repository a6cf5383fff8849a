//! GetObject and HeadObject.

use super::locks::Place;
use super::look::{Found, Want};
use super::precondition::check_read;
use super::{Inner, ObjectHead, ObjectReply, ReadObject, ServiceError};
use crate::model::{ByteStream, ETag, ObjectChecksum, Section};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use md5::{Digest, Md5};
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

impl Inner {
    pub(super) async fn get_object(
        &self,
        request: ReadObject,
    ) -> Result<ObjectReply, ServiceError> {
        let place = Place {
            bucket: self.bucket(&request.bucket)?,
            key: request.key,
        };
        let want = Want::Bytes(request.section);
        let mut found = self.look(&place, want, None).await?;
        check_read(
            &request.conditions,
            &found.head.etag,
            found.head.modified,
            found.head.size,
        )?;
        let Some((range, bytes)) = found.bytes.take() else {
            return Err(out_of_range(request.section, &found));
        };
        let head = self.head_of(&place, request.section, found).await?;
        let body = match (&range, &head.etag) {
            (Some(range), _) => exactly(range.end - range.start, bytes, None),
            (None, ETag::Md5(md5)) if self.options.verify_reads => {
                exactly(head.size, bytes, Some(*md5))
            }
            (None, _) => exactly(head.size, bytes, None),
        };
        Ok(ObjectReply { head, range, body })
    }

    pub(super) async fn head_object(
        &self,
        request: ReadObject,
    ) -> Result<(ObjectHead, Option<Range<u64>>), ServiceError> {
        let place = Place {
            bucket: self.bucket(&request.bucket)?,
            key: request.key,
        };
        let found = self.look(&place, Want::Head, None).await?;
        check_read(
            &request.conditions,
            &found.head.etag,
            found.head.modified,
            found.head.size,
        )?;
        let (size, parts) = (found.head.size, &found.part_sizes);
        let range = request.section.map(|section| section.resolve(size, parts));
        let range = range
            .transpose()
            .map_err(|_| out_of_range(request.section, &found))?;
        let head = self.head_of(&place, request.section, found).await?;
        Ok((head, range))
    }

    /// The head, with the checksum of the bytes that are asked for: of a part that of the part,
    /// of other ranges none.
    async fn head_of(
        &self,
        place: &Place,
        section: Option<Section>,
        found: Found,
    ) -> Result<ObjectHead, ServiceError> {
        let Found {
            mut head,
            part_sizes,
            ..
        } = found;
        match section {
            None => {}
            Some(Section::Range(_)) => head.checksum = None,
            Some(Section::Part(_)) if part_sizes.is_empty() => {}
            Some(Section::Part(number)) => {
                let sums = self
                    .part_checksums(place, head.checksum.as_ref(), &part_sizes)
                    .await?;
                let sum = sums.into_iter().nth(usize::from(number.get()) - 1);
                head.checksum = sum.map(ObjectChecksum::from);
            }
        }
        Ok(head)
    }
}

fn out_of_range(section: Option<Section>, found: &Found) -> ServiceError {
    match section {
        Some(Section::Part(_)) => ServiceError::NoSuchPart {
            parts: found.part_sizes.count().max(1),
        },
        _ => ServiceError::InvalidRange {
            size: found.head.size,
        },
    }
}

/// A body of exactly `size` bytes: a longer one is cut, a shorter one errs. With `md5`, bytes
/// of another MD5 err in place of the last piece, so that no client has all of them.
pub(super) fn exactly(size: u64, bytes: ByteStream, md5: Option<[u8; 16]>) -> ByteStream {
    let body = Exactly {
        inner: Some(bytes),
        left: size,
        verify: md5.map(|md5| (Md5::new(), md5)),
    };
    body.boxed()
}

struct Exactly {
    /// Dropped when all has been said, so that the store can close what is behind it.
    inner: Option<ByteStream>,
    left: u64,
    verify: Option<(Md5, [u8; 16])>,
}

impl Exactly {
    /// Takes one piece of the store and makes it the client's.
    fn judge(&mut self, piece: Option<io::Result<Bytes>>) -> io::Result<Bytes> {
        let short = || io::Error::new(io::ErrorKind::UnexpectedEof, "the object ended early");
        let mut bytes = piece.unwrap_or_else(|| Err(short()))?;
        let len = bytes.len() as u64;
        if len > self.left {
            // Fits: it is less than the length of these bytes.
            bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        }
        self.left -= len.min(self.left);
        let Some((digest, _)) = &mut self.verify else {
            return Ok(bytes);
        };
        digest.update(&bytes);
        if self.left == 0
            && let Some((digest, expected)) = self.verify.take()
            && <[u8; 16]>::from(digest.finalize()) != expected
        {
            let reason = "the stored bytes do not match the object's MD5";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        Ok(bytes)
    }
}

impl Stream for Exactly {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            self.inner = None;
        }
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let piece = ready!(inner.poll_next_unpin(cx));
        let piece = self.judge(piece);
        if piece.is_err() {
            self.inner = None;
        }
        Poll::Ready(Some(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(size: u64, pieces: &[&'static [u8]], md5: Option<&[u8]>) -> io::Result<Vec<u8>> {
        let pieces: Vec<_> = pieces.iter().map(|p| Ok(Bytes::from_static(p))).collect();
        let inner = futures_util::stream::iter(pieces).boxed();
        let md5 = md5.map(|bytes| Md5::digest(bytes).into());
        let mut body = exactly(size, inner, md5);
        let mut all = Vec::new();
        while let Some(piece) = body.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_body_has_the_promised_length_or_errs() {
        assert_eq!(read(4, &[b"ab", b"cd"], None).await.unwrap(), b"abcd");
        assert_eq!(read(3, &[b"ab", b"cd"], None).await.unwrap(), b"abc");
        assert_eq!(read(0, &[b"ab"], None).await.unwrap(), b"");
        let short = read(5, &[b"ab", b"cd"], None).await.unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn rotten_bytes_never_arrive_whole() {
        assert!(read(4, &[b"ab", b"cd"], Some(b"abcd")).await.is_ok());
        let rotten = read(4, &[b"ab", b"cx"], Some(b"abcd")).await;
        assert_eq!(rotten.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
