//! GetObject and HeadObject.

use super::locks::Place;
use super::look::{Found, Want};
use super::part_md5s::PartMd5s;
use super::precondition::{check_read, section_of};
use super::{Inner, ObjectHead, ObjectReply, ReadObject, ServiceError};
use crate::model::{ByteStream, ETag, Md5, ObjectChecksum, PartSizes, Section};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use md5::Digest;
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
        check_read(&request.conditions, &found.head)?;
        let section = section_of(request.section, request.if_range.as_ref(), &found.head);
        if section.is_none() && request.section.is_some() {
            // All of an object is right, whichever is there by now.
            found = self.look(&place, Want::Bytes(None), None).await?;
            check_read(&request.conditions, &found.head)?;
        }
        let Some((range, bytes)) = found.bytes.take() else {
            return Err(out_of_range(section, &found));
        };
        let length = range
            .as_ref()
            .map_or(found.head.size, |range| range.end - range.start);
        // Of a part of the object only its length is known.
        let proof = if self.options.verify_reads && length == found.head.size {
            Proof::of(&found.head.etag, &found.part_sizes)
        } else {
            None
        };
        let body = exactly(length, bytes, proof);
        let head = self.head_of(&place, section, found).await?;
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
        check_read(&request.conditions, &found.head)?;
        let section = section_of(request.section, request.if_range.as_ref(), &found.head);
        let (size, parts) = (found.head.size, &found.part_sizes);
        let range = section.map(|section| section.resolve(size, parts));
        let range = range
            .transpose()
            .map_err(|_| out_of_range(section, &found))?;
        let head = self.head_of(&place, section, found).await?;
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

/// The ETag that the bytes which pass by must have.
pub(super) struct Proof {
    hash: Hash,
    expected: [u8; 16],
}

enum Hash {
    Whole(Md5),
    /// And the MD5 of the MD5s of the parts that have passed.
    Parts(PartMd5s<Box<dyn Iterator<Item = u64> + Send>>, Md5),
}

impl Proof {
    /// `None` if the ETag tells nothing of the bytes.
    pub(super) fn of(etag: &ETag, parts: &PartSizes) -> Option<Self> {
        let (expected, hash) = match etag {
            ETag::Md5(md5) => (*md5, Hash::Whole(Md5::new())),
            ETag::Multipart { digest, .. } if !parts.is_empty() => {
                let runs = parts.runs().to_vec().into_iter();
                let sizes = runs.flat_map(|(count, size)| std::iter::repeat_n(size, count.into()));
                let parts = PartMd5s::new(Box::new(sizes) as Box<_>);
                (*digest, Hash::Parts(parts, Md5::new()))
            }
            ETag::Multipart { .. } | ETag::Opaque(_) => return None,
        };
        Some(Self { hash, expected })
    }

    fn update(&mut self, bytes: &[u8]) {
        match &mut self.hash {
            Hash::Whole(md5) => md5.update(bytes),
            Hash::Parts(parts, all) => parts.update(bytes, |md5| all.update(md5)),
        }
    }

    fn holds(self) -> bool {
        let (fits, md5) = match self.hash {
            Hash::Whole(md5) => (true, md5),
            Hash::Parts(parts, mut all) => (parts.finish(|md5| all.update(md5)), all),
        };
        fits && <[u8; 16]>::from(md5.finalize()) == self.expected
    }
}

/// A body of exactly `size` bytes: a longer one is cut, a shorter one errs. With a `proof`, other
/// bytes err in place of the last piece, so that no client has all of them.
pub(super) fn exactly(size: u64, bytes: ByteStream, proof: Option<Proof>) -> ByteStream {
    let body = Exactly {
        inner: Some(bytes),
        left: size,
        verify: proof,
    };
    body.boxed()
}

struct Exactly {
    /// Dropped when all has been said, so that the store can close what is behind it.
    inner: Option<ByteStream>,
    left: u64,
    verify: Option<Proof>,
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
        let Some(proof) = &mut self.verify else {
            return Ok(bytes);
        };
        proof.update(&bytes);
        if self.left == 0
            && let Some(proof) = self.verify.take()
            && !proof.holds()
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
        let etag = md5.map(|bytes| ETag::Md5(Md5::digest(bytes).into()));
        let proof = etag.and_then(|etag| Proof::of(&etag, &PartSizes::default()));
        let mut body = exactly(size, inner, proof);
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

    #[tokio::test]
    async fn rotten_bytes_of_an_object_of_parts_never_arrive_whole() {
        let parts: [&[u8]; 4] = [b"abcde", b"fg", b"hi", b""];
        let sizes: PartSizes = parts.iter().map(|part| part.len() as u64).collect();
        let sums = parts.map(Md5::digest).concat();
        let etag = ETag::Multipart {
            digest: Md5::digest(&sums).into(),
            parts: std::num::NonZeroU16::new(4).unwrap(),
        };
        for (pieces, right) in [
            (vec!["abcdefghi"], true),
            (vec!["a", "bcdef", "", "ghi"], true),
            (vec!["abcdefghx"], false),
            (vec!["xbcde", "fghi"], false),
        ] {
            let bytes = pieces.iter().map(|p| Ok(Bytes::from_static(p.as_bytes())));
            let bytes: Vec<_> = bytes.collect();
            let inner = futures_util::stream::iter(bytes).boxed();
            let mut body = exactly(9, inner, Proof::of(&etag, &sizes));
            let mut outcome = Ok(());
            while let Some(piece) = body.next().await {
                outcome = piece.map(drop);
            }
            assert_eq!(outcome.is_ok(), right, "{pieces:?}");
        }
    }
}
