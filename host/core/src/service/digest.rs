//! MD5s of bytes that are there already: of all of them, and of the parts they were put in.

use super::part_md5s::PartMd5s;
use crate::model::{ByteStream, ETag, Md5, PartSizes};
use futures_util::StreamExt;
use md5::Digest;
use std::io;
use std::num::NonZeroU16;

/// What bytes turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Digests {
    pub(super) size: u64,
    pub(super) whole: ETag,
    /// The tag of these bytes put in the parts that were asked for; `None` if none were, or if
    /// the bytes are more or fewer than those parts.
    pub(super) in_parts: Option<ETag>,
}

/// Reads bytes to their end. `read` hears how many have come each time.
pub(super) async fn digest(
    mut bytes: ByteStream,
    sizes: &PartSizes,
    read: &(dyn Fn(u64) + Send + Sync),
) -> io::Result<Digests> {
    let mut size = 0;
    let mut whole = Md5::new();
    let mut parts = PartMd5s::new(sizes.iter());
    let (mut count, mut md5s) = (0_u16, Md5::new());
    let mut ended = |md5: [u8; 16]| {
        count = count.saturating_add(1);
        md5s.update(md5);
    };
    while let Some(piece) = bytes.next().await {
        let piece = piece?;
        size += piece.len() as u64;
        whole.update(&piece);
        parts.update(&piece, &mut ended);
        read(piece.len() as u64);
    }
    let fits = parts.finish(&mut ended);
    let parts = NonZeroU16::new(count).filter(|_| fits);
    Ok(Digests {
        size,
        whole: ETag::Md5(whole.finalize().into()),
        in_parts: parts.map(|parts| ETag::Multipart {
            digest: md5s.finalize().into(),
            parts,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn stream(pieces: Vec<Vec<u8>>) -> ByteStream {
        let pieces = pieces.into_iter().map(|piece| Ok(Bytes::from(piece)));
        futures_util::stream::iter(pieces).boxed()
    }

    fn digests(pieces: Vec<Vec<u8>>, sizes: &PartSizes) -> Digests {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime
            .block_on(digest(stream(pieces), sizes, &|_| {}))
            .unwrap()
    }

    proptest! {
        #[test]
        fn any_split_into_reads_gives_the_tags_of_the_parts(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..8),
            cuts in prop::collection::vec(1usize..30, 0..12),
        ) {
            let sizes: PartSizes = parts.iter().map(|part| part.len() as u64).collect();
            let md5s: Vec<u8> = parts.iter().flat_map(|part| Md5::digest(part).to_vec()).collect();
            let mut rest = parts.concat();
            let whole = Md5::digest(&rest).into();
            let size = rest.len() as u64;
            let mut pieces = Vec::new();
            for cut in cuts {
                let later = rest.split_off(cut.min(rest.len()));
                pieces.push(std::mem::replace(&mut rest, later));
            }
            pieces.push(rest);
            let expected = Digests {
                size,
                whole: ETag::Md5(whole),
                in_parts: Some(ETag::Multipart {
                    digest: Md5::digest(&md5s).into(),
                    parts: NonZeroU16::new(u16::try_from(parts.len()).unwrap()).unwrap(),
                }),
            };
            prop_assert_eq!(digests(pieces, &sizes), expected);
        }
    }

    #[test]
    fn bytes_that_do_not_fit_the_parts_have_no_tag_in_parts() {
        let sizes: PartSizes = [3, 2].into_iter().collect();
        for len in [0, 2, 3, 4, 6, 100] {
            assert_eq!(digests(vec![vec![7; len]], &sizes).in_parts, None, "{len}");
        }
        assert_eq!(
            digests(vec![vec![7; 5]], &PartSizes::default()).in_parts,
            None
        );
    }
}
