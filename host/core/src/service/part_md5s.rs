//! The MD5s of the parts that an object was put in, of bytes that come in any pieces.

use crate::model::Md5;
use md5::Digest;

/// Hashes parts of these sizes one after the other.
pub(super) struct PartMd5s<I> {
    sizes: I,
    /// Bytes that the present part lacks; `None` if there is no part for what comes.
    left: Option<u64>,
    md5: Md5,
}

impl<I: Iterator<Item = u64>> PartMd5s<I> {
    pub(super) fn new(mut sizes: I) -> Self {
        Self {
            left: sizes.next(),
            sizes,
            md5: Md5::new(),
        }
    }

    /// Takes a piece; `ended` is told the MD5 of each part behind which there is something.
    pub(super) fn update(&mut self, mut bytes: &[u8], mut ended: impl FnMut([u8; 16])) {
        while let Some(left) = self.left
            && !bytes.is_empty()
        {
            if left == 0 {
                ended(self.md5.finalize_reset().into());
                self.left = self.sizes.next();
                continue;
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(most.min(bytes.len()));
            self.md5.update(now);
            self.left = Some(left - now.len() as u64);
            bytes = later;
        }
    }

    /// The end of the bytes: `false` if they are more or fewer than the parts. Else `ended` is told
    /// the MD5s of the last part and of empty ones behind it.
    pub(super) fn finish(mut self, mut ended: impl FnMut([u8; 16])) -> bool {
        while self.left == Some(0) {
            ended(self.md5.finalize_reset().into());
            self.left = self.sizes.next();
            if self.left.is_none() {
                return true;
            }
        }
        false
    }
}
