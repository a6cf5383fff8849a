//! MD5, which large uploads wait for: a quarter faster than the crate has it.
//!
//! See [RFC 1321](https://www.rfc-editor.org/rfc/rfc1321).

#[cfg(target_arch = "x86_64")]
mod rounds;

#[cfg(not(target_arch = "x86_64"))]
use md5::block_api::compress;
use md5::digest::block_api::{
    Block, BlockSizeUser, Buffer, BufferKindUser, Eager, FixedOutputCore, OutputSizeUser,
    UpdateCore,
};
use md5::digest::typenum::{U16, U64};
use md5::digest::{HashMarker, Output, Reset, array::Array};
#[cfg(target_arch = "x86_64")]
use rounds::compress;

/// Bytes of a block.
const BLOCK: u64 = 64;

md5::digest::buffer_fixed!(
    /// Calculates an MD5 while the bytes pass.
    pub struct Md5(Blocks);
    impl: BaseFixedTraits Default Clone HashMarker Reset FixedOutputReset;
);

/// The whole blocks so far.
#[doc(hidden)]
#[derive(Clone)]
pub struct Blocks {
    state: [u32; 4],
    count: u64,
}

impl Default for Blocks {
    fn default() -> Self {
        Self {
            state: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476],
            count: 0,
        }
    }
}

impl HashMarker for Blocks {}

impl BlockSizeUser for Blocks {
    type BlockSize = U64;
}

impl BufferKindUser for Blocks {
    type BufferKind = Eager;
}

impl OutputSizeUser for Blocks {
    type OutputSize = U16;
}

impl Reset for Blocks {
    fn reset(&mut self) {
        *self = Self::default();
    }
}

impl UpdateCore for Blocks {
    fn update_blocks(&mut self, blocks: &[Block<Self>]) {
        self.count = self.count.wrapping_add(blocks.len() as u64);
        compress(&mut self.state, Array::cast_slice_to_core(blocks));
    }
}

impl FixedOutputCore for Blocks {
    fn finalize_fixed_core(&mut self, buffer: &mut Buffer<Self>, out: &mut Output<Self>) {
        let bytes = self.count.wrapping_mul(BLOCK) + buffer.get_pos() as u64;
        buffer.len64_padding_le(bytes.wrapping_mul(8), |last| {
            compress(&mut self.state, &[last.0]);
        });
        for (place, word) in out.as_chunks_mut().0.iter_mut().zip(self.state) {
            *place = word.to_le_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::Digest;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_rfc_come_out() {
        for (text, digest) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (
                "abcdefghijklmnopqrstuvwxyz",
                "c3fcd3d76192e4007dfb496cca67e13b",
            ),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                "d174ab98d277d9f5a5611c2c9f419d9f",
            ),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            assert_eq!(hex::encode(Md5::digest(text)), digest);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_have_the_digest_that_the_crate_gives_them(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
        ) {
            let mut digest = Md5::new();
            for piece in &pieces {
                digest.update(piece);
            }
            // Used again, it starts anew.
            prop_assert_eq!(digest.finalize_reset(), md5::Md5::digest(pieces.concat()));
            digest.update(b"abc");
            prop_assert_eq!(digest.finalize(), md5::Md5::digest(b"abc"));
        }
    }
}
